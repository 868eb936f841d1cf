"""What worked, and what can be shown of it."""
