"""Migrations make exactly the tables we declare; a database that is not ours is refused and left as it was."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from postprober.errors import ConfigurationError
from postprober.storage import database as module
from postprober.storage import users
from postprober.storage.database import Database, sqlite_has_wal_reset_bug
from postprober.storage.tables import metadata

_OURS = module._configure_sqlite  # read before the tests stop waiting for the disk

# The tables of the original design, with its column names.
ORIGINAL = {
    "users": {"id", "email", "password_hash", "created_at", "updated_at"},
    "accounts": {
        "id",
        "user_id",
        "platform",
        "account_name",
        "access_token",
        "refresh_token",
        "token_expires_at",
        "is_active",
        "created_at",
    },
    "posts": {
        "id",
        "user_id",
        "content",
        "platforms",
        "status",
        "ai_suggestions",
        "created_at",
        "posted_at",
        "scheduled_at",
    },
    "monitoring_logs": {"id", "post_id", "platform", "step", "status", "details", "ai_analysis", "timestamp"},
    "alerts": {"id", "user_id", "post_id", "type", "message", "is_read", "created_at"},
}
OURS = {
    "deliveries",
    "attempts",
    "transitions",
    "media",
    "samples",
    "sessions",
    "evidence",
    "channels",
    "outbox",
}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_migrations_make_exactly_the_declared_schema(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False, "compare_server_default": False})
        assert compare_metadata(context, metadata) == []


def test_the_tables_of_the_original_design_are_there_with_its_column_names(database: Database) -> None:
    inspector = inspect(database.engine)
    assert set(ORIGINAL) | OURS <= set(inspector.get_table_names())
    for table, columns in ORIGINAL.items():
        assert columns <= {column["name"] for column in inspector.get_columns(table)}, table


def test_migrating_twice_changes_nothing(empty_database_url: str) -> None:
    db = Database(empty_database_url)
    assert not db.is_current()
    db.migrate()
    with db.write() as conn:
        users.add(conn, email="a@example.org", password_hash="x", now=datetime.now(UTC))
    db.migrate()
    assert db.is_current()
    with db.read() as conn:
        assert users.count(conn) == 1
    db.close()


def test_a_newer_schema_refuses_to_start_and_is_left_as_it_was(database_url: str) -> None:
    db = Database(database_url)
    with db.write() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    db.checkpoint_wal()
    db.close()
    path = Path(database_url.removeprefix("sqlite:///"))
    before = digest(path) if path.is_file() else ""

    def start() -> None:
        with contextlib.closing(Database(database_url)) as newer:
            newer.migrate()

    with pytest.raises(ConfigurationError, match="newer PostProber"):
        start()
    assert not before or digest(path) == before
    if not before:
        engine = create_engine(database_url)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"
        engine.dispose()


def _random(path: Path, _real: Path) -> None:
    path.write_bytes(os.urandom(8192))


def _short(path: Path, _real: Path) -> None:
    path.write_bytes(b"hello")


def _truncated(path: Path, real: Path) -> None:
    path.write_bytes(real.read_bytes()[: real.stat().st_size // 2])


def _spoiled_middle(path: Path, real: Path) -> None:
    data = bytearray(real.read_bytes())
    data[4096 * 2 : 4096 * 6] = os.urandom(4096 * 4)
    path.write_bytes(data)


def _foreign(path: Path, _real: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipes (id INTEGER)")
    connection.commit()
    connection.close()


@pytest.mark.parametrize("spoil", [_random, _short, _truncated, _spoiled_middle, _foreign])
@pytest.mark.embedded("about SQLite's file")
def test_a_file_that_is_no_sound_database_refuses_to_start_and_is_left_as_it_was(
    spoil: object, sqlite_template: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bad.sqlite"
    spoil(path, sqlite_template)  # type: ignore[operator]
    before = digest(path)
    with pytest.raises(ConfigurationError, match="left as it") as caught:
        Database(f"sqlite:///{path}")
    assert digest(path) == before
    assert "\n" not in str(caught.value)
    assert {p.name for p in tmp_path.iterdir()} <= {"bad.sqlite", "bad.sqlite-shm", "bad.sqlite-wal"}


@pytest.mark.embedded("about SQLite's file")
def test_a_sound_database_and_an_empty_file_are_accepted(sqlite_template: Path, tmp_path: Path) -> None:
    sound, empty = tmp_path / "sound.sqlite", tmp_path / "empty.sqlite"
    shutil.copy(sqlite_template, sound)
    empty.touch()
    for path in (sound, empty):
        db = Database(f"sqlite:///{path}")
        db.migrate()
        assert db.is_current()
        db.close()


def test_a_time_without_a_zone_never_reaches_the_database(database: Database) -> None:
    with pytest.raises(Exception, match="without a zone"), database.write() as conn:
        users.add(conn, email="a@example.org", password_hash="x", now=datetime(2026, 1, 1))
    with database.read() as conn:
        assert users.count(conn) == 0


def test_times_come_back_as_the_same_moment_in_utc(database: Database) -> None:
    moment = datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    with database.write() as conn:
        user_id = users.add(conn, email="a@example.org", password_hash="x", now=moment)
    with database.read() as conn:
        found = users.get(conn, user_id).created_at
    assert found == moment
    assert found.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("version", "broken"),
    [
        ((3, 6, 23), False), ((3, 7, 0), True), ((3, 40, 1), True), ((3, 44, 5), True), ((3, 44, 6), False),
        ((3, 45, 0), True), ((3, 50, 6), True), ((3, 50, 7), False), ((3, 51, 0), True), ((3, 51, 2), True),
        ((3, 51, 3), False), ((3, 52, 0), False),
    ],
)  # fmt: skip  # table: versions in their order
@pytest.mark.embedded("about SQLite's file")
def test_the_versions_with_the_wal_reset_bug_are_known(version: tuple[int, ...], broken: bool) -> None:
    assert sqlite_has_wal_reset_bug(version) is broken


@pytest.mark.embedded("about SQLite's file")
def test_sqlite_is_opened_as_measured(sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_configure_sqlite", _OURS)
    path = tmp_path / "pp.sqlite"
    shutil.copy(sqlite_template, path)
    db = Database(f"sqlite:///{path}")
    with db.read() as conn:
        values = {
            name: conn.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "wal_autocheckpoint")
        }
    db.close()
    checkpoints = 0 if sqlite_has_wal_reset_bug() else 1000
    assert values == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 15_000,
        "wal_autocheckpoint": checkpoints,
    }


@pytest.mark.embedded("about SQLite's file")
def test_a_checkpoint_empties_the_wal_while_others_write(sqlite_template: Path, tmp_path: Path) -> None:
    path = tmp_path / "pp.sqlite"
    shutil.copy(sqlite_template, path)
    db = Database(f"sqlite:///{path}")
    with db.write() as conn:
        users.add(conn, email="a@example.org", password_hash="x", now=datetime.now(UTC))
    wal = path.with_name(path.name + "-wal")
    assert wal.stat().st_size > 0
    db.checkpoint_wal()
    assert wal.stat().st_size == 0
    with db.read() as conn:
        assert users.count(conn) == 1
    db.close()


@pytest.mark.embedded("about SQLite's file")
def test_a_file_that_nobody_may_open_is_not_called_damaged(sqlite_template: Path, tmp_path: Path) -> None:
    path = tmp_path / "pp.sqlite"
    shutil.copy(sqlite_template, path)
    with closing_all(path), pytest.raises(ConfigurationError, match="check who owns it") as caught:
        Database(f"sqlite:///{path}")
    assert "restore a backup" not in str(caught.value)
    Database(f"sqlite:///{path}").close()


@contextlib.contextmanager
def closing_all(path: Path) -> Iterator[None]:
    """As root every mode lets one in; a folder in the file's place does not."""
    kept = path.with_name("kept")
    path.rename(kept)
    path.mkdir()
    (path / "x").write_text("so that it has a size")
    try:
        yield
    finally:
        shutil.rmtree(path)
        kept.rename(path)


def test_a_server_that_is_away_is_named_and_so_is_the_setting() -> None:
    db = Database("postgresql+psycopg://me:hunter2@127.0.0.1:9/none")
    with pytest.raises(ConfigurationError, match=r"PostgreSQL at 127\.0\.0\.1:9 does not answer") as caught:
        db.migrate()
    assert "POSTPROBER_DATABASE_URL" in str(caught.value) and "hunter2" not in str(caught.value)
    db.close()
