"""The trust campaign: `python -m tests.trust`. What each promise (I1 to I20) is worth, measured beside a control."""
