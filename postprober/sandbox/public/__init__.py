"""What logged-out visitors see."""
