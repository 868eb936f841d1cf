"""The database: engine, units of work, migrations, and the refusal to touch a file that is not ours."""

from __future__ import annotations

import fcntl
import functools
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from postprober import extras
from postprober.errors import ConfigurationError
from postprober.storage.group import GroupCommit, savepoint

MIGRATING = 7_230_501  # of PostgreSQL's advisory locks; any number that nobody else in this database takes
_MIGRATING_FILE = ".migrating"  # behind the name of SQLite's file
WAY_BACK = "update the program, or restore the backup that was made before the update (docs/upgrade.md)."
BUSY_TIMEOUT_MS = 15_000  # measured: shorter ones surface as errors under load


def sqlite_has_wal_reset_bug(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> bool:
    """Whether this SQLite may corrupt a database when a checkpoint races a WAL reset (3.7.0 to 3.51.2; fixed in 3.51.3
    and, as patches, in 3.50.7 and 3.44.6)."""
    if version >= (3, 51, 3) or version < (3, 7, 0):
        return False
    return not ((3, 50, 7) <= version < (3, 51, 0) or (3, 44, 6) <= version < (3, 45, 0))


def _nothing() -> None:
    return None


class Database:
    """Units of work on one database, SQLite or PostgreSQL. Thread safe. `on_write` is called after each commit."""

    def __init__(self, url: str, *, pool_size: int = 20) -> None:
        self._turns: AbstractContextManager[object] = nullcontext()
        self.on_write: Callable[[], None] = _nothing
        try:
            self.url = make_url(url)
            self.is_sqlite = self.url.get_backend_name() == "sqlite"
            self.engine = self._engine(pool_size)
        except (ArgumentError, ImportError) as error:  # a driver that is not there is an ImportError
            raise ConfigurationError(
                "POSTPROBER_DATABASE_URL is not usable: leave it empty for SQLite or give postgresql://user:password@host/name.",
                type(error).__name__,
            ) from None
        # SQLite's own waiting sleeps up to 100 ms at a time and is unfair, and every commit waits for the disk alone.
        self._group = GroupCommit(self.engine) if self.is_sqlite else None

    def _engine(self, pool_size: int) -> Engine:
        if not self.is_sqlite:
            if self.url.get_backend_name() == "postgresql":
                extras.need("postgres")
            return create_engine(
                self.url,
                pool_size=pool_size,
                max_overflow=pool_size,
                pool_use_lifo=True,
                pool_pre_ping=True,
                hide_parameters=True,
            )
        name = self.url.database or ""
        if name and name != ":memory:":
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            _close_to_others(Path(name))
            refuse_foreign_file(Path(name))
        engine = create_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=pool_size,
            # The one used last first: each keeps up to 2 MB of pages, and with all of them in turn that came to 47 MB a process
            # instead of 2 (20 connections, 40,000 reads of single rows of a database of 40 MB).
            pool_use_lifo=True,
            connect_args={"check_same_thread": False},
            hide_parameters=True,  # what people wrote stays out of logs
        )
        event.listen(engine, "connect", _configure_sqlite)
        return engine

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that will write; on SQLite it takes the write lock at its start (a read that later turns into
        a write fails at once with 'database is locked', whatever the time-out). Network calls never happen inside."""
        with self._group.write() if self._group else self.engine.begin() as connection:
            yield connection
        self.on_write()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: one consistent view; it neither waits for a writer nor holds one up."""
        with self._turns, self.engine.connect() as connection:
            self._begin(connection, "BEGIN")
            yield connection

    @contextmanager
    def part(self, connection: Connection) -> Iterator[None]:
        """A part of a transaction that can fail alone: what it wrote is undone, the rest stays. The error goes on."""
        with savepoint(connection, "part") if self.is_sqlite else connection.begin_nested():
            yield

    def take_turns(self) -> None:
        """SQLite only: let one thread read at a time. Every row read gives up the interpreter's lock and waits for it again; of many
        threads doing that, each waits for all the others at every row."""
        if self.is_sqlite:
            self._turns = threading.RLock()

    def _begin(self, connection: Connection, how: str) -> None:
        """Start the transaction by hand: Python's driver would start it late and deferred, and an engine event for it
        would slow down every statement."""
        if self.is_sqlite:
            connection.exec_driver_sql(how)

    def migrate(self, before: Callable[[str], None] | None = None) -> None:
        """Bring the schema to this program's version. `before` is called with the version that is there, if there are rows to
        lose: by one process only, while nobody can write to SQLite, and the schema changes when it returns. Raises what it raises,
        and ConfigurationError for a newer or broken database."""
        config = _alembic_config()
        try:
            with self.engine.connect() as connection:
                current = self._refuse_newer(connection)
                connection.rollback()
                if current == _scripts().get_current_head():
                    return  # nobody needs to wait for a lock, or for Alembic to read all its scripts anew
                with self._one_after_another(connection, slow=before is not None and current is not None):
                    current = self._refuse_newer(connection)
                    if current == _scripts().get_current_head():
                        return  # somebody was faster
                    if before is not None and current is not None and _anybody(connection):
                        before(current)
                    config.attributes["connection"] = connection
                    command.upgrade(config, "head")
                    connection.commit()
        except OperationalError as error:
            raise ConfigurationError(_unreachable(self.url, error), said(error)) from error
        except DatabaseError as error:
            raise ConfigurationError("The database could not be brought up to date.", said(error)) from error

    @contextmanager
    def _one_after_another(self, connection: Connection, *, slow: bool) -> Iterator[None]:
        """Processes that start at the same time migrate one after another; `slow`: the first one may take long."""
        if not self.is_sqlite or not slow:
            self._begin(connection, "BEGIN IMMEDIATE")
            if not self.is_sqlite:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATING})")
            yield
            return
        # SQLite's own lock is waited for only so long, and a backup may take longer. The lock is a file of its own: to close the
        # database's would end SQLite's locks on it.
        with Path(f"{self.url.database}{_MIGRATING_FILE}").open("a") as lock:
            with suppress(OSError):  # a disk that knows no such locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            self._begin(connection, "BEGIN IMMEDIATE")
            yield

    def schema(self) -> str | None:
        """The version of the schema that the database has; None for an empty one."""
        with self.read() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def is_current(self) -> bool:
        """Whether the schema is this program's."""
        return self.schema() == _scripts().get_current_head()

    def checkpoint_wal(self) -> None:
        """Move the WAL into the file. The only checkpoint where SQLite has the WAL-reset bug: it holds the write lock,
        so nobody can reset the WAL meanwhile."""
        if not self.is_sqlite:
            return
        raw = self.engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.close()

    def close(self) -> None:
        """End every connection; one that a thread still uses, or opens after this, ends when it is given back."""
        event.listen(self.engine, "checkin", _end)  # of the pool that is now and, copied from it, of the next
        self.engine.dispose()

    def _refuse_newer(self, connection: Connection) -> str | None:
        """The schema's version, None for an empty database."""
        current = MigrationContext.configure(connection).get_current_revision()
        if current is not None and current not in _revisions():
            raise ConfigurationError(
                f"The database was written by a newer PostProber (schema {current}); {WAY_BACK} It was left as it is."
            )
        return current


def _anybody(connection: Connection) -> bool:
    """Whether there is a person: without one nothing was ever made."""
    return connection.exec_driver_sql("SELECT id FROM users LIMIT 1").first() is not None


def _end(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.invalidate()


def _close_to_others(path: Path) -> None:
    """A file that an earlier version made may be readable by everybody."""
    for one in (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))):
        with suppress(OSError):  # not there; or somebody else's, who decides about it
            if one.stat().st_mode & 0o077:
                one.chmod(0o600)


def refuse_foreign_file(path: Path) -> None:
    """Look at the file without writing a byte: SQLAlchemy's first connection already changes the header. Raises
    ConfigurationError for a file that is damaged, not ours or from a newer program; an empty or missing one is fine."""
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        probe = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_MS / 1000)
        try:
            tables = {row[0] for row in probe.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            found = probe.execute("SELECT version_num FROM alembic_version").fetchone() if tables else None
            broken = probe.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok" if tables else False
        finally:
            probe.close()
    except sqlite3.OperationalError as error:  # it may be sound: nobody could look
        raise ConfigurationError(
            f"{path} cannot be opened ({error}); check who owns it, its folder's permissions and the disk. "
            "It was left as it is.",
            str(error),
        ) from None
    except sqlite3.DatabaseError as error:
        raise ConfigurationError(
            f"{path} is not a readable PostProber database. It was left as it is; restore a backup or move it away.",
            str(error),
        ) from None
    if broken:
        raise ConfigurationError(f"{path} is damaged. It was left as it is; restore a backup or move it away.")
    if found and found[0] not in _revisions():
        raise ConfigurationError(
            f"{path} was written by a newer PostProber (schema {found[0]}); {WAY_BACK} It was left as it is."
        )


def said(error: BaseException) -> str:
    """What a failure says in one line, without the values of the row that it was about."""
    cause = getattr(error, "orig", None) if isinstance(error, SQLAlchemyError) else None
    lines = str(cause or error).splitlines()
    return f"{type(cause or error).__name__}: {lines[0] if lines else ''}"[:300]


def _unreachable(url: URL, error: OperationalError) -> str:
    if url.get_backend_name() == "sqlite":
        return f"The database {url.database} cannot be written ({said(error)}); check its permissions and the disk."
    where = f"{url.host or 'the local socket'}:{url.port or 5432}"
    return (
        f"PostgreSQL at {where} does not answer or refuses us ({said(error)}); check that it runs and that "
        "POSTPROBER_DATABASE_URL is right."
    )


@functools.cache
def _scripts() -> ScriptDirectory:
    """The migrations of this program. Reading them runs every file of theirs, which costs more than opening a database."""
    scripts = ScriptDirectory.from_config(_alembic_config())
    scripts.get_heads()  # reads them in this thread; who gets the result from the cache finds them read
    return scripts


def newest_schema() -> str:
    """The version of the schema that this program works with."""
    return str(_scripts().get_current_head())


@functools.cache
def _revisions() -> frozenset[str]:
    return frozenset(script.revision for script in _scripts().walk_revisions())


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def _configure_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # `Database` starts transactions, not the driver
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    _turn_to_wal(cursor)
    cursor.execute("PRAGMA synchronous = FULL")  # a confirmed intent must survive a power cut
    cursor.execute("PRAGMA foreign_keys = ON")
    if sqlite_has_wal_reset_bug():
        cursor.execute("PRAGMA wal_autocheckpoint = 0")
    cursor.close()


def _turn_to_wal(cursor: sqlite3.Cursor) -> None:
    """Keep the changes beside the file. Who turns a new file needs it alone for a moment, and of several that open it
    at once SQLite refuses all but one immediately, whatever the busy time-out: waiting could be a deadlock. Here it is
    none, since nobody holds anything yet. Raises sqlite3.OperationalError when the time-out is over."""
    until = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(random.uniform(0.001, 0.02))
