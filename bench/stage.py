"""An installation with its processes, made for one measurement."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select

from bench import processes
from bench.acting import acting
from bench.engines import Engines
from bench.ports import free_port
from postprober.cli.demo import link_sandbox_accounts
from postprober.domain.delivery import DeliveryState
from postprober.domain.platform import Platform
from postprober.sandbox.control.client import Control
from postprober.services.core import Core
from postprober.services.people import users
from postprober.services.posts import posts
from postprober.settings import load_settings
from postprober.storage.tables import deliveries
from postprober.wiring import build_core, close_core

ROOT = Path(__file__).resolve().parent.parent
TEXT_PLATFORMS = (
    Platform("x"),
    Platform("mastodon"),
    Platform("bluesky"),
)  # text alone is enough, and all can be read back
THREADS = 12  # that deliver, in all profiles and in the bare loop
WORKERS = 2  # processes of the scaled profile; the threads are divided among them
__all__ = ["THREADS", "WORKERS", "Stage", "free_port", "percentile", "plan", "stage", "wait_until_verified"]


@dataclass
class Stage:
    """`start` adds processes; everything ends with the context. `engines` None: embedded, else the scaled profile."""

    folder: Path
    env: dict[str, str]
    engines: Engines | None = None
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    core: Core | None = None
    accounts: list[dict[Platform, int]] = field(default_factory=list)

    @property
    def control(self) -> Control:
        return Control(f"http://127.0.0.1:{self.env['POSTPROBER_SANDBOX_PORT']}")

    def start(self, name: str, *command: str, ready: str = "") -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**os.environ, **self.env},
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / f"{name}.log").open("wb"),
            start_new_session=True,
        )
        self.children[name] = child
        end = time.monotonic() + 40
        while ready and time.monotonic() < end:
            with contextlib.suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(ready, timeout=1).close()
                return child
            time.sleep(0.05)
        if ready:
            raise RuntimeError(f"{name} did not answer at {ready}")
        return child

    def scheduler(self, name: str = "scheduler") -> subprocess.Popen[bytes]:
        return self.start(name, "scheduler.py")

    def worker(self, name: str, module: str = "postprober.worker") -> subprocess.Popen[bytes]:
        """Of the scaled profile."""
        threads = str(THREADS // WORKERS)
        return self.start(name, "-m", "dramatiq", module, "--processes", "1", "--threads", threads, "--skip-logging")

    def deliver(self, *, long_polls: bool = False) -> None:
        """Start whatever delivers in this profile, workers first. `long_polls`: engagement is first read after a
        minute."""
        for number in range(WORKERS if self.engines else 0):
            self.worker(f"worker-{number}", "bench.carrier" if long_polls else "postprober.worker")
        if self.engines:
            self.wait_for(f"SELECT count(*) >= {WORKERS} FROM processes WHERE kind = 'worker'", "no worker started")
        if long_polls:
            self.start("scheduler", "-m", "bench.worker")
        else:
            self.scheduler()

    def wait_for(self, statement: str, failure: str) -> None:
        """Until a query answers something true. Raises RuntimeError with `failure`."""
        assert self.core
        end = time.monotonic() + 40
        while time.monotonic() < end:
            with self.core.db.read() as conn:
                if conn.exec_driver_sql(statement).scalar():
                    return
            time.sleep(0.005)
        raise RuntimeError(failure)

    def kill(self, name: str) -> None:
        """With its children: a dramatiq worker is a parent with a child."""
        child = self.children.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.kill()  # where it was started without a group of its own
        child.wait()

    def pids(self) -> dict[str, int]:
        """Every process of this installation, also database and queue."""
        own = {name: child.pid for name, child in self.children.items()}
        return own | (self.engines.pids if self.engines else {})

    def cpu(self) -> dict[str, float]:
        """Seconds used so far."""
        return {name: processes.cpu_seconds(pid) for name, pid in self.pids().items()}


@contextlib.contextmanager
def stage(accounts: int = 0, engines: Engines | None = None, **env: str) -> Iterator[Stage]:
    """A sandbox, a database with one user and `accounts` accounts on each platform; with `engines` the scaled profile."""
    database = engines.database() if engines else ""
    with tempfile.TemporaryDirectory(prefix="pp-bench-") as name:
        port, api = free_port(), free_port()
        environment = {
            "POSTPROBER_MODE": "sandbox",
            "POSTPROBER_DATA_DIR": name,
            "POSTPROBER_SANDBOX_PORT": str(port),
            "POSTPROBER_API_PORT": str(api),
            "POSTPROBER_APP_PORT": str(free_port()),
            "POSTPROBER_BROWSER": "off",
            "POSTPROBER_WORKERS": str(THREADS),
            "POSTPROBER_DATABASE_URL": database,
            "POSTPROBER_REDIS_URL": engines.redis_url if engines else "",
            **env,
        }
        made = Stage(Path(name), environment, engines)
        try:
            url = f"http://127.0.0.1:{port}/_sandbox/settings"
            made.start("sandbox", "-m", "postprober.sandbox", "--port", str(port), ready=url)
            os.environ.update(environment)
            made.core = build_core(load_settings(_env_file=None))
            user = users.create(made.core, email="bench@example.org", password="0123456789abc")
            made.accounts = [
                link_sandbox_accounts(made.core, acting(made.core, user), f"b{i}") for i in range(accounts)
            ]
            yield made
        finally:
            for child in list(made.children):
                made.kill(child)
            if made.core:
                close_core(made.core)
            if engines:
                engines.drop(database)


def plan(made: Stage, number: int, at: datetime | None = None) -> int:
    """One text post on one account, turn about; returns the post id."""
    assert made.core
    ids = made.accounts[number % len(made.accounts)]
    platform = TEXT_PLATFORMS[(number // len(made.accounts)) % len(TEXT_PLATFORMS)]
    new = posts.NewPost((f"Bench {number} https://www.iana.org/{number}",), (ids[platform],), at=at)
    return posts.create(made.core, acting(made.core, 1), new).id


def wait_until_verified(made: Stage, count: int, limit: float) -> float:
    """Seconds until `count` deliveries are verified. Raises RuntimeError when the limit passes."""
    assert made.core
    began = time.monotonic()
    done = select(func.count()).where(deliveries.c.state == DeliveryState.VERIFIED)
    found = 0
    while time.monotonic() - began < limit:
        with made.core.db.read() as conn:
            found = conn.execute(done).scalar_one()
        if found >= count:
            return time.monotonic() - began
        time.sleep(0.1)
    raise RuntimeError(f"only {found} of {count} after {limit} s")


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
