"""What a stranger sees: public pages and tokenless reads, and whether that is what was sent."""
