"""How platforms count text, and when two texts are the same."""

from __future__ import annotations

import unicodedata
from itertools import groupby
from urllib.parse import unquote

import regex  # type: ignore[import-untyped,unused-ignore]

from postprober.domain.entities import (
    Span,
    between,
    find_cashtags,
    find_hashtags,
    find_mentions,
    find_urls,
)
from postprober.domain.links import canonical, readable_host, whole_links

__all__ = [
    "Span",
    "find_cashtags",
    "find_hashtags",
    "find_mentions",
    "find_urls",
    "grapheme_edges",
    "graphemes",
    "has_half_character",
    "nfc",
    "normalise",
    "same_text",
    "utf8_length",
    "weighted_length",
]

URL_WEIGHT = 23  # this and the weights: docs/facts.md, 8
# Code points that weigh 200 of a scale of 100; 0 to 4351, 8192 to 8205, 8208 to 8223 and 8242 to 8247 weigh 100.
_HEAVY = regex.compile(r"[^\u0000-\u10ff\u2000-\u200d\u2010-\u201f\u2032-\u2037]")

# One emoji (docs/facts.md, 8): flag, keycap, tag sequence, or pictographs joined by
# ZWJ. © ® ™ and the chess pawn are emoji only with U+FE0F; U+FE0E asks for the text form of any other.
_PICTOGRAPH = (
    r"(?:\p{Emoji_Modifier_Base}\ufe0f?\p{Emoji_Modifier}|[\u00a9\u00ae\u2122\u265f]\ufe0f"
    r"|(?![\u00a9\u00ae\u2122\u265f])\p{Extended_Pictographic}(?:\ufe0f|(?!\ufe0e)))"
)
_EMOJI = regex.compile(
    r"\p{Regional_Indicator}{2}|[0-9#*]\ufe0f?\u20e3|\U0001f3f4[\U000e0020-\U000e007e]{1,30}\U000e007f"
    rf"|{_PICTOGRAPH}(?:\u200d(?:{_PICTOGRAPH}|[\u2640\u2642\u2695]\ufe0f?)){{0,20}}"
)


def weighted_length(text: str) -> int:
    """Length in weights (docs/facts.md, 8): NFC, a link is 23, an emoji 2, most non-Latin letters 2."""
    text = nfc(text)
    urls = find_urls(text)
    return URL_WEIGHT * len(urls) + sum(_weigh(piece) for piece in between(text, urls))


def _weigh(text: str) -> int:
    rest, emoji = _EMOJI.subn("", text)
    return int(2 * emoji + len(rest) + len(_HEAVY.findall(rest)))


_MANY_MARKS = regex.compile(r"\p{M}{32,}+")


def nfc(text: str) -> str:
    """Normalisation form C. Python orders the marks above a letter in quadratic time, so long runs are ordered before."""
    return unicodedata.normalize("NFC", _MANY_MARKS.sub(_in_order, text))


def _in_order(run: regex.Match[str]) -> str:
    apart = "".join(unicodedata.normalize("NFD", mark) for mark in run[0])
    groups = groupby(apart, key=lambda mark: unicodedata.combining(mark) > 0)
    return "".join("".join(sorted(marks, key=unicodedata.combining) if moves else marks) for moves, marks in groups)


_FLAG = regex.compile(r"\p{Regional_Indicator}{1,2}+")


def graphemes(text: str) -> int:
    """Extended grapheme clusters (UAX 29): what a person sees as one character. A flag joins what a letter joins, and is
    counted as one: runs of flags take the search quadratic time."""
    return len(regex.findall(r"\X", _FLAG.sub("a", text)))


def grapheme_edges(text: str) -> set[int]:
    """Where one such character of `text` ends and the next may begin; 0 and the end of the text among them."""
    return {0, *(match.end() for match in regex.finditer(r"\X", text))}


def has_half_character(text: str) -> bool:
    """Whether one half of a surrogate pair stands in it without the other: no encoding can write that, no database keeps it."""
    return any("\ud800" <= char <= "\udfff" for char in text)


def utf8_length(text: str) -> int:
    """Bytes in UTF-8. A lone surrogate counts three, as in WTF-8; preflight refuses it anyway."""
    return len(text.encode("utf-8", "surrogatepass"))


_LINE_END = regex.compile(r"\r\n?|[\u2028\u2029\u0085]")
_BLANKS = regex.compile(r"[\t\v\f\p{Zs}\ufeff]+")
_AROUND_BREAKS = regex.compile(r" *\n[ \n]*")


def normalise(text: str) -> str:
    """NFC, one kind of line end, no blanks at line ends or beginnings, runs of blanks and of line ends made one."""
    text = _LINE_END.sub("\n", nfc(text))
    return str(_AROUND_BREAKS.sub("\n", _BLANKS.sub(" ", text))).strip()


def same_text(a: str, b: str) -> bool:
    """Whether `a` and `b` read the same to a person.

    Whitespace and NFC do not matter; links are compared without scheme, case of the host, Punycode, percent-encoding and
    trailing slash, because
    platforms add and change these. Everything else must be equal, letter by letter.
    """
    left, right = normalise(a), normalise(b)
    if left == right:
        return True
    # Links are looked for only where nothing else differs: others wrote one of the texts, and of many.
    return _skeleton(left) == _skeleton(right) and _canonical(left) == _canonical(right)


def _skeleton(text: str) -> str:
    """What `_canonical` leaves of a text in any case: everything but the characters that it may take out, whatever case and
    encoding they have in links."""
    return unquote(readable_host(text)).casefold().translate(_MAY_GO)


_MAY_GO = dict.fromkeys(map(ord, "https:/"))


def _canonical(text: str) -> str:
    urls = whole_links(text)
    pieces = list(between(text, urls))
    links = [canonical(span.text) for span in urls] + [""]
    return "".join(piece + link for piece, link in zip(pieces, links, strict=True))
