"""One look at all samples: DuckDB in memory over the Parquet days and the rows that are still in the database.

DuckDB may open nothing but the folder of the samples, and its configuration is locked before the first query. What a
person chose reaches it as parameters or as rows of an Arrow table, never as SQL.

The database is read by its own driver. `adbc-driver-sqlite` hands over Arrow itself, but it brings a second copy of SQLite, and
two copies in a process that also writes break each other's locks (https://www.sqlite.org/howtocorrupt.html, 2.2.1).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sqlalchemy import Connection, Select, select

from postprober import extras
from postprober.analytics import compaction
from postprober.errors import Conflict
from postprober.storage import sample_days
from postprober.storage.database import Database
from postprober.storage.tables import accounts, deliveries, posts, samples

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",  # a name in a query never means a variable of ours
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = 'delivery_id, "at", likes, reposts, replies, quotes, bookmarks, views, engagement'
# A row counts in the file of its day up to the note, and in the table above it.
_SAMPLES = f"""
CREATE VIEW samples AS
SELECT {_COLUMNS} FROM hot
WHERE {{until}}
AND NOT EXISTS (FROM notes n WHERE n.day = epoch_us(hot."at") // 86400000000 AND hot.id <= n.through)
"""  # noqa: S608 # nosec B608 # names and parts of ours; values are bound
# Files that hold exactly what was noted; and those that a run of the compaction has made longer than its note.
_EXACT = f"UNION ALL SELECT {_COLUMNS} FROM read_parquet({{files}}) f WHERE {{until}} "  # noqa: S608 # nosec B608 # names and parts of ours; values are bound
_LONGER = (
    f"UNION ALL SELECT {_COLUMNS} FROM read_parquet({{files}}) f WHERE {{until}} "  # noqa: S608 # nosec B608 # names and parts of ours; values are bound
    'AND EXISTS (FROM notes n WHERE n.day = epoch_us(f."at") // 86400000000 AND f.id <= n.through)'
)
TRIES = 3
T = TypeVar("T")


class SampleStore:
    """`samples` and `deliveries` of one space, as DuckDB tables, at one moment. Use it in a `with` and in one thread.

    `missing`: days that are noted but whose file is gone; they count as unknown. `files`: what was read, by path, as
    it was when it was opened.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, missing: tuple[date, ...], files: dict[Path, _Face]
    ) -> None:
        self._duck = connection
        self.missing = missing
        self._files = files

    @classmethod
    def look(
        cls,
        db: Database,
        data_dir: Path,
        space: int,
        since: datetime | None,
        act: Callable[[Self], T],
        until: datetime | None = None,
    ) -> T:
        """What `act` finds in an open store. The compaction and the retention of another process may replace or remove
        a file meanwhile; then everything is read once more. Raises Conflict when that happens again and again, and
        NotInstalled when DuckDB is not installed."""
        extras.need("analytics")
        import duckdb  # this module is read where it is not installed, too

        for _ in range(TRIES):
            with cls.open(db, data_dir, space, since, until) as store:
                try:
                    found = act(store)
                except duckdb.IOException:
                    continue  # a file is gone
                if all(_face(file) == face for file, face in store._files.items()):
                    return found
        raise Conflict("The samples are being tidied at this moment; try again in a minute.")

    @classmethod
    def open(
        cls, db: Database, data_dir: Path, space: int, since: datetime | None = None, until: datetime | None = None
    ) -> Self:
        """What the space `space` has; samples since `since` (whole UTC days of files) and up to `until`, all when it is
        None. Raises NotInstalled when DuckDB is not installed."""
        extras.need("analytics")
        import duckdb

        where = sample_days.folder(data_dir).resolve()
        start = since or _EPOCH
        with db.read() as conn:
            sample_days.one_moment(conn)
            notes = {d: t for d, t in sample_days.noted(conn).items() if d >= start.astimezone(UTC).date()}
            counts = sample_days.rows_noted(conn)
            hot, mine = _hot(conn, space, start), _deliveries(conn, space)
        faces = {day: _face(sample_days.path(where, day)) for day in notes}
        missing = tuple(day for day, face in faces.items() if face is None)
        files = {sample_days.path(where, day): face for day, face in faces.items() if face is not None}
        exact = [sample_days.path(where, day) for day, face in faces.items() if face and face.rows == counts[day]]
        duck = duckdb.connect(":memory:", config=_CONFIG)
        duck.execute(f"SET allowed_directories=[{_quoted(str(where))}]")
        duck.execute("SET enable_external_access=false")
        duck.execute("SET lock_configuration=true")
        duck.register("hot", hot)
        duck.register("deliveries", mine)
        duck.register("notes", _notes(notes))
        # No condition where there is none: a comparison that is always true makes DuckDB join the wrong way round.
        last = "TRUE" if until is None else f'epoch_us("at") <= {(until - _EPOCH) // timedelta(microseconds=1)}'
        view = _SAMPLES.format(until=last)
        longer = [file for file in files if file not in set(exact)]
        for some, query in ((exact, _EXACT), (longer, _LONGER)):
            view += query.format(files=_list(some), until=last) if some else ""
        duck.execute(view)
        return cls(duck, missing, files)

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of one of our own queries."""
        return self._duck.execute(query, list(parameters)).fetchall()

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        """One of our own statements that gives nothing back."""
        self._duck.execute(statement, list(parameters))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._duck.close()


@dataclass(frozen=True)
class _Face:
    """By which a file is known again: its inode, when it was written (ns), and its rows."""

    inode: int
    written: int
    rows: int


def _face(file: Path) -> _Face | None:
    """None when it is not there."""
    import pyarrow.parquet as pq

    try:
        with file.open("rb") as stream:
            found = os.fstat(stream.fileno())
            return _Face(found.st_ino, found.st_mtime_ns, pq.read_metadata(stream).num_rows)
    except FileNotFoundError:
        return None


def _list(files: Sequence[Path]) -> str:
    return "[" + ", ".join(_quoted(str(file)) for file in files) + "]"


def _quoted(text: str) -> str:
    """A path of ours as an SQL string; the data folder's name may hold a quote."""
    return "'" + text.replace("'", "''") + "'"


def _hot(conn: Connection, space: int, since: datetime) -> pa.Table:
    mine = select(deliveries.c.id).where(deliveries.c.user_id == space)
    query = select(*compaction.columns()).where(samples.c.at >= since, samples.c.delivery_id.in_(mine))
    return compaction.with_engagement(_read(conn, query, compaction.schema()))


def _read(conn: Connection, query: Select[Any], schema: pa.Schema) -> pa.Table:
    """Straight from the driver: SQLAlchemy's own rows and times would take twice as long."""
    with closing(conn.execute(query)) as result:
        return compaction.to_arrow(result.cursor.fetchall() if result.cursor else [], schema)


def _notes(notes: dict[date, int]) -> pa.Table:
    import pyarrow as pa

    days = [(day - _EPOCH.date()) // timedelta(days=1) for day in notes]
    return pa.table({"day": pa.array(days, pa.int64()), "through": pa.array(list(notes.values()), pa.int64())})


@cache
def _delivery_schema() -> pa.Schema:
    import pyarrow as pa

    moment = pa.timestamp("us", tz="UTC")
    return pa.schema(
        [
            ("delivery_id", pa.int64()),
            ("post_id", pa.int64()),
            ("account_id", pa.int64()),
            ("platform", pa.string()),
            ("state", pa.string()),
            ("proof", pa.string()),
            ("due_at", moment),
            ("published_at", moment),
            ("first_byte_at", moment),
        ]
    )


def _deliveries(conn: Connection, space: int) -> pa.Table:
    """Of posts and accounts that are still there: what a person deleted is not shown any more."""
    d = deliveries.c
    query = (
        select(d.id, d.post_id, d.account_id, d.platform, d.state, d.proof, d.due_at, d.published_at, d.first_byte_at)
        .join(posts, posts.c.id == d.post_id)
        .where(d.user_id == space, posts.c.deleted_at.is_(None))
    )
    return _read(conn, query, _delivery_schema())


def account_names(conn: Connection, space: int) -> dict[int, str]:
    """By account id."""
    rows = conn.execute(select(accounts.c.id, accounts.c.account_name).where(accounts.c.user_id == space))
    return {int(row.id): str(row.account_name) for row in rows}
