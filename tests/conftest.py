"""Databases for all tests: SQLite and a real PostgreSQL, migrated once, a fresh copy for each test (see `profile`)."""

from __future__ import annotations

import functools
import os
import shutil
import sqlite3
import ssl
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import httpcore2
import pytest
from argon2 import PasswordHasher
from hypothesis import settings as hypothesis_settings

from postprober.errors import PostProberError
from postprober.sandbox.serve import SandboxServer
from postprober.security import passwords
from postprober.security.passwords import hash_password
from postprober.settings import load_settings
from postprober.storage import database as storage
from postprober.storage import users
from postprober.storage.database import Database
from postprober.wiring import build_core, close_core
from tests.installed import Installation
from tests.profile import SCALED, TEMPLATE, admin, chosen, servers

# How long an example takes depends on the machine and on what runs beside the tests.
hypothesis_settings.register_profile("ours", deadline=None)
hypothesis_settings.load_profile("ours")

_TEMPLATE, _admin = TEMPLATE, admin
BOTH = ("postgresql",) if SCALED else ("sqlite", "postgresql")


def about_the_profile(item: pytest.Item) -> bool:
    return "profiled" in getattr(item, "fixturenames", ())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On the scaled profile only those tests are run to which it makes a difference, without what is about SQLite itself;
    the rest is left out and counted."""
    if SCALED:
        left = [item for item in items if not about_the_profile(item) or item.get_closest_marker("embedded")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before the fixtures: who uses the profile without saying so fails, on the embedded profile, too."""
    servers.profiled = about_the_profile(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure by an error of ours says its detail, too: the sentence for a person rarely tells the cause."""
    report = yield
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, PostProberError) and error.detail:
        report.sections.append(("The error's detail", error.detail))
    return report


@pytest.fixture(scope="session", autouse=True)
def _servers() -> Iterator[None]:
    yield
    servers.stop()


@pytest.fixture(autouse=True)
def _fresh_databases() -> Iterator[None]:
    yield
    servers.tidy()


@pytest.fixture(autouse=True)
def _no_foreign_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine has set for PostProber must not reach a test."""
    for name in list(os.environ):
        if name.startswith("POSTPROBER_") and name != "POSTPROBER_CONTRACTS":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> Iterator[None]:
    """Hashes of the same kind that take no time: a real one takes 0.2 s of CPU and 64 MiB, and hundreds of tests sign
    somebody in. What a real one costs is checked in tests/security/test_tokens_and_passwords.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        passwords._decoy.cache_clear()
        yield
    passwords._decoy.cache_clear()


@pytest.fixture(scope="session", autouse=True)
def _roots_read_once() -> Iterator[None]:
    """HTTP clients share what this machine trusts: reading its certificates takes 30 ms of CPU, for each client anew."""
    make = httpcore2.default_ssl_context

    @functools.cache
    def shared(trust_env: bool, _file: str | None, _folder: str | None) -> ssl.SSLContext:
        return make(_trust_env=trust_env)

    def context(*, _trust_env: bool = True) -> ssl.SSLContext:
        return shared(_trust_env, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpcore2, "default_ssl_context", context)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_wait_for_the_disk() -> Iterator[None]:
    """SQLite's commits of this process wait for no disk, as PostgreSQL's do not (see tests/profile.py): only a power cut
    would show the difference. That the program waits is checked in tests/storage/test_storage_schema.py."""
    configure = storage._configure_sqlite

    def configured(connection: sqlite3.Connection, record: Any) -> None:
        configure(connection, record)
        connection.execute("PRAGMA synchronous = OFF")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "_configure_sqlite", configured)
        yield


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
def profiled() -> None:
    """Of tests whose installation is what the profile says, which are therefore run on both (see tests/profile.py)."""


@pytest.fixture(scope="session")
def postgres() -> str:
    """URL of a PostgreSQL of this test process, with a migrated template database."""
    return servers.postgres()


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a fresh, migrated database, once on SQLite and once on PostgreSQL."""
    if request.param == "postgresql":
        return servers.database()
    path = tmp_path / "postprober.sqlite"
    shutil.copy(request.getfixturevalue("sqlite_template"), path)
    return f"sqlite:///{path}"


@pytest.fixture
def empty_database_url(database_url: str, tmp_path: Path) -> str:
    """URL of a database without any table."""
    return f"sqlite:///{tmp_path / 'empty.sqlite'}" if database_url.startswith("sqlite") else servers.database("")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    db = Database(database_url)
    yield db
    db.close()


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
    sandbox_server: SandboxServer,
    sqlite_template: Path,
    tmp_path: Path,
    password_hash: str,
    monkeypatch: pytest.MonkeyPatch,
    profiled: None,
) -> Iterator[Installation]:
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(sqlite_template, folder / "postprober.sqlite")  # on PostgreSQL: what migrate-to leaves behind
    for name, value in chosen().items():
        monkeypatch.setenv(f"POSTPROBER_{name.upper()}", value)  # for the processes that the test starts, too
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
