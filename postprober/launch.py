"""Starts the processes side by side, and starts again what ends by itself."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from postprober.errors import BadInput, ConfigurationError
from postprober.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
START_LIMIT = 60.0  # seconds for a process to answer
STOP_LIMIT = 45.0  # the scheduler finishes the item at hand, whose slowest call takes 30 s
STEADY = 60.0  # seconds; who lived so long ended by some accident, not by what is wrong with it
QUICK_ENDS = 5  # of one child in a row, each within STEADY: starting it once more would not help
FIRST_PAUSE = 1.0  # seconds before it is started again, twice as long each time


@dataclass
class _Child:
    """`again`: by the monotonic clock, when it is started once more; None while it runs."""

    command: tuple[str, ...]
    process: subprocess.Popen[bytes]
    begun: float
    quick_ends: int = 0
    again: float | None = None


@dataclass
class Family:
    """Child processes; one that ends by itself is started again, so that a page that fell over delays no post."""

    settings: Settings
    children: dict[str, _Child] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)
    steady: float = STEADY
    first_pause: float = FIRST_PAUSE

    def start(self, name: str, *command: str, ready: str = "") -> None:
        """Start `command` and wait until `ready` answers. Raises ConfigurationError if it does not."""
        self.children[name] = _Child(command, self._spawn(name, command), time.monotonic())
        if ready and not _answers(ready, self.children[name].process):
            raise ConfigurationError(f"The {name} did not start; its log is {self._log(name)}.")

    def _log(self, name: str) -> Path:
        return self.settings.data_dir / "logs" / f"{name}.log"

    def _spawn(self, name: str, command: tuple[str, ...]) -> subprocess.Popen[bytes]:
        log = self._log(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            # A group of its own: Ctrl-C reaches this process only, which then stops the others in order.
            return subprocess.Popen(
                [sys.executable, *command], stdout=out, stderr=out, cwd=ROOT, env=self._environment(),
                start_new_session=True,
            )  # fmt: skip

    def _environment(self) -> dict[str, str]:
        """What this process has read from its settings holds for the children too, wherever they are started."""
        s = self.settings
        return {
            **os.environ,
            "POSTPROBER_MODE": s.mode,
            "POSTPROBER_DATA_DIR": str(s.data_dir.resolve()),
            "POSTPROBER_APP_PORT": str(s.app_port),
            "POSTPROBER_API_PORT": str(s.api_port),
            "POSTPROBER_SANDBOX_PORT": str(s.sandbox_port),
        }

    def watch(self) -> int:
        """Until a signal, or until a child ends that cannot be started again; returns the exit code."""
        while not self.stopping.wait(min(0.5, self.first_pause)):
            for name, child in self.children.items():
                trouble = self._look_after(name, child)
                if trouble:
                    print(f"The {name} {trouble}; stopping the others. Its log is {self._log(name)}.", file=sys.stderr)  # noqa: T201
                    return 3
        return 0

    def _look_after(self, name: str, child: _Child) -> str:
        """Start it again when it has ended; what is wrong when that is of no use."""
        now = time.monotonic()
        if child.again is not None:
            if now >= child.again:
                child.process, child.begun, child.again = self._spawn(name, child.command), now, None
        elif (code := child.process.poll()) is not None:
            child.quick_ends = child.quick_ends + 1 if now - child.begun < self.steady else 1
            if child.quick_ends >= QUICK_ENDS:
                return f"ended {QUICK_ENDS} times in a row, the last time with code {code}"
            pause = self.first_pause * 2 ** (child.quick_ends - 1)
            child.again = now + pause
            print(f"The {name} ended with code {code}; it is started again in {pause:g} s.", file=sys.stderr)  # noqa: T201
        return ""

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


def _answers(url: str, child: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_LIMIT
    pause = threading.Event()
    while time.monotonic() < deadline and child.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310 # nosec B310 # own loopback address
                if reply.status == 200:
                    return True
        except (urllib.error.URLError, OSError):
            pause.wait(0.1)
    return False


def _need_free(name: str, port: int) -> None:
    """Raises BadInput when somebody else listens there: we would take their answers for our own."""
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise BadInput(f"Port {port} is in use; set POSTPROBER_{name} to a free one.", field="port") from None


def start_all(family: Family, *, app: bool = True) -> None:
    """Sandbox (in sandbox mode), sidecar, scheduler, app; each answers before the next starts."""
    s = family.settings
    ports = {"APP_PORT": s.app_port, "API_PORT": s.api_port}
    if s.sandbox:
        ports["SANDBOX_PORT"] = s.sandbox_port
    for name, port in ports.items():
        _need_free(name, port)
    if s.sandbox:
        family.start(
            "sandbox", "-m", "postprober.sandbox", "--port", str(s.sandbox_port), "--data-dir", str(s.data_dir.resolve()),
            ready=f"{s.sandbox_url}/_sandbox/settings",
        )  # fmt: skip
    family.start("sidecar", "-m", "postprober.api", ready=f"http://127.0.0.1:{s.api_port}/healthz")
    family.start("scheduler", "scheduler.py", ready=f"http://127.0.0.1:{s.api_port}/readyz")
    if s.redis_url:
        family.start("worker", "-m", "dramatiq", "postprober.worker", "--processes", "1", "--threads", str(s.workers),
                     "--worker-shutdown-timeout", str(round(STOP_LIMIT * 1000)))  # fmt: skip
    if app:
        family.start(
            "app", "-m", "streamlit", "run", "app.py", "--server.port", str(s.app_port), "--server.address",
            "127.0.0.1", "--server.headless", "true", ready=f"http://127.0.0.1:{s.app_port}/_stcore/health",
        )  # fmt: skip
