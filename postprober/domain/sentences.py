"""Where sentences end, and where else a text may be cut, in whatever language: nothing here changes a letter.

One splitter for threads, shortening, paragraphs and comparisons. It needs no language, because posts seldom say theirs and
often mix several. In doubt it sees no end: two sentences taken for one cost room, half a name or date costs meaning.
Loops and repetitions are bounded, so that no text makes it slow.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise

import regex  # type: ignore[import-untyped,unused-ignore]

from postprober.domain.entities import find_urls
from postprober.domain.glued_words import INNER_DOT, OPENING, SpacedWord, folded_word, glued
from postprober.domain.sentence_words import (
    ABBREVIATIONS,
    ALWAYS_WORDS,
    BEFORE_NUMBERS,
    BEFORE_ORDINALS,
    DENYING,
    GERMAN,
    LEANING,
    LEANING_WIDE,
    SHORT_WORDS,
)


class Seam(IntEnum):
    """How well a text can be cut at a place, best first."""

    PARAGRAPH = 0  # an empty line
    SENTENCE = 1  # the end of a sentence that stands by itself
    TIED = 2  # the end of a short sentence or a question, or before one that leans on it; the end of a line
    STOP = 3  # the end of a sentence, or the stop of an abbreviation that nobody knows
    CLAUSE = 4  # after a comma, or at the end of a sentence inside quotation marks
    WORDS = 5  # between two words in small letters
    NEAR_NAME = 6  # between two words, one of them with a capital
    MARKED = 7  # between two words inside of quotation marks or brackets
    UNDIVIDED = 8  # writing without blanks: where a word probably ends


@dataclass(frozen=True)
class Cut:
    """`start`: where what follows begins; the blanks before it may be left out."""

    start: int
    seam: Seam


_STOPS = regex.compile(
    r"[.!?\u2026\u2025]+|[\u3002\uff01\uff1f\uff61]+|[\u061f\u06d4\u0964\u0965\u0589\u1362\u17d4\u104b]+|;|\n"
)
_WIDE = "\u3002\uff01\uff1f\uff61"  # no blank follows these
_CLOSERS = "\"'\u201d\u2019\u201c\u00bb\u203a)]}\u300d\u300f\u3011\uff09\u300b\u3009*_"
_MANY = 8  # closers, openers and emoji looked at in a row
_LONGEST_TOKEN = 40
_SHORT_WORD = 4  # letters, as most abbreviations have at most; ours
_LAST_WORD = regex.compile(r"(?<![\p{L}\p{N}'\u2019-])\p{L}+$")
_SHORT = 40  # ours: characters; shorter sentences ("That is not true.") belong to the next one
_EMOJI = regex.compile(
    r"(?:\p{Extended_Pictographic}|\p{Regional_Indicator}{2}|[0-9#*]\ufe0f?\u20e3)[\ufe0f\u200d\p{Emoji_Modifier}\u2640\u2642]{0,4}"
)
_EMOJI_RUN = regex.compile(rf"[ \t]{{0,3}}(?:{_EMOJI.pattern}[ \t]{{0,2}}){{1,12}}")
# Emoji that announce what follows: a place, a time, a price, a way to get in touch, a point of a list.
_POINTERS = frozenset("📍📅📆🗓🕐🕑🕒🕓🕔🕕🕖🕗🕘🕙🕚🕛⏰⏱☎📞📱📧✉📩🔗👉➡▶✅❌⚠ℹ🎟🎫💶💵💷💰🚌🚇🅿🔹🔸🔴🟢▪•🏠🏟👇⭐")
# What stands between marks is cut only where nothing else helps.
_MARKED = regex.compile(
    "\u201c[^\u201c\u201d]{0,600}\u201d|\u201e[^\u201e\u201c\u201d]{0,600}[\u201c\u201d]|\u00ab[^\u00ab\u00bb]{0,600}\u00bb"
    "|\u2039[^\u2039\u203a]{0,600}\u203a|\u300c[^\u300c\u300d]{0,600}\u300d|\u300e[^\u300e\u300f]{0,600}\u300f"
    '|(?<!\\w)"[^"\\n]{0,600}"(?!\\w)|\\([^()\\n]{0,300}\\)|\\[[^\\[\\]\\n]{0,300}\\]|\uff08[^\uff08\uff09]{0,300}\uff09'
    "|\u3010[^\u3010\u3011]{0,300}\u3011|\u300a[^\u300a\u300b]{0,300}\u300b"
)
_TURNED = regex.compile("\u00bb[^\u00ab\u00bb]{0,600}\u00ab")  # the other way round, in German print
_INNER_STOPS = regex.compile(r"(?:\w{1,3}\.){1,4}\w{1,4}")  # z.B, e.g, d.w.z
_NUMBER = regex.compile(r"\d+(?:[.,:/]\d+)*")
_ROMAN = regex.compile(r"[IVXLC]{1,6}")
_ROMAN_NEXT = regex.compile(r"[IVXLC]{2,6}\b")
_YEAR = regex.compile(r"1[1-9]\d\d|20\d\d|2100")
_VOWEL = regex.compile(r"(?i)[aeiouyæœøıаеёиоуыэюяіїєαεηιουω]|[^\p{Latin}\p{Cyrillic}\p{Greek}\W]")
_WORD = regex.compile(r"\S+")
_PAUSE = regex.compile(r"[,;:](?=\s)|[\u2013\u2014](?=\s)|[\uff0c\uff1b\uff1a\u3001\u060c\u061b]\s*|\n(?=\S)")


def pieces(text: str, worst: Seam = Seam.TIED) -> list[str]:
    """The sentences of `text`, each with the blanks behind it: joined they are `text`. `worst`: STOP divides where it is
    doubtful, too. Pure."""
    starts = [0, *(cut.start for cut in cuts(text) if cut.seam <= worst), len(text)]
    return [text[start:end] for start, end in pairwise(starts) if start < end]


def leans(sentence: str) -> bool:
    """Whether `sentence` begins with a word that points back at the one before it."""
    bare = sentence.lstrip().lstrip(OPENING).lstrip()
    first = regex.match(r"[\p{L}\p{M}'\u2019]{1,20}", bare)
    return bool(first and folded_word(first[0]).split("'")[0] in LEANING) or bare.startswith(LEANING_WIDE)


@lru_cache(maxsize=32)
def cuts(text: str) -> tuple[Cut, ...]:
    """Every place where `text` can be cut without dividing a word, name, date, number or link, in order. Pure."""
    scan = _Scan(text)
    ends = scan.ends()
    found = {start: Seam.CLAUSE if worse is None else worse for start, worse in scan.pauses()}
    found |= {start: Seam.SENTENCE if other is None else other for start, other in ends}
    for start, seam in scan.blanks(frozenset(start for start, _ in ends)):
        found.setdefault(start, seam)
    made = [
        Cut(start, seam) for start, seam in sorted(found.items()) if 0 < start < len(text) and not scan.in_link(start)
    ]
    return tuple(_tied(text, made))


def _tied(text: str, made: list[Cut]) -> list[Cut]:
    """Ends of sentences that belong together are marked as such."""
    told: list[Cut] = []
    before = 0
    for cut in made:
        seam = cut.seam
        if seam in (Seam.SENTENCE, Seam.PARAGRAPH):
            sentence = text[before : cut.start].rstrip()
            short = len(sentence) * (2 if sentence[-1:] in _WIDE else 1) < _SHORT
            if seam is Seam.SENTENCE and (
                short or sentence[-1:] in "?\uff1f\u061f:" or leans(text[cut.start : cut.start + 40])
            ):
                seam = Seam.TIED
        if seam <= Seam.TIED:
            before = cut.start
        told.append(Cut(cut.start, seam))
    return told


class _Scan:
    """One pass over one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.small = text == text.lower()  # its author uses no capitals at all
        # German writes "am 3. Mai", so that a capital behind a number begins no sentence there.
        self.ordinals = len(GERMAN & set(regex.findall(r"\p{Ll}{2,5}", text))) > 1
        self.whole_words = set(regex.findall(r"(?<!\p{L})\p{L}{2,4}+(?![\p{L}.])", text))
        self.links = [(span.start, span.end) for span in find_urls(text)]
        turned = 0 <= text.find("\u00bb") < text.find("\u00ab")
        marked = [match.span() for match in (_TURNED if turned else _MARKED).finditer(text)]
        if turned:
            marked += [match.span() for match in _MARKED.finditer(text) if match[0][0] != "\u00ab"]
        self.marked = sorted(marked)
        self._link_starts = [start for start, _ in self.links]
        self._mark_starts = [start for start, _ in self.marked]

    def in_link(self, place: int) -> bool:
        index = bisect_right(self._link_starts, place - 1) - 1
        return index >= 0 and self.links[index][0] < place < self.links[index][1]

    def in_marks(self, place: int) -> bool:
        """Whether a cut before `place` would part a pair of quotation marks or brackets. Of marks inside marks the inner
        ones are known only, which is enough to find another place."""
        index = bisect_right(self._mark_starts, place - 1) - 1
        return any(start < place < end for start, end in self.marked[max(0, index - 2) : index + 1])

    def ends(self) -> list[tuple[int, Seam | None]]:
        """Where sentences, lines and paragraphs begin; None: an ordinary end of a sentence."""
        found: list[tuple[int, Seam | None]] = []
        reached = 0
        for match in _STOPS.finditer(self.text):
            if match.start() < reached:
                continue
            start, seam = self._after_line(match.start()) if match[0] == "\n" else self._after_stop(match)
            reached = max(reached, start)
            if not 0 < start < len(self.text):
                continue
            if seam is not Seam.PARAGRAPH and self.in_marks(start):
                seam = Seam.CLAUSE
            found.append((start, seam))
        return found

    def _after_line(self, place: int) -> tuple[int, Seam | None]:
        text, start = self.text, place
        while start > 0 and text[start - 1].isspace():
            start -= 1
        before, end = text[max(0, start - 1) : start], place
        while end < len(text) and text[end].isspace():
            end += 1
        if text.count("\n", start, end) > 1:
            return end, Seam.PARAGRAPH
        wrapped = before and (before.islower() or before == ",") and text[end : end + 1].islower() and not self.small
        kind = self._kind(end) if text[end : end + 1].isalpha() else "other"
        if wrapped or (before == "." and kind in ("capital", "small") and self._goes_on(start - 1, end)):
            return end, Seam.CLAUSE
        return end, Seam.TIED

    def _after_stop(self, match: regex.Match[str]) -> tuple[int, Seam | None]:
        """(where the next sentence begins, how good a place that is); (0, None) when none begins there."""
        text, place, wide = self.text, match.end(), match[0][0] in _WIDE
        closed = place
        for _ in range(_MANY):
            if text[place : place + 1] and text[place] in _CLOSERS and not (wide and text[place] == "\u201c"):
                place += 1
        emoji = _EMOJI_RUN.match(text, place)
        if emoji and emoji[0].strip()[0] not in _POINTERS:
            place = emoji.end()
            while place > emoji.start() and text[place - 1] in " \t":
                place -= 1
        start = place
        while start < len(text) and text[start].isspace():
            start += 1
        if start >= len(text):
            return 0, None
        line = "\n" in text[place:start]
        if line and text.count("\n", place, start) > 1:
            return start, Seam.PARAGRAPH
        if start == place:
            if emoji and place > closed and emoji.end() == place:
                return 0, None
            if wide and not (place > closed and text[place] not in "\u300c\u300e\u201c\uff08\u3010"):
                return start, None
            return 0, None
        if match[0] == ";":
            return (start, None) if _greek(text[max(0, match.start() - 1) : match.start()]) else (0, None)
        if self._goes_on(match.start(), start) if match[0] == "." else self._continues(start, match[0]):
            return self._after_line(text.index("\n", place, start)) if line else (0, None)
        return start, Seam.STOP if match[0] == "." and not line and self._may_be_short(match.start()) else None

    def _may_be_short(self, stop: int) -> bool:
        """Whether the word before `stop` may be an abbreviation that the lists do not have: short, and none of the words
        that are known to end sentences or that the text has elsewhere."""
        found = _LAST_WORD.search(self.text, max(0, stop - _LONGEST_TOKEN), stop)
        if not found or not 1 < len(found[0]) <= _SHORT_WORD or found[0] == found[0].swapcase():
            return False
        if found[0].isupper() or folded_word(found[0]) in SHORT_WORDS:
            return False
        return found[0] not in self.whole_words

    def _continues(self, start: int, stops: str) -> bool:
        """Whether what follows `!`, `?` or `…` is still the same sentence."""
        kind = self._kind(start)
        if kind == "link" or (kind == "small" and not self.small):
            return True
        return kind not in ("capital", "caseless") if stops[0] in ".\u2026\u2025" and not self.small else False

    def _goes_on(self, stop: int, start: int) -> bool:
        """Whether the sentence goes on behind the full stop at `stop`; `start`: where the next word begins."""
        text = self.text
        begin = stop
        while begin > max(0, stop - _LONGEST_TOKEN) and not text[begin - 1].isspace():
            begin -= 1
        token = text[begin:stop].lstrip(OPENING).rstrip(_CLOSERS)
        kind = self._kind(start)
        if not token or kind == "link" or (kind == "small" and not self.small):
            return True
        number = regex.split("[\u2013\u2014-]", token)[-1]
        if _NUMBER.fullmatch(number):
            return not self._ends_with_number(number, begin, kind)
        letters = sum(char.isalpha() for char in token)
        if letters < 2 or _ROMAN.fullmatch(token) or _INNER_STOPS.fullmatch(token):
            return not (letters == 0 and kind == "capital")  # "50 %." and "(2)." end, "J." does not
        if self._is_abbreviation(token, kind):
            return True
        earlier = text[max(0, begin - 2) : begin].strip()
        if letters <= 4 and token[0].isupper() and earlier.endswith("."):
            return True  # J. Clin. Nutr.
        if kind == "digit":
            return letters < 5 or token[0].isupper()  # Storg. 4
        return not (
            token.isupper() or _VOWEL.search(unicodedata.normalize("NFD", token)) or kind == "caseless"
        )  # Hptm.

    def _is_abbreviation(self, token: str, kind: str) -> bool:
        folded = folded_word(token)
        last = regex.split("['(/\u2013-]", folded)[-1]
        words = {folded, last}
        if kind != "digit" and (words & ALWAYS_WORDS or (words & BEFORE_NUMBERS and not token[0].isupper())):
            return False
        return (
            folded in ABBREVIATIONS
            or last in ABBREVIATIONS
            or last.endswith("str")
            or (len(last) == 1 and last.isalpha())
        )

    def _ends_with_number(self, token: str, begin: int, kind: str) -> bool:
        """A stop behind a number ends a sentence only where it cannot make an ordinal or a date."""
        if kind not in ("capital", "caseless") or "." in token:
            return False
        if token.isdigit():
            earlier = self.text[max(0, begin - 8) : begin].split()
            grouped = bool(earlier) and begin > 0 and earlier[-1].strip("+()/-").isdigit()  # a telephone number
            if grouped or len(token) > 4 or (_YEAR.fullmatch(token) and not token.endswith("00")):
                return True
            listed = not earlier or int(token) == 1 or f"{int(token) - 1}. " in self.text[max(0, begin - 300) : begin]
            return not listed and not self.ordinals and earlier[-1].casefold() not in BEFORE_ORDINALS
        return True

    def _kind(self, start: int) -> str:
        """What begins at `start`: capital, small, caseless, digit, link or other."""
        text = self.text
        if start in self._link_starts or text.startswith(("http", "www."), start):
            return "link"
        place = start
        for _ in range(_MANY):
            if text[place : place + 1] and (text[place] in OPENING or text[place] == " "):
                place += 1
        char = text[place : place + 1]
        if char.isdigit() or _ROMAN_NEXT.match(text, place):
            return "digit"
        if not char.isalpha():
            return "other"
        if char.islower():  # iPhone is a name
            word = regex.match(r"\w{1,20}", text[place : place + 20])
            return "capital" if word and any(c.isupper() for c in word[0][1:3]) else "small"
        return "capital" if char.isupper() or char.istitle() else "caseless"

    def pauses(self) -> list[tuple[int, Seam | None]]:
        """After commas and the like, where neither numbers, names nor abbreviations meet."""
        text, found = self.text, []
        for match in _PAUSE.finditer(text):
            start = match.end()
            while start < len(text) and text[start].isspace():
                start += 1
            before, after = text[max(0, match.start() - 1) : match.start()], text[start : start + 1]
            following = _WORD.match(text, start)
            short = following and (following[0].endswith(".") or INNER_DOT.search(following[0][:_LONGEST_TOKEN]))
            denied = (
                folded_word((_LAST_WORD.search(text, max(0, match.start() - _LONGEST_TOKEN), match.start()) or [""])[0])
                in DENYING
            )
            if denied or before == "." or after.isdigit() or self.in_marks(start) or (short and match[0] != "\n"):
                continue
            names = before.isdigit() or self._kind(start) == "capital" or match[0][0] == "\u3001"
            found.append((start, Seam.NEAR_NAME if names and match[0] != "\n" else None))
        return found

    def blanks(self, ends: frozenset[int]) -> list[tuple[int, Seam]]:
        """Between words, but not inside names, dates, numbers with their units, or beside abbreviations. `ends`: where
        sentences begin."""
        words = [SpacedWord(match[0], match.start()) for match in _WORD.finditer(self.text)]
        for one, other in pairwise(words):
            one.abbreviated = one.dotted and (other.start not in ends or "." in one.bare[:-1])
        found: list[tuple[int, Seam]] = []
        for index in range(len(words) - 1):
            one, other = words[index], words[index + 1]
            if not glued(words, index):
                small = one.text[0].islower() and other.text[0].islower()
                seam = Seam.MARKED if self.in_marks(other.start) else Seam.WORDS if small else Seam.NEAR_NAME
                found.append((other.start, seam))
        for match in _UNDIVIDED.finditer(self.text):
            if not self.in_marks(match.end()):
                found.append((match.end(), Seam.UNDIVIDED))
        return found


# Japanese: hiragana (an ending or a particle) before another kind of letter.
_UNDIVIDED = regex.compile(r"(?<=\p{Hiragana}{2})(?=[\p{Han}\p{Katakana}])")


def _greek(char: str) -> bool:
    return bool(char) and "GREEK" in unicodedata.name(char, "")
