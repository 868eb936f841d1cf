"""The sentences of a text, where a rule asks what stands together in one."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SENTENCE = re.compile(r"[^.!?\n。！？]{1,400}[.!?。！？]?(?:(?<=\d\.)\d[^.!?\n。！？]{0,400})?")


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where each begins and ends, roughly: a sentence ends at its mark or at the end of its line; an amount as "14.90" does
    not end one."""
    for match in _SENTENCE.finditer(text):
        yield match.span()
