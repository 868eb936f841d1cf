"""Proving, following and judging what is out."""
