"""Phrases of many languages in a text: found in one pass over its words, however long the lists are.

A list of a thousand phrases as one regular expression would try each of them at every letter. Here only those are
compared that begin with the word that stands there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from postprober.agent.words import read

# One letter for one, so that places in the folded text are places in the text.
_LIKE = str.maketrans(
    {
        "ı": "i",
        "’": "'",
        "ʼ": "'",
        "`": "'",
        "\u00a0": " ",
        "\u202f": " ",
        "\u2009": " ",
        "\t": " ",
        "أ": "ا",
        "إ": "ا",
        "آ": "ا",
        "：": ":",
        "！": "!",
        "，": ",",
        "。": ".",
        "（": "(",
        "）": ")",
        "？": "?",
    }
)
_WORD = re.compile(r"[^\W_]+")
_AND = "وו"  # Arabic and Hebrew write "and" as one with the word behind it
_NO_BLANKS = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")  # scripts that put no blanks between words

Words = list[tuple[int, str]]  # where each word begins, and the word


def fold(text: str) -> str:
    """`text` for comparing: small letters, one kind of apostrophe and blank; as many characters as before."""
    return text.replace("İ", "i").lower().translate(_LIKE)


def words_of(folded: str) -> Words:
    """Every word with its place."""
    return [(match.start(), match[0]) for match in _WORD.finditer(folded)]


class Phrases:
    """A list of phrases. One that ends with * is found in longer words, too."""

    def __init__(self, phrases: Iterable[str]) -> None:
        self._by_word: dict[str, list[tuple[str, int, bool]]] = {}
        self._prefixes: dict[str, list[tuple[str, int, bool]]] = {}
        self._joined: list[str] = []
        for phrase in dict.fromkeys(map(fold, phrases)):
            plain = phrase.removesuffix("*")
            first = _WORD.search(plain)
            if _NO_BLANKS.search(plain):
                self._joined.append(plain)
            elif first is None:
                raise ValueError(f"A phrase has no word: {phrase!r}")
            elif phrase.endswith("*") and first.end() == len(plain):
                self._prefixes.setdefault(first[0][:2], []).append((plain, first.start(), True))
            else:
                self._by_word.setdefault(first[0], []).append((plain, first.start(), phrase.endswith("*")))

    @classmethod
    def listed(cls, *names: str) -> Phrases:
        """Those of `lists/NAME.txt`, of several lists together."""
        return cls(phrase for name in names for phrase in read(name))

    def find(self, folded: str, words: Words) -> Iterator[tuple[int, int]]:
        """Where they begin and end; those of scripts without blanks last."""
        for start, word in words:
            for phrase, offset, open_end in self._by_word.get(word, ()):
                begin = start - offset
                if (
                    begin >= 0
                    and folded.startswith(phrase, begin)
                    and _apart(folded, begin, begin + len(phrase), open_end)
                ):
                    yield begin, begin + len(phrase)
            for phrase, offset, _ in self._prefixes.get(word[:2], ()):
                begin = start - offset
                if begin >= 0 and folded.startswith(phrase, begin):
                    yield begin, start + len(word)
            if word[0] in _AND and len(word) > 2:
                for phrase, offset, open_end in self._by_word.get(word[1:], ()):
                    end = start + 1 + len(phrase)
                    if not offset and folded.startswith(phrase, start + 1) and _closed(folded, end, open_end):
                        yield start + 1, end
        for phrase in self._joined:
            begin = folded.find(phrase)
            if begin >= 0:
                yield begin, begin + len(phrase)

    def is_in(self, folded: str, words: Words | None = None) -> bool:
        """Whether one of them stands there."""
        return next(self.find(folded, words_of(folded) if words is None else words), None) is not None


def _apart(folded: str, begin: int, end: int, open_end: bool) -> bool:
    before = begin == 0 or not (folded[begin].isalnum() and folded[begin - 1].isalnum())
    return before and _closed(folded, end, open_end)


def _closed(folded: str, end: int, open_end: bool) -> bool:
    return open_end or end == len(folded) or not (folded[end - 1].isalnum() and folded[end].isalnum())
