"""Many live Monitor sessions on one app: how long a rerun takes, as the browser's own protocol tells it.

Each client is what Streamlit's page is to the server: a WebSocket with protobuf messages, opened with a session cookie.
It asks for the Monitor, then reruns the live fragment every two seconds, as the page does, while posts go out.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from bench.acting import acting
from bench.stage import TEXT_PLATFORMS, percentile, stage
from postprober.cli.demo import link_sandbox_accounts
from postprober.services.core import Core
from postprober.services.people import users
from postprober.services.posts import posts
from postprober.ui.state import COOKIE

SESSIONS = 100
PEOPLE = 20  # so many people have five pages open each, with posts of their own
SECONDS = 40.0  # measured, after all have loaded
POSTS = 10  # on the page of each person
JOIN_OVER = 20.0  # seconds over which the sessions open: a hundred people do not come in one instant
EVERY = (
    3.6  # seconds between two posts that go out meanwhile: 1,000 an hour, each redraws its person's pages many times
)
LONGEST = 10.0  # seconds of silence after which a run counts as broken
WHOLE = ForwardMsg.ScriptFinishedStatus.Value("FINISHED_SUCCESSFULLY")
PART = ForwardMsg.ScriptFinishedStatus.Value("FINISHED_FRAGMENT_RUN_SUCCESSFULLY")


@dataclass
class Page:
    """What the browser remembers between two questions."""

    script: str = ""
    live: str = ""


@dataclass
class Times:
    """Seconds from the question to the end of the run."""

    first: list[float] = field(default_factory=list)
    reruns: list[float] = field(default_factory=list)
    redraws: list[float] = field(default_factory=list)
    broken: int = 0  # an exception on the page
    silent: int = 0  # no end of a run within LONGEST


def sessions() -> None:
    """p50 and p99 of a rerun, first load, and the app's CPU and memory."""
    with stage() as made:
        core = made.core
        assert core
        port = int(made.env["POSTPROBER_APP_PORT"])
        api = int(made.env["POSTPROBER_API_PORT"])
        made.start("sidecar", "-m", "postprober.api", ready=f"http://127.0.0.1:{api}/healthz")
        made.scheduler()
        people = [_person(core, number) for number in range(PEOPLE)]
        app = made.start(
            "app",
            "-m",
            "streamlit",
            "run",
            "app.py",
            "--server.port",
            str(port),
            "--server.address",
            "127.0.0.1",
            ready=f"http://127.0.0.1:{port}/_stcore/health",
        )
        stop = threading.Event()
        writer = threading.Thread(target=_write, args=(core, people, stop))
        writer.start()
        began, used = time.monotonic(), _cpu(app)
        try:
            found = asyncio.run(_all(port, [person.token for person in people]))
        finally:
            stop.set()
            writer.join()
        share = (_cpu(app) - used) / (time.monotonic() - began)
        _report(found, share, _resident(app))


@dataclass(frozen=True)
class Person:
    user: int
    accounts: tuple[int, ...]
    token: str


def _person(core: Core, number: int) -> Person:
    """Somebody signed in, with accounts on three platforms and posts."""
    user = users.create(core, email=f"p{number}@example.org", password="0123456789abc")
    ids = link_sandbox_accounts(core, acting(core, user), f"p{number}")
    chosen = tuple(ids[platform] for platform in TEXT_PLATFORMS)
    for post in range(POSTS):
        posts.create(core, acting(core, user), posts.NewPost((f"Post {post} of person {number}",), chosen))
    with core.db.read() as conn:
        found = users.users.get(conn, user)
    return Person(user, chosen, users.redeem_ticket(core, users.issue_ticket(core, found)))


def _report(found: Times, cpu: float, memory: float) -> None:
    print(
        f"sessions: {SESSIONS} live Monitor sessions of {PEOPLE} people, {POSTS} posts each, one going out every {EVERY:.0f} s"
    )
    aims = (
        ("rerun of the live part", found.reruns, "aim: p50 under 150 ms, p99 under 1 s"),
        ("redraw of the whole page", found.redraws, ""),
        ("first load", found.first, "aim: under 3 s"),
    )
    for name, values, aim in aims:
        if values:
            p50, p99 = percentile(values, 0.5) * 1000, percentile(values, 0.99) * 1000
            worst = max(values) * 1000
            print(f"  {name:25} p50 {p50:5.0f} ms  p99 {p99:5.0f} ms  worst {worst:5.0f} ms  n {len(values):5}  {aim}")
    print(f"  app: {cpu:.0%} of one core, {memory:.0f} MB; broken runs: {found.broken}, silent: {found.silent}")


async def _all(port: int, tokens: list[str]) -> Times:
    times = Times()
    end = time.monotonic() + JOIN_OVER + SECONDS
    await asyncio.gather(
        *(_session(port, tokens[n % len(tokens)], JOIN_OVER * n / SESSIONS, end, times) for n in range(SESSIONS))
    )
    return times


async def _session(port: int, token: str, wait: float, end: float, times: Times) -> None:
    await asyncio.sleep(wait)
    address = f"ws://127.0.0.1:{port}/_stcore/stream"
    headers = {"Cookie": f"{COOKIE}={token}"}
    async with connect(
        address,
        additional_headers=headers,
        origin=f"http://127.0.0.1:{port}",
        subprotocols=["streamlit"],  # type: ignore[arg-type, list-item]
        max_size=None,
        compression=None,
    ) as socket:
        page = Page()
        began = time.monotonic()
        await socket.send(_ask(page))
        await _until_done(socket, page, times)
        times.first.append(time.monotonic() - began)
        while time.monotonic() < end:
            await _listen(socket, page, 2.0 * random.uniform(0.95, 1.05), times)
            began = time.monotonic()
            await socket.send(_ask(page))
            # A change makes the live part run the whole page again: that is another kind of run.
            kind = await _until_done(socket, page, times)
            if kind is not None:
                (times.redraws if kind == WHOLE else times.reruns).append(time.monotonic() - began)


async def _listen(socket: ClientConnection, page: Page, seconds: float, times: Times) -> None:
    """Wait as the page does; what comes meanwhile (another part's run) is taken in."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        try:
            _take(_message(await asyncio.wait_for(socket.recv(), left)), page, times)
        except TimeoutError:
            return


async def _until_done(socket: ClientConnection, page: Page, times: Times) -> int | None:
    """How the run ended; one that ended early because another follows is not the end. None when nothing came."""
    while True:
        try:
            ended = _take(_message(await asyncio.wait_for(socket.recv(), LONGEST)), page, times)
        except TimeoutError:
            times.silent += 1
            return None
        if ended in (WHOLE, PART):
            return ended


def _take(message: ForwardMsg, page: Page, times: Times) -> int | None:
    """Note what the page would; the status when a run has ended."""
    kind = message.WhichOneof("type")
    if kind == "new_session":
        page.script = message.new_session.page_script_hash
    elif kind == "navigation":  # which page of the app it is; a session begins as the home page's
        page.script = message.navigation.page_script_hash
    elif kind == "auto_rerun" and message.auto_rerun.interval == 2:
        page.live = message.auto_rerun.fragment_id
    elif kind == "delta" and message.delta.new_element.WhichOneof("type") == "exception":
        times.broken += 1
    return message.script_finished if kind == "script_finished" else None


def _message(raw: object) -> ForwardMsg:
    assert isinstance(raw, bytes)
    message = ForwardMsg()
    message.ParseFromString(raw)
    return message


def _ask(page: Page) -> bytes:
    """For the Monitor at first, then for its live part."""
    back = BackMsg()
    if page.live:
        back.rerun_script.page_script_hash = page.script
        back.rerun_script.fragment_id = page.live
        back.rerun_script.is_auto_rerun = True
    else:
        back.rerun_script.page_name = "monitor"
    return bytes(back.SerializeToString())


def _write(core: Core, people: list[Person], stop: threading.Event) -> None:
    number = 0
    while not stop.wait(EVERY):
        person = people[number % len(people)]
        one = person.accounts[number % len(person.accounts)]
        posts.create(
            core,
            acting(core, person.user),
            posts.NewPost((f"Bench {number} while others look on",), (one,)),
        )
        number += 1


def _cpu(process: subprocess.Popen[bytes]) -> float:
    """Seconds of CPU that the process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _resident(process: subprocess.Popen[bytes]) -> float:
    """MB in memory."""
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * 4096 / 1e6
