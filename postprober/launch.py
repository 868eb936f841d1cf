"""Starts the processes side by side, and starts again what ends by itself."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TextIO

from postprober import extras, places
from postprober.errors import BadInput, ConfigurationError, Conflict
from postprober.processes.running import LOCK
from postprober.processes.watching import STOP_LIMIT, Child, Process, Watcher, say
from postprober.settings import Settings

LOOKS = 5  # at a lock that somebody holds
START_LIMIT = 60.0  # seconds for a process to answer

# What `serve` starts alone, for services of the operating system, and the extra that it needs.
SERVED: dict[str, str | None] = {"scheduler": None, "sidecar": None, "app": "app", "worker": "redis"}


class FolderLock:
    """One `up` at a time on a data folder. The lock goes with the process that holds it, however that ends."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / LOCK
        self._stream: TextIO | None = None

    def take(self) -> None:
        """Raises Conflict when another one runs there."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        stream = self._path.open("a+")
        if not self._taken(stream):
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

    def _taken(self, stream: TextIO) -> bool:
        """Whoever only asks whether somebody holds it does so for a moment."""
        pause = threading.Event()
        for _ in range(LOOKS):
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                pause.wait(0.05)
            else:
                return True
        return False

    @property
    def descriptor(self) -> int:
        """Of the file that is locked. Raises Conflict when it is not."""
        if self._stream is None:
            raise Conflict("The data folder is not locked.")
        return self._stream.fileno()

    def free(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


@dataclass
class Supervisor(Watcher):
    """The children of an installation, with its settings."""

    settings: Settings = field(kw_only=True)

    @classmethod
    def of(cls, settings: Settings, **options: Any) -> Supervisor:
        """Nobody is started yet."""
        return cls(settings.data_dir / "logs", places.home(), environment(settings), settings=settings, **options)

    def start(self, name: str, *command: str, ready: str = "") -> None:
        """Start `command` and wait until `ready` answers. Raises ConfigurationError if it does not."""
        self.children[name] = Child(command, self._spawn(name, command), time.monotonic())
        self.note()
        if ready and not _answers(ready, self.children[name].process):
            raise ConfigurationError(f"The {name} did not start; its log is {self.log(name)}.")


_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open  # our own loopback needs no proxy


def _answers(url: str, child: Process) -> bool:
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
        say(f"The web app is left out. {extras.sentence('app')}")
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
    family.start("scheduler", *command("scheduler", s), ready=f"{api}/readyz?part=scheduler")
    if s.redis_url:
        family.start("worker", *command("worker", s))
    if app:
        family.start("app", *command("app", s), ready=f"http://127.0.0.1:{s.app_port}/_stcore/health")
