"""An emulator of the OpenAI API."""
