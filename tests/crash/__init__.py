"""Crash campaign: `python -m tests.crash`. Kills the worker at every point under every fault, then at random."""
