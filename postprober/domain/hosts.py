"""Host names in a text: where one begins and ends, by the rules of `entities` (docs/facts.md, 8).

The work grows with the length of the text and with nothing else: places where no top-level domain follows are not looked at,
and no more than `MAX_LABELS` labels lead to one.
"""

from __future__ import annotations

from collections.abc import Iterator

import regex  # type: ignore[import-untyped,unused-ignore]

from postprober.domain.tlds import TLDS

MAX_LABEL = 63  # octets of one label of a host name; RFC 1035 section 2.3.4
MAX_LABELS = 12  # labels of a host name before its last two: DNS allows 127, but that many make hostile text slow
DIRECTION = "\u202a-\u202e\u061c\u200e\u200f\u2066-\u2069"
NONCHARACTERS = "\ufffe\ufeff\uffff"
SPACES = "\u0009-\u000d\u0020\u0085\u00a0\u1680\u180e\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
PUNCTUATION = r"!'#%&\"()*+,\\\-./:;<=>?@\[\]^_{|}~$"

# One character of a label; it may not begin or end with "-" or "_".
_HOST = rf"[^{PUNCTUATION}{SPACES}{NONCHARACTERS}{DIRECTION}]"
_ANY = rf"(?:[_-]|{_HOST})"
_LABEL = regex.compile(rf"(?={_HOST}){_ANY}{{1,{MAX_LABEL}}}+(?<={_HOST})\.")
_BACK = regex.compile(rf"(?r)(?:{_ANY}{{1,{MAX_LABEL}}}\.){{0,{MAX_LABELS}}}(?:{_ANY}{{0,{MAX_LABEL - 1}}}){_HOST}")
_DOT = regex.compile(rf"(?<={_HOST})\.(?=[^\W\d_])")
_BEFORE = regex.compile(rf"[^A-Za-z0-9@\uff20$#\uff03{NONCHARACTERS}]|[{DIRECTION}]")

_LONGEST = max(map(len, TLDS))
_ASCII_TLD = regex.compile(rf"[A-Za-z]{{2,{_LONGEST}}}+(?![0-9a-zA-Z@+\-])")
_GLUED = regex.compile(r"[0-9a-zA-Z@+\-]")
_PUNYCODE = regex.compile(r"xn--[\-0-9a-z]{1,59}", regex.IGNORECASE)
_OTHER_TLDS: dict[str, list[int]] = {}  # first letter -> lengths of those that are not ASCII, the longest first
for _tld in sorted(TLDS, key=len, reverse=True):
    if not _tld.isascii() and len(_tld) not in _OTHER_TLDS.setdefault(_tld[0], []):
        _OTHER_TLDS[_tld[0]].append(len(_tld))


class Hosts:
    """The host names of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        found = ((match.start(), _end_of_tld(text, match.end())) for match in _DOT.finditer(text))
        self._ends = {dot: end for dot, end in found if end}

    def starts(self) -> Iterator[int]:
        """Places where one may begin, in order; `end` tells whether it does."""
        done = 0
        for first, dot in sorted((_BACK.match(self._text, 0, dot).start(), dot) for dot in self._ends):
            yield from range(max(first, done), dot)
            done = max(done, dot)

    def end(self, start: int) -> int:
        """Where the longest host that begins at `start` ends; 0 when none does."""
        at, found = start, 0
        for _ in range(MAX_LABELS + 1):
            label = _LABEL.match(self._text, at)
            if label is None:
                break
            at = label.end()
            if "_" not in label[0]:  # only the label before the top-level domain may have none
                found = self._ends.get(at - 1, found)
        return found


def may_begin(text: str, at: int, since: int = 0) -> bool:
    """Whether what stands before `at` lets a link begin there. `since`: what stands before that belongs to another link."""
    return at == 0 or (at > since and stands_before(text, at - 1))


def stands_before(text: str, at: int) -> bool:
    """Whether the character at `at` may stand before a link."""
    return _BEFORE.match(text, at) is not None


def _end_of_tld(text: str, at: int) -> int:
    plain = _ASCII_TLD.match(text, at)
    if plain is not None and plain[0].lower() in TLDS:
        return int(plain.end())
    for size in _OTHER_TLDS.get(text[at].lower(), ()):
        if text[at : at + size].lower() in TLDS and not _GLUED.match(text, at + size):
            return at + size
    encoded = _PUNYCODE.match(text, at)
    return int(encoded.end()) if encoded is not None else 0
