"""An emulator of Instagram."""
