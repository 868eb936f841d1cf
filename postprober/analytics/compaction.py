"""Closed days of `samples` become Parquet files: 5 million rows take 42 MB there and 379 MB in SQLite.

The order for a day, each step done before the next begins:

1. the rows go into a hidden file, which is flushed to the disk;
2. the file gets its name (atomic), and the folder is flushed;
3. one transaction notes that the day's rows up to the newest id count in the file, and no longer in the table;
4. the rows leave the table, a few hundred in a transaction, so that no delivery waits.

Killed anywhere, the next run goes on, and at every moment each row counts once (`storage/sample_days`). Rows that turn
up later for a noted day have greater ids: they count in the table until a new file has them too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, select

from postprober import extras
from postprober.agent.results import ACTS
from postprober.domain.criteria import METRICS
from postprober.errors import PostProberError
from postprober.storage import sample_days
from postprober.storage.database import Database
from postprober.storage.disk import sync_folder
from postprober.storage.tables import samples

if TYPE_CHECKING:
    import pyarrow as pa

CLOSED_AFTER = timedelta(days=2)  # a day is closed when it ended this long ago
BATCH = 500  # rows a transaction when rows leave the table
CHUNK = 50_000  # rows in memory at a time
_COLUMNS = ("id", "delivery_id", "at", *METRICS)
_PART = ".part"


@cache
def schema() -> pa.Schema:
    """Of a row of `samples`."""
    import pyarrow as pa  # this module is read where it is not installed, too

    first = (("id", pa.int64()), ("delivery_id", pa.int64()), ("at", pa.timestamp("us", tz="UTC")))
    known = [pa.field(name, kind, nullable=False) for name, kind in first]
    return pa.schema([*known, *(pa.field(name, pa.int64()) for name in METRICS)])


@cache
def file_schema() -> pa.Schema:
    """Of a row in a file: with the sum of the acts, null where none is known. Adding five columns up for each of millions
    of rows takes longer than all the rest of a query."""
    import pyarrow as pa

    return schema().append(pa.field("engagement", pa.int64()))


def _nowhere(_step: str) -> None:
    """Tests kill here."""


def run(db: Database, data_dir: Path, now: datetime, checkpoint: Callable[[str], None] = _nowhere) -> int:
    """Compact every closed day that has rows in the table; returns how many days were written. One process at a time
    (the leading scheduler). `checkpoint` is called with the name of each step that is done. Raises PostProberError when
    a written file does not hold what was read; then the day stays in the table. Raises NotInstalled when the
    library that writes the files is not installed."""
    extras.need("analytics")
    where = sample_days.folder(data_dir)
    where.mkdir(parents=True, exist_ok=True)
    for left in where.glob(f".*{_PART}"):  # of a run that was killed
        left.unlink(missing_ok=True)
    before = (now - CLOSED_AFTER).astimezone(UTC).date()
    with db.read() as conn:
        days, notes = list(sample_days.hot_days(conn, before)), sample_days.noted(conn)
    written = 0
    for day in days:
        through = _compact(db, where, day, notes.get(day), now, checkpoint)
        written += through != notes.get(day)
        _leave(db, day, through, checkpoint)
    return written


def _compact(
    db: Database, where: Path, day: date, through: int | None, now: datetime, checkpoint: Callable[[str], None]
) -> int:
    """Steps 1 to 3; returns up to which id the day is noted now."""
    with db.read() as conn:
        newest = sample_days.newest_id(conn, day)
    if through is not None and (newest is None or newest <= through):
        return through
    file = sample_days.path(where, day)
    hidden = where / f".{file.name}{_PART}"
    before, count, reached = _write(db, hidden, file, day, through)
    with db.read() as conn:
        expected = sample_days.count(conn, day, through or 0, reached)
    import pyarrow.parquet as pq

    if not count - before == expected == pq.read_metadata(hidden).num_rows - before:
        raise PostProberError(f"The file of the samples of {day} is not whole; the day stays in the database.")
    checkpoint("written")
    hidden.replace(file)
    sync_folder(where)
    checkpoint("named")
    with db.write() as conn:
        sample_days.note(conn, day, reached, count, now)
    checkpoint("noted")
    return reached


def _write(db: Database, hidden: Path, file: Path, day: date, through: int | None) -> tuple[int, int, int]:
    """Step 1: what the old file counted, then the rows of the table above it; returns (rows of the old file, all rows,
    newest id)."""
    import pyarrow.parquet as pq

    before, count, reached = 0, 0, through or 0
    with hidden.open("wb") as stream:
        with pq.ParquetWriter(stream, file_schema(), compression="zstd") as writer, db.read() as conn:
            if through is not None:
                old = pq.read_table(file, filters=[("id", "<=", through)], schema=file_schema())
                writer.write_table(old)
                before = count = old.num_rows
            for table in of_day(conn, day, through or 0):
                writer.write_table(with_engagement(table))
                count += table.num_rows
                reached = max(reached, *table.column("id").to_pylist())
        stream.flush()
        os.fsync(stream.fileno())
    return before, count, reached


def of_day(conn: Connection, day: date, above: int) -> Iterator[pa.Table]:
    """The day's rows in the table with ids above `above`, by delivery and time, in pieces."""
    start, end = sample_days.bounds(day)
    wanted = (samples.c.at >= start, samples.c.at < end, samples.c.id > above)
    rows = conn.execute(
        select(*columns()).where(*wanted).order_by(samples.c.delivery_id, samples.c.at, samples.c.id),
        execution_options={"yield_per": CHUNK},
    )
    for chunk in rows.partitions():
        yield to_arrow(chunk, schema())


def with_engagement(table: pa.Table) -> pa.Table:
    """Rows of `schema` as rows of `file_schema`."""
    import pyarrow.compute as pc

    known = [table.column(act) for act in ACTS]
    total = known[0].combine_chunks()
    for column in known[1:]:
        both = pc.add(pc.fill_null(total, 0), pc.fill_null(column.combine_chunks(), 0))
        total = pc.if_else(pc.and_(pc.is_null(total), pc.is_null(column.combine_chunks())), None, both)
    return table.append_column(file_schema().field("engagement"), total)


def columns() -> list[Any]:
    """Of `samples`, in the order of `schema`."""
    return [samples.c[name] for name in _COLUMNS]


def to_arrow(rows: Sequence[Sequence[Any]], form: pa.Schema) -> pa.Table:
    """Rows as the driver gives them: SQLite keeps times as text, which Arrow reads faster than Python does. What is
    missing stays missing."""
    import pyarrow as pa

    if not rows:
        return form.empty_table()
    columns = zip(*rows, strict=True)
    return pa.Table.from_arrays([_array(c, f.type) for c, f in zip(columns, form, strict=True)], schema=form)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if not pa.types.is_timestamp(kind):
        return pa.array(values, kind)
    found = pa.array(values)
    if pa.types.is_string(found.type):
        found = found.cast(pa.timestamp("us")).cast(pa.int64())  # UTC without saying so
    return found.cast(kind)


def _leave(db: Database, day: date, through: int, checkpoint: Callable[[str], None]) -> None:
    """Step 4."""
    with db.read() as conn:
        ids = sample_days.covered(conn, day, through)
    for first in range(0, len(ids), BATCH):
        with db.write() as conn:
            conn.execute(delete(samples).where(samples.c.id.in_(ids[first : first + BATCH])))
        checkpoint("left")
