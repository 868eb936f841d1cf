"""What Telegram takes out of a text without a word (telegram/facts.md, 3), kept from doing harm where that can be done."""

from __future__ import annotations

import re
from collections.abc import Iterator

from postprober.domain.post import Draft, Violation
from postprober.domain.text import nfc

_LINE_ENDS = re.compile("\r\n?|[\u2028\u2029]")
# Embeddings and overrides of direction; three marks that are set over and under letters, and all but the last of several
# direction marks in a row.
_TAKEN_OUT = re.compile("[\u202a-\u202e\u030a\u0333\u033f]|[\u200e\u200f](?=[\u200e\u200f])")


def as_sent(text: str) -> str:
    """The same to a reader: letters with their marks in one sign (of an `a` and a ring Telegram would leave the `a`), and line
    ends that it knows."""
    return nfc(_LINE_ENDS.sub("\n", text))


def problems(draft: Draft) -> Iterator[Violation]:
    """Signs that would be missing in the published text."""
    for index, part in enumerate(draft.parts):
        if found := sorted(set(_TAKEN_OUT.findall(as_sent(part.text)))):
            points = ", ".join(f"U+{ord(one):04X}" for one in found)
            told = f"Remove characters that Telegram takes out of a text ({points}: direction controls, or marks over letters)."
            yield Violation("characters_taken_out", told, part=index)
