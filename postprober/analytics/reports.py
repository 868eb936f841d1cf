"""What a report says, as plain data: about one post, or about everything in a period."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from postprober.analytics import queries, report_queries, report_rows, spending
from postprober.analytics.days import start_of
from postprober.analytics.figures import Figures
from postprober.analytics.queries import Period
from postprober.analytics.report_queries import Usual
from postprober.analytics.report_rows import ReportLine
from postprober.analytics.store import SampleStore, account_names
from postprober.storage.database import Database
from postprober.storage.tables import accounts, deliveries, posts, transitions

RANKED = 5  # posts at the top and at the bottom
BEGINNING = 90  # characters of a post's text in a table
MOST_TROUBLES = 40  # lines of what was held or could not be seen; how many there are is always told


@dataclass(frozen=True)
class File:
    """One file that went with a post. `size` in bytes."""

    name: str
    kind: str
    size: int
    width: int
    height: int
    sha256: str
    alt: str


@dataclass(frozen=True)
class Fact:
    """Something that happened: when (aware UTC, None when it never did), what, and in which words."""

    at: datetime | None
    what: str
    words: str = ""
    status: str = ""


@dataclass(frozen=True)
class Piece:
    """One piece of evidence: what was seen, when, the SHA-256 of it, and its picture (PNG or JPEG) if it is one."""

    at: datetime
    kind: str
    sha256: str
    picture: bytes = b""


@dataclass(frozen=True)
class OnAccount:
    """What became of a post on one account. `curve`: (hours since publishing, engagement), oldest first; `usual`: what
    the account's other posts had at that age; `parts`: the texts that went out."""

    line: ReportLine
    label: str
    colour: str
    sentence: str
    repaired: str
    parts: tuple[str, ...]
    steps: tuple[Fact, ...]
    differences: tuple[str, ...]
    evidence: tuple[Piece, ...]
    tries: tuple[Fact, ...]
    changes: tuple[Fact, ...]
    diagnoses: tuple[Fact, ...]
    curve: tuple[tuple[float, int], ...]
    usual: tuple[Usual, ...]


@dataclass(frozen=True)
class Aim:
    """What the post was to reach: in words, whether it did (None: not judged, or the counts were never told)."""

    words: str
    met: bool | None
    value: int | None
    comment: str
    judged_at: datetime | None


@dataclass(frozen=True)
class PostReport:
    """`zone`: in which its times are told; `missing`: days whose counts are lost."""

    post_id: int
    text: str
    status: str
    zone: ZoneInfo
    made_at: datetime
    planned_at: datetime | None
    files: tuple[File, ...]
    on: tuple[OnAccount, ...]
    aim: Aim | None
    missing: tuple[date, ...]

    @property
    def lines(self) -> list[ReportLine]:
        return [one.line for one in self.on]


@dataclass(frozen=True)
class Ranked:
    """A post with its count, how it begins, and where it went."""

    post_id: int
    count: int
    beginning: str
    platforms: str


@dataclass(frozen=True)
class Trouble:
    """A delivery that was held, or that nobody could see: when, why, and how it stands now."""

    at: datetime
    post_id: int
    platform: str
    account: str
    kind: str
    reason: str
    now: str
    beginning: str


@dataclass(frozen=True)
class PeriodReport:
    """Everything from `first` to `last` (both included, days of `zone`). Counts are those known at `until`, its last
    moment, so that the period can be compared with the one before (`before_first` to the day before `first`), and so
    that a report made later says the same. `compared`: each row has the count, and that of the period before."""

    first: date
    last: date
    zone: ZoneInfo
    until: datetime
    made_at: datetime
    delivered: Figures
    delivered_before: Figures
    proofs: Figures
    repairs: Figures
    over_time: Figures
    platforms: Figures
    accounts: Figures
    total: int | None
    total_before: int | None
    best: tuple[Ranked, ...]
    worst: tuple[Ranked, ...]
    troubles: tuple[Trouble, ...]
    troubles_count: int
    lines: list[ReportLine]
    missing: tuple[date, ...]

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def before_first(self) -> date:
        return self.first - timedelta(days=self.days)

    @property
    def empty(self) -> bool:
        return not self.lines


def period(
    db: Database, data_dir: Path, space: int, first: date, last: date, zone: ZoneInfo, now: datetime
) -> PeriodReport:
    """The report of the space `space`, made at `now`. `first` <= `last`; `first` is not in the future."""
    whole = _period(first, last, zone, now)
    earlier = _period(first - timedelta(days=whole.days), first - timedelta(days=1), zone, now)

    def before(store: SampleStore) -> _Before:
        queries.prepare(store, earlier)
        return (
            report_queries.delivered(store, earlier),
            queries.by_platform(store),
            queries.by_account(store, {}),
            report_queries.growing(store),
        )

    was = SampleStore.look(db, data_dir, space, earlier.look_back, before, earlier.now)

    def gather(store: SampleStore) -> PeriodReport:
        with db.read() as conn:
            return _gathered(conn, store, space, whole, was, (first, last, zone, now))

    return SampleStore.look(db, data_dir, space, whole.look_back, gather, whole.now)


_Before = tuple[Figures, Figures, Figures, int | None]


def _gathered(
    conn: Connection,
    store: SampleStore,
    space: int,
    whole: Period,
    was: _Before,
    frame: tuple[date, date, ZoneInfo, datetime],
) -> PeriodReport:
    """`frame`: the report's first and last day, its zone, and when it is made."""
    first, last, zone, now = frame
    queries.prepare(store, whole)
    lines = report_rows.of_period(conn, space, whole.since, whole.now, report_queries.reached(store, whole))
    best, worst = _ranked(conn, space, queries.by_post(store))
    count, troubles = _troubles(conn, space, whole)
    return PeriodReport(
        first,
        last,
        zone,
        whole.now,
        now,
        report_queries.delivered(store, whole),
        was[0],
        report_queries.proofs(store, whole),
        spending.repairs_made(conn, space, whole.since, whole.now),
        queries.over_time(store, whole),
        _compared(queries.by_platform(store), was[1], 1),
        _named(_compared(queries.by_account(store, {}), was[2], 2), account_names(conn, space)),
        report_queries.growing(store),
        was[3],
        best,
        worst,
        troubles,
        count,
        lines,
        store.missing,
    )


def _period(first: date, last: date, zone: ZoneInfo, now: datetime) -> Period:
    """`Period` counts days back from its end."""
    end = min(now, start_of(last + timedelta(days=1), zone) - timedelta(microseconds=1))
    days = (end.astimezone(zone).date() - first).days + 1
    return Period(end.astimezone(UTC), zone, days, "engagement")


def _compared(now: Figures, before: Figures, keys: int) -> Figures:
    """What the rows of `now` count (column `count`), beside what those with the same first `keys` columns counted
    before. Who only posted before is there too."""
    earlier = {row[:keys]: row for row in before.rows}
    gone = [(*key, None, None, 0, 0) for key in earlier if key not in {row[:keys] for row in now.rows}]
    rows = []
    for row in [*now.rows, *gone]:
        was = earlier.get(row[:keys])
        rows.append((*row, was[keys] if was else None, was[keys + 2] if was else 0))
    return Figures((*now.columns, "count before", "deliveries before"), rows)


def _named(found: Figures, names: dict[int, str]) -> Figures:
    rows = [(row[0], names.get(int(row[1]), str(row[1])), *row[2:]) for row in found.rows]
    return Figures(found.columns, rows)


def _ranked(conn: Connection, space: int, found: Figures) -> tuple[tuple[Ranked, ...], tuple[Ranked, ...]]:
    """The best posts, best first, and the worst, worst first; none is in both."""
    known = [row for row in found.rows if row[1] is not None]  # most first
    best, worst = known[:RANKED], known[RANKED:][-RANKED:][::-1]
    titles = _beginnings(conn, space, [row[0] for row in (*best, *worst)])
    made = [[Ranked(row[0], row[1], titles.get(row[0], ""), row[5]) for row in rows] for rows in (best, worst)]
    return tuple(made[0]), tuple(made[1])


def _beginnings(conn: Connection, space: int, ids: list[int]) -> dict[int, str]:
    rows = conn.execute(select(posts.c.id, posts.c.content).where(posts.c.user_id == space, posts.c.id.in_(ids)))
    return {int(row.id): beginning(row.content) for row in rows}


def beginning(text: str) -> str:
    """How a text begins, on one line."""
    tidy = " ".join(text.split())
    return tidy if len(tidy) <= BEGINNING else f"{tidy[:BEGINNING].rstrip()}…"


def _troubles(conn: Connection, space: int, whole: Period) -> tuple[int, tuple[Trouble, ...]]:
    """How many there were, and the newest of them."""
    t, d = transitions.c, deliveries.c
    rows = conn.execute(
        select(
            t.at,
            t.post_id,
            d.platform,
            accounts.c.account_name,
            t.new,
            t.reason,
            d.state,
            posts.c.content,
        )
        .join(deliveries, d.id == t.delivery_id)
        .join(accounts, accounts.c.id == d.account_id)
        .join(posts, posts.c.id == d.post_id)
        .where(
            t.user_id == space,
            t.at.between(whole.since, whole.now),
            t.new.in_(("held", "ghost")),
            posts.c.deleted_at.is_(None),
        )
        .order_by(t.id.desc())
    ).all()
    shown = rows[:MOST_TROUBLES]
    return len(rows), tuple(Trouble(*row[:7], beginning(row[7])) for row in shown)
