"""Load: many people at one embedded installation, on this machine. `make load USERS=1000 MINUTES=2`."""
