"""`postprober up`: who ends by himself is started again, who cannot stay ends all, and a signal ends them in order."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from postprober.errors import Conflict
from postprober.launch import FolderLock, Supervisor
from postprober.processes import watching
from postprober.processes.watching import QUICK_ENDS
from postprober.settings import Settings

LIMIT = 90.0  # seconds; only a failing test waits so long
STAYS = "import os, pathlib, signal; pathlib.Path({file!r}).write_text(str(os.getpid())); signal.pause()"


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor.of(Settings(_env_file=None, mode="sandbox", data_dir=tmp_path), first_pause=0.01)
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


def _watched(family: Supervisor) -> tuple[threading.Thread, list[int]]:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(family.watch()), daemon=True)
    thread.start()
    return thread, codes


def test_a_child_that_is_killed_is_started_again_and_the_others_do_not_notice(
    family: Supervisor, tmp_path: Path, capfd: pytest.CaptureFixture[str]
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
    family: Supervisor, tmp_path: Path, capfd: pytest.CaptureFixture[str]
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


def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "child"
    code = (
        "import signal, sys; from pathlib import Path; from postprober.launch import Supervisor; "
        "from postprober.settings import Settings; "
        f"f = Supervisor.of(Settings(_env_file=None, mode='sandbox', data_dir=Path({str(tmp_path)!r}))); "
        f"f.start('app', '-c', {STAYS.format(file=str(file))!r}); signal.pause()"
    )
    root = Path(__file__).resolve().parent.parent
    supervisor = subprocess.Popen([sys.executable, "-c", code], cwd=root)
    try:
        child = _pid(file)
        os.kill(supervisor.pid, signal.SIGKILL)
        supervisor.wait(LIMIT)
        pause = threading.Event()
        for _ in range(round(LIMIT / 0.05)):
            if not _runs(child):
                break
            pause.wait(0.05)
        assert not _runs(child)
    finally:
        supervisor.kill()
        supervisor.wait(LIMIT)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_second_up_on_one_data_folder_is_refused_and_names_the_first(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    first.take()
    with pytest.raises(Conflict, match=rf"already running on .*\(process {os.getpid()}\)"):
        second.take()
    first.free()
    second.take()
    second.free()


def test_a_log_is_rotated_while_its_child_writes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MAX_LOG", 1000)
    made = Supervisor.of(Settings(_env_file=None, mode="sandbox", data_dir=tmp_path))
    made.children["app"] = None  # type: ignore[assignment]
    log = tmp_path / "logs" / "app.log"
    log.parent.mkdir()
    with log.open("ab") as child:
        for number in range(watching.KEPT_LOGS + 2):
            child.write(str(number).encode() * 1001)
            child.flush()
            made.rotate()
        child.write(b"the end")
        child.flush()
        made.rotate()
    assert log.read_bytes() == b"the end"
    older = sorted(log.parent.glob("app.log.*"))
    assert [one.name for one in older] == ["app.log.1", "app.log.2", "app.log.3"]
    assert [one.read_bytes()[:1] for one in older] == [b"4", b"3", b"2"]


def _logs(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir()}


def test_on_a_full_disk_no_log_is_lost_and_later_it_is_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full for real: the kernel lets no file of this process grow beyond a limit."""
    monkeypatch.setattr(watching, "MAX_LOG", 2**20)
    made = Supervisor.of(Settings(_env_file=None, mode="sandbox", data_dir=tmp_path))
    made.children["app"] = None  # type: ignore[assignment]
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "app.log").write_bytes(b"new" * 2**20)
    for number in (1, 2, 3):
        (folder / f"app.log.{number}").write_bytes(b"old %d" % number)
    before, limits = _logs(folder), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, limits[1]))
    try:
        for _ in range(3):
            made._rotates_from = 0.0
            made.rotate()
            assert _logs(folder) == before
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    made.rotate()
    assert _logs(folder) == before, "after a failure it waits"
    made._rotates_from = 0.0
    made.rotate()
    assert _logs(folder) == {
        "app.log": b"",
        "app.log.1": before["app.log"],
        "app.log.2": b"old 1",
        "app.log.3": b"old 2",
    }


def test_a_child_that_cannot_be_started_again_now_is_tried_again_and_ends_nobody(
    family: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    family.steady = 0.0
    files = {name: tmp_path / name for name in ("app", "scheduler")}
    for name, file in files.items():
        family.start(name, "-c", STAYS.format(file=str(file)))
    first = {name: _pid(file) for name, file in files.items()}
    spawn, refused = family._spawn, threading.Event()

    def full(name: str, command: tuple[str, ...]) -> subprocess.Popen[bytes]:
        monkeypatch.setattr(family, "_spawn", spawn)
        refused.set()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(family, "_spawn", full)
    thread, codes = _watched(family)
    os.kill(first["app"], signal.SIGKILL)
    assert _pid(files["app"], but=first["app"]) != first["app"] and refused.is_set()
    assert _pid(files["scheduler"]) == first["scheduler"]
    family.stopping.set()
    thread.join(LIMIT)
    assert codes == [0]
    assert "The app cannot be started again now (No space left on device); it is tried again." in capfd.readouterr().err


def test_nobody_to_talk_to_ends_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.fdopen(os.open("/dev/full", os.O_WRONLY), "w")
    monkeypatch.setattr(sys, "stderr", full)
    watching.say("The app ended.")
    monkeypatch.undo()
    with pytest.raises(OSError, match="No space left"):
        full.close()  # the control: what was said could not be written


def test_whoever_only_watches_imports_nothing_of_the_program_and_keeps_the_children(tmp_path: Path) -> None:
    """It becomes another program: the children go on under the same parent, one that dies is started again, a signal ends
    them all, the lock stays taken, and what the program was in memory is gone."""
    files = {name: tmp_path / name for name in ("app", "scheduler")}
    begin = "".join(f"f.start({name!r}, '-c', {STAYS.format(file=str(file))!r}); " for name, file in files.items())
    code = (
        "from pathlib import Path; from postprober.launch import FolderLock, Supervisor; "
        "from postprober.settings import Settings; "
        f"where = Path({str(tmp_path)!r}); lock = FolderLock(where); lock.take(); "
        "f = Supervisor.of(Settings(_env_file=None, mode='sandbox', data_dir=where)); "
        f"{begin}f.hand_over(lock.descriptor)"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).resolve().parent.parent)
    try:
        first = {name: _pid(file) for name, file in files.items()}
        pause = threading.Event()
        for _ in range(round(LIMIT / 0.05)):
            if b"postprober.processes.watching" in Path(f"/proc/{supervisor.pid}/cmdline").read_bytes():
                break
            pause.wait(0.05)
        os.kill(first["app"], signal.SIGKILL)
        second = _pid(files["app"], but=first["app"])
        assert _runs(second) and _runs(first["scheduler"])
        parents = {
            Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1] for pid in (second, first["scheduler"])
        }
        assert parents == {str(supervisor.pid)}
        maps = Path(f"/proc/{supervisor.pid}/maps").read_text()
        assert "sqlite" not in maps and "pydantic" not in maps, "nothing of what the program needs is loaded"
        with pytest.raises(Conflict, match="already running"):
            FolderLock(tmp_path).take()
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(LIMIT) == 0
        assert not _runs(second) and not _runs(first["scheduler"])
        free = FolderLock(tmp_path)
        free.take()
        free.free()
    finally:
        supervisor.kill()
        supervisor.wait(LIMIT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_amid_the_change_of_program_is_heard(tmp_path: Path, number: signal.Signals) -> None:
    """It comes when the old program has decided to go on, and the new one does not listen yet."""
    file = tmp_path / "app"
    code = (
        "import os; from pathlib import Path; from postprober.launch import FolderLock, Supervisor; "
        "from postprober.settings import Settings; real = os.execve; "
        f"os.execve = lambda *all: (os.kill(os.getpid(), {int(number)}), real(*all)); "
        f"where = Path({str(tmp_path)!r}); lock = FolderLock(where); lock.take(); "
        "f = Supervisor.of(Settings(_env_file=None, mode='sandbox', data_dir=where)); "
        f"f.start('app', '-c', {STAYS.format(file=str(file))!r}); f.hand_over(lock.descriptor)"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).resolve().parent.parent)
    try:
        assert supervisor.wait(LIMIT) == 0, "the signal ended it before it could end its children in order"
        assert not file.exists() or not _runs(_pid(file))
    finally:
        supervisor.kill()
        supervisor.wait(LIMIT)


def test_the_watching_program_imports_only_the_standard_library() -> None:
    code = (
        "import sys, postprober.processes.watching; "
        "print(sorted({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))"
    )
    root = Path(__file__).resolve().parent.parent
    told = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(root)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "postprober" in told.stdout
    loaded = set(eval(told.stdout)) - {
        "__main__",
        "__mp_main__",
        "postprober",
        "sitecustomize",
        "usercustomize",
        "_virtualenv",
        "distutils-precedence",
        "_distutils_hack",
    }
    assert loaded == set()
