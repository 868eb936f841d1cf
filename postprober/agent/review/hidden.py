"""Characters that nobody sees, or that pass for others."""

from __future__ import annotations

import re
from collections.abc import Iterator

from postprober.agent.review.reading import Found, ReviewedText, shown

HIDDEN = "makes the text read otherwise than it is written; take it out"

_OVERRIDES = re.compile("[\u202d\u202e]")
_PAIRED = re.compile("[\u202a\u202b\u202c\u2066-\u2069]")
_OPENING, _CLOSING = "\u202a\u202b\u2066\u2067\u2068", {"\u202c": "\u202a\u202b", "\u2069": "\u2066\u2067\u2068"}
# Hebrew, Arabic, Syriac, Thaana, N'Ko and their presentation forms (Unicode, Bidi_Class R and AL).
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
_INSIDE = re.compile("(?<=[A-Za-zÀ-ÿ])[\u200b\u200c\u200d\u2060\ufeff\u180e\u2061-\u2064]+(?=[A-Za-zÀ-ÿ])")
_FILLERS = re.compile("[\u3164\u115f\u1160\uffa0]")
# Tag characters are right only behind a black flag: flags of regions (UTS 51, ED-14a).
_TAGS = re.compile("(?<!\U0001f3f4)(?<![\U000e0020-\U000e007f])[\U000e0000-\U000e007f]+")
_SOFT = re.compile("(?:[A-Za-z]\u00ad){4,}")
_LOOKS_LATIN = frozenset("аеорсухіјѕԁԛԝАВЕКМНОРСТУХІЈЅοΟΑΒΕΗΙΚΜΝΡΤΧΥΖ")
_WORD = re.compile(r"[^\W\d_]{3,60}")


def find(reading: ReviewedText) -> Iterator[Found]:
    """Directions turned round and letters that hide, flagged. Marks and isolates that right-to-left text needs are
    nothing of the kind."""
    text = reading.text
    turned = _OVERRIDES.search(text)
    if turned:
        yield _hidden(_around(text, turned.start(), turned.end()))
    if _PAIRED.search(text) and (not _RIGHT_TO_LEFT.search(text) or not _balanced(text)):
        first = _PAIRED.search(text)
        if first:
            yield _hidden(_around(text, first.start(), first.end()))
    for pattern in (_INSIDE, _FILLERS, _TAGS, _SOFT):
        first = pattern.search(text)
        if first:
            yield _hidden(_around(text, first.start(), first.end()))
    for match in _WORD.finditer(text):
        if not match[0].isascii() and _passes_for(match[0]):
            yield Found(
                "hidden_characters", shown(match[0]), "mixes letters of two scripts that look alike", flagged=True
            )


def _hidden(piece: str) -> Found:
    return Found("hidden_characters", shown(piece), HIDDEN, flagged=True)


def _around(text: str, start: int, end: int) -> str:
    return text[max(0, start - 8) : end + 8]


def _balanced(text: str) -> bool:
    """Whether each embedding and isolate is closed in its paragraph, and closes only what was open."""
    for paragraph in text.splitlines():
        opened: list[str] = []
        for match in _PAIRED.finditer(paragraph):
            if match[0] in _OPENING:
                opened.append(match[0])
            elif not opened or opened.pop() not in _CLOSING[match[0]]:
                return False
        if opened:
            return False
    return True


def _passes_for(word: str) -> bool:
    """A Latin word with a few letters of another script that look Latin, all of them inside or at its head: "Рaypal". An
    ending of its own is grammar ("PDFка")."""
    latin = [index for index, char in enumerate(word) if "a" <= char.lower() <= "z"]
    other = [index for index, char in enumerate(word) if "\u0370" <= char <= "\u052f"]
    return (
        bool(other)
        and len(latin) > len(other)
        and all(word[index] in _LOOKS_LATIN for index in other)
        and other[0] < latin[-1]
    )
