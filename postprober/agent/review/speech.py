"""Threats, fraud and coarse words: what is there to be seen plainly. Rules do not look for hate; a model does."""

from __future__ import annotations

import re
from collections.abc import Iterator

from postprober.agent.phrases import Phrases
from postprober.agent.review import fraud, threats
from postprober.agent.review.reading import Found, ReviewedText, shown

_COARSE = Phrases.listed("coarse")


def find(reading: ReviewedText) -> Iterator[Found]:
    """Threats and fraud flagged, unless somebody tells of them or warns of them; coarse words as doubts."""
    text = reading.text
    for piece in threats.find(reading):
        yield Found("threat", shown(piece), "reads like a threat or a call to violence", flagged=True)
    for piece in fraud.find(reading):
        yield Found("fraud", shown(piece), "reads like an offer that platforms treat as fraud", flagged=True)
    for start, end in reading.said(_COARSE):
        if not _is_a_name(text, start, end):
            yield Found("coarse", shown(text[start:end]), "is coarse; is that how this account speaks?")


def _is_a_name(text: str, start: int, end: int) -> bool:
    """Capitalised in the middle of a sentence, with another name beside it: a person or a place."""
    return (
        text[start].isupper()
        and not text[start:end].isupper()
        and re.search(r"[A-Z]\w{1,20} $", text[max(0, start - 22) : start]) is not None
    )
