"""Accounts on platforms: linking, naming, their tokens and how they stand."""
