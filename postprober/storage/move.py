"""Moves a SQLite installation to PostgreSQL while it runs.

1. The target is marked as unfinished; nobody starts on it.
2. Everything is copied from one snapshot, without a lock: row by row compared, and written where it differs.
3. Under SQLite's write lock the same again, which by now finds little. Then triggers refuse every further write to the
   old database, in the same transaction that notes where it went.
4. The mark is taken from the target.

Killed anywhere, it can be run again: before the end of step 3 the old database is in use as ever, afterwards it takes
nothing any more, and at no moment can both be worked with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Table, bindparam, delete, func, insert, select, text, update

from postprober.errors import BadInput, ConfigurationError
from postprober.storage import processes
from postprober.storage.database import Database
from postprober.storage.tables import leases, meta, metadata, users
from postprober.storage.tables import processes as process_table

CHUNK = 500  # rows at a time
MOVING, MOVED = "moving", "moved"  # facts: of the unfinished target, of the old database
_OF_THE_MOMENT = (leases, process_table)  # who runs now; nothing to take along


def _nowhere(_step: str) -> None:
    """Tests kill here."""


@dataclass(frozen=True)
class Report:
    """`rows` by table, all of them compared; `late`: how many of them the second pass had to write or remove."""

    rows: dict[str, int]
    late: int


def refuse_moved(db: Database) -> None:
    """Raises ConfigurationError for a database that went elsewhere, and for one that is not wholly here."""
    with db.read() as conn:
        moved, moving = processes.get_fact(conn, MOVED), processes.get_fact(conn, MOVING)
    if moved is not None:
        raise ConfigurationError(f"This database was moved to {moved}; set POSTPROBER_DATABASE_URL to that one.")
    if moving is not None:
        raise ConfigurationError("The move into this database is not finished; run migrate-to again.")


def move(source: Database, target: Database, checkpoint: Callable[[str], None] = _nowhere) -> Report:
    """Raises BadInput when the target is another installation's, ConfigurationError when the two differ in the end."""
    if not source.is_sqlite or target.is_sqlite:
        raise BadInput("Only a SQLite installation can be moved, and only to PostgreSQL.")
    target.migrate()
    _mark(source, target)
    checkpoint("marked")
    with source.read() as conn:
        moved = processes.get_fact(conn, MOVED) is not None
        if not moved:
            _copy(conn, target, checkpoint)
    if moved:  # killed after step 3
        with source.read() as conn:
            report = Report(_compare(conn, target), 0)
    else:
        with source.write() as conn:
            late = _copy(conn, target, checkpoint)
            report = Report(_compare(conn, target), late)
            _close(conn, target.url.render_as_string(hide_password=True))
            checkpoint("closing")
    checkpoint("closed")
    with target.write() as conn:
        _count_on(conn)
        conn.execute(delete(meta).where(meta.c.name == MOVING))
    checkpoint("done")
    return report


def _mark(source: Database, target: Database) -> None:
    with source.read() as conn:
        mine = processes.get_fact(conn, "installation") or ""
    with target.write() as conn:
        marked = processes.get_fact(conn, MOVING)
        used = conn.execute(select(func.count()).select_from(users)).scalar_one()
        if marked is None and (used or processes.get_fact(conn, "installation") is not None):
            raise BadInput("There is an installation in that database already; give an empty one.")
        if marked is not None and marked != mine:
            raise BadInput("Another installation's move into that database is not finished; give an empty one.")
        processes.set_fact(conn, MOVING, mine)


def _tables() -> list[Table]:
    return [table for table in metadata.sorted_tables if table not in _OF_THE_MOMENT]


def _copy(conn: Connection, target: Database, checkpoint: Callable[[str], None]) -> int:
    """Make the target like what `conn` sees; returns how many rows differed."""
    changed = 0
    for table in reversed(_tables()):  # first what is gone, the dependent rows before those they depend on
        for _, extra in _differences(conn, target, table):
            if extra:
                key = _key(table)
                with target.write() as to:
                    to.execute(delete(table).where(key.in_(extra)))
                changed += len(extra)
        checkpoint(f"cleared {table.name}")
    for table in _tables():
        for wrong, _ in _differences(conn, target, table):
            if wrong:
                with target.write() as to:
                    _write(to, table, wrong)
                changed += len(wrong)
        checkpoint(f"copied {table.name}")
    return changed


def _compare(conn: Connection, target: Database) -> dict[str, int]:
    """Every row once more; raises ConfigurationError when one differs."""
    rows = {}
    for table in _tables():
        for wrong, extra in _differences(conn, target, table):
            if wrong or extra:
                raise ConfigurationError(f"The copy of {table.name} differs; nothing was switched over.")
        rows[table.name] = int(conn.execute(select(func.count()).select_from(table)).scalar_one())
    return rows


def _differences(
    conn: Connection, target: Database, table: Table
) -> Iterator[tuple[list[dict[str, Any]], Sequence[Any]]]:
    """Piece by piece: rows that the target lacks or has otherwise, and keys of rows that only the target has."""
    key, last = _key(table), None
    while True:
        wanted = select(table).order_by(key).limit(CHUNK)
        found = [_clean(dict(row)) for row in conn.execute(_after(wanted, key, last)).mappings()]
        high = found[-1][key.name] if len(found) == CHUNK else None
        there = _after(select(table), key, last)
        with target.read() as to:
            rows = to.execute(there if high is None else there.where(key <= high)).mappings()
            theirs = {row[key.name]: dict(row) for row in rows if not _ours(table, row[key.name])}
        mine = {row[key.name]: row for row in found if not _ours(table, row[key.name])}
        yield [row for name, row in mine.items() if theirs.get(name) != row], [k for k in theirs if k not in mine]
        if high is None:
            return
        last = high


def _after(query: Any, key: Column[Any], last: Any) -> Any:
    return query if last is None else query.where(key > last)


def _ours(table: Table, key: Any) -> bool:
    """The marks of this very move."""
    return table is meta and key in (MOVING, MOVED)


def _key(table: Table) -> Column[Any]:
    (key,) = table.primary_key.columns
    return key


def _write(to: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    key = _key(table)
    known = set(to.execute(select(key).where(key.in_([row[key.name] for row in rows]))).scalars())
    if new := [row for row in rows if row[key.name] not in known]:
        to.execute(insert(table), new)
    if old := [{f"b_{name}": value for name, value in row.items()} for row in rows if row[key.name] in known]:
        values: dict[str, Any] = {column.name: bindparam(f"b_{column.name}") for column in table.c if column is not key}
        to.execute(update(table).where(key == bindparam(f"b_{key.name}")).values(values), old)


def _clean(value: Any) -> Any:
    """PostgreSQL takes no NUL in a text."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, dict):
        return {_clean(name): _clean(item) for name, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list) else value


def _close(conn: Connection, where: str) -> None:
    """From this commit on the old database takes nothing, whoever still has it open."""
    processes.set_fact(conn, MOVED, where)
    for table in metadata.sorted_tables:
        for act in ("INSERT", "UPDATE", "DELETE"):
            conn.exec_driver_sql(
                f"CREATE TRIGGER moved_{table.name}_{act.lower()} BEFORE {act} ON {table.name} "
                "BEGIN SELECT RAISE(ABORT, 'this database was moved'); END"
            )


def _count_on(conn: Connection) -> None:
    """New rows get ids above the old ones."""
    for table in _tables():
        if _key(table).name == "id":
            conn.execute(
                text(  # the names are constants of ours
                    f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), "  # noqa: S608 # nosec B608 # names and parts of ours; values are bound
                    f"greatest((SELECT coalesce(max(id), 0) FROM {table.name}), 1))"
                )
            )
