"""Looks after child processes, and starts again what ends by itself.

`postprober up` starts everything and then becomes this program, which needs nothing of the rest: whoever only waits must not
keep in memory what the others need.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from postprober.processes.stopping import Stopping

PR_SET_PDEATHSIG = 1  # linux/prctl.h
STOPS = (signal.SIGTERM, signal.SIGINT)  # how we are told to stop
STOP_LIMIT = 45.0  # the scheduler finishes the item at hand, whose slowest call takes 30 s
STEADY = 60.0  # seconds; who lived so long ended by some accident, not by what is wrong with it
QUICK_ENDS = 5  # of one child in a row, each within STEADY: starting it once more would not help
MAX_LOG = 10 * 2**20  # bytes of one log of a child before it is rotated
KEPT_LOGS = 3  # older ones of each child
ROTATION_PAUSE = 60.0  # seconds after a rotation that failed; to copy 10 MB in vain twice a second would be a load
NOTE = "up.json"  # in the data folder: which processes there are, for `postprober status`
FIRST_PAUSE = 1.0  # seconds before it is started again, twice as long each time


class Process(Protocol):
    """A child as the library for processes shows it."""

    pid: int

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int) -> None: ...

    def kill(self) -> None: ...


@dataclass
class Inherited:
    """A child that this process had before it became another program."""

    pid: int
    code: int | None = None

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        if self.code is None:
            with suppress(ChildProcessError):
                done, status = os.waitpid(self.pid, os.WNOHANG)
                if done:
                    self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        until = None if timeout is None else time.monotonic() + timeout
        pause = threading.Event()
        while (code := self.poll()) is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            pause.wait(0.05)
        return code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@dataclass
class Child:
    """`again`: by the monotonic clock, when it is started once more; None while it runs. `since`: of this life of it, by the
    clock on the wall; `starts`: how often it was started."""

    command: tuple[str, ...]
    process: Process
    begun: float
    quick_ends: int = 0
    again: float | None = None
    since: float = field(default_factory=time.time)
    starts: int = 1


def _end_with(parent: int) -> Callable[[], None] | None:
    """Run in a child before its program: the kernel tells it to end when `parent` dies, however that dies. Linux only."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def bind() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it died before we could ask
            os._exit(1)

    return bind


def say(text: str) -> None:
    """To whoever started us. Where that is a file on a full disk, nobody hears it, and the children run on."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201


def rotated(log: Path) -> None:
    """Raises OSError; then no log is lost. Once the copy is in its place the log is emptied, whatever comes: on a full disk the
    lines of that instant are lost, and no older log is pushed out for them."""
    fresh = log.with_suffix(".log.new")
    try:
        with log.open("rb") as now, fresh.open("wb") as copy:
            shutil.copyfileobj(now, copy)
            copy.flush()
            for number in range(KEPT_LOGS - 1, 0, -1):
                with suppress(FileNotFoundError):
                    log.with_suffix(f".log.{number}").replace(log.with_suffix(f".log.{number + 1}"))
            fresh.replace(log.with_suffix(".log.1"))
            with suppress(OSError):
                shutil.copyfileobj(now, copy)  # what was written meanwhile
                copy.flush()
            os.truncate(log, 0)
    except OSError:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


@dataclass
class Watcher:
    """Child processes; one that ends by itself is started again, so that a page that fell over delays no post. `logs`: the
    folder of their logs; `home`: where they are started; `environment`: theirs."""

    logs: Path
    home: Path
    environment: dict[str, str]
    children: dict[str, Child] = field(default_factory=dict)
    stopping: Stopping = field(default_factory=Stopping)
    complete: bool = False  # every child has been started once
    steady: float = STEADY
    first_pause: float = FIRST_PAUSE
    _rotates_from: float = field(default=0.0, init=False)  # by the monotonic clock

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def note(self) -> None:
        """Write down which processes there are, beside the logs' folder; on a full disk the note stays as it was."""
        told = {
            "pid": os.getpid(),
            "complete": self.complete,
            "children": {
                name: {"pid": child.process.pid, "since": child.since, "starts": child.starts}
                for name, child in self.children.items()
            },
        }
        note = self.logs.parent / NOTE
        with suppress(OSError):
            fresh = note.with_name(f"{NOTE}.new")
            fresh.write_text(json.dumps(told))
            fresh.replace(note)

    def rotate(self) -> None:
        """Logs end at MAX_LOG bytes: what is older goes to `.1` and so on, KEPT_LOGS of them. The children go on writing
        into the same file, at its new end.

        The newest log is copied first, whole, and only then do older ones give way to it and is it cut: where it cannot
        be copied (a full disk) every log stays as it is, and it is tried again after ROTATION_PAUSE.
        """
        now = time.monotonic()
        for name in self.children:
            if now < self._rotates_from:
                return
            log = self.log(name)
            try:
                if log.stat().st_size > MAX_LOG:
                    rotated(log)
            except FileNotFoundError:
                continue
            except OSError:
                self._rotates_from = now + ROTATION_PAUSE

    def _spawn(self, name: str, command: tuple[str, ...]) -> subprocess.Popen[bytes]:
        log = self.log(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            # A group of its own: Ctrl-C reaches this process only, which then stops the others in order.
            return subprocess.Popen(
                [sys.executable, *command],
                stdout=out,
                stderr=out,
                cwd=self.home,
                env=self.environment,
                start_new_session=True,
                preexec_fn=_end_with(os.getpid()),
            )

    def watch(self) -> int:
        """Until a signal, or until a child ends that cannot be started again; returns the exit code."""
        while not self.stopping.wait(min(0.5, self.first_pause)):
            self.rotate()
            for name, child in self.children.items():
                trouble = self._look_after(name, child)
                if trouble:
                    say(f"The {name} {trouble}; stopping the others. Its log is {self.log(name)}.")
                    return 3
        return 0

    def _look_after(self, name: str, child: Child) -> str:
        """Start it again when it has ended; what is wrong when that is of no use."""
        now = time.monotonic()
        if child.again is not None:
            if now >= child.again:
                self._start_again(name, child, now)
        elif (code := child.process.poll()) is not None:
            child.quick_ends = child.quick_ends + 1 if now - child.begun < self.steady else 1
            if child.quick_ends >= QUICK_ENDS:
                return f"ended {QUICK_ENDS} times in a row, the last time with code {code}"
            pause = self.first_pause * 2 ** (child.quick_ends - 1)
            child.again = now + pause
            say(f"The {name} ended with code {code}; it is started again in {pause:g} s.")
        return ""

    def _start_again(self, name: str, child: Child, now: float) -> None:
        try:
            process = self._spawn(name, child.command)
        except OSError as error:  # no room for its log, no memory for it: that may pass, and the others run on
            child.again = now + self.first_pause * 2 ** (QUICK_ENDS - 1)
            say(f"The {name} cannot be started again now ({error.strerror}); it is tried again.")
        else:
            child.process, child.begun, child.again = process, now, None
            child.since, child.starts = time.time(), child.starts + 1
            self.note()

    def stop(self) -> None:
        """In reverse order, politely first."""
        processes = [child.process for child in self.children.values()]
        for process in reversed(processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_LIMIT
        for process in processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def hand_over(self, lock: int) -> None:
        """Become a program that only watches these children, which go on as they are; returns only when it was told to stop
        meanwhile. `lock`: the file that says who is at work on the data folder; it stays open. Call it from the main thread:
        the kernel ends children with the thread that has started them."""
        # A signal that comes from here on waits until the new program hears it; before it does, one would end it at once.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        if self.stopping.is_set():
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
            return
        self.complete = True
        self.note()
        told = {
            "logs": str(self.logs),
            "home": str(self.home),
            "children": [
                {
                    "name": name,
                    "command": child.command,
                    "pid": child.process.pid,
                    "begun": child.begun,
                    "since": child.since,
                    "starts": child.starts,
                }
                for name, child in self.children.items()
            ],
        }
        read, write = os.pipe()
        os.write(write, json.dumps(told).encode())  # far less than a pipe holds
        os.close(write)
        os.set_inheritable(read, True)
        os.set_inheritable(lock, True)
        os.chdir(self.home)
        argv = [sys.executable, "-m", "postprober.processes.watching", str(read)]
        os.execve(sys.executable, argv, self.environment)  # noqa: S606 # nosec B606 # our own program


def _taken_over(told: dict[str, Any]) -> Watcher:
    made = Watcher(Path(told["logs"]), Path(told["home"]), dict(os.environ), complete=True)
    for one in told["children"]:
        made.children[one["name"]] = Child(
            tuple(one["command"]), Inherited(one["pid"]), one["begun"], since=one["since"], starts=one["starts"]
        )
    return made


def main() -> int:
    """Watch what the pipe tells of, until a signal comes; returns the exit code."""
    with os.fdopen(int(sys.argv[1]), "rb") as pipe:
        watcher = _taken_over(json.loads(pipe.read()))
    for number in STOPS:
        signal.signal(number, lambda *_: watcher.stopping.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)  # what has come since `hand_over` is heard now
    try:
        return watcher.watch()
    finally:
        watcher.stop()


if __name__ == "__main__":
    sys.exit(main())
