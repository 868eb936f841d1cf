"""`status`, `stop` and `logs`: what runs on a data folder, told and ended from another process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from postprober.cli import main, operate
from postprober.launch import FolderLock
from postprober.processes import running
from tests.test_launch import LIMIT, STAYS

ROOT = Path(__file__).resolve().parent.parent
DEAF = "import pathlib, signal; signal.signal(15, signal.SIG_IGN); pathlib.Path({file!r}).touch(); signal.pause()"


def wait_until(said: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(round(LIMIT / 0.05)):
        if said():
            return
        pause.wait(0.05)
    raise AssertionError("it did not come to be")


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """An installation of two processes that do nothing, on `tmp_path`."""
    begin = "".join(
        f"f.start({name!r}, '-c', {STAYS.format(file=str(tmp_path / name))!r}); " for name in ("sidecar", "app")
    )
    code = (
        "from pathlib import Path; from postprober.launch import FolderLock, Supervisor; "
        "from postprober.settings import Settings; "
        f"where = Path({str(tmp_path)!r}); lock = FolderLock(where); lock.take(); "
        "f = Supervisor.of(Settings(_env_file=None, mode='sandbox', data_dir=where)); "
        f"{begin}f.hand_over(lock.descriptor)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    try:
        wait_until(lambda: (found := running.look(tmp_path)) is not None and found.complete)
        yield process
    finally:
        process.kill()
        process.wait(LIMIT)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("POSTPROBER_DATA_DIR", str(tmp_path))
    return lambda *words: CliRunner().invoke(main.app, list(words))


def test_where_nothing_runs_it_says_how_to_start(run: Callable[..., Result], tmp_path: Path) -> None:
    told = run("status")
    assert told.exit_code == 3 and "Nothing runs on" in told.stdout and "make up" in told.stdout
    assert json.loads(run("status", "--json").stdout)["pid"] is None
    stopped = run("stop")
    assert stopped.exit_code == 0 and "Nothing runs on" in stopped.stdout


def test_what_runs_is_told_and_a_child_that_was_started_again_too(
    installation: subprocess.Popen[bytes], run: Callable[..., Result], tmp_path: Path
) -> None:
    told = run("status")
    assert told.exit_code == 0 and f"(process {installation.pid})" in told.stdout
    first = {one["name"]: one for one in json.loads(run("status", "--json").stdout)["processes"]}
    assert set(first) == {"sidecar", "app"} and all(one["alive"] and one["starts"] == 1 for one in first.values())
    os.kill(first["app"]["pid"], signal.SIGKILL)

    def again() -> bool:
        now = {one["name"]: one for one in json.loads(run("status", "--json").stdout)["processes"]}
        return bool(now["app"]["starts"] == 2 and now["app"]["alive"] and now["app"]["pid"] != first["app"]["pid"])

    wait_until(again)
    assert "started 2 times" in run("status").stdout


def test_stop_ends_all_of_it_and_only_then_returns(
    installation: subprocess.Popen[bytes], run: Callable[..., Result], tmp_path: Path
) -> None:
    children = [one.pid for one in (running.look(tmp_path) or pytest.fail("it does not run")).children]
    stopped = run("stop")
    assert stopped.exit_code == 0 and f"Stopped (process {installation.pid})." in stopped.stdout
    assert installation.wait(LIMIT) == 0 and running.look(tmp_path) is None
    assert not [pid for pid in children if Path(f"/proc/{pid}/stat").exists()]
    free = FolderLock(tmp_path)
    free.take()
    free.free()


def test_what_does_not_stop_in_time_is_said(tmp_path: Path) -> None:
    holder = (
        "from pathlib import Path; from postprober.launch import FolderLock; "
        f"lock = FolderLock(Path({str(tmp_path)!r})); lock.take(); "
    )
    process = subprocess.Popen([sys.executable, "-c", holder + DEAF.format(file=str(tmp_path / "there"))], cwd=ROOT)
    try:
        wait_until((tmp_path / "there").exists)
        with pytest.raises(TimeoutError, match=f"process {process.pid} has not stopped within 0 seconds"):
            running.stop(tmp_path, limit=0.2)
        found = running.look(tmp_path)
        assert found is not None and not found.well and not found.complete and found.children == (), (
            "a note of an earlier one counts for nothing"
        )
    finally:
        process.kill()
        process.wait(LIMIT)


def test_logs_are_printed_by_name_and_the_newest_lines_last(run: Callable[..., Result], tmp_path: Path) -> None:
    assert "There is no log in" in str(run("logs").exception)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "sidecar.log").write_text("".join(f"line {n}\n" for n in range(100)))
    (tmp_path / "logs" / "app.log").write_bytes(b"hello \xff\x1b[2J " + b"x" * 300 + b"\n")
    assert run("logs", "sidecar", "-n", "2").stdout.splitlines() == ["line 98", "line 99"]
    told = run("logs", "-n", "1").stdout.splitlines()
    assert told == ["app        hello \ufffd\ufffd[2J " + "x" * 300, "sidecar    line 99"]
    refused = run("logs", "web")
    assert refused.exit_code != 0 and "There is no log of “web”; there are logs of app, sidecar." in str(
        refused.exception
    )


def test_new_lines_are_followed_also_after_the_log_was_cut(tmp_path: Path) -> None:
    log, held = tmp_path / "app.log", "old\n"
    log.write_text(held)
    steps = iter([f"{held}one\ntw", f"{held}one\ntwo\n", "cut\n"])

    def wait() -> bool:
        step = next(steps, None)
        if step is not None:
            log.write_text(step)
        return step is None

    assert list(operate.tail({log: "app "}, wait)) == ["app one", "app two", "app cut"]
