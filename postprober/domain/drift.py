"""Whether a published post is still what it was when it was proved. Pure.

What is seen is boiled down to a print: "" when it is what was sent, else a hash of how it differs. A print that differs
from the one at the proof counts when two looks in a row agree on it, and is told once; so an edit of an edit is told
again, and a page that was broken for a moment is not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from postprober.domain.engagement import leeway, next_poll

BACK = "back"  # pending: it seems to be again as it was
AUTHOR = "It is shown under another name: {author}."


@dataclass(frozen=True)
class Observation:
    """One look at the whole post. `sure`: everything could be read; `differences`: from what was sent, as sentences;
    `shown`: the texts that differ; `author`: the shown handle, "" when it was not shown."""

    sure: bool
    differences: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    author: str = ""

    @property
    def mark(self) -> str:
        if not self.differences:
            return ""
        told = json.dumps([sorted(self.differences), self.shown], ensure_ascii=False)
        return hashlib.sha256(told.encode()).hexdigest()[:32]

    @property
    def print(self) -> str:
        """Everything that can be news: what differs, and under which name it is shown."""
        return f"{self.mark}|{self.author}"


@dataclass(frozen=True)
class Watched:
    """What is remembered of a post. `base`: the print at the proof, None before a look was sure; `author`: the handle
    then; `pending`: seen once; `told`: what people know of, "" when all is as it was; `changes`: how often they were told;
    `doubts`: looks in a row that could not tell; `next_count`: for when engagement is planned next (ISO 8601), "" when that
    is over; `count_from`: from when on that reading may go along with another; `next_look`, `look_from`: the same of a
    stranger's look; `blind`: the last stranger could not see it; `read_on`: the UTC day on which its owner read it last, for
    platforms that bill each day once; `outside`: the print of what strangers alone see, as it was when nothing was new."""

    base: str | None = None
    author: str = ""
    pending: str = ""
    told: str = ""
    changes: int = 0
    doubts: int = 0
    next_count: str | None = None
    count_from: str = ""
    next_look: str = ""
    look_from: str = ""
    blind: bool = False
    read_on: str = ""
    outside: str = ""

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> Self:
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in (stored or {}).items() if name in known})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def count_planned(self, published_at: datetime) -> datetime | None:
        """For when engagement is planned next; None when that is over."""
        if self.next_count is None:
            return published_at
        return datetime.fromisoformat(self.next_count) if self.next_count else None

    def look_planned(self) -> datetime | None:
        """When a stranger looks next; None where that is over or was never noted."""
        return datetime.fromisoformat(self.next_look) if self.next_look else None

    def may_look(self, now: datetime) -> bool:
        """Whether a stranger may look now, in time or going along with another look."""
        begin = self.look_from or self.next_look
        return not begin or datetime.fromisoformat(begin) <= now

    def may_count(self, now: datetime) -> bool:
        """The same of engagement."""
        begin = self.count_from or self.next_count
        return begin is None or (begin != "" and datetime.fromisoformat(begin) <= now)


class News(StrEnum):
    NOTHING = "nothing"
    LOOK_AGAIN = "look_again"
    CHANGED = "changed"
    BACK = "back"


SOON = timedelta(seconds=5)
MOST_DOUBTS = 7  # then the ordinary plan holds: such a page does not show itself to strangers at all


def soon_again(known: Watched, now: datetime, planned: datetime | None, suspected: bool) -> datetime | None:
    """When to look again after a look: at once when something is suspected, soon and then ever later (10 s to 10 minutes)
    when the look could not tell, else as planned."""
    if suspected and not known.doubts:
        return now + SOON
    if not 0 < known.doubts <= MOST_DOUBTS:
        return planned
    doubtful = now + SOON * (1 << known.doubts)
    return doubtful if planned is None or suspected else min(doubtful, planned)


def judge(known: Watched, seen: Observation) -> tuple[Watched, News]:
    """What a look adds to what is known."""
    if not seen.sure:
        return replace(known, doubts=known.doubts + 1), News.NOTHING
    # Its owner reads it unchanged, but a stranger's page, which showed the author at the proof, was not there to be read:
    # whether strangers still see the post, and under which name, is open.
    blind = bool(known.author and not seen.author and not seen.differences)
    known = replace(known, doubts=known.doubts + 1 if blind else 0)
    if known.base is None:
        return replace(known, base=seen.mark, author=known.author or seen.author), News.NOTHING
    if not known.author and seen.author:  # the proof was a look without an author
        known = replace(known, author=seen.author)
    renamed = bool(known.author and seen.author and known.author != seen.author)
    # A look that shows no author cannot tell that a new name is gone again.
    if not seen.author and known.told.partition("|")[2]:
        name = known.told.partition("|")[2]
    else:
        name = seen.author if renamed else ""
    mark = "" if seen.mark == known.base and not name else f"{seen.mark}|{name}"
    if mark == known.told:
        return replace(known, pending=""), News.NOTHING
    if (mark or BACK) != known.pending:
        return replace(known, pending=mark or BACK), News.LOOK_AGAIN
    news = News.CHANGED if mark else News.BACK
    return replace(known, pending="", told=mark, changes=known.changes + 1), news


def what_changed(known: Watched, seen: Observation) -> tuple[str, ...]:
    """The differences as sentences, with the new name if there is one."""
    renamed = known.author and seen.author and known.author != seen.author
    return (*seen.differences, *((AUTHOR.format(author=seen.author),) if renamed else ()))


def next_look(
    published_at: datetime,
    now: datetime,
    *,
    scale: float,
    shortest: timedelta,
    longest: timedelta,
    until: timedelta,
    also: Sequence[timedelta] = (),
    after: datetime | None = None,
) -> datetime | None:
    """When the post is looked at next: at the moments at which engagement is read, and in between after a quarter of its
    age, `shortest` to `longest` from now, for `until` after publishing. `scale` shortens all of them (sandbox). `also`: further ages at which it is read;
    `after`: the moment for which this look came early, if it did."""
    count = next_poll(published_at, max(now, after or now), scale, also)
    gap = min(max((now - published_at) / 4, shortest * scale), longest * scale)
    look = now + gap
    moments: Sequence[datetime] = [m for m in (count, look if look < published_at + until * scale else None) if m]
    return min(moments, default=None)


def may_come_early(planned: datetime, published_at: datetime, now: datetime, scale: float) -> datetime:
    """From when on a look that is planned may go along with another of its account: a tenth of the post's age before, and
    when at least half of the time until then is over, so that looks meet and do not multiply."""
    return max(planned - leeway(planned - published_at, scale), now + (planned - now) / 2)
