"""Mentions and tags as Instagram counts them (facts.md, 3)."""

from __future__ import annotations

import re

import regex  # type: ignore[import-untyped,unused-ignore]

# Instagram names have letters, digits, periods and underscores, at most 30 of them, and no period at the end.
_MENTION = re.compile(r"(?<![\w.@])@\w(?:[\w.]*\w)?", re.ASCII)

# Letters, digits, underscores and emoji, which may be joined; an HTML entity (`&#39;`) is no tag.
_TAG = regex.compile(
    r"(?<!&)[#\uff03](?!\ufe0f)"
    r"(?:[\w\p{M}]|\p{Extended_Pictographic}|\p{Regional_Indicator}|\p{Emoji_Modifier}|(?<=[^#\uff03])[\u200d\ufe0f])++"
)


def mentions(text: str) -> list[str]:
    """`@name` in order, as Instagram counts them; a name that is too long for one is counted, too."""
    return _MENTION.findall(text)


def hashtags(text: str) -> list[str]:
    """`#word` in order, as Instagram counts them."""
    return [match[0] for match in _TAG.finditer(text)]
