"""Backups that only who has the key can read, alone in their folder and beside open ones."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from postprober.clock import ManualClock
from postprober.errors import BadInput
from postprober.services.core import Core
from postprober.services.media import media
from postprober.services.operations import backup_set, restore_set
from postprober.services.operations.backup_store import FILES, SEALED_FILES, digest
from postprober.services.posts import posts
from postprober.services.posts.posts import NewPost
from postprober.settings import Settings
from tests.api.rest_kit import png
from tests.installed import Installation
from tests.people import acting

pytestmark = pytest.mark.embedded("PostgreSQL is dumped by its own program")
KEY, OTHER = (base64.b64encode(one * 32).decode() for one in (b"1", b"2"))
WORDS = "POISON words that nobody reads"


@pytest.fixture
def core(installation: Installation) -> Core:
    core = replace(installation.core, clock=ManualClock(installation.core.clock.now()))
    account, actor = installation.link("mastodon").id, acting(core, installation.owner)
    picture = media.add_bytes(core, actor, "cat.png", png(), "A cat")
    (core.settings.data_dir / "evidence").mkdir(exist_ok=True)
    (core.settings.data_dir / "evidence" / "ab.png").write_bytes(WORDS.encode() * 50_000)
    posts.create(core, actor, NewPost((WORDS,), (account,), (picture,)))
    core.settings.backup_key = SecretStr(KEY)
    return core


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[[str], Settings]:
    def made(key: str) -> Settings:
        return Settings(
            _env_file=None,  # type: ignore[call-arg]
            mode="sandbox",
            data_dir=tmp_path / f"new{len(list(tmp_path.iterdir()))}",
            secret_key=SecretStr("s" * 40),
            backup_key=SecretStr(key),
        )

    return made


def _make(core: Core, target: Path, key: str, keep: int = 0) -> backup_set.BackupMade:
    assert isinstance(core.clock, ManualClock)
    core.clock.advance(60)
    core.settings.backup_key = SecretStr(key)
    return backup_set.make(core, target, keep=keep)


def _keys(core: Core, key: str) -> backup_set.FileKeys | None:
    core.settings.backup_key = SecretStr(key)
    return core.settings.backup_keys()


def _shown(folder: Path) -> bytes:
    return b"".join(path.name.encode() + path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_it_comes_back_whole_with_the_key_and_shows_nothing_without(
    core: Core, target: Path, fresh: Callable[[str], Settings]
) -> None:
    open_one = _make(core, target / "open", "")
    known = digest(core.settings.data_dir / "evidence" / "ab.png").encode()
    for secret in (WORDS.encode(), known, b"SQLite format 3", b"evidence/ab.png"):
        assert secret in _shown(target / "open"), "the control: an open backup shows it"
    made = _make(core, target / "sealed", KEY)
    assert (made.files, made.fresh) == (open_one.files, open_one.fresh) == (2, 2)
    for secret in (WORDS.encode(), known, b"SQLite format 3", b"evidence/ab.png"):
        assert secret not in _shown(target / "sealed")
    settings = fresh(KEY)
    done, files = restore_set.restore_backup(settings, target / "sealed", core.clock.now())
    assert done is not None and (files.written, files.lacking) == (2, ())
    assert (settings.data_dir / "evidence" / "ab.png").read_bytes() == WORDS.encode() * 50_000
    assert restore_set.rehearse(target / "sealed", _keys(core, KEY)).rows["posts"] == 1
    for data_dir in (settings.data_dir, core.settings.data_dir):
        assert not list(data_dir.glob(".backup-*")), "what was open for a moment is gone"


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "is encrypted: set POSTPROBER_BACKUP_KEY"),
        (OTHER, "was encrypted with another key; set POSTPROBER_BACKUP_KEY"),
    ],
)
def test_without_the_right_key_one_sentence_says_so_and_nothing_is_changed(
    core: Core, target: Path, fresh: Callable[[str], Settings], key: str, says: str
) -> None:
    _make(core, target, KEY)
    settings = fresh(key)
    with pytest.raises(BadInput, match=says):
        restore_set.restore_backup(settings, target, core.clock.now())
    with pytest.raises(BadInput, match=says):
        restore_set.rehearse(target, _keys(core, key))
    assert not settings.data_dir.exists()


def test_open_and_sealed_ones_lie_in_one_folder_and_each_keeps_its_files(core: Core, target: Path) -> None:
    first = _make(core, target, "")
    sealed = _make(core, target, KEY)
    assert sealed.fresh == 2, "what lies open is copied again, sealed"
    again = _make(core, target, KEY)
    assert (again.files, again.fresh) == (2, 0), "and then it is there"
    other = _make(core, target, f"{OTHER},{KEY}")
    assert other.fresh == 2, "a new key seals all of it anew, or the old key could never go"
    assert backup_set.of_set(target) == [first.folder, sealed.folder, again.folder, other.folder]
    for folder in (first.folder, sealed.folder, other.folder):
        assert restore_set.rehearse(folder, _keys(core, f"{OTHER},{KEY}")).files.lacking == ()

    def stored(name: str) -> int:
        return len([path for path in (target / name).rglob("*") if path.is_file()])

    assert (stored(FILES), stored(SEALED_FILES)) == (2, 4)
    _make(core, target, OTHER, keep=2)  # the old key is forgotten too early
    assert backup_set.of_set(target)[0] == other.folder
    assert (stored(FILES), stored(SEALED_FILES)) == (0, 2), "what no backup names any more goes"


def test_a_sealed_backup_that_nobody_can_open_keeps_its_files(core: Core, target: Path) -> None:
    old = _make(core, target, KEY)
    _make(core, target, OTHER, keep=5)
    assert restore_set.rehearse(old.folder, _keys(core, KEY)).files.lacking == ()


def test_a_sealed_file_that_rots_is_named_and_so_is_the_database(
    core: Core, target: Path, fresh: Callable[[str], Settings]
) -> None:
    made = _make(core, target, KEY)
    largest = max(
        (path for path in (target / SEALED_FILES).rglob("*") if path.is_file()), key=lambda p: p.stat().st_size
    )
    spoiled = bytearray(largest.read_bytes())
    spoiled[5000] ^= 1
    largest.write_bytes(spoiled)
    assert restore_set.rehearse(target, _keys(core, KEY)).files.lacking == ("evidence/ab.png",)
    database = made.folder / "database.sqlite.sealed"
    database.write_bytes(database.read_bytes()[:-100])
    settings = fresh(KEY)
    with pytest.raises(BadInput, match=r"is not as it was written\. Use another backup"):
        restore_set.restore_backup(settings, target, core.clock.now())
    assert not (settings.data_dir / "postprober.sqlite").exists()


def test_what_a_killed_backup_left_open_goes_with_the_next_one(core: Core, target: Path) -> None:
    left = core.settings.data_dir / ".backup-killed"
    left.mkdir()
    (left / "database.sqlite").write_bytes(b"x")
    (left / ".lock").touch()
    _make(core, target, KEY)
    assert not left.exists()
