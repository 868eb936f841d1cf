"""Days of samples that lie in the data folder as Parquet files, and the notes that say which of them count.

A file counts only while its day is noted, and only its rows with ids up to the note's `through`; rows of `samples` of
that day count only above it. So a file may be there too early or too long without a row being counted twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from sqlalchemy import Connection, delete, func, select

from postprober.storage import sql
from postprober.storage.database import Database
from postprober.storage.tables import sample_days, samples

SUFFIX = ".parquet"


def folder(data_dir: Path) -> Path:
    """Where the files are."""
    return data_dir / "samples"


def path(where: Path, day: date) -> Path:
    return where / f"{day.isoformat()}{SUFFIX}"


def bounds(day: date) -> tuple[datetime, datetime]:
    """The first moment of the UTC day, and of the next one."""
    start = datetime.combine(day, time(), UTC)
    return start, start + timedelta(days=1)


def one_moment(conn: Connection) -> None:
    """First thing in a `read` that looks at notes and rows: on PostgreSQL every statement would see another moment."""
    if conn.dialect.name != "sqlite":
        conn.execution_options(isolation_level="REPEATABLE READ")


def noted(conn: Connection) -> dict[date, int]:
    """`through` by day, oldest first."""
    rows = conn.execute(select(sample_days.c.day, sample_days.c.through).order_by(sample_days.c.day))
    return {date.fromisoformat(row.day): int(row.through) for row in rows}


def rows_noted(conn: Connection) -> dict[date, int]:
    """How many rows the day's file had when it was noted; one that has as many now holds nothing else."""
    rows = conn.execute(select(sample_days.c.day, sample_days.c.count))
    return {date.fromisoformat(day): int(count) for day, count in rows}


def note(conn: Connection, day: date, through: int, rows: int, now: datetime) -> None:
    """From this transaction on the day's file counts, with its rows up to the id `through`; a note never goes back."""
    values = {"through": through, "count": rows, "noted_at": now}
    conn.execute(
        sql.upsert(conn, sample_days)
        .values(day=day.isoformat(), **values)
        .on_conflict_do_update(index_elements=["day"], set_=values, where=sample_days.c.through < through)
    )


def hot_days(conn: Connection, before: date) -> Iterator[date]:
    """UTC days before `before` that have rows in `samples`, oldest first; one step in the index for each."""
    end, start = bounds(before)[0], datetime(1970, 1, 1, tzinfo=UTC)
    while True:
        first = conn.execute(
            select(samples.c.at).where(samples.c.at >= start, samples.c.at < end).order_by(samples.c.at).limit(1)
        ).scalar()
        if first is None:
            return
        day = first.date()
        yield day
        start = bounds(day)[1]


def newest_id(conn: Connection, day: date) -> int | None:
    """Of the day's rows in `samples`; None when there is none."""
    start, end = bounds(day)
    value = conn.execute(select(func.max(samples.c.id)).where(samples.c.at >= start, samples.c.at < end)).scalar()
    return None if value is None else int(value)


def count(conn: Connection, day: date, above: int, upto: int) -> int:
    """How many rows of the day are in `samples` with ids above `above`, up to `upto`."""
    start, end = bounds(day)
    mine = (samples.c.at >= start, samples.c.at < end, samples.c.id > above, samples.c.id <= upto)
    return int(conn.execute(select(func.count()).select_from(samples).where(*mine)).scalar_one())


def covered(conn: Connection, day: date, through: int) -> list[int]:
    """Ids of the day's rows in `samples` that the file has and nobody needs here. The newest row of a delivery stays:
    pages and the pipeline read it, and it is not counted."""
    start, end = bounds(day)
    newer = samples.alias("newer")
    later = select(newer.c.id).where(newer.c.delivery_id == samples.c.delivery_id, newer.c.id > samples.c.id)
    mine = (samples.c.at >= start, samples.c.at < end, samples.c.id <= through, later.exists())
    return list(conn.execute(select(samples.c.id).where(*mine).order_by(samples.c.id)).scalars())


def drop_before(db: Database, where: Path, moment: datetime) -> int:
    """Forget and remove the days that ended before `moment`; returns how many files went. The notes go first: killed in
    between, files are left that count no more, and the next call removes them."""
    first_kept = moment.astimezone(UTC).date()
    with db.write() as conn:
        conn.execute(delete(sample_days).where(sample_days.c.day < first_kept.isoformat()))
    gone = 0
    for file in where.glob(f"*{SUFFIX}"):
        if file.stem < first_kept.isoformat():
            file.unlink(missing_ok=True)
            gone += 1
    return gone
