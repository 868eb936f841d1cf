"""A backup in the place of the database: marked, without a stale log, never over a running one, killed anywhere."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from postprober.errors import BadInput, ConfigurationError, Conflict
from postprober.pipeline.publishing.recovery import BACKUP
from postprober.services.core import Core
from postprober.services.operations import backup, restore
from postprober.services.posts import posts
from postprober.services.posts.posts import NewPost
from postprober.settings import Settings
from postprober.storage import processes
from postprober.storage.database import Database
from tests.installed import Installation
from tests.people import acting

pytestmark = pytest.mark.embedded("PostgreSQL is restored by pg_restore")


@pytest.fixture
def core(installation: Installation) -> Core:
    return installation.core


@pytest.fixture
def copy(core: Core, installation: Installation, tmp_path: Path) -> Path:
    account = installation.link("mastodon").id
    for hours in (0, 3):
        at = core.clock.now() + timedelta(hours=hours) if hours else None
        posts.create(core, acting(core, installation.owner), NewPost((f"In {hours} hours",), (account,), at=at))
    (tmp_path / "backups").mkdir()
    return backup.backup(core, tmp_path / "backups")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, mode="sandbox", data_dir=tmp_path / "new", secret_key="s" * 40)  # type: ignore[call-arg]


def fact(path: Path) -> str | None:
    with closing(Database(f"sqlite:///{path}")) as db, db.read() as conn:
        return processes.get_fact(conn, BACKUP)


def test_a_backup_becomes_the_database_and_knows_that_it_is_one(core: Core, copy: Path, settings: Settings) -> None:
    done = restore.restore(settings, copy, core.clock.now() + timedelta(seconds=1))
    assert done.path == (settings.data_dir / "postprober.sqlite").resolve() and done.kept is None
    assert (done.doubtful, done.planned) == (1, 1)
    assert fact(done.path) == done.made and done.made.endswith("Z")
    with core.db.read() as conn:
        assert processes.get_fact(conn, BACKUP) is None, "the installation that was copied is no copy"


def test_the_old_database_is_kept_whole_and_its_log_does_not_spoil_the_new_one(
    core: Core, copy: Path, settings: Settings
) -> None:
    first = restore.restore(settings, copy, core.clock.now())
    writer = sqlite3.connect(first.path)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.execute("INSERT INTO meta (name, value) VALUES ('only in the log', 'yes')")
    writer.commit()
    wal = first.path.with_name(f"{first.path.name}-wal")
    logged = wal.read_bytes()
    writer.close()
    wal.write_bytes(logged)  # as after a power cut
    again = restore.restore(settings, copy, core.clock.now() + timedelta(seconds=5))
    assert again.kept is not None and not wal.exists()
    for path, count in ((again.kept, 1), (again.path, 0)):
        with closing(sqlite3.connect(path)) as conn:
            assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            found = conn.execute("SELECT count(*) FROM meta WHERE name = 'only in the log'").fetchone()
            assert found == (count,), path


def test_a_stale_log_beside_no_database_goes_too(core: Core, copy: Path, settings: Settings) -> None:
    settings.data_dir.mkdir()
    wal = settings.data_dir / "postprober.sqlite-wal"
    wal.write_bytes(b"x" * 9000)
    restore.restore(settings, copy, core.clock.now())
    assert not wal.exists()


def test_it_refuses_while_a_scheduler_lives(core: Core, copy: Path, settings: Settings) -> None:
    now = core.clock.now()
    done = restore.restore(settings, copy, now)
    with closing(Database(f"sqlite:///{done.path}")) as db, db.write() as conn:
        processes.beat(conn, "w", "scheduler", now, now, {})
    with pytest.raises(Conflict, match="is running on"):
        restore.restore(settings, copy, now + timedelta(seconds=5))
    restore.restore(settings, copy, now + timedelta(seconds=20))


def test_what_is_no_backup_is_refused_and_nothing_is_touched(copy: Path, settings: Settings, core: Core) -> None:
    now = core.clock.now()
    done = restore.restore(settings, copy, now)
    before = done.path.read_bytes()
    damaged = copy.with_name("damaged.sqlite")
    damaged.write_bytes(os.urandom(9000))
    for bad, error in ((damaged, ConfigurationError), (copy.with_name("none"), BadInput), (done.path, BadInput)):
        with pytest.raises(error):
            restore.restore(settings, bad, now)
    assert done.path.read_bytes() == before
    with pytest.raises(BadInput, match="pg_restore"):
        restore.restore(settings.model_copy(update={"database_url": SecretStr("postgresql://x/y")}), copy, now)


def test_killed_before_the_last_step_the_old_database_is_as_it_was(
    core: Core, copy: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = core.clock.now()
    done = restore.restore(settings, copy, now)
    with closing(sqlite3.connect(done.path)) as conn:
        conn.execute("INSERT INTO meta (name, value) VALUES ('mine', 'yes')")
        conn.commit()

    def die(_self: Path, _target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        restore.restore(settings, copy, now + timedelta(seconds=60))
    monkeypatch.undo()
    with closing(sqlite3.connect(done.path)) as conn:
        assert conn.execute("SELECT value FROM meta WHERE name = 'mine'").fetchone() == ("yes",)
    again = restore.restore(settings, copy, now + timedelta(seconds=90))
    with closing(sqlite3.connect(again.path)) as conn:
        assert conn.execute("SELECT value FROM meta WHERE name = 'mine'").fetchone() is None


def test_pictures_come_back_with_it(core: Core, copy: Path, settings: Settings) -> None:
    beside = copy.with_name(f"{copy.name}.evidence")
    beside.mkdir(exist_ok=True)
    (beside / "a.jpg").write_bytes(b"picture")
    restore.restore(settings, copy, core.clock.now())
    assert [p.read_bytes() for p in settings.data_dir.rglob("a.jpg")] == [b"picture"]
    shutil.rmtree(beside)


def test_a_link_among_the_pictures_brings_nothing(core: Core, copy: Path, settings: Settings, tmp_path: Path) -> None:
    beside, outside = copy.with_name(f"{copy.name}.evidence"), tmp_path / "outside"
    beside.mkdir()
    outside.write_text("somebody else's")
    (beside / "ab.png").symlink_to(outside)
    (beside / "zero.png").symlink_to("/dev/zero")
    (beside / "cd.png").write_bytes(b"a picture")
    restore.restore(settings, copy, core.clock.now())
    assert [file.name for file in (settings.data_dir / "evidence").iterdir()] == ["cd.png"]


def test_a_full_disk_is_told_in_a_sentence_and_leaves_nothing(core: Core, copy: Path, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(ConfigurationError, match="The backup was not made: "):
            backup.backup(core, tmp_path / "second.sqlite")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.glob("*second*")), "no half of one, under any name"
    assert backup.backup(core, tmp_path / "second.sqlite").is_file(), "the control"


def test_it_refuses_while_anything_has_the_database_open(core: Core, copy: Path, settings: Settings) -> None:
    """An app or a sidecar beats no heart; what it has in the log must not be lost."""
    now = core.clock.now()
    done = restore.restore(settings, copy, now)
    with closing(Database(f"sqlite:///{done.path}")) as db:
        with db.write() as conn:
            processes.set_fact(conn, "only in the log", "yes")
        with db.read() as conn:
            processes.get_fact(conn, "only in the log")
            with pytest.raises(Conflict, match="still has"):
                restore.restore(settings, copy, now + timedelta(seconds=60))
        with db.read() as conn:
            assert processes.get_fact(conn, "only in the log") == "yes"
    again = restore.restore(settings, copy, now + timedelta(seconds=90))
    assert again.kept is not None
    with closing(sqlite3.connect(again.kept)) as kept:
        assert kept.execute("SELECT value FROM meta WHERE name = 'only in the log'").fetchone() == ("yes",)


def test_an_empty_file_is_no_backup_and_a_fresh_copy_is_nobody_elses_to_read(
    core: Core, copy: Path, settings: Settings
) -> None:
    empty = copy.with_name("empty.sqlite")
    empty.touch()
    with pytest.raises(BadInput, match="is not a backup"):
        restore.restore(settings, empty, core.clock.now())
    assert not any(settings.data_dir.glob(".*")) and not (settings.data_dir / "postprober.sqlite").exists()
    done = restore.restore(settings, copy, core.clock.now())
    assert done.path.stat().st_mode & 0o077 == 0
