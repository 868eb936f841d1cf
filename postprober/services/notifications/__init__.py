"""Where people are told."""
