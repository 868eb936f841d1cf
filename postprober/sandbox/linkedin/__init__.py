"""An emulator of LinkedIn."""
