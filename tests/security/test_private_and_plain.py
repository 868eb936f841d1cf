"""Files that are the user's alone, log lines that nobody forges, a sandbox that no page steers, and fragments that end
with the session."""

from __future__ import annotations

import ast
import io
import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from postprober.errors import Forbidden
from postprober.sandbox.app import create_app
from postprober.sandbox.engine.world import World
from postprober.security import log_redaction
from postprober.services.operations import backup, retention
from postprober.services.people import users
from postprober.settings import load_settings
from postprober.storage import users as storage
from postprober.storage.database import Database
from tests.installed import Installation
from tests.people import acting

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def loose() -> Iterator[None]:
    """The umask that most machines have."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def _open_to_others(folder: Path) -> list[str]:
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if stat.S_IMODE(path.stat().st_mode) & 0o077 and not path.is_symlink()
    ]


@pytest.mark.embedded("about the files of SQLite")
def test_database_secrets_and_backups_are_the_users_alone(
    tmp_path: Path, loose: None, installation: Installation
) -> None:
    os.umask(0o022)  # the fixture of the installation has loaded settings, too
    folder = tmp_path / "mine"
    folder.mkdir(mode=0o700)
    (folder / "open").write_text("made before")
    assert _open_to_others(folder) == ["open"], "the control"
    (folder / "open").unlink()
    settings = load_settings(data_dir=folder / "data", _env_file=None)
    db = Database(settings.database)
    db.migrate()
    backups = folder / "backups"
    backups.mkdir()
    backup.backup(replace(installation.core, db=db, settings=settings), backups)
    (folder / "log").write_text("a process writes it")
    db.close()
    assert _open_to_others(folder) == []
    assert list(backups.glob("*.sqlite"))


@pytest.mark.embedded("about the files of SQLite")
def test_a_database_of_an_earlier_version_is_closed_when_it_is_opened(tmp_path: Path, loose: None) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    first = Database(url)
    first.migrate()
    first.close()
    (tmp_path / "old.sqlite").chmod(0o644)
    Database(url).close()
    assert stat.S_IMODE((tmp_path / "old.sqlite").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "sent", ["\n2026-01-01 00:00:00 INFO postprober forged", "\r\x1b[2Kgone", "a\u2028b", "\x85next", "\x9b31m"]
)
def test_what_others_sent_stays_on_its_line(sent: str) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log_redaction.OneLine("sidecar"))
    log = logging.getLogger("postprober.test.lines")
    log.propagate, log.handlers = False, [handler]
    log.warning("channel %s: %s", 3, sent)
    try:
        raise ValueError(sent)
    except ValueError:
        log.exception("it failed: %s", sent)
    lines = stream.getvalue().split("\n")
    assert all(line.startswith(("20", "    ")) or line == "" for line in lines)
    assert sum(line.startswith("20") for line in lines) == 2
    assert all(char.isprintable() for line in lines for char in line)


def test_every_process_of_ours_logs_through_it() -> None:
    files = {"cli/main.py": "scheduler", "api/__main__.py": "sidecar", "worker.py": "worker", "ui/app_log.py": "app"}
    for name, process in files.items():
        text = (ROOT / "postprober" / name).read_text()
        assert f'log_redaction.to_stream("{process}")' in text and "basicConfig" not in text
    assert "app_log.take_over()" in (ROOT / "app.py").read_text()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:8900"}, 200),
        ({"Host": "127.0.0.1:8900", "Origin": "http://127.0.0.1:8900"}, 200),
        ({"Host": "127.0.0.1:8900", "Origin": "http://127.0.0.1:8501"}, 403),
        ({"Host": "127.0.0.1:8900", "Origin": "https://evil.example"}, 403),
        ({"Host": "127.0.0.1:8900", "Origin": "null"}, 403),
        ({"Host": "127.0.0.1:8900", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "rebind.example:8900"}, 403),
        ({"Host": "[x"}, 403),
    ],
)
def test_the_sandbox_is_steered_by_programs_and_its_own_page_only(headers: dict[str, str], status: int) -> None:
    with TestClient(create_app(World())) as client:
        assert client.get("/_sandbox/settings", headers=headers).status_code == status


def test_only_the_first_owner_sets_how_long_things_are_kept(installation: Installation) -> None:
    core = installation.core
    made = users.create(core, email="registered@example.org", password="a good long password")
    with core.db.read() as conn:
        first, other = storage.get(conn, installation.owner), storage.get(conn, made)
    before = retention.get(core)
    with pytest.raises(Forbidden, match="first owner"):
        retention.put(core, acting(core, other), replace(before, alerts=1))
    assert retention.get(core) == before
    retention.put(core, acting(core, first), replace(before, alerts=77))
    assert retention.get(core).alerts == 77


def test_every_fragment_asks_whether_the_person_is_still_signed_in() -> None:
    """A fragment runs without the page around it, so the page's guard does not run."""
    found = []
    for path in (ROOT / "postprober" / "ui").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and any("fragment" in ast.unparse(one) for one in node.decorator_list):
                found.append(f"{path.name}:{node.name}")
                said = ast.unparse(node)
                assert "still_in(" in said or "session_user(" in said, found[-1]
    assert len(found) >= 4
