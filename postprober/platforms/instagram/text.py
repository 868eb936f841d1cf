"""Mentions as Instagram counts them."""

from __future__ import annotations

import re

# Instagram names have letters, digits, periods and underscores, at most 30 of them, and no period at the end.
_MENTION = re.compile(r"(?<![\w.@])@\w(?:[\w.]*\w)?", re.ASCII)


def mentions(text: str) -> list[str]:
    """`@name` in order, as Instagram counts them; a name that is too long for one is counted, too."""
    return _MENTION.findall(text)
