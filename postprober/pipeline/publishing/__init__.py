"""From the intent to the answer, and what follows where there was none."""
