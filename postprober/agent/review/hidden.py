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
_LETTER = "A-Za-zÀ-\u024f\u0370-\u052f"  # Latin, Greek, Cyrillic
_JOINED = "\u0590-\u06ff\u3040-\u30ff\u4e00-\u9fff"  # Hebrew, Arabic, Japanese, Chinese
# Joiners belong into Arabic, Persian and Indic words and into emoji, so they are hidden only between other letters.
_INSIDE = re.compile(
    f"(?<=[{_LETTER}])[\u200b\u200c\u200d\u2060\ufeff\u180e\u2061-\u2064]+(?=[{_LETTER}])"
    f"|(?<=[{_LETTER}{_JOINED}])[\u200b\u2060\ufeff\u180e\u2061-\u2064]+(?=[{_LETTER}{_JOINED}\\d])"
)
# One at the edge of a word comes along with what was copied; several were put there.
_EDGES = re.compile("[\u200b\u2060\ufeff\u180e]")
_SEVERAL = 3
# Alone on a line some keep it open with one.
_SEPARATORS = re.compile("(?<=[^\n])[\u2061-\u2064]+(?=[^\n])")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f]")  # without the vertical tab and the page break of word processors
_FILLERS = re.compile("[\u3164\u115f\u1160\uffa0]")
# Tag characters are right only behind a black flag: flags of regions (UTS 51, ED-14a).
_TAGS = re.compile("(?<!\U0001f3f4)(?<![\U000e0020-\U000e007f])[\U000e0000-\U000e007f]+")
_SOFT = re.compile("\\w{1,20}(?:\u00ad\\w{1,20}){2,20}")
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
    for pattern in (_INSIDE, _FILLERS, _TAGS, _SEPARATORS, _CONTROLS):
        first = pattern.search(text)
        if first:
            yield _hidden(_around(text, first.start(), first.end()))
    edges = [match for match in _EDGES.finditer(text) if match.start() and not _breaks_lines(text, match.start())]
    if len(edges) >= _SEVERAL:
        yield _hidden(_around(text, edges[0].start(), edges[0].end()))
    for match in _SOFT.finditer(text):
        pieces = match[0].split("\u00ad")
        if len(match[0]) - len(pieces) + 1 < 3 * len(pieces):  # a syllable has three letters and more, on average
            yield _hidden(match[0])
            break
    for match in _WORD.finditer(text):
        if not match[0].isascii() and _passes_for(match[0]):
            yield Found(
                "hidden_characters", shown(match[0]), "mixes letters of two scripts that look alike", flagged=True
            )


def _breaks_lines(text: str, place: int) -> bool:
    """Whether it stands in a script without blanks, or in a link or path, where it says that a line may break."""
    around = text[max(0, place - 1) : place + 2]
    return any(
        "\u0e00" <= char <= "\u0fff"
        or "\u1000" <= char <= "\u109f"
        or "\u1780" <= char <= "\u17ff"
        or char in "/-_.&?="
        for char in around
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
