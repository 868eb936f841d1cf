"""An emulator of X."""
