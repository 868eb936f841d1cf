"""What keeps the processes of an installation running. Nothing here imports the rest of the program."""
