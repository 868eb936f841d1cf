"""`postprober up`: who ends by himself is started again, who cannot stay ends all, and a signal ends them in order."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from postprober.launch import QUICK_ENDS, Family
from postprober.settings import Settings

LIMIT = 30.0  # seconds; only a failing test waits so long
STAYS = "import os, pathlib, signal; pathlib.Path({file!r}).write_text(str(os.getpid())); signal.pause()"


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Family]:
    made = Family(Settings(_env_file=None, mode="sandbox", data_dir=tmp_path), first_pause=0.01)
    yield made
    made.stopping.set()
    made.stop()


def _pid(file: Path, but: int = 0) -> int:
    """The process that has written down its number there, another one than `but`."""
    pause = threading.Event()
    for _ in range(round(LIMIT / 0.05)):
        text = file.read_text() if file.exists() else ""
        if text and int(text) != but:
            return int(text)
        pause.wait(0.05)
    raise AssertionError(f"nobody new has written {file.name}")


def _watched(family: Family) -> tuple[threading.Thread, list[int]]:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(family.watch()), daemon=True)
    thread.start()
    return thread, codes


def test_a_child_that_is_killed_is_started_again_and_the_others_do_not_notice(
    family: Family, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    family.steady = 0.0  # each of its lives counts as a long one
    files = {name: tmp_path / name for name in ("app", "scheduler")}
    for name, file in files.items():
        family.start(name, "-c", STAYS.format(file=str(file)))
    first = {name: _pid(file) for name, file in files.items()}
    thread, codes = _watched(family)
    killed = first["app"]
    for _ in range(QUICK_ENDS + 1):
        os.kill(killed, signal.SIGKILL)
        killed = _pid(files["app"], but=killed)
    assert _pid(files["scheduler"]) == first["scheduler"]
    family.stopping.set()
    thread.join(LIMIT)
    assert codes == [0]
    family.stop()
    assert all(child.process.returncode == -signal.SIGTERM for child in family.children.values())
    assert "The app ended with code -9; it is started again in 0.01 s." in capfd.readouterr().err


def test_a_child_that_cannot_stay_ends_all_and_names_its_log(
    family: Family, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    family.start("scheduler", "-c", STAYS.format(file=str(tmp_path / "scheduler")))
    family.start("app", "-c", "print('no port for me'); raise SystemExit(7)")
    thread, codes = _watched(family)
    thread.join(LIMIT)
    assert codes == [3]
    log = tmp_path / "logs" / "app.log"
    assert f"ended {QUICK_ENDS} times in a row, the last time with code 7; stopping the others. Its log is {log}." in (
        capfd.readouterr().err
    )
    assert log.read_text().count("no port for me") == QUICK_ENDS
