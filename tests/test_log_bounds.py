"""No process writes more than a megabyte of log in ten minutes of any fault: real processes, a fault each, measured for some
seconds and carried on to ten minutes. The control writes the same without folding."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from bench.ports import free_ports
from postprober.launch import command
from postprober.services.posts import posts
from postprober.services.posts.posts import NewPost
from postprober.settings import Settings
from tests.installed import Installation
from tests.people import acting
from tests.profile import servers

ROOT = Path(__file__).parents[1]
WINDOW = 1  # seconds of folding here, a sixtieth of what is usual
WATCHED = 5.0  # seconds: five windows
TEN_MINUTES = 600.0
MEGABYTE = 1_000_000
START = 60.0  # seconds until a process says that it runs

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]


@dataclass
class Written:
    """What a process writes, as it comes."""

    process: subprocess.Popen[bytes]
    told: bytearray = field(default_factory=bytearray)
    news: threading.Condition = field(default_factory=threading.Condition)

    def read(self) -> None:
        assert self.process.stdout is not None
        while piece := os.read(self.process.stdout.fileno(), 65536):
            with self.news:
                self.told += piece
                self.news.notify_all()

    def until(self, text: bytes) -> None:
        with self.news:
            assert self.news.wait_for(lambda: text in self.told, START), self.told[-2000:].decode()

    def until_answers(self, address: str) -> None:
        until, pause = time.monotonic() + START, threading.Event()
        while time.monotonic() < until:
            with suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(address, timeout=2).close()
                return
            pause.wait(0.1)
        raise AssertionError(self.told[-2000:].decode())

    def since(self, length: int, seconds: float) -> bytes:
        """What comes within so many seconds."""
        until = time.monotonic() + seconds
        with self.news:
            while (left := until - time.monotonic()) > 0:
                self.news.wait(left)
            return bytes(self.told[length:])


@dataclass
class Place:
    """An installation whose processes are about to have a fault."""

    settings: Settings

    @contextmanager
    def running(self, name: str, ready: bytes, fold: int, **more: str) -> Iterator[Written]:
        environment = {**os.environ, **self.settings.environment(), "POSTPROBER_LOG_FOLD_SECONDS": str(fold), **more}
        process = subprocess.Popen(
            [sys.executable, *command(name, self.settings)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        written = Written(process)
        reader = threading.Thread(target=written.read)
        reader.start()
        try:
            written.until(ready)
            yield written
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()
            reader.join()
            if process.stdout is not None:
                process.stdout.close()


def disk_full(written: Written) -> None:
    """No file of the process grows any more; its log is a pipe."""
    resource.prlimit(written.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


@contextmanager
def refusing(database_url: str) -> Iterator[Callable[[Written], None]]:
    """What makes the server refuse everybody on this database, until the block ends."""
    name, admin = make_url(database_url).database or "", make_url(servers.postgres())

    def order(statement: str, *, end: bool) -> None:
        url = admin.set(drivername="postgresql").render_as_string(False)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
            if end:
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))

    yield lambda _: order("ALTER DATABASE {} ALLOW_CONNECTIONS false", end=True)
    order("ALTER DATABASE {} ALLOW_CONNECTIONS true", end=False)


def nothing(_: Written) -> None:
    """The fault is there from the beginning."""


def in_ten_minutes(told: bytes, fold: int) -> float:
    """Bytes. Warnings and errors, with their tracebacks, come once a window, everything else as often as here; requests that
    were served are no part of the fault, and as many as people make."""
    if not fold:
        return len(told) * TEN_MINUTES / WATCHED
    folded = steady = 0
    is_fault = False
    for line in told.splitlines(keepends=True):
        if b" INFO sidecar postprober.requests " in line:
            continue
        if not line.startswith(b" "):
            is_fault = not re.match(rb"\S+ (INFO|DEBUG) ", line)
        folded, steady = (folded + len(line), steady) if is_fault else (folded, steady + len(line))
    return folded / (WATCHED / WINDOW) * (TEN_MINUTES / 60) + steady * TEN_MINUTES / WATCHED


def measured(
    one: Place, name: str, ready: bytes, fault: Callable[[Written], None], fold: int, **more: str
) -> tuple[float, bytes]:
    """(bytes in ten minutes, what was written while it was watched). A sidecar is asked without a pause meanwhile."""
    with one.running(name, ready, fold, **more) as written:
        if name == "sidecar":
            address = f"http://127.0.0.1:{one.settings.api_port}"
            written.until_answers(f"{address}/healthz")
        before = len(written.told)
        fault(written)
        over = threading.Event()
        asking = threading.Thread(target=ask, args=(f"http://127.0.0.1:{one.settings.api_port}", over))
        if name == "sidecar":
            asking.start()
        told = written.since(before, WATCHED)
        assert written.process.poll() is None, "it ended by the fault: " + told[-2000:].decode()
        over.set()
        if name == "sidecar":
            asking.join()
    print(f"{name}: {len(told)} bytes in {WATCHED} s, {in_ten_minutes(told, fold):.0f} in ten minutes")
    return in_ten_minutes(told, fold), told


def ask(address: str, over: threading.Event) -> None:
    """As a program whose token the database has to look up, and that writes where it may."""
    headers = {"Authorization": f"Bearer pp_{'x' * 43}", "Content-Type": "application/json"}
    login = json.dumps({"email": "a@example.org", "password": "wrong words here"}).encode()
    while not over.is_set():
        for path, body in (("/api/auth/me", None), ("/api/auth/login", login)):
            with suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(urllib.request.Request(address + path, body, headers), timeout=10).close()


@pytest.fixture
def one(installation: Installation) -> Place:
    """With posts that are due, each on an account of its own."""
    core = installation.core
    core.settings.api_port, core.settings.app_port = free_ports(2)
    core.settings.browser = "off"
    for _ in range(12):
        account = installation.link("x")
        posts.create(core, acting(core, installation.owner), NewPost((f"Words {uuid.uuid4().hex}",), (account.id,)))
    return Place(core.settings)


SCHEDULER, SIDECAR = b"scheduler started", b""


@pytest.mark.embedded("about the files of SQLite")
@pytest.mark.parametrize(("name", "ready"), [("scheduler", SCHEDULER), ("sidecar", SIDECAR)])
def test_a_full_disk(one: Place, name: str, ready: bytes) -> None:
    length, told = measured(one, name, ready, disk_full, WINDOW)
    assert length < MEGABYTE, told[-3000:].decode()
    assert b"repeated" in told, told.decode()


@pytest.mark.parametrize(("name", "ready"), [("scheduler", SCHEDULER), ("sidecar", SIDECAR)])
def test_a_database_that_is_away(one: Place, name: str, ready: bytes) -> None:
    address = servers.database()
    with refusing(address) as away:
        length, told = measured(one, name, ready, away, WINDOW, POSTPROBER_DATABASE_URL=address)
    assert told and length < MEGABYTE, told[-3000:].decode()
    assert name == "scheduler" or b"repeated" in told, told.decode()


def test_without_folding_the_same_faults_write_more(one: Place) -> None:
    """The control: what the others measure is folding, not silence."""
    address = servers.database()
    with refusing(address) as away:
        length, _ = measured(one, "sidecar", SIDECAR, away, 0, POSTPROBER_DATABASE_URL=address)
    assert length > MEGABYTE


def test_a_platform_that_cannot_be_reached(one: Place) -> None:
    (closed,) = free_ports(1)
    length, told = measured(one, "scheduler", SCHEDULER, nothing, WINDOW, POSTPROBER_SANDBOX_PORT=str(closed))
    assert length < MEGABYTE, told[-3000:].decode()


@pytest.mark.parametrize(("name", "ready"), [("scheduler", SCHEDULER), ("worker", b"booting up"), ("sidecar", SIDECAR)])
def test_redis_away(one: Place, name: str, ready: bytes) -> None:
    (closed,) = free_ports(1)
    address = f"redis://127.0.0.1:{closed}/0"
    length, told = measured(one, name, ready, nothing, WINDOW, POSTPROBER_REDIS_URL=address)
    assert length < MEGABYTE, told[-3000:].decode()
