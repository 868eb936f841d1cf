"""An emulator of Bluesky."""
