"""Moves a SQLite installation to PostgreSQL while it runs.

1. The target is marked as unfinished, with the name of this run; nobody starts on it, and no other run writes there.
2. Triggers on the old database note which rows are written from now on.
3. Everything is copied from one snapshot, without a lock: row by row compared, and written where it differs.
4. What was noted meanwhile is copied, again and again, without a lock. One such round compares every row once more.
5. Under SQLite's write lock only the rows noted since the last round are copied, and the rows of each table counted.
   Then triggers refuse every further write to the old database, in the same transaction that notes where it went.
6. The mark is taken from the target.

Killed anywhere, it can be run again: before the end of step 5 the old database is in use as ever, afterwards it takes
nothing any more, and at no moment can both be worked with.
"""

from __future__ import annotations

import fcntl
import math
import os
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Index,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.exc import DatabaseError, IntegrityError

from postprober.errors import BadInput, ConfigurationError
from postprober.storage import processes
from postprober.storage.database import Database, said
from postprober.storage.tables import leases, meta, metadata, users
from postprober.storage.tables import processes as process_table

CHUNK = 500  # rows at a time
FEW = 200  # noted rows that are left for the time under the lock; ours: some milliseconds of work
MOVING, MOVED = "moving", "moved"  # facts: of the unfinished target, of the old database
RUN = "moving_run"  # fact of the old database: which run's notes are being taken
LOCK = 7_230_502  # of PostgreSQL's advisory locks; held on the target for the whole move
_NOTES = "moving_changes"
_MARKS = (MOVING, MOVED, RUN)
_OF_THE_MOMENT = (leases, process_table)  # who runs now; nothing to take along


def _nowhere(_step: str) -> None:
    """Tests kill here."""


@dataclass(frozen=True)
class Report:
    """`rows` by table, all of them compared; `late`: how many were written or removed while the copy was made; `locked`:
    how many of those were copied while nobody could write; `changed`: by table the keys of rows in which something was
    replaced or cut that PostgreSQL cannot keep."""

    rows: dict[str, int]
    late: int
    locked: int
    changed: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Target:
    """The new database as `run` may use it. `mark`: what its fact MOVING says as long as that run may write. `changed`: by
    table the keys of rows that it cannot keep as they are."""

    db: Database
    run: str
    mark: str
    changed: dict[str, set[Any]] = field(default_factory=dict)

    def read(self) -> AbstractContextManager[Connection]:
        return self.db.read()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Raises BadInput when the move is no longer this run's: the lock on the target goes with a connection, which may
        break. The row stays locked until the commit, so nobody takes the move over in between."""
        with self.db.write() as conn:
            if _mark_of(conn) != self.mark:
                raise BadInput("Another migrate-to took over this move; this one stopped and writes nothing more.")
            yield conn


def refuse_moved(db: Database) -> None:
    """Raises ConfigurationError for a database that went elsewhere, and for one that is not wholly here."""
    with db.read() as conn:
        moved, moving = processes.get_fact(conn, MOVED), processes.get_fact(conn, MOVING)
    if moved is not None:
        raise ConfigurationError(f"This database was moved to {moved}; set POSTPROBER_DATABASE_URL to that one.")
    if moving is not None:
        raise ConfigurationError("The move into this database is not finished; run migrate-to again.")


def forget_abandoned(db: Database) -> None:
    """Take from a SQLite database what a killed move has left there, and what every write would go on noting down for
    nobody. A move that runs keeps it."""
    if not db.is_sqlite:
        return
    with db.read() as conn:
        if processes.get_fact(conn, RUN) is None:
            return
    with _folder(db, fcntl.LOCK_EX | fcntl.LOCK_NB) as nobody_moves:
        if nobody_moves:
            with db.write() as conn:
                _stop_notes(conn)


@contextmanager
def _folder(db: Database, how: int) -> Iterator[bool]:
    """Hold the folder of a SQLite database: moves share it, and it goes with the process. Whether it was to be had. Not the
    file itself: to close it once more would end SQLite's own locks on it."""
    folder = os.open(Path(db.url.database or "").parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, how)
    except OSError:  # somebody has it; or the disk knows no such locks
        yield False
    else:
        yield True
    finally:
        os.close(folder)


def move(source: Database, target: Database, checkpoint: Callable[[str], None] = _nowhere) -> Report:
    """Raises BadInput when the target is another installation's or another run is moving into it, ConfigurationError when
    the two differ in the end or one of them failed."""
    if not source.is_sqlite or target.is_sqlite:
        raise BadInput("Only a SQLite installation can be moved, and only to PostgreSQL.")
    target.migrate()  # says in plain words what is wrong when the server does not answer
    try:
        return _move(source, target, checkpoint)
    except DatabaseError as error:
        raise ConfigurationError(
            f"The move is not finished ({said(error)}); run migrate-to again.", said(error)
        ) from error


def _move(source: Database, target: Database, checkpoint: Callable[[str], None]) -> Report:
    with _alone(target), _folder(source, fcntl.LOCK_SH):
        run = uuid.uuid4().hex
        to = _Target(target, run, _mark(source, target, run))
        checkpoint("marked")
        with source.write() as conn:
            moved = processes.get_fact(conn, MOVED) is not None
            if not moved:
                _take_notes(conn, run)
        if moved:  # killed after step 5
            with to.write():  # whatever differs by now is the new installation's own work if another run finished it
                pass
            with source.read() as conn:
                report = Report(_compare(conn, to), 0, 0, _sorted(to.changed))
        else:
            report = _carry_over(source, to, checkpoint)
        checkpoint("closed")
        with to.write() as conn:
            _count_on(conn)
            conn.execute(delete(meta).where(meta.c.name == MOVING))
        checkpoint("done")
    return report


@contextmanager
def _alone(target: Database) -> Iterator[None]:
    """One move into a database at a time. Raises BadInput while another one runs there."""
    with target.engine.connect() as opened:
        conn = opened.execution_options(isolation_level="AUTOCOMMIT")  # no transaction stays open for hours
        if not conn.execute(select(func.pg_try_advisory_lock(LOCK))).scalar_one():
            raise BadInput("Another migrate-to into that database is running; wait until it has ended.")
        try:
            yield
        finally:
            with suppress(DatabaseError):  # the connection broke: the lock went with it
                conn.execute(select(func.pg_advisory_unlock(LOCK)))


def _carry_over(source: Database, target: _Target, checkpoint: Callable[[str], None]) -> Report:
    try:  # nosemgrep: every-error-caught # raised again
        checkpoint("noting")
        with source.read() as conn:
            _copy(conn, target, checkpoint)
        late, seen = _catch_up(source, target, 0)
        with source.read() as conn:  # one view for both, so that any difference is a mistake
            noted, seen = _noted(conn, target.run, seen)
            late += _copy_rows(conn, target, noted)
            _compare(conn, target)
        more, seen = _catch_up(source, target, seen, before=max(1, sum(map(len, noted.values()))))
        checkpoint("caught up")
        with source.write() as conn:
            noted, _ = _noted(conn, target.run, seen)
            locked = sum(map(len, noted.values()))
            late += more + _copy_rows(conn, target, noted)
            rows = _compare_counts(conn, target, noted)
            _stop_notes(conn)
            _close(conn, target.db.url.render_as_string(hide_password=True))
            checkpoint("closing")
    except Exception:
        with suppress(DatabaseError), source.write() as conn:
            if processes.get_fact(conn, RUN) == target.run:
                _stop_notes(conn)
        raise
    return Report(rows, late, locked, _sorted(target.changed))


def _sorted(changed: dict[str, set[Any]]) -> dict[str, list[Any]]:
    return {name: sorted(keys) for name, keys in sorted(changed.items()) if keys}


def _catch_up(source: Database, target: _Target, seen: int, before: int = 0) -> tuple[int, int]:
    """Copy what was noted after the note `seen` until few are left, or more than half as many as were copied `before`:
    then it is written about as fast as it is copied, each round would leave more for the next, and the rest is left for the
    time under the lock. Returns how many rows differed, and the last note whose row was copied."""
    late = 0
    while True:
        with source.read() as conn:
            noted, newest = _noted(conn, target.run, seen)
            count = sum(map(len, noted.values()))
            if before and count > max(before // 2, FEW):
                return late, seen
            late, seen = late + _copy_rows(conn, target, noted), newest
        if count <= FEW:
            return late, seen
        before = count


def _take_notes(conn: Connection, run: str) -> None:
    """Note the key of every row that is written from now on. What a killed run left is begun anew."""
    _stop_notes(conn)
    processes.set_fact(conn, RUN, run)
    conn.exec_driver_sql(f"CREATE TABLE {_NOTES} (seq INTEGER PRIMARY KEY AUTOINCREMENT, tbl TEXT NOT NULL, key)")
    conn.exec_driver_sql(f"CREATE INDEX ix_{_NOTES} ON {_NOTES} (tbl, key)")
    for table, act, name in _noting():
        row, key = ("OLD" if act == "DELETE" else "NEW"), _key(table).name
        # One note a row, the newest. Not with OR REPLACE: the conflict clause of the outer statement would win.
        note = (
            f"DELETE FROM {_NOTES} WHERE tbl = '{table.name}' AND key = {row}.{key}; "  # noqa: S608 # nosec B608 # names of ours
            f"INSERT INTO {_NOTES} (tbl, key) VALUES ('{table.name}', {row}.{key})"
        )
        conn.exec_driver_sql(f"CREATE TRIGGER {name} AFTER {act} ON {table.name} BEGIN {note}; END")


def _stop_notes(conn: Connection) -> None:
    """Also what another version's run has left, of whatever tables it knew."""
    found = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'moving\\_%' ESCAPE '\\'"
    for name in conn.exec_driver_sql(found).scalars().all():
        conn.exec_driver_sql(f'DROP TRIGGER "{name}"')
    conn.exec_driver_sql(f"DROP TABLE IF EXISTS {_NOTES}")
    conn.execute(delete(meta).where(meta.c.name == RUN))


def _noting() -> list[tuple[Table, str, str]]:
    return [(t, act, f"moving_{t.name}_{act.lower()}") for t in _tables() for act in ("INSERT", "UPDATE", "DELETE")]


def _noted(conn: Connection, run: str, after: int) -> tuple[dict[str, list[Any]], int]:
    """By table the keys of what was written after that note, and the number of the newest note. Raises BadInput when the
    notes are not that run's."""
    if processes.get_fact(conn, RUN) != run:
        raise BadInput("Another migrate-to of this database was started; let one of them finish.")
    found: dict[str, list[Any]] = {}
    for seq, name, key in conn.execute(
        text(f"SELECT seq, tbl, key FROM {_NOTES} WHERE seq > :after ORDER BY seq"),  # noqa: S608 # nosec B608 # a name of ours
        {"after": after},
    ):
        found.setdefault(name, []).append(key)
        after = seq
    return found, after


def _copy_rows(conn: Connection, target: _Target, noted: dict[str, list[Any]]) -> int:
    """Make these rows of the target like what `conn` sees; returns how many differed."""
    wrong: dict[str, list[dict[str, Any]]] = {}
    changed = 0
    for table in reversed(_tables()):
        for keys in _pieces(sorted(noted.get(table.name, []))):
            mine, theirs = _both(conn, target, table, _key(table).in_(keys))
            wrong.setdefault(table.name, []).extend(row for name, row in mine.items() if theirs.get(name) != row)
            if extra := [name for name in theirs if name not in mine]:
                with target.write() as to:
                    to.execute(delete(table).where(_key(table).in_(extra)))
                changed += len(extra)
    for table in _tables():
        for rows in _pieces(wrong.get(table.name, [])):
            _put(conn, target, table, rows)
            changed += len(rows)
    return changed


def _pieces(values: list[Any]) -> Iterator[list[Any]]:
    for begin in range(0, len(values), CHUNK):
        yield values[begin : begin + CHUNK]


def _both(
    conn: Connection, target: _Target, table: Table, which: Any
) -> tuple[dict[Any, dict[str, Any]], dict[Any, dict[str, Any]]]:
    """By key: the rows here and there."""
    key = _key(table).name
    mine = _cleaned(target, table, conn.execute(select(table).where(which)).mappings())
    with target.read() as to:
        theirs = [dict(row) for row in to.execute(select(table).where(which)).mappings()]
    return (
        {row[key]: row for row in mine if not _ours(table, row[key])},
        {row[key]: row for row in theirs if not _ours(table, row[key])},
    )


def _compare_counts(conn: Connection, target: _Target, noted: dict[str, list[Any]]) -> dict[str, int]:
    """The rows of every table counted, and those copied last compared once more; raises ConfigurationError."""
    rows = {}
    for table in _tables():
        keys = noted.get(table.name, [])
        for piece in _pieces(keys):
            mine, theirs = _both(conn, target, table, _key(table).in_(piece))
            if mine != theirs:
                raise ConfigurationError(f"The copy of {table.name} differs; nothing was switched over.")
        count = select(func.count()).select_from(table)
        if table is meta:
            count = count.where(meta.c.name.not_in(_MARKS))
        rows[table.name] = int(conn.execute(count).scalar_one())
        with target.read() as to:
            if int(to.execute(count).scalar_one()) != rows[table.name]:
                raise ConfigurationError(f"The copy of {table.name} differs; nothing was switched over.")
    return rows


def _mark_of(conn: Connection) -> str | None:
    """The fact MOVING, which stays as it is until this transaction ends."""
    value: str | None = conn.execute(select(meta.c.value).where(meta.c.name == MOVING).with_for_update()).scalar()
    return value


def _mark(source: Database, target: Database, run: str) -> str:
    """The mark of this run, which the target now has: whose move it is, and which run's."""
    with source.read() as conn:
        mine = processes.get_fact(conn, "installation") or ""
    with target.write() as conn:
        marked = _mark_of(conn)
        used = conn.execute(select(func.count()).select_from(users)).scalar_one()
        if marked is None and (used or processes.get_fact(conn, "installation") is not None):
            raise BadInput("There is an installation in that database already; give an empty one.")
        if marked is not None and marked.partition("/")[0] != mine:
            raise BadInput("Another installation's move into that database is not finished; give an empty one.")
        processes.set_fact(conn, MOVING, f"{mine}/{run}")
    return f"{mine}/{run}"


def _tables() -> list[Table]:
    return [table for table in metadata.sorted_tables if table not in _OF_THE_MOMENT]


def _copy(conn: Connection, target: _Target, checkpoint: Callable[[str], None]) -> int:
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
                _put(conn, target, table, wrong)
                changed += len(wrong)
        checkpoint(f"copied {table.name}")
    return changed


def _compare(conn: Connection, target: _Target) -> dict[str, int]:
    """Every row once more; raises ConfigurationError when one differs."""
    rows = {}
    for table in _tables():
        for wrong, extra in _differences(conn, target, table):
            if wrong or extra:
                raise ConfigurationError(f"The copy of {table.name} differs; nothing was switched over.")
        rows[table.name] = int(conn.execute(select(func.count()).select_from(table)).scalar_one())
    return rows


def _differences(
    conn: Connection, target: _Target, table: Table
) -> Iterator[tuple[list[dict[str, Any]], Sequence[Any]]]:
    """Piece by piece: rows that the target lacks or has otherwise, and keys of rows that only the target has."""
    key, last = _key(table), None
    while True:
        wanted = select(table).order_by(key).limit(CHUNK)
        found = _cleaned(target, table, conn.execute(_after(wanted, key, last)).mappings())
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
    return table is meta and key in _MARKS


def _key(table: Table) -> Column[Any]:
    (key,) = table.primary_key.columns
    return key


def _put(conn: Connection, target: _Target, table: Table, rows: list[dict[str, Any]]) -> None:
    """Write these rows of the source, which `conn` reads. One of them may have what another row of the copy, which comes
    later, has given up since."""
    try:
        with target.write() as to:
            _write(to, table, rows)
    except IntegrityError:
        with target.write() as to:
            _free(conn, to, table, rows)
            _write(to, table, rows)


def _free(conn: Connection, to: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Take from other rows whatever is unique and now belongs to these: as the source has it only once, those rows are
    written later. Where it is unique among some rows only, the others neither take nor lose anything."""
    key = _key(table)
    unique = [c for c in table.constraints if isinstance(c, UniqueConstraint)] + [i for i in table.indexes if i.unique]
    for one in unique:
        columns = list(one.columns)
        loose = next((column for column in columns if column.nullable or isinstance(column.type, String)), None)
        if loose is None:
            continue
        partial = (
            [one.dialect_options[name]["where"] for name in ("sqlite", "postgresql")] if isinstance(one, Index) else []
        )
        here, there = ([] if part is None else [part] for part in partial or (None, None))
        takes = set(conn.execute(select(key).where(key.in_([row[key.name] for row in rows]), *here)).scalars())
        freed = None if loose.nullable else literal("~").concat(cast(key, String))
        for row in rows:
            if row[key.name] in takes and all(row[column.name] is not None for column in columns):
                same = [*there, *(column == row[column.name] for column in columns)]
                to.execute(update(table).where(*same, key != row[key.name]).values({loose.name: freed}))


def _write(to: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    key = _key(table)
    keys = {column.name: column.key for column in table.c}  # rows are named as in the database
    known = set(to.execute(select(key).where(key.in_([row[key.name] for row in rows]))).scalars())
    if new := [row for row in rows if row[key.name] not in known]:
        to.execute(insert(table), [{keys[name]: value for name, value in row.items()} for row in new])
    if old := [{f"b_{name}": value for name, value in row.items()} for row in rows if row[key.name] in known]:
        values: dict[str, Any] = {column.key: bindparam(f"b_{column.name}") for column in table.c if column is not key}
        to.execute(update(table).where(key == bindparam(f"b_{key.name}")).values(values), old)


_UNKEPT = re.compile("[\0\ud800-\udfff]")


def _cleaned(target: _Target, table: Table, rows: Iterable[Any]) -> list[dict[str, Any]]:
    """These rows of the source as PostgreSQL can keep them; notes which of them are not as they were."""
    found = []
    changed, key = target.changed.setdefault(table.name, set()), _key(table).name
    longest = {column.name: column.type.length for column in table.c if isinstance(column.type, String)}
    for row in rows:
        clean = {name: _clean(value, longest.get(name)) for name, value in row.items()}
        (changed.discard if clean == dict(row) else changed.add)(row[key])
        found.append(clean)
    return found


def _clean(value: Any, longest: int | None = None) -> Any:
    """PostgreSQL takes no NUL and no half of a surrogate pair in a text, in JSON no number that is none, and no text of
    more characters than its column says, which SQLite does not ask."""
    if isinstance(value, str):
        return _UNKEPT.sub("\ufffd", value)[:longest]
    if isinstance(value, dict):
        return {_clean(name): _clean_item(item) for name, item in value.items()}
    return [_clean_item(item) for item in value] if isinstance(value, list) else value


def _clean_item(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else _clean(value)


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
