"""One run: start an installation, let people in, measure, let everything end, compare."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import aiohttp
import uvloop
from sqlalchemy import func, select

from bench.load.client import TIMEOUT, Client, Socket
from bench.load.people import Person, prepare, write_before
from bench.load.plan import Load
from bench.load.record import Record
from bench.load.truth import PLANNED, Verdict, compare, unheard
from bench.processes import memory_mb
from bench.stage import Stage, stage
from postprober.domain.delivery import TRAITS, DeliveryState
from postprober.storage.tables import deliveries, transitions

SIGN_INS = 4  # at the same time; each costs 64 MiB and half of a core for a moment, by design
OPENING = 50  # sockets that open at the same time
SOCKETS_A_SECOND = 250.0  # a guess, for when the planned posts shall begin; being wrong only shifts them
POOL = 512  # connections for REST
SPARE_FILES = 1000
SETTLE = 90.0  # seconds in which what is under way comes to an end
WARM = 5.0  # seconds from the first act to the first measured one


@dataclass
class Outcome:
    """Everything that the report needs. Seconds and shares of one core."""

    load: Load
    record: Record
    phases: dict[str, float] = field(default_factory=dict)
    sockets: tuple[int, int] = (0, 0)  # asked for, held at the end
    cpu: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    proved: int = 0
    verdict: Verdict | None = None
    events: tuple[int, int] = (0, 0)  # that had to be heard, and were not
    average: float = 0.0  # load average in the middle


def run(load: Load, say: Callable[[str], None]) -> Outcome:
    """Raises RuntimeError when a part does not start."""
    limit = allow_files()
    if limit < load.sockets + POOL + SPARE_FILES:
        say(
            f"This machine allows {limit} open files a process, too few for {load.sockets} connections: expect refusals."
        )
    outcome = Outcome(load, Record())
    with stage() as made:
        api = f"http://127.0.0.1:{made.env['POSTPROBER_API_PORT']}"
        began = time.monotonic()
        people = prepare(made, load)
        outcome.phases["users and accounts"] = time.monotonic() - began
        made.start("sidecar", "-m", "postprober.api", ready=f"{api}/healthz")
        uvloop.run(_all(made, api, people, outcome, say))
        outcome.verdict = compare(made, outcome.record)
    return outcome


def allow_files() -> int:
    """Raise the limit as far as this user may, for the children too; returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1 << 30


async def _all(made: Stage, api: str, people: Sequence[Person], outcome: Outcome, say: Callable[[str], None]) -> None:
    load, record = outcome.load, outcome.record
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        api, connector=connector, timeout=aiohttp.ClientTimeout(total=TIMEOUT), cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        client = Client(session, record, load)
        fresh, known = people[: load.sign_ins], people[load.sign_ins :]
        name = f"{len(fresh)} sign-ins by password, {SIGN_INS} at a time"
        await _phase(outcome, say, name, lambda: _bounded(SIGN_INS, [client.sign_in(p) for p in fresh]))
        name = f"{len(known)} refresh tokens of yesterday"
        await _phase(outcome, say, name, lambda: _bounded(OPENING, [client.sign_in(p) for p in known]))
        start = datetime.now(UTC) + timedelta(seconds=load.sockets / SOCKETS_A_SECOND + WARM)

        async def plan_before() -> None:
            assert made.core
            record.accepted += await asyncio.to_thread(write_before, made.core, people, load, start)

        await _phase(outcome, say, "posts planned before", plan_before)
        await asyncio.to_thread(made.deliver, long_polls=True)
        sockets = _sockets(client, people, load)
        opening = [socket.open() for mine in sockets for socket in mine]
        await _phase(outcome, say, "WebSockets", lambda: _bounded(OPENING, opening))
        await _measured(made, client, people, sockets, outcome)
        until = datetime.now(UTC)
        await _settle(made, say)
        outcome.events = await asyncio.to_thread(unheard, made, record, until)
        outcome.sockets = (outcome.sockets[0], record.open_sockets)
        await _bounded(OPENING, [socket.close() for mine in sockets for socket in mine])


def _sockets(client: Client, people: Sequence[Person], load: Load) -> list[list[Socket]]:
    """For each person; some have one more than others."""
    counts = [load.sockets // len(people) + (n < load.sockets % len(people)) for n in range(len(people))]
    return [[Socket(client, p, n == 0) for n in range(count)] for p, count in zip(people, counts, strict=True)]


async def _measured(
    made: Stage, client: Client, people: Sequence[Person], sockets: Sequence[list[Socket]], outcome: Outcome
) -> None:
    record, seconds = outcome.record, outcome.load.seconds
    living = [asyncio.create_task(client.live(p, mine)) for p, mine in zip(people, sockets, strict=True)]
    lag = asyncio.create_task(record.watch_own_lag())
    await asyncio.sleep(WARM)
    before, low = await asyncio.to_thread(_used, made), await asyncio.to_thread(_proved, made)
    record.open()
    await asyncio.sleep(seconds / 2)
    outcome.average = os.getloadavg()[0]
    await asyncio.sleep(seconds / 2)
    record.close()
    used = await asyncio.to_thread(_used, made)
    outcome.cpu = {name: (used[name] - before[name]) / record.seconds for name in used}
    outcome.proved = await asyncio.to_thread(_proved, made) - low
    outcome.memory = {name: memory_mb(pid) for name, pid in made.pids().items()} | {"client": memory_mb(os.getpid())}
    outcome.memory["client"] -= sum(size for name, size in outcome.memory.items() if name != "client")
    outcome.sockets = (outcome.load.sockets, record.open_sockets)
    client.stopping.set()
    await asyncio.gather(*living)
    lag.cancel()


def _used(made: Stage) -> dict[str, float]:
    return made.cpu() | {"client": time.process_time()}


def _proved(made: Stage) -> int:
    assert made.core
    with made.core.db.read() as conn:
        query = select(func.count()).select_from(transitions).where(transitions.c.new == DeliveryState.VERIFIED)
        return int(conn.execute(query).scalar_one())


async def _settle(made: Stage, say: Callable[[str], None]) -> None:
    """Until nothing that was due is open any more."""
    began = time.monotonic()
    while (left := await asyncio.to_thread(_open, made)) and time.monotonic() - began < SETTLE:
        await asyncio.sleep(0.5)
    say(
        f"  what was under way ended after {time.monotonic() - began:.1f} s" + (f", but {left} did not" if left else "")
    )


def _open(made: Stage) -> int:
    assert made.core
    now = made.core.clock.now()
    with made.core.db.read() as conn:
        rows = conn.execute(
            select(deliveries.c.state, deliveries.c.due_at).where(
                deliveries.c.state.not_in([s for s, traits in TRAITS.items() if traits.at_rest])
            )
        )
        return sum(not (row.state in PLANNED and row.due_at > now) for row in rows)


async def _phase(outcome: Outcome, say: Callable[[str], None], name: str, act: Callable[[], Awaitable[None]]) -> None:
    began = time.monotonic()
    await act()
    outcome.phases[name] = time.monotonic() - began
    say(f"  {name}: {outcome.phases[name]:.1f} s")


async def _bounded(most: int, acts: Sequence[Awaitable[None]]) -> None:
    """All of them, `most` at a time."""
    line = iter(acts)

    async def one() -> None:
        for act in line:
            await act

    await asyncio.gather(*(one() for _ in range(most)))
