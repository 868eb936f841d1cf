"""The official and most used clients of each platform at work against the emulators: `make test-clients`."""
