"""How platforms and accounts are doing."""
