"""Files, backups, the doctor, and what else keeps an installation well."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import sqlite3
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import select, update

from postprober import places
from postprober.browser import Browser
from postprober.domain.post import MediaKind
from postprober.errors import BadInput, NotFound
from postprober.http import HttpClient, Pools
from postprober.pipeline.core.tokens import open_credentials
from postprober.security.vault import Place, Vault
from postprober.services.core import Core
from postprober.services.media import media
from postprober.services.monitoring import monitoring
from postprober.services.notifications import channels
from postprober.services.operations import backup, doctor, keys
from postprober.services.posts import posts
from postprober.services.posts.posts import NewPost
from postprober.storage import accounts as account_storage
from postprober.storage import deliveries, evidence_log, pictures, processes, retention
from postprober.storage import users as user_storage
from postprober.storage.tables import users
from tests.installed import Installation
from tests.people import acting


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
        media.add_bytes(installation.core, acting(installation.core, installation.owner), "a.png", content)
    assert installation.counts() == before
    assert list(installation.core.settings.data_dir.rglob("media/*/*")) == []


def test_a_file_too_large_missing_or_a_folder_is_refused(installation: Installation, tmp_path: Path) -> None:
    huge = tmp_path / "huge.mp4"
    with huge.open("wb") as stream:
        stream.truncate(media.largest_of_all() + 1)
    for path in (huge, tmp_path / "missing.png", tmp_path):
        with pytest.raises(BadInput):
            media.add_file(installation.core, acting(installation.core, installation.owner), path)


def test_a_picture_that_unpacks_to_a_monster_is_refused(installation: Installation) -> None:
    out = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(out, "PNG")
    with pytest.raises(BadInput):
        media.add_bytes(installation.core, acting(installation.core, installation.owner), "bomb.png", out.getvalue())


def test_a_file_is_known_by_its_content_and_its_name_cannot_leave_the_folder(installation: Installation) -> None:
    core = installation.core
    first = media.add_bytes(core, acting(core, installation.owner), "../../etc/passwd.jpg", png())
    second = media.add_bytes(core, acting(core, installation.owner), "b.gif", png(), "alt")
    one, two = media.files(core, acting(core, installation.owner), [first, second])
    assert (one.mime, one.width, one.height) == ("image/png", 20, 10)
    assert one.path == two.path and Path(one.path).is_relative_to(core.settings.data_dir)
    assert two.alt == "alt"
    with pytest.raises(BadInput, match="alt text"):
        media.add_bytes(core, acting(core, installation.owner), "a.png", png(), "x" * 10_001)


# Keeping house


def test_a_name_that_is_no_text_is_kept_as_far_as_it_is_one(installation: Installation, tmp_path: Path) -> None:
    """Names of files are bytes; some are older than UTF-8, and no database keeps them."""
    core, owner = installation.core, acting(installation.core, installation.owner)
    old = tmp_path / os.fsdecode(b"caf\xe9.png")
    old.write_bytes(png())
    assert media.get(core, owner, media.add_file(core, owner, old)).name == "caf_.png"
    assert media.get(core, owner, media.add_bytes(core, owner, "a\0b.png", png())).name == "a_b.png"


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
            evidence_log.keep(conn, delivery_id, "browser", {}, core.clock.now(), name)
    (where / f"{names[1]}.png").unlink()  # swept meanwhile
    target = backup.backup(core, tmp_path / "copy.sqlite")
    copied = target.with_name("copy.sqlite.evidence")
    assert [file.name for file in copied.iterdir()] == [f"{names[0]}.png"]


def test_a_picture_goes_with_its_evidence(installation: Installation) -> None:
    core, now = installation.core, installation.core.clock.now()
    where = pictures.folder(core.settings.data_dir)
    name, delivery_id = pictures.keep(where, png()), delivery_of(installation)
    with core.db.write() as conn:
        evidence_log.keep(conn, delivery_id, "browser", {}, now, name)
    retention.tidy(core.db, now + timedelta(days=364), core.settings.data_dir)
    assert pictures.read(where, name) == png()
    retention.tidy(core.db, now + timedelta(days=366), core.settings.data_dir)
    assert pictures.read(where, name) is None and not list(where.iterdir())


def delivery_of(inst: Installation) -> int:
    account = inst.link("mastodon")
    post = posts.create(inst.core, acting(inst.core, inst.owner), posts.NewPost(("Hello",), (account.id,)))
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


def test_the_doctor_names_a_database_that_is_not_used(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "data_dir", lambda: installation.core.settings.data_dir)

    def found() -> list[str]:
        return [f.message for f in doctor.examine(installation.core) if f.name == "data folder" and not f.ok]

    monkeypatch.chdir(tmp_path)  # whose `data` is the one in use
    assert found() == []
    (tmp_path / "elsewhere" / "data").mkdir(parents=True)
    (tmp_path / "elsewhere" / "data" / "postprober.sqlite").touch()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (message,) = found()
    assert message.startswith(f"The database in {tmp_path / 'elsewhere' / 'data'} is not used")


def test_the_doctor_names_what_is_wrong_and_never_raises(installation: Installation) -> None:
    with socket.socket() as silent:  # bound, so that nobody else answers there, and not listening
        silent.bind(("127.0.0.1", 0))
        elsewhere = {"api_url": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        core = replace(installation.core, settings=installation.core.settings.model_copy(update=elsewhere))
        _examined(core, installation)


def test_the_doctor_reaches_our_own_sidecar_in_live_mode(installation: Installation) -> None:
    """Through the guarded client it would not: that one refuses loopback there."""
    mode = {"mode": "live", "api_url": installation.sandbox.url}
    core = replace(
        installation.core, settings=installation.core.settings.model_copy(update=mode), http=HttpClient(Pools())
    )
    found = {f.name: f for f in doctor.examine(core)}
    assert "answers" in found["sidecar"].message and "does not" not in found["sidecar"].message


def _examined(core: Core, installation: Installation) -> None:
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
    assert keys.rotate(rotated) == keys.Rotated(3, ())
    assert keys.left(rotated) == 0
    only = Vault({"next": b"n" * 32})
    with core.db.read() as conn:
        cred = open_credentials(only, account_storage.get(conn, account.id))
    assert cred.access_token and cred.secret["password"]


def test_rotation_goes_on_past_removed_channels_and_damaged_values(installation: Installation) -> None:
    """A removed channel has no address, one account is damaged, one was sealed with a key that is gone; the second factor
    of a user comes last and is re-sealed all the same."""
    core = installation.core
    damaged, good = installation.link("mastodon"), installation.link("bluesky")
    with core.db.read() as conn:
        owner = user_storage.get(conn, installation.owner)
    (channel, _) = channels.add(core, acting(core, owner), name="Hook", kind="webhook", url="http://127.0.0.1:9/hook")
    channels.remove(core, acting(core, owner), channel.id)
    place = Place("users", "totp_secret", str(installation.owner))
    with core.db.write() as conn:
        account_storage.write(conn, damaged.id, access_token="v1.gone.AAAA", refresh_token="no envelope at all")
        conn.execute(
            update(users).where(users.c.id == installation.owner).values(totp_secret=core.vault.seal("s", place))
        )
    rotated = replace(core, vault=Vault({"next": b"n" * 32, **core.vault.keys}))
    found = keys.rotate(rotated)
    assert found.unreadable == (f"accounts {damaged.id} access_token", f"accounts {damaged.id} refresh_token")
    assert keys.left(rotated) == 2, "only what cannot be opened"
    only = Vault({"next": b"n" * 32})
    with core.db.read() as conn:
        sealed = conn.execute(select(users.c.totp_secret).where(users.c.id == installation.owner)).scalar_one()
        assert open_credentials(only, account_storage.get(conn, good.id)).secret["password"]
    assert only.open(sealed, place) == "s"


def test_the_heartbeat_has_an_age_only_when_there_is_one(installation: Installation) -> None:
    core = installation.core
    assert monitoring.heartbeat_age(core) is None
    with core.db.write() as conn:
        processes.beat(conn, "w", "scheduler", core.clock.now(), core.clock.now() - timedelta(seconds=5), {})
    age = monitoring.heartbeat_age(core)
    assert age is not None and timedelta(seconds=4) < age < timedelta(seconds=30)


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_a_moving_picture_is_kept_moving_and_checked_as_one(installation: Installation, kind: str) -> None:
    frames = [Image.new("RGB", (30, 20), (80 * n, 0, 90)) for n in range(3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], duration=200)
    made = media.add_bytes(
        installation.core, acting(installation.core, installation.owner), f"a.{kind.lower()}", buffer.getvalue()
    )
    kept = media.get(installation.core, acting(installation.core, installation.owner), made)
    stored = (installation.core.settings.data_dir / kept.path).read_bytes()
    assert (kept.kind, kept.mime, kept.frames, kept.size) == ("gif", "image/gif", 3, len(stored))
    assert hashlib.sha256(stored).hexdigest() == kept.sha256 and stored.startswith(b"GIF8")
    (file,) = media.files(installation.core, acting(installation.core, installation.owner), [made])
    assert (file.kind, file.frames) == (MediaKind.GIF, 3)


def test_what_is_known_of_a_video_is_kept(installation: Installation) -> None:
    content = (Path(__file__).parents[1] / "platforms" / "media" / "h264-10bit.mp4").read_bytes()
    made = media.add_bytes(installation.core, acting(installation.core, installation.owner), "a.mp4", content)
    (file,) = media.files(installation.core, acting(installation.core, installation.owner), [made])
    assert (file.kind, file.codec) == (MediaKind.VIDEO, "h264 10-bit")


def test_a_thumbnail_of_what_a_phone_took_is_a_small_jpeg(installation: Installation) -> None:
    content = (Path(__file__).parents[1] / "platforms" / "media" / "photo.heic").read_bytes()
    record = media.get(
        installation.core,
        acting(installation.core, installation.owner),
        media.add_bytes(installation.core, acting(installation.core, installation.owner), "a.heic", content),
    )
    with Image.open(io.BytesIO(media.thumbnail(installation.core, record, 32))) as shown:
        assert (shown.format, shown.size) == ("JPEG", (32, 24))


def test_to_make_room_no_file_goes_that_a_delivery_has(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repair converts a picture: its delivery has another file than its post then."""
    core, owner = installation.core, installation.owner
    account = installation.link("mastodon").id
    asked, repaired, nobodys = (
        media.add_bytes(core, acting(core, owner), "a.png", png(width)) for width in (20, 30, 40)
    )
    post = posts.create(core, acting(core, owner), NewPost(("Hello",), (account,), (asked,)))
    with core.db.write() as conn:
        (delivery,) = deliveries.of_post(conn, post.id)
        parts = (replace(delivery.parts[0], media=(repaired,)),)
        deliveries.touch(conn, delivery, core.clock.now(), parts=parts)
    monkeypatch.setattr(media, "UNUSED", timedelta(seconds=-60))
    full = core.settings.model_copy(update={"media_mb_per_space": 0})
    with pytest.raises(BadInput, match="limit"):
        media.add_bytes(replace(core, settings=full), acting(replace(core, settings=full), owner), "b.png", png(50))
    assert [
        one.id for one in (media.get(core, acting(core, owner), asked), media.get(core, acting(core, owner), repaired))
    ] == [
        asked,
        repaired,
    ]
    with pytest.raises(NotFound):
        media.get(core, acting(core, owner), nobodys)
