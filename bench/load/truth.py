"""After the run: the client's log of accepted posts, the database, and what the emulated platforms show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from bench.load.record import Accepted, Record
from bench.stage import Stage
from postprober.domain.delivery import TRAITS, DeliveryState
from postprober.storage.tables import deliveries, transitions

S = DeliveryState
GRACE = 5.0  # seconds before the end of listening within which an event may still have been on its way
PLANNED = frozenset({S.SCHEDULED, S.WAITING})  # with a time that lies ahead


@dataclass(frozen=True)
class Row:
    """A delivery as the database has it."""

    post_id: int
    state: DeliveryState
    due: datetime


@dataclass(frozen=True)
class Verdict:
    """`ended` is by state. Lost: accepted, and neither final, held nor still planned; or said to be out and not there.
    Doubled: shown more than once. Contradicted: there, though it is said not to be. Unasked: there, and never accepted."""

    accepted: int
    ended: Mapping[str, int]
    planned: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    contradicted: tuple[str, ...]
    unasked: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.contradicted or self.unasked)


def judge(accepted: Sequence[Accepted], rows: Iterable[Row], shown: Iterable[str], now: datetime) -> Verdict:
    """`shown`: the text of every visible post on the platforms."""
    by_post = {row.post_id: row for row in rows}
    visible = Counter(name(text) for text in shown)
    ended: Counter[str] = Counter()
    planned = 0
    lost, doubled, contradicted = [], [], []
    for one in accepted:
        row, count = by_post.get(one.post_id), visible.pop(name(one.text), 0)
        if count > 1:
            doubled.append(one.text)
        if row is None:
            lost.append(f"{one.text}: not in the database")
        elif row.state in PLANNED and row.due > now:
            planned += 1
            contradicted += [one.text] if count else []
        elif TRAITS[row.state].at_rest or row.state is S.HELD:
            ended[row.state.value] += 1
            if row.state is S.VERIFIED and not count:
                lost.append(f"{one.text}: verified, and nobody sees it")
            if row.state in (S.FAILED, S.CANCELLED) and count:
                contradicted.append(one.text)
        else:
            lost.append(f"{one.text}: still {row.state.value}")
    return Verdict(
        len(accepted), dict(ended), planned, tuple(lost), tuple(doubled), tuple(contradicted), tuple(visible)
    )


def name(text: str) -> str:
    """The two words by which a post is found: platforms may show its link in their own way."""
    return " ".join(text.split()[:2])


def compare(made: Stage, record: Record) -> Verdict:
    """The run's own log against both."""
    assert made.core
    with made.core.db.read() as conn:
        found = conn.execute(select(deliveries.c.post_id, deliveries.c.state, deliveries.c.due_at)).all()
    rows = [Row(row.post_id, DeliveryState(row.state), row.due_at) for row in found]
    shown = [post["text"] for post in made.control.posts() if post["visible"]]
    return judge(record.accepted, rows, shown, made.core.clock.now())


def unheard(made: Stage, record: Record, until: datetime) -> tuple[int, int]:
    """(events that a listening client had to hear, those that it did not). `until`: when listening ended."""
    assert made.core
    with made.core.db.read() as conn:
        rows = conn.execute(select(transitions.c.id, transitions.c.post_id, transitions.c.at)).all()
    due = missing = 0
    for row in rows:
        since = record.since.get(row.post_id)
        if since is None or 2 * row.id <= since or (until - row.at).total_seconds() < GRACE:
            continue
        due += 1
        missing += 2 * row.id not in record.heard[row.post_id]
    return due, missing
