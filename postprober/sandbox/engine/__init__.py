"""What all emulators are made of."""
