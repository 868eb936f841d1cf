"""What videos and animations are converted to: ordered once for a file and a target, made by one process, kept as a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, delete, or_, select, update

from postprober.domain.target import VideoTarget
from postprober.storage import sql
from postprober.storage.records import record_of
from postprober.storage.tables import conversions, media

MOST_LOOKED_AT = 2000  # ours: conversions that wait, of which one is chosen


class ConversionState(StrEnum):
    WAITING = "waiting"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class ConversionRecord:
    """`source`: path of the stored file, as in `media`; `progress`: 0 to 1; `message`: why it failed, or what it waits for; `made`: what came out
    (`path` in the data folder, `sha256`, `size` in bytes, `width`, `height` in pixels, `duration` in seconds)."""

    id: int
    source: str
    key: str
    target: Mapping[str, Any]
    state: str
    progress: float
    message: str
    made: Mapping[str, Any] | None
    tries: int
    next_at: datetime | None
    created_at: datetime


def order(conn: Connection, source: str, target: VideoTarget, now: datetime) -> ConversionRecord:
    """The conversion of the stored file `source` to `target`; there is one, whoever asks first."""
    found = find(conn, source, target.key())
    if found is not None:
        return found
    values = {"source": source, "key": target.key(), "target": target.to_json(), "state": ConversionState.WAITING.value}
    conn.execute(
        sql.upsert(conn, conversions)
        .values(next_at=now, created_at=now, **values)
        .on_conflict_do_nothing(index_elements=["source", "key"])
    )
    made = find(conn, source, target.key())
    assert made is not None  # noqa: S101 - it was written above
    return made


def find(conn: Connection, source: str, key: str) -> ConversionRecord | None:
    row = conn.execute(select(conversions).where(conversions.c.source == source, conversions.c.key == key)).first()
    return record_of(ConversionRecord, row) if row is not None else None


def of_sources(conn: Connection, sources: Iterable[str]) -> list[ConversionRecord]:
    """All conversions of the stored files, oldest first."""
    query = select(conversions).where(conversions.c.source.in_(list(sources))).order_by(conversions.c.id)
    return [record_of(ConversionRecord, row) for row in conn.execute(query)]


def next_due(
    conn: Connection, now: datetime, served: Mapping[int, int] = MappingProxyType({})
) -> ConversionRecord | None:
    """What is made next: of the spaces whose files wait, the turn is with the one that had the fewest lately (`served`: space
    -> how many), and there with what waits longest. One that hands in a hundred videos holds up nobody else's one."""
    columns = (conversions.c.id, conversions.c.source)
    due = select(*columns).where(conversions.c.next_at <= now).order_by(conversions.c.next_at, conversions.c.id)
    waiting = list(conn.execute(due.limit(MOST_LOOKED_AT)))
    if not waiting:
        return None
    owners: dict[str, list[int]] = {}
    for row in conn.execute(
        select(media.c.path, media.c.user_id).where(media.c.path.in_({one.source for one in waiting}))
    ):
        owners.setdefault(row.path, []).append(row.user_id)
    turn = min(waiting, key=lambda one: min((served.get(space, 0) for space in owners.get(one.source, ())), default=0))
    found = conn.execute(select(conversions).where(conversions.c.id == turn.id)).first()
    return record_of(ConversionRecord, found) if found is not None else None


def spaces_of(conn: Connection, source: str) -> frozenset[int]:
    """Whose posts may wait for what is made of the stored file."""
    return frozenset(conn.execute(select(media.c.user_id).where(media.c.path == source)).scalars())


def claim(conn: Connection, wanted: ConversionRecord, again: datetime) -> bool:
    """Count a try and store when the next one may come, before the file is opened: whatever it does to us, the others have
    their turn. False when somebody else was faster."""
    values = {"state": ConversionState.WORKING.value, "progress": 0.0, "tries": wanted.tries + 1, "next_at": again}
    return _mine(conn, wanted, values)


def tell(conn: Connection, mine: ConversionRecord, progress: float, again: datetime) -> bool:
    """How far the try of `mine` is, and when another one may come if no more is heard of it. False when there is one."""
    return _mine(conn, mine, {"progress": progress, "next_at": again})


def finish(conn: Connection, mine: ConversionRecord, made: Mapping[str, Any]) -> bool:
    """False when another try has it."""
    done = {"state": ConversionState.DONE.value, "progress": 1.0, "made": dict(made), "message": "", "next_at": None}
    return _mine(conn, mine, done)


def fail(conn: Connection, mine: ConversionRecord, message: str) -> bool:
    """It cannot be made, however often it is tried. False when another try has it."""
    return _mine(conn, mine, {"state": ConversionState.FAILED.value, "message": message, "next_at": None})


def again(conn: Connection, mine: ConversionRecord, at: datetime, why: str = "") -> bool:
    """It was no try: the next one may come at that time. `why`: what it waits for. False when another try has it."""
    values = {"state": ConversionState.WAITING.value, "progress": 0.0, "message": why, "next_at": at}
    return _mine(conn, mine, {**values, "tries": mine.tries - 1})


def anew(conn: Connection, gone: ConversionRecord, now: datetime) -> None:
    """The file that was made is not there any more: make it again."""
    values = {"state": ConversionState.WAITING.value, "progress": 0.0, "made": None, "tries": 0, "next_at": now}
    conn.execute(
        update(conversions).where(conversions.c.id == gone.id, conversions.c.state == gone.state).values(values)
    )


def forget_failed(conn: Connection, source: str) -> None:
    """The stored file was lost and somebody has added it again: what failed may have failed for that."""
    failed = (conversions.c.source == source, conversions.c.state == ConversionState.FAILED.value)
    conn.execute(delete(conversions).where(*failed))


def forget(conn: Connection, source: str) -> None:
    """The stored file is deleted."""
    conn.execute(delete(conversions).where(conversions.c.source == source))


def _mine(conn: Connection, mine: ConversionRecord, values: Mapping[str, Any]) -> bool:
    """Change the row unless another try has taken it since."""
    where = (conversions.c.id == mine.id, conversions.c.tries == mine.tries)
    open_ = or_(
        conversions.c.state == ConversionState.WAITING.value, conversions.c.state == ConversionState.WORKING.value
    )
    return conn.execute(update(conversions).where(*where, open_).values(**values)).rowcount == 1
