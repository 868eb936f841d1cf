"""What is going on, for who looks and for who is told."""
