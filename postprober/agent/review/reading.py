"""One text as the rules read it, and what they say about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from postprober.agent.phrases import Phrases, Words, fold, words_of

LONGEST_PIECE = 60  # ours: characters of a piece that a sentence shows
_QUOTED = re.compile(
    r"“[^“”\n]{1,400}”|„[^„“”\n]{1,400}[“”]|«[^«»\n]{1,400}»|»[^«»\n]{1,400}«|\"[^\"\n]{1,400}\""
    r"|״[^״\n]{1,400}״"
    r"|「[^「」\n]{1,400}」|『[^『』\n]{1,400}』|《[^《》\n]{1,400}》|(?<!\w)['‘][^'‘’\n]{1,200}['’](?!\w)"
)
_CODED = re.compile(r"```.{1,4000}?```|`[^`\n]{1,300}`", re.DOTALL)
_LINK = re.compile(r"(?:https?://|(?<![\w.])www\.)[^\s<>\"]{1,2000}", re.IGNORECASE)
_CODE_TALK = Phrases.listed("code_talk")
_NAMING = Phrases.listed("naming")
_NAMED_WITHIN = 48  # ours: "stamped STRICTLY CONFIDENTIAL – NOT FOR PUBLICATION"
# Full-width forms as their common ones, one letter for one (Unicode, block FF00).
_NARROW = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}


@dataclass(frozen=True)
class Found:
    """Something in a text. `kind`: a stable key; `piece`: as it may be shown, a secret is masked; `says`: the end of the
    sentence about it. `flagged`: it holds the post for good reasons, and no model may see the text; else it is a doubt."""

    kind: str
    piece: str
    says: str
    flagged: bool = False


@dataclass(frozen=True)
class ReviewedText:
    """`now`: for dates; `language`: as the person told it, "" when unknown."""

    text: str
    now: datetime
    language: str = ""

    @cached_property
    def folded(self) -> str:
        return fold(self.text)

    @cached_property
    def words(self) -> Words:
        return words_of(self.folded)

    @cached_property
    def links(self) -> list[tuple[int, int]]:
        """Links with a scheme or `www.`; how much of them platforms would link does not matter here."""
        return [match.span() for match in _LINK.finditer(self.text)]

    @cached_property
    def quoted(self) -> list[tuple[int, int]]:
        return [match.span() for match in _QUOTED.finditer(self.text)]

    @cached_property
    def coded(self) -> list[tuple[int, int]]:
        return [match.span() for match in _CODED.finditer(self.text)]

    @cached_property
    def talks_code(self) -> bool:
        """Whether it is about programming, where braces, tags and `localhost` are what it is about."""
        found = {self.folded[start:end]: start for start, end in _CODE_TALK.find(self.folded, self.words)}
        tagged = any(start and self.text[start - 1] == "#" for start in found.values())
        return tagged or len(found) + bool(self.coded) >= 2

    @cached_property
    def narrow(self) -> str:
        """The text with its full-width letters and signs as common ones, in the same places."""
        return self.text.translate(_NARROW)

    def is_named(self, place: int) -> bool:
        """Whether what stands there is spoken of ("the word …", "stamped …") and not said."""
        before = self.folded[max(0, place - _NAMED_WITHIN) : place].rpartition("\n")[2]
        return _NAMING.is_in(re.split(r"[.!?,;(]", before)[-1])

    def in_quotes(self, place: int) -> bool:
        return _within(self.quoted, place)

    def in_code(self, place: int) -> bool:
        return _within(self.coded, place)

    def has(self, phrases: Phrases) -> bool:
        return phrases.is_in(self.folded, self.words)

    def said(self, phrases: Phrases) -> Iterator[tuple[int, int]]:
        """Where one of them stands outside quotes and code."""
        for start, end in phrases.find(self.folded, self.words):
            if not self.in_quotes(start) and not self.in_code(start):
                yield start, end

    def near(self, phrases: Phrases, start: int, end: int, before: int = 60, after: int = 40) -> bool:
        """Whether one of them stands around a piece."""
        begin = max(0, start - before)
        return phrases.is_in(self.folded[begin:start] + " \n " + self.folded[end : end + after])


def _within(spans: Iterable[tuple[int, int]], place: int) -> bool:
    return any(start <= place < end for start, end in spans)


def shown(piece: str) -> str:
    """A piece as a sentence shows it: one line, not too long, nothing invisible."""
    line = " ".join(piece.split())
    line = "".join(char if char.isprintable() else f"U+{ord(char):04X}" for char in line)
    return line if len(line) <= LONGEST_PIECE else line[: LONGEST_PIECE - 1] + "…"


def masked(secret: str) -> str:
    """Enough of a secret to find it, not enough to use it."""
    line = "".join(char for char in secret if char.isprintable() and not char.isspace())
    return f"{line[:4]}…{line[-2:]}" if len(line) >= 14 else f"{line[:1]}…"
