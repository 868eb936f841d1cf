"""Pieces of pages; each draws what it is given and decides nothing."""
