"""Between which words of a sentence no cut may be made: inside names, dates, numbers with their units, beside abbreviations."""

from __future__ import annotations

from collections.abc import Sequence

import regex  # type: ignore[import-untyped,unused-ignore]

from postprober.domain.sentence_words import DENYING, PARTICLES, TITLES

# What may stand before the first letter of a sentence or a name.
OPENING = "\"'\u201c\u201e\u2018\u201a\u00ab\u2039([{\u300c\u300e\u3010\uff08\u300a\u3008\u00bf\u00a1*_\u2013\u2014-"
_ELIDED_NAME = regex.compile(r"\w{1,2}['\u2019]\p{Lu}")  # d'Amboise
_ENDS_SHORT = (".", ".,", ".)", ".:", ".;")
INNER_DOT = regex.compile(r"\p{L}\.[\p{L}\u00ba\u00aa\u00b0]")
# What stands before or between numbers and names.
_BINDING = ("&", "+", "=", "/", "@", "\u2116", "\u00a7", "n\u00b0", "n\u00ba")


def folded_word(word: str) -> str:
    """`word` as the lists of words have it."""
    return word.casefold().replace("\u2019", "'")


class SpacedWord:
    """What stands between two blanks."""

    def __init__(self, text: str, start: int) -> None:
        self.text, self.start = text, start
        self.bare = text.strip(OPENING)
        self.folded = folded_word(self.bare.rstrip(",;:"))
        self.digits = any(char.isdigit() for char in text)
        self.capital = self.bare[:1].isupper() or bool(_ELIDED_NAME.match(self.bare))
        self.particle = self.folded in PARTICLES
        self.title = self.folded.rstrip(".") in TITLES
        self.dotted = self.bare.endswith(_ENDS_SHORT) or bool(INNER_DOT.search(self.bare))
        self.abbreviated = False


def glued(words: Sequence[SpacedWord], index: int) -> bool:
    """Whether no cut may be made behind the word at `index`."""
    one, other = words[index], words[index + 1]
    earlier = words[index - 1] if index else None
    third = words[index + 2] if index + 2 < len(words) else None
    if one.digits or other.digits or one.abbreviated or other.abbreviated or one.title or one.folded in DENYING:
        return True
    if (
        one.text.endswith(_BINDING)
        or other.bare[:1] in "&+=/%\u2030\u20ac$\u00a3"
        or (len(one.bare) == 1 and one.capital)
    ):
        return True
    if earlier and one.particle and earlier.digits:  # 2 de diciembre
        return True
    if earlier and (earlier.title or earlier.abbreviated) and not (one.capital or one.text[0].islower()):
        return True  # a title before a name in writing without capitals
    if (
        other.particle
        and third
        and (third.digits or third.abbreviated or (one.capital and (third.capital or third.particle)))
    ):
        return not one.text.endswith((",", ";", ":"))
    if (
        one.particle
        and (other.capital or other.particle)
        and (len(one.bare) > 1 or (earlier and (earlier.capital or earlier.particle)))
    ):
        return True
    if earlier and earlier.bare == "&":
        return True
    return one.capital and other.capital and not one.text.endswith((",", ";", ":"))
