"""Diagnosing and repairing."""
