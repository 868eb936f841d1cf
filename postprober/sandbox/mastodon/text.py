"""Text as Mastodon counts it."""

import re

from postprober.sandbox.engine.text import URL, graphemes

_URL_LENGTH = 23


def mastodon_length(text: str) -> int:
    """Characters with links counted 23 and the domain of remote mentions left out. platforms/mastodon/facts.md, 3."""
    text = URL.sub("x" * _URL_LENGTH, text)
    return graphemes(re.sub(r"(@\w+)@[\w.-]+\w", r"\1", text))
