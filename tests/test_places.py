"""Where the program's files and its data lie, and that every child process has its parent's settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from bench.ports import free_ports
from postprober import launch, places
from postprober.settings import Settings, defaults, load_settings, unused_data
from tests.scaled.house import wait_until

ROOT = Path(__file__).resolve().parents[1]
TELLS = (
    "import json, sys; from postprober.settings import load_settings as load; "
    "open(sys.argv[1] + '.part', 'w').write(json.dumps(load().environment())); "
    "import os; os.rename(sys.argv[1] + '.part', sys.argv[1]); import signal; signal.pause()"
)
# One value for every kind of field that is not its default; the rest is written as `changed`.
CHOSEN = {
    "mode": "live",
    "database_url": "sqlite:///elsewhere/posts.sqlite",
    "redis_url": "redis://127.0.0.1:1/3",
    "secret_key": "s" * 40,
    "vault_keys": "first:" + "QUFB" * 10 + "QUE=",
    "public_url": "https://post.example.org",
    "app_url": "https://app.example.org",
    "x_dialect": "legacy",
    "backup_before_upgrade": "off",
    "backup_key": "A" * 42 + "E=",
    "browser": "off",
    "browser_path": "bin/chromium",
    "registration": "open",
    "smtp_host": "mail.example.org",
    "smtp_security": "tls",
    "smtp_from": "post@example.org",
    "trusted_proxies": "10.0.0.0/8",
    "cors_origins": "https://tools.example.org",
    "data_dir": "here/data",
    "drain_seconds": "7",
    "log_format": "json",
    "watch_days": "7",
    "watch_hours": "7",
    "browser_looks": "7",
    "ai_timeout_seconds": "7",
    "workers": "7",
    "smtp_port": "2525",
}


def _line(name: str) -> str:
    default = defaults()[name]
    value = CHOSEN.get(name) or (str(default + 1) if isinstance(default, int | float) else f"changed-{name}")
    return f"POSTPROBER_{name.upper()}={value}"


def test_a_child_has_every_setting_of_its_parent_wherever_it_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, home = tmp_path / "started", tmp_path / "home"
    for folder in (where, home):
        folder.mkdir()
    (where / ".env").write_text("\n".join(map(_line, defaults())))
    (home / ".env").write_text("POSTPROBER_WORKERS=9\nPOSTPROBER_WORKES=9\n")  # another one, and a misspelt name
    monkeypatch.chdir(where)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("postprober_uploads", "12")  # names are read whatever their case
    monkeypatch.setattr(places, "home", lambda: home)
    parent = load_settings()
    told = parent.environment()
    same = [name for name, value in defaults().items() if told[f"POSTPROBER_{name.upper()}"] == str(value)]
    assert same == [] and parent.uploads == 12  # or a setting that gets lost would not be noticed
    assert told["POSTPROBER_DATA_DIR"] == str(where / "here" / "data") and told["POSTPROBER_BROWSER_PATH"] == str(
        where / "bin" / "chromium"
    )
    assert told["POSTPROBER_DATABASE_URL"] == f"sqlite:///{where}/elsewhere/posts.sqlite"
    family = launch.Supervisor.of(parent)
    file = tmp_path / "child"
    try:
        family.start("child", "-c", TELLS, str(file))
        wait_until(file.exists, 60)
    finally:
        family.stop()
    assert json.loads(file.read_text()) == told
    assert "POSTPROBER_ENV_FILE" not in os.environ  # ours is not changed


def test_the_file_of_settings_is_looked_for_where_the_command_is_started_unless_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("POSTPROBER_WORKERS=5\n")
    (tmp_path / "other.env").write_text("POSTPROBER_WORKERS=6\n")
    assert load_settings(data_dir=tmp_path / "data").workers == 5
    monkeypatch.setenv("POSTPROBER_ENV_FILE", "other.env")
    assert load_settings(data_dir=tmp_path / "data").workers == 6
    monkeypatch.setenv("POSTPROBER_ENV_FILE", "")
    assert load_settings(data_dir=tmp_path / "data").workers == Settings.model_fields["workers"].default


def test_data_lies_in_the_checkout_else_in_the_users_folder_and_the_setting_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert places.data_dir() == ROOT / "data" and places.home() == ROOT == places.import_root()
    monkeypatch.setattr(places, "_PACKED", tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert places.checkout() is None and places.home() == tmp_path and places.start_command() == "postprober up"
    if sys.platform.startswith("linux"):
        assert places.data_dir() == tmp_path / "share" / "postprober"
    assert load_settings(_env_file=None).data_dir == places.data_dir()
    monkeypatch.setenv("POSTPROBER_DATA_DIR", "")  # as in a copy of the example
    assert load_settings(_env_file=None).data_dir == places.data_dir()
    monkeypatch.setenv("POSTPROBER_DATA_DIR", "chosen")
    assert load_settings(_env_file=None).data_dir == tmp_path / "chosen"


def test_a_database_where_earlier_versions_kept_it_is_named_and_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    old = tmp_path / "started" / "data"
    old.mkdir(parents=True)
    monkeypatch.setattr(places, "_PACKED", tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("HOME", str(tmp_path))
    usual = places.data_dir()
    monkeypatch.chdir(old.parent)

    def said(**chosen: object) -> list[str]:
        caplog.clear()
        settings = load_settings(_env_file=None, **chosen)
        told = [record.getMessage() for record in caplog.records]
        assert told == [sentence for sentence in [unused_data(settings)] if sentence]
        return told

    assert said() == []
    (old / "postprober.sqlite").touch()
    sentence = f"The database in {old} is not used, the data folder is {usual}; set POSTPROBER_DATA_DIR to the one that you want."
    assert said() == [sentence] and load_settings(_env_file=None).data_dir == usual
    monkeypatch.setenv("POSTPROBER_DATA_DIR", "")  # as in a copy of the example
    assert said() == [sentence]
    assert said(data_dir=tmp_path / "chosen") == []
    for named in (usual, old, "data", tmp_path / "another"):
        monkeypatch.setenv("POSTPROBER_DATA_DIR", str(named))
        assert said() == [], named
    monkeypatch.delenv("POSTPROBER_DATA_DIR")
    (old.parent / ".env").write_text(f"POSTPROBER_DATA_DIR={usual}\n")
    assert said() == []
    (old.parent / ".env").unlink()
    assert said() == [sentence]
    monkeypatch.setattr(places, "_PACKED", tmp_path / "not packed")
    monkeypatch.setattr(places, "_PACKAGE", old.parent / "postprober")  # a checkout, started where it lies
    assert load_settings(_env_file=None).data_dir == old and said() == []


def test_everything_that_the_app_is_made_of_lies_at_home() -> None:
    for name in ("app.py", "scheduler.py", "pages/overview.py", ".streamlit/config.toml"):
        assert (places.home() / name).is_file()


def test_without_the_app_the_rest_is_started_and_the_sentence_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    started: list[str] = []
    monkeypatch.setattr(launch.Supervisor, "start", lambda _self, name, *_command, ready="": started.append(name))
    monkeypatch.setattr(launch, "_need_free", lambda _name, _port: None)
    family = launch.Supervisor.of(load_settings(data_dir=tmp_path, _env_file=None), stopping=threading.Event())
    launch.start_all(family)
    assert started == ["sandbox", "sidecar", "scheduler", "app"] and "left out" not in capfd.readouterr().err
    started.clear()
    monkeypatch.setattr(launch.extras, "has", lambda extra: extra != "app")
    launch.start_all(family)
    assert started == ["sandbox", "sidecar", "scheduler"]
    assert "The web app is left out. This needs the app extra:" in capfd.readouterr().err


@pytest.mark.timeout(300)
def test_one_process_is_served_alone_with_the_settings_of_where_it_was_started(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    (tmp_path / ".env").write_text(f"POSTPROBER_API_PORT={port}\nPOSTPROBER_DATA_DIR=chosen\n")
    command = [sys.executable, "-m", "postprober", "serve"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    sidecar = subprocess.Popen([*command, "sidecar"], cwd=tmp_path, env=env, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: _answers(f"http://127.0.0.1:{port}/healthz"), 200)
    finally:
        sidecar.terminate()
        assert sidecar.wait(60) == 0
    assert (tmp_path / "chosen" / "postprober.sqlite").exists()
    wrong = subprocess.run([*command, "everything"], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert (wrong.returncode, wrong.stderr) == (2, "Choose one of scheduler, sidecar, app, worker.\n")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False
