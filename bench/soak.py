"""Does anything grow? Hours of mixed traffic, with memory, threads and open files of each process once a minute.

What is judged is the line through the later part of the run: caches fill and libraries load at first. The sandbox keeps
every post that it was ever given, as a platform does, so it is shown and not judged.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from bench import processes
from bench.stage import Stage, plan, stage
from postprober.domain.access import GRANTABLE
from postprober.services.people import api_tokens, sessions, users
from postprober.ui.state import COOKIE

MINUTES = 120.0  # unless the variable MINUTES says otherwise
EVERY = 60.0  # seconds between two readings
WARM = 0.4  # of the run; what comes in it is not judged
POST_EVERY = 4.0  # seconds: 900 an hour
FAULT_EVERY = 10  # posts; the platform's answer to one of them is lost
VISIT_EVERY = 10.0  # seconds between two people who open a page and close it again
PAGES = ("", "compose", "calendar", "monitor", "analytics", "alerts", "accounts", "settings")
ROUTES = (
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/posts?limit=20",
    "/api/alerts?limit=20",
    "/api/accounts",
    "/api/analytics?days=28",
    "/api/nothing",
)
CALL_EVERY = 1.0  # seconds
LISTEN = 20.0  # seconds that one listener of the live events stays
LONGEST = 30.0  # seconds for a page; longer counts as broken
# So much may the line rise within an hour. Measured without a leak: below a fifth of each.
MOST = {"MB": 12.0, "threads": 2.0, "files": 4.0}
_WHOLE = ForwardMsg.ScriptFinishedStatus.Value("FINISHED_SUCCESSFULLY")


@dataclass(frozen=True)
class Line:
    """Of one process and one measure: how it stood in the judged part, and how much the line rises in an hour."""

    first: float
    last: float
    rise: float

    def grows(self, measure: str) -> bool:
        return self.rise > MOST[measure]


@dataclass
class Series:
    """Readings of one process: seconds since the start, and for each measure as many values."""

    at: list[float] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in MOST})

    def add(self, at: float, reading: dict[str, float]) -> None:
        self.at.append(at)
        for name, value in reading.items():
            self.values[name].append(value)

    def line(self, measure: str, begin: float) -> Line:
        """Through everything since `begin` by the median of the slopes of all pairs (Theil and Sen): one peak that happens
        to fall on a reading does not tilt it. Raises ValueError when there are fewer than three readings."""
        at = numpy.array(self.at)
        judged = at >= begin
        x, y = at[judged], numpy.array(self.values[measure])[judged]
        if len(x) < 3:
            raise ValueError("three readings are needed for a line")
        one, other = numpy.triu_indices(len(x), 1)
        slope = float(numpy.median((y[other] - y[one]) / (x[other] - x[one])))
        return Line(float(numpy.median(y[:3])), float(numpy.median(y[-3:])), slope * 3600)


def soak(minutes: float = 0.0) -> None:
    """Print one row for each process and measure; what grows is marked."""
    length = 60.0 * (minutes or float(os.environ.get("MINUTES") or MINUTES))
    print(
        f"soak: {length / 60:.0f} minutes of posts, pages, calls and listeners; a line is judged after {WARM:.0%} of it"
    )
    with _installation() as (made, secret, cookie):
        done: Counter[str] = Counter()
        stop = threading.Event()
        traffic: tuple[Callable[[], None], ...] = (
            lambda: _write(made, stop, done),
            lambda: _call(made, secret, stop, done),
            lambda: asyncio.run(_visit(made, cookie, stop, done)),
            lambda: asyncio.run(_listen_on(made, secret, stop, done)),
        )
        threads = [threading.Thread(target=run) for run in traffic]
        for thread in threads:
            thread.start()
        try:
            readings = _watch(made, length)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        print("  done: " + ", ".join(f"{number:,} {name}" for name, number in sorted(done.items())))
        _report(readings, WARM * length)


def _report(readings: dict[str, Series], begin: float) -> None:
    for name, series in readings.items():
        for measure, most in MOST.items():
            line = series.line(measure, begin)
            told = "not judged" if name == "sandbox" else f"at most {most:.0f}"
            mark = "   GROWS" if name != "sandbox" and line.grows(measure) else ""
            print(
                f"  {name:10} {measure:8} {line.first:7.1f} → {line.last:7.1f}   {line.rise:+6.2f} an hour ({told}){mark}",
                flush=True,
            )


@contextlib.contextmanager
def _installation() -> Iterator[tuple[Stage, str, str]]:
    with stage(accounts=3) as made:
        core = made.core
        assert core
        with core.db.read() as conn:
            owner = users.users.get(conn, 1)
        _, secret = api_tokens.create(
            core, sessions.Caller(owner, GRANTABLE, "0", "login"), name="soak", scopes=sorted(GRANTABLE), days=1
        )
        cookie = users.redeem_ticket(core, users.issue_ticket(core, owner))
        made.start(
            "sidecar", "-m", "postprober.api", ready=f"http://127.0.0.1:{made.env['POSTPROBER_API_PORT']}/healthz"
        )
        made.scheduler()
        port = made.env["POSTPROBER_APP_PORT"]
        server = ("--server.port", port, "--server.address", "127.0.0.1", "--server.headless", "true")
        made.start("app", "-m", "streamlit", "run", "app.py", *server, ready=f"http://127.0.0.1:{port}/_stcore/health")
        yield made, secret, cookie


def _watch(made: Stage, length: float) -> dict[str, Series]:
    readings = {name: Series() for name in made.children}
    began, pause = time.monotonic(), threading.Event()
    for number in count(1):
        pause.wait(max(0.0, began + min(number * EVERY, length) - time.monotonic()))
        at = time.monotonic() - began
        for name, child in made.children.items():
            if child.poll() is not None:
                raise RuntimeError(f"{name} ended by itself with code {child.returncode}")
            readings[name].add(at, _reading(child.pid))
        if at >= length:
            return readings
    raise AssertionError


def _reading(pid: int) -> dict[str, float]:
    """Of the process with its descendants."""
    threads = files = 0
    for one in processes.family(pid):
        with contextlib.suppress(OSError):
            threads += len(list(Path(f"/proc/{one}/task").iterdir()))
            files += len(list(Path(f"/proc/{one}/fd").iterdir()))
    return {"MB": processes.memory_mb(pid), "threads": float(threads), "files": float(files)}


def _write(made: Stage, stop: threading.Event, done: Counter[str]) -> None:
    for number in count():
        if stop.wait(POST_EVERY):
            return
        if number % FAULT_EVERY == 0:
            made.control.fault("x", "timeout_after_accept", account=f"b{number % len(made.accounts)}")
        plan(made, number)
        done["posts"] += 1


def _call(made: Stage, secret: str, stop: threading.Event, done: Counter[str]) -> None:
    base = f"http://127.0.0.1:{made.env['POSTPROBER_API_PORT']}"
    for number in count():
        if stop.wait(CALL_EVERY):
            return
        request = urllib.request.Request(
            f"{base}{ROUTES[number % len(ROUTES)]}", headers={"Authorization": f"Bearer {secret}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=LONGEST) as reply:
                reply.read()
                done["calls"] += 1
        except urllib.error.HTTPError as error:
            with error:
                done["calls" if error.code == 404 else f"calls answered {error.code}"] += 1
        except OSError:
            done["calls not answered"] += 1


async def _visit(made: Stage, cookie: str, stop: threading.Event, done: Counter[str]) -> None:
    """One person after the other opens a page, sees it whole, and leaves."""
    port = made.env["POSTPROBER_APP_PORT"]
    for number in count():
        if await asyncio.to_thread(stop.wait, VISIT_EVERY):
            return
        try:
            async with (
                asyncio.timeout(LONGEST),
                connect(
                    f"ws://127.0.0.1:{port}/_stcore/stream",
                    additional_headers={"Cookie": f"{COOKIE}={cookie}"},
                    origin=f"http://127.0.0.1:{port}",  # type: ignore[arg-type]
                    subprotocols=["streamlit"],  # type: ignore[list-item]
                    max_size=None,
                ) as socket,
            ):
                back = BackMsg()
                back.rerun_script.page_name = PAGES[number % len(PAGES)]
                await socket.send(bytes(back.SerializeToString()))
                broken = False
                while True:
                    message = ForwardMsg()
                    message.ParseFromString(await socket.recv())  # type: ignore[arg-type]
                    kind = message.WhichOneof("type")
                    broken |= kind == "delta" and message.delta.new_element.WhichOneof("type") == "exception"
                    if kind == "script_finished" and message.script_finished == _WHOLE:
                        break
                done["pages broken" if broken else "pages"] += 1
        except (OSError, TimeoutError, WebSocketException) as error:
            done[f"pages that failed ({type(error).__name__})"] += 1


async def _listen_on(made: Stage, secret: str, stop: threading.Event, done: Counter[str]) -> None:
    """One listener after the other, each of the post that is written next."""
    url = f"ws://127.0.0.1:{made.env['POSTPROBER_API_PORT']}/api/ws"
    while not stop.is_set():
        until = time.monotonic() + LISTEN
        try:
            async with connect(url, additional_headers={"Authorization": f"Bearer {secret}"}, max_size=None) as socket:
                post = max(1, done["posts"])
                await socket.send(json.dumps({"event": "join_monitoring", "data": {"post_id": post}}))
                done["listeners"] += 1
                while not stop.is_set() and (left := until - time.monotonic()) > 0:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(socket.recv(), min(left, 1.0))
                        done["live messages"] += 1
        except (OSError, WebSocketException) as error:
            done[f"listeners that failed ({type(error).__name__})"] += 1
            await asyncio.to_thread(stop.wait, 1.0)
