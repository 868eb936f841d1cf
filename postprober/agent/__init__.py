"""The agent: reviews and suggests before a post goes out, diagnoses and repairs afterwards. It decides nothing that
code does not check again, and it has no hands: it gets facts, it gives answers."""
