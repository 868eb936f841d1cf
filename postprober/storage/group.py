"""Group commit: threads that write at the same time share one transaction, and one wait for the disk.

On SQLite every commit waits for the disk (`synchronous=FULL`), and only one can be under way. Threads therefore take
turns inside one open transaction, each within its own savepoint; the last one in the queue commits for all. Nobody
returns before the commit is on disk, so a caller sees no difference: its own block is atomic, and when `write` returns
it is durable. A block that raises is rolled back alone, and its error is raised when the others' commit is done, too: it
may be an error because of what they wrote, and whoever reads after it must find that.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

MAX_GROUP = 32  # blocks; bounds how long the first one waits for the last


@dataclass
class _Group:
    """One shared transaction. `failure`: why its commit did not happen; nobody's block was kept then."""

    connection: Connection
    size: int = 0
    done: threading.Event = field(default_factory=threading.Event)
    failure: BaseException | None = None


def _run(connection: Connection, statement: str) -> None:
    """One statement straight on the driver. Its error is SQLAlchemy's, which everybody above knows: with the driver's
    own the API answered 500 instead of 503 while another process held the lock. Raises OperationalError."""
    try:
        _driver(connection).execute(statement)
    except sqlite3.OperationalError as error:
        raise OperationalError(statement, None, error) from error


def _driver(connection: Connection) -> sqlite3.Connection:
    raw = connection.connection.dbapi_connection
    if not isinstance(raw, sqlite3.Connection):
        raise TypeError("group commit is for SQLite")
    return raw


@contextmanager
def savepoint(connection: Connection, name: str = "block") -> Iterator[None]:
    """A savepoint straight on the driver: SQLAlchemy's own compiles its statements anew each time (a fifth of the CPU
    of a delivery)."""
    _run(connection, f"SAVEPOINT {name}")
    try:
        yield
    except BaseException:
        if _open(connection):
            _run(connection, f"ROLLBACK TO {name}")
            _run(connection, f"RELEASE {name}")
        raise
    _run(connection, f"RELEASE {name}")


def _open(connection: Connection) -> bool:
    """Whether the transaction still exists: on a full disk or an I/O error SQLite rolls all of it back by itself, and a
    commit after that would succeed without keeping anything."""
    return _driver(connection).in_transaction


class GroupCommit:
    """Write transactions of one engine, grouped. Thread safe; blocks must not nest in one thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = threading.Lock()
        self._count = threading.Lock()
        self._waiting = 0
        self._group: _Group | None = None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One atomic, durable block."""
        with self._count:
            self._waiting += 1
        try:
            self._turn.acquire()
        finally:  # also when a signal interrupts the waiting: a count too high would keep a group open for ever
            with self._count:
                self._waiting -= 1
        try:
            group = self._joined()
        except BaseException:
            self._turn.release()
            raise
        try:
            with savepoint(group.connection):
                yield group.connection
        finally:
            group.size += 1
            last = self._is_last(group) or not _open(group.connection)
            if last:
                self._commit(group)
            self._turn.release()
            if not last:
                group.done.wait()
        if group.failure is not None:
            raise group.failure

    def _joined(self) -> _Group:
        if self._group is None:
            connection = self._engine.connect()
            try:
                connection.begin()
                _run(connection, "BEGIN IMMEDIATE")
            except BaseException:
                connection.close()
                raise
            self._group = _Group(connection)
        return self._group

    def _is_last(self, group: _Group) -> bool:
        with self._count:
            return self._waiting == 0 or group.size >= MAX_GROUP

    def _commit(self, group: _Group) -> None:
        """Commit for everybody in the group and wake them; called in turn."""
        self._group = None
        try:
            if not _open(group.connection):
                gone = sqlite3.OperationalError(
                    "SQLite gave the transaction up (disk full or I/O error); nothing was kept"
                )
                raise OperationalError("COMMIT", None, gone)
            group.connection.commit()
        except BaseException as error:  # noqa: BLE001 (handed to every member of the group, whose block was not kept)
            group.failure = error
        finally:
            group.connection.close()
            group.done.set()
