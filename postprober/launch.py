"""Starts the processes side by side, and starts again what ends by itself."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TextIO

from postprober import extras, places
from postprober.errors import BadInput, ConfigurationError, Conflict
from postprober.settings import Settings

PR_SET_PDEATHSIG = 1  # linux/prctl.h
START_LIMIT = 60.0  # seconds for a process to answer
STOP_LIMIT = 45.0  # the scheduler finishes the item at hand, whose slowest call takes 30 s
STEADY = 60.0  # seconds; who lived so long ended by some accident, not by what is wrong with it
QUICK_ENDS = 5  # of one child in a row, each within STEADY: starting it once more would not help
MAX_LOG = 10 * 2**20  # bytes of one log of a child before it is rotated
KEPT_LOGS = 3  # older ones of each child
ROTATION_PAUSE = 60.0  # seconds after a rotation that failed; to copy 10 MB in vain twice a second would be a load
FIRST_PAUSE = 1.0  # seconds before it is started again, twice as long each time

# What `serve` starts alone, for services of the operating system, and the extra that it needs.
SERVED: dict[str, str | None] = {"scheduler": None, "sidecar": None, "app": "app", "worker": "redis"}


@dataclass
class _Child:
    """`again`: by the monotonic clock, when it is started once more; None while it runs."""

    command: tuple[str, ...]
    process: subprocess.Popen[bytes]
    begun: float
    quick_ends: int = 0
    again: float | None = None


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


class FolderLock:
    """One `up` at a time on a data folder. The lock goes with the process that holds it, however that ends."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "up.lock"
        self._stream: TextIO | None = None

    def take(self) -> None:
        """Raises Conflict when another one runs there."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        stream = self._path.open("a+")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            stream.seek(0)
            holder = stream.read().strip() or "another process"
            stream.close()
            raise Conflict(
                f"PostProber is already running on {self._path.parent} (process {holder}). Stop it first, or set "
                "POSTPROBER_DATA_DIR to another folder for a second installation."
            ) from None
        stream.seek(0)
        stream.truncate()
        stream.write(str(os.getpid()))
        stream.flush()
        self._stream = stream

    def free(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _say(text: str) -> None:
    """To whoever started us. Where that is a file on a full disk, nobody hears it, and the children run on."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201


def _rotate(log: Path) -> None:
    """Raises OSError; then no log is lost."""
    fresh = log.with_suffix(".log.new")
    try:
        with log.open("rb") as now, fresh.open("wb") as copy:
            shutil.copyfileobj(now, copy)
            copy.flush()
            for number in range(KEPT_LOGS - 1, 0, -1):
                with suppress(FileNotFoundError):
                    log.with_suffix(f".log.{number}").replace(log.with_suffix(f".log.{number + 1}"))
            fresh.replace(log.with_suffix(".log.1"))
            shutil.copyfileobj(now, copy)  # what was written meanwhile
            copy.flush()
            os.truncate(log, 0)
    except OSError:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


@dataclass
class Supervisor:
    """Child processes; one that ends by itself is started again, so that a page that fell over delays no post."""

    settings: Settings
    children: dict[str, _Child] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)
    steady: float = STEADY
    first_pause: float = FIRST_PAUSE
    _rotates_from: float = field(default=0.0, init=False)  # by the monotonic clock

    def start(self, name: str, *command: str, ready: str = "") -> None:
        """Start `command` and wait until `ready` answers. Raises ConfigurationError if it does not."""
        self.children[name] = _Child(command, self._spawn(name, command), time.monotonic())
        if ready and not _answers(ready, self.children[name].process):
            raise ConfigurationError(f"The {name} did not start; its log is {self._log(name)}.")

    def _log(self, name: str) -> Path:
        return self.settings.data_dir / "logs" / f"{name}.log"

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
            log = self._log(name)
            try:
                if log.stat().st_size > MAX_LOG:
                    _rotate(log)
            except FileNotFoundError:
                continue
            except OSError:
                self._rotates_from = now + ROTATION_PAUSE

    def _spawn(self, name: str, command: tuple[str, ...]) -> subprocess.Popen[bytes]:
        log = self._log(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            # A group of its own: Ctrl-C reaches this process only, which then stops the others in order.
            return subprocess.Popen(
                [sys.executable, *command],
                stdout=out,
                stderr=out,
                cwd=places.home(),
                env=environment(self.settings),
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
                    _say(f"The {name} {trouble}; stopping the others. Its log is {self._log(name)}.")
                    return 3
        return 0

    def _look_after(self, name: str, child: _Child) -> str:
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
            _say(f"The {name} ended with code {code}; it is started again in {pause:g} s.")
        return ""

    def _start_again(self, name: str, child: _Child, now: float) -> None:
        try:
            process = self._spawn(name, child.command)
        except OSError as error:  # no room for its log, no memory for it: that may pass, and the others run on
            child.again = now + self.first_pause * 2 ** (QUICK_ENDS - 1)
            _say(f"The {name} cannot be started again now ({error.strerror}); it is tried again.")
        else:
            child.process, child.begun, child.again = process, now, None

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


_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open  # our own loopback needs no proxy


def _answers(url: str, child: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_LIMIT
    pause = threading.Event()
    while time.monotonic() < deadline and child.poll() is None:
        try:
            with _open(url, timeout=2) as reply:
                if reply.status == 200:
                    return True
        except (urllib.error.URLError, OSError):
            pause.wait(0.1)
    return False


def _need_free(name: str, port: int) -> None:
    """Raises BadInput when somebody else listens there: we would take their answers for our own."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise BadInput(f"Port {port} is in use; set POSTPROBER_{name} to a free one.", field="port") from None


def command(name: str, s: Settings) -> tuple[str, ...]:
    """The arguments of Python that run the process `name`, in `places.home()`."""
    commands: dict[str, tuple[str, ...]] = {
        "sandbox": ("-m", "postprober.sandbox", "--port", str(s.sandbox_port), "--data-dir", str(s.data_dir.resolve())),
        "sidecar": ("-m", "postprober.api"),
        "scheduler": ("scheduler.py",),
        "worker": (
            "-m",
            "dramatiq",
            "postprober.worker",
            "--processes",
            "1",
            "--threads",
            str(s.workers),
            "--worker-shutdown-timeout",
            str(round(STOP_LIMIT * 1000)),
        ),
        "app": (
            "-m",
            "streamlit",
            "run",
            "app.py",
            "--server.port",
            str(s.app_port),
            "--server.address",
            "127.0.0.1",
            "--server.headless",
            "true",
        ),
    }
    return commands[name]


def become(name: str, settings: Settings) -> NoReturn:
    """Replace this process by `name` (one of SERVED), with these settings. Raises NotInstalled when its extra is
    missing."""
    if (extra := SERVED[name]) is not None:
        extras.need(extra)
    os.chdir(places.home())
    os.execve(sys.executable, [sys.executable, *command(name, settings)], environment(settings))  # noqa: S606 # nosec B606 # our own program


def environment(settings: Settings) -> dict[str, str]:
    """Every setting as this process has it holds for its children too: they are started in another folder, where another
    `.env` may lie, and one that is started again must not differ from the others."""
    chosen = settings.environment()
    return {name: value for name, value in os.environ.items() if name.upper() not in chosen} | chosen


def start_all(family: Supervisor, *, app: bool = True) -> None:
    """Sandbox (in sandbox mode), sidecar, scheduler, app; each answers before the next starts. Where the app is not
    installed, the rest runs without it."""
    s = family.settings
    if app and not extras.has("app"):
        _say(f"The web app is left out. {extras.sentence('app')}")
        app = False
    ports = {"API_PORT": s.api_port}
    if app:
        ports["APP_PORT"] = s.app_port
    if s.sandbox:
        ports["SANDBOX_PORT"] = s.sandbox_port
    for name, port in ports.items():
        _need_free(name, port)
    api = f"http://127.0.0.1:{s.api_port}"
    if s.sandbox:
        family.start("sandbox", *command("sandbox", s), ready=f"{s.sandbox_url}/_sandbox/settings")
    family.start("sidecar", *command("sidecar", s), ready=f"{api}/healthz")
    family.start("scheduler", *command("scheduler", s), ready=f"{api}/readyz")
    if s.redis_url:
        family.start("worker", *command("worker", s))
    if app:
        family.start("app", *command("app", s), ready=f"http://127.0.0.1:{s.app_port}/_stcore/health")
