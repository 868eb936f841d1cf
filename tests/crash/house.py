"""SIGKILLs over the whole house (sidecar, scheduler, the app's own calls) beside clients that note what was accepted."""

from __future__ import annotations

import heapq
import http.client
import json
import os
import random
import signal
import socket
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import uvicorn
from sqlalchemy import select

from postprober.api.__main__ import SERVER
from postprober.api.app import create_app
from postprober.api.idempotency import LEASE
from postprober.domain.platform import Platform
from postprober.pipeline.scheduler.scheduler import Scheduler
from postprober.sandbox.control.client import Control
from postprober.security.tokens import keyed_hash
from postprober.services.people.api_tokens import KIND
from postprober.services.people.sessions import API_TOKEN_PREFIX
from postprober.services.posts import posts
from postprober.services.posts.posts import NewPost
from postprober.storage import deliveries, tables, users
from postprober.wiring import build_core
from tests.crash.world import RECONNECT, Bench, Target, close, fresh_bench, link, servers, settled, template
from tests.people import acting

# Instagram posts need a picture that the sidecar hands out while it is being killed; tests.crash.kills has them.
PLATFORMS = (Platform("x"), Platform("linkedin"), Platform("mastodon"), Platform("bluesky"))
ACCOUNTS = 3  # of each platform
TOKEN = f"{API_TOKEN_PREFIX}house-of-the-crash-campaign"
SIDECAR, SCHEDULER, PAGE = "sidecar", "scheduler", "page"
LIVES = {SIDECAR: (0.2, 1.8), SCHEDULER: (0.05, 0.9), PAGE: (0.1, 0.9)}  # seconds from start to SIGKILL
PACE = 0.3  # seconds between two posts of a client
HASTE = 0.05  # between two of the careless page, so that a kill rather hits it at work
# In which a client gets its answer once nobody is killed any more: a key that the last one who was killed had claimed is
# free when its lease ends, and then the sidecar has to start and to answer.
PATIENCE = LEASE.total_seconds() + 60.0  # seconds
CALM = 240.0  # seconds that the queue may take to drain after the last kill


@dataclass(frozen=True)
class House:
    """What the processes share: database and sandbox, the sidecar's listening socket (it stays open while the sidecar is
    dead, as under a supervisor that holds it), the accounts and the log of what was accepted."""

    bench: Bench
    door: socket.socket
    accounts: tuple[int, ...]
    log: Path

    def accepted(self) -> list[str]:
        return self.log.read_text().split()

    def note(self, text: str) -> None:
        with self.log.open("a") as file:
            file.write(f"{text}\n")


@dataclass(frozen=True)
class Judged:
    """`accepted`: what clients were told. `lost`: accepted and not there, or without an end; `doubled`: two visible
    objects or two posts; `contradicted`: an end that the platform's truth denies. `which`: a line for each."""

    accepted: int
    ends: Counter[str]
    lost: int
    doubled: int
    contradicted: int
    which: tuple[str, ...] = ()

    @property
    def bad(self) -> bool:
        return bool(self.lost or self.doubled or self.contradicted)


def kill_the_house(
    kills: int, seed: int = 1, *, only: tuple[str, ...] = tuple(LIVES), careless: bool = False
) -> Judged:
    """Kill the processes of `only` `kills` times in all while posts keep coming. `careless`: a page that notes a post as
    accepted before it is stored, which must be seen as lost."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="pp-house-") as name:
        folder = Path(name)
        made = template(folder)
        with servers(folder) as (sandbox, picture), socket.socket() as door:
            door.bind(("127.0.0.1", 0))
            door.listen(64)
            bench = fresh_bench(folder / "house", made, sandbox, picture)
            ids = tuple(link(bench, Target(p), f"h{uuid.uuid4().hex[:8]}") for p in PLATFORMS for _ in range(ACCOUNTS))
            house = House(bench, door, ids, folder / "accepted.log")
            house.log.touch()
            _token(bench)
            works = {SIDECAR: _sidecar, SCHEDULER: _scheduler, PAGE: _careless if careless else _page}
            client = _fork(house, _client)
            running = {name: _fork(house, works[name]) for name in LIVES}
            plan = [(time.monotonic() + rng.uniform(*LIVES[name]), name) for name in only]
            heapq.heapify(plan)
            for _ in range(kills):
                at, victim = heapq.heappop(plan)
                time.sleep(max(0.0, at - time.monotonic()))
                _kill(running[victim])
                running[victim] = _fork(house, works[victim])
                heapq.heappush(plan, (time.monotonic() + rng.uniform(*LIVES[victim]), victim))
            _kill(running.pop(PAGE))
            left = _let_finish(client)
            judged = _drain_and_judge(house, left)
            for child in running.values():
                _kill(child)
            return judged


def _fork(house: House, work: Callable[[House], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work(house)
        finally:
            os._exit(0)
    return child


def _kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _token(bench: Bench) -> None:
    """An API token for the campaign's person."""
    ctx = bench.context()
    now = ctx.clock.now()
    data = {"name": "house", "scopes": ["posts:read", "posts:write"], "hint": TOKEN[-4:]}
    with ctx.db.write() as conn:
        users.add_session(
            conn,
            user_id=1,
            kind=KIND,
            token_hash=keyed_hash(bench.settings.secret_key, TOKEN),
            now=now,
            expires_at=now.replace(year=now.year + 1),
            data=data,
        )
    close(ctx)


def _sidecar(house: House) -> None:
    core = build_core(house.bench.settings, migrate=False)
    uvicorn.Server(uvicorn.Config(create_app(core), **SERVER)).run(sockets=[house.door])


def _scheduler(house: House) -> None:
    Scheduler(house.bench.context(), 8).run()


def _page(house: House, careless: bool = False) -> None:
    """What the app does when somebody presses "Publish now", again and again."""
    core, rng = build_core(house.bench.settings, migrate=False), random.Random(os.getpid())
    while True:
        text = _text()
        if careless:
            house.note(text)
        posts.create(core, acting(core, 1), NewPost((_said(text),), (rng.choice(house.accounts),)))
        if not careless:
            house.note(text)
        time.sleep(HASTE if careless else PACE)


def _careless(house: House) -> None:
    _page(house, careless=True)


def _client(house: House) -> None:
    """Posts over REST until SIGTERM, each until its 201, always with the same key."""
    told, rng = Event(), random.Random(os.getpid())
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    while not told.wait(PACE):
        text, key = _text(), uuid.uuid4().hex
        body = json.dumps({"content": _said(text), "account_ids": [rng.choice(house.accounts)], "submit": True})
        while (status := _ask(house.door.getsockname()[1], body, key)) != 201:
            if status in (401, 403, 422):
                raise RuntimeError(f"the sidecar refused an ordinary post with {status}")
            told.wait(0.05)
        house.note(text)


def _ask(port: int, body: str, key: str) -> int:
    """The answer's status; 0 when there was none."""
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with suppress(OSError, http.client.HTTPException):
        asked.request(
            "POST",
            "/api/posts",
            body,
            {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json", "Idempotency-Key": key},
        )
        return asked.getresponse().status
    asked.close()
    return 0


def _text() -> str:
    return uuid.uuid4().hex


def _said(text: str) -> str:
    return f"House {text}"


def _let_finish(client: int) -> int:
    """Tell the client to stop after the post it is at. Returns how many never got their answer: 0 or 1."""
    os.kill(client, signal.SIGTERM)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if os.waitpid(client, os.WNOHANG)[0]:
            return 0
        time.sleep(0.05)
    _kill(client)
    return 1


def _drain_and_judge(house: House, unanswered: int) -> Judged:
    ctx, accepted = house.bench.context(), house.accepted()
    with ctx.db.read() as conn:
        rows = conn.execute(select(tables.posts.c.id, tables.posts.c.content, tables.posts.c.status)).all()
        planned = conn.execute(select(tables.deliveries.c.id, tables.deliveries.c.post_id)).all()
    end = time.monotonic() + CALM
    while time.monotonic() < end and any(settled(ctx, row.id) is None for row in planned):
        time.sleep(0.2)
    text_of = {row.id: row.content for row in rows}
    there = Counter(text_of.values())
    truth = Counter(p["text"].strip() for p in Control(house.bench.sandbox).posts() if p["visible"])
    waiting = {row.id for row in rows if row.status == "review"}  # for a person, who sees it on the Overview
    ends: Counter[str] = Counter(review=len(waiting)) if waiting else Counter()
    away = [text for text in accepted if not there[_said(text)]]
    lost, wrong = unanswered + len(away), 0
    which = [f"accepted and not stored: {text}" for text in away] + ["a client got no answer"] * unanswered
    for row in planned:
        found, seen = settled(ctx, row.id), truth[text_of[row.post_id]]
        with ctx.db.read() as conn:
            state = found[1] if found else deliveries.get(conn, row.id).state.value
        ends[state] += 1
        gone = found is None or state == RECONNECT
        untrue = (state in ("verified", "accepted") and seen != 1) or (state == "failed" and seen != 0)
        lost, wrong = lost + gone, wrong + untrue
        if gone or untrue or seen > 1:
            with ctx.db.read() as conn:
                why = deliveries.get(conn, row.id).reason
            which.append(f"delivery {row.id} is {state} ({why}), and {seen} are visible")
    idle = set(text_of) - waiting - {row.post_id for row in planned}  # it is to go out, and has no delivery
    lost += len(idle)
    which += [f"post {number} has no delivery" for number in sorted(idle)]
    doubled = sum(truth[text] > 1 or count > 1 for text, count in there.items())
    close(ctx)
    return Judged(len(accepted), ends, lost, doubled, wrong, tuple(which))
