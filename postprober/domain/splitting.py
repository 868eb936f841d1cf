"""A text too long for one post, as the parts of a thread."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from math import ceil

import regex  # type: ignore[import-untyped,unused-ignore]

from postprober.domain.entities import find_urls
from postprober.domain.limits import Limits
from postprober.domain.mentions import as_names
from postprober.domain.sentences import Cut, Seam, cuts
from postprober.domain.text import utf8_length

LONGEST_MARK = " (99/99)"  # room kept in every part when parts are numbered; a thread has at most 25

# Which cuts are taken, best first, each only if it fills at least such a share of a part. Ours: a part may be short, but a
# text shall not crumble. A sentence that fits one part whole is not divided only to fill the part before it.
_WANTED = (
    (Seam.PARAGRAPH, 0.5),
    (Seam.SENTENCE, 0.4),
    (Seam.TIED, 0.25),
    (Seam.STOP, 0.3),
    (Seam.CLAUSE, 0.3),
    (Seam.WORDS, 0.3),
    (Seam.NEAR_NAME, 0.0),
    (Seam.MARKED, 0.0),
    (Seam.UNDIVIDED, 0.0),
)
_WORD = regex.compile(r"\s+")
_WIDEST = 8  # characters looked at for one of the platform's count, at first: links and emoji count less than they have


def split(
    text: str, limits: Limits, *, numbered: bool = False, gently: bool = False, most: int | None = None
) -> tuple[str, ...]:
    """`text` in parts that each fit `limits`, cut at sentences where it can be. One part when it fits as it is.

    `numbered`: each part of a real thread ends in ` (2/5)`. `gently`: one part, too, where a cut would go through a word, a
    name, a date or a number. `most`: one part, too, where it would take more than so many. Who is mentioned by another
    platform's id is the plain name here, as it will be sent, and so is not cut in its spelling. Pure.
    """
    count, whole = measure(limits), text
    text = as_names(text, but=limits.platform)
    if count(text) <= limits.max_length:
        return (whole,)
    room = limits.max_length - (len(LONGEST_MARK) if numbered else 0)
    parts = split_thread(text, count, room, gently=gently, most=most)
    if not numbered or len(parts) < 2:
        return tuple(parts)
    return tuple(f"{part} ({index}/{len(parts)})" for index, part in enumerate(parts, 1))


def measure(limits: Limits) -> Callable[[str], int]:
    """The platform's count; where bytes are limited too, whichever is nearer to its limit, in the count's unit."""
    count, most = limits.counter(), limits.max_bytes
    if most is None:
        return count
    return lambda text: max(count(text), ceil(utf8_length(text) * limits.max_length / most))


def split_thread(
    text: str, limit_fn: Callable[[str], int], limit: int, *, gently: bool = False, most: int | None = None
) -> list[str]:
    """`text` in parts of which none counts more than `limit` by `limit_fn`, cut at sentences, else clauses, else words,
    else between characters as a person sees them, never inside a link that fits. Blanks at the cuts are dropped. `gently`:
    as one part, where only a cut of the last two kinds would do; `most`: also where it takes more parts than so many."""
    text = text.strip()
    if not text or limit_fn(text) <= limit:
        return [text] if text else []
    good = cuts(text)
    parts: list[str] = []
    begin = 0
    while begin < len(text):
        if limit_fn(text[begin:]) <= limit:
            parts.append(text[begin:])
            break
        part = _Part(text, begin, limit_fn, limit)
        end = part.best(good) or (0 if gently else part.rough())
        if not end or (most is not None and len(parts) + 2 > most):
            return [text]
        parts.append(text[begin:end].rstrip())
        begin = end + len(text[end:]) - len(text[end:].lstrip())
    return parts


class _Part:
    """The next part: as much of `text` from `begin` on as counts at most `limit`."""

    def __init__(self, text: str, begin: int, limit_fn: Callable[[str], int], limit: int) -> None:
        self.text, self.begin, self.limit_fn, self.limit = text, begin, limit_fn, limit

    def _count(self, end: int) -> int:
        return self.limit_fn(self.text[self.begin : end].rstrip())

    def best(self, good: Sequence[Cut]) -> int:
        """The best cut that is not too far; 0 when there is none."""
        good = good[bisect_right(good, self.begin, key=lambda cut: cut.start) :]
        last = self._last_fitting([cut.start for cut in good])
        near = [cut for cut in good if cut.start <= last]
        for seam, share in _WANTED:
            if seam is Seam.STOP and (end := self._before_a_whole_sentence(good, near)):
                return end
            end = next((cut.start for cut in reversed(near) if cut.seam is seam), 0)
            if end and self._count(end) >= share * self.limit:
                return end
        return near[-1].start if near else 0

    def _before_a_whole_sentence(self, good: Sequence[Cut], near: Sequence[Cut]) -> int:
        """The last end of a sentence, however short the part, if the sentence behind it fits one part whole; else 0."""
        end = next((cut.start for cut in reversed(near) if cut.seam <= Seam.TIED), 0)
        following = next((cut.start for cut in good if cut.seam <= Seam.TIED and cut.start > end), len(self.text))
        return end if end and self.limit_fn(self.text[end:following].rstrip()) <= self.limit else 0

    def rough(self) -> int:
        """A cut between words, else between characters as a person sees them; at least one of these is taken."""
        window = self.text[self.begin : self.begin + self.limit * _WIDEST]
        words = [self.begin + match.end() for match in _WORD.finditer(window)]
        ends: list[int] = []
        for cluster in regex.findall(r"\X", window):
            ends.append((ends[-1] if ends else self.begin) + len(cluster))
        links = [(span.start, span.end) for span in find_urls(self.text)]

        def outside(places: list[int]) -> list[int]:
            return [place for place in places if not any(start < place < end for start, end in links)]

        for places in (outside(words), outside(ends), ends):
            if end := self._last_fitting(places):
                return end
        return ends[0]

    def _last_fitting(self, ends: Sequence[int]) -> int:
        """The last of `ends` (ascending) up to which the text counts at most `limit`; 0 when none does. Hundreds of
        characters further than the limit nothing fits in any unit, so the search begins near it."""
        high = len(ends)
        reach = self.limit
        while reach < len(self.text):
            index = bisect_right(ends, self.begin + reach)
            if index < len(ends) and self._count(ends[index]) > self.limit:
                high = index + 1
                break
            reach *= 2
        index = bisect_right(ends, self.limit, 0, high, key=self._count)
        while index and self._count(ends[index - 1]) > self.limit:  # a link cut in two counts differently
            index -= 1
        return ends[index - 1] if index else 0
