"""Files, backups, the doctor, and what else keeps an installation well."""

from __future__ import annotations

import io
import sqlite3
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image

from postprober.browser import Browser
from postprober.errors import BadInput
from postprober.pipeline.credentials import open_credentials
from postprober.security.vault import Vault
from postprober.services import backup, doctor, keys, media, monitoring, posts
from postprober.storage import accounts as account_storage
from postprober.storage import deliveries, logs, pictures, processes, retention
from tests.installed import Installation


def png(width: int = 20, height: int = 10) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "green").save(out, "PNG")
    return out.getvalue()


# Media


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"\x89PNG\r\n\x1a\n",
        png()[:40],
        b"GIF89a",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.4",
    ],
)
def test_a_file_that_is_no_picture_or_video_is_refused_and_leaves_nothing(
    installation: Installation, content: bytes
) -> None:
    before = installation.counts()
    with pytest.raises(BadInput):
        media.add_bytes(installation.core, installation.owner, "a.png", content)
    assert installation.counts() == before
    assert list(installation.core.settings.data_dir.rglob("media/*/*")) == []


def test_a_file_too_large_missing_or_a_folder_is_refused(installation: Installation, tmp_path: Path) -> None:
    huge = tmp_path / "huge.mp4"
    with huge.open("wb") as stream:
        stream.truncate(media.MAX_BYTES + 1)
    for path in (huge, tmp_path / "missing.png", tmp_path):
        with pytest.raises(BadInput):
            media.add_file(installation.core, installation.owner, path)


def test_a_picture_that_unpacks_to_a_monster_is_refused(installation: Installation) -> None:
    out = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(out, "PNG")
    with pytest.raises(BadInput):
        media.add_bytes(installation.core, installation.owner, "bomb.png", out.getvalue())


def test_a_file_is_known_by_its_content_and_its_name_cannot_leave_the_folder(installation: Installation) -> None:
    core = installation.core
    first = media.add_bytes(core, installation.owner, "../../etc/passwd.jpg", png())
    second = media.add_bytes(core, installation.owner, "b.gif", png(), "alt")
    one, two = media.files(core, installation.owner, [first, second])
    assert (one.mime, one.width, one.height) == ("image/png", 20, 10)
    assert one.path == two.path and Path(one.path).is_relative_to(core.settings.data_dir)
    assert two.alt == "alt"
    with pytest.raises(BadInput, match="alt text"):
        media.add_bytes(core, installation.owner, "a.png", png(), "x" * 10_001)


# Keeping house


@pytest.mark.embedded("the backup of PostgreSQL is pg_dump")
def test_a_backup_is_a_whole_database_and_never_overwrites(installation: Installation, tmp_path: Path) -> None:
    core = installation.core
    target = tmp_path / "copy.sqlite"
    assert backup.backup(core, target) == target
    with sqlite3.connect(target) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copy.execute("SELECT count(*) FROM users").fetchone() == (3,)
    copy.close()
    for bad in (target, tmp_path / "no" / "where.sqlite"):
        with pytest.raises(BadInput):
            backup.backup(core, bad)
    assert backup.backup(core, tmp_path).name.startswith("postprober-")
    assert not list(tmp_path.glob(".*part"))


@pytest.mark.embedded("the backup of PostgreSQL is pg_dump")
def test_a_backup_takes_the_pictures_along(installation: Installation, tmp_path: Path) -> None:
    core = installation.core
    where = pictures.folder(core.settings.data_dir)
    names = [pictures.keep(where, png(width)) for width in (10, 11, 12)]
    delivery_id = delivery_of(installation)
    with core.db.write() as conn:
        for name in names[:2]:
            logs.keep_evidence(conn, delivery_id, "browser", {}, core.clock.now(), name)
    (where / f"{names[1]}.png").unlink()  # swept meanwhile
    target = backup.backup(core, tmp_path / "copy.sqlite")
    copied = target.with_name("copy.sqlite.evidence")
    assert [file.name for file in copied.iterdir()] == [f"{names[0]}.png"]


def test_a_picture_goes_with_its_evidence(installation: Installation) -> None:
    core, now = installation.core, installation.core.clock.now()
    where = pictures.folder(core.settings.data_dir)
    name, delivery_id = pictures.keep(where, png()), delivery_of(installation)
    with core.db.write() as conn:
        logs.keep_evidence(conn, delivery_id, "browser", {}, now, name)
    retention.tidy(core.db, now + timedelta(days=364), core.settings.data_dir)
    assert pictures.read(where, name) == png()
    retention.tidy(core.db, now + timedelta(days=366), core.settings.data_dir)
    assert pictures.read(where, name) is None and not list(where.iterdir())


def delivery_of(inst: Installation) -> int:
    account = inst.link("mastodon")
    post = posts.create(inst.core, inst.owner, posts.NewPost(("Hello",), (account.id,)))
    with inst.core.db.read() as conn:
        return deliveries.of_post(conn, post.id)[0].id


def test_the_doctor_says_when_there_is_no_browser_and_counts_it_as_no_fault(installation: Installation) -> None:
    settings = installation.core.settings.model_copy(update={"browser_path": "/nowhere/chromium"})
    found = {f.name: f for f in doctor.examine(replace(installation.core, browser=Browser(settings)))}
    assert found["browser"].ok and "/nowhere/chromium" in found["browser"].message
    assert "without pictures" in found["browser"].message


@pytest.mark.embedded("the backup of PostgreSQL is pg_dump")
def test_a_backup_is_consistent_while_somebody_writes(installation: Installation, tmp_path: Path) -> None:
    core, stop = installation.core, threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with core.db.write() as conn:
                processes.set_fact(conn, "a", str(number))
                processes.set_fact(conn, "b", str(number))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        found = []
        for n in range(5):
            with sqlite3.connect(backup.backup(core, tmp_path / f"{n}.sqlite")) as copy:
                found.append(dict(copy.execute("SELECT name, value FROM meta WHERE name IN ('a', 'b')")))
            copy.close()
    finally:
        stop.set()
        thread.join()
    assert all(facts.get("a") == facts.get("b") for facts in found)


def test_the_doctor_names_what_is_wrong_and_never_raises(installation: Installation) -> None:
    core = installation.core
    account = installation.link("mastodon")
    found = {f.name: f for f in doctor.examine(core)}
    assert found["database"].ok and found["vault"].ok and not found["scheduler"].ok and not found["sidecar"].ok
    with core.db.write() as conn:
        account_storage.write(conn, account.id, access_token="v1.gone.AAAA")
        processes.beat(conn, "w", "scheduler", core.clock.now(), core.clock.now(), {})
    found = {f.name: f for f in doctor.examine(core)}
    assert not found["vault"].ok and f"account {account.id}" in found["vault"].message
    assert found["scheduler"].ok
    assert all("\n" not in f.message and f.message for f in found.values())


def test_rotation_covers_every_sealed_column_in_use(installation: Installation) -> None:
    core = installation.core
    account = installation.link("bluesky")
    vault = Vault({"next": b"n" * 32, **core.vault.keys})
    rotated = replace(core, vault=vault)
    assert keys.left(rotated) > 0
    assert keys.rotate(rotated) == 3
    assert keys.left(rotated) == 0
    only = Vault({"next": b"n" * 32})
    with core.db.read() as conn:
        cred = open_credentials(only, account_storage.get(conn, account.id))
    assert cred.access_token and cred.secret["password"]


def test_the_heartbeat_has_an_age_only_when_there_is_one(installation: Installation) -> None:
    core = installation.core
    assert monitoring.heartbeat_age(core) is None
    with core.db.write() as conn:
        processes.beat(conn, "w", "scheduler", core.clock.now(), core.clock.now() - timedelta(seconds=5), {})
    age = monitoring.heartbeat_age(core)
    assert age is not None and timedelta(seconds=4) < age < timedelta(seconds=30)
