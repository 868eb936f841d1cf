"""An emulator of Mastodon and servers like it."""
