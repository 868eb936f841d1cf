"""I10: a worker process is stopped (SIGSTOP) while another one works, until that one has sent what it took over, and then
goes on."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from postprober.domain.delivery import DUE_TO_RECONCILE
from postprober.domain.platform import Platform
from postprober.pipeline.core.context import Context, LeaseKeeper
from postprober.pipeline.publishing.publish import publish
from postprober.pipeline.publishing.reconcile import reconcile
from postprober.pipeline.publishing.recovery import recover_lost
from postprober.pipeline.verification.follow_up import follow
from postprober.sandbox.control.client import Control
from postprober.storage import deliveries
from tests.crash.world import TIMING, Bench, Target, close, fresh_bench, link, plan, servers, settled, template
from tests.trust.base import Found, Turns, scratch, some

# Where it is stopped, in the order of a delivery's life; `connected` is the last moment before its last check.
POINTS = (
    "before_intent",
    "intent_committed",
    "connected",
    "request_sent",
    "reply_headers",
    "reply_body",
    "before_commit",
)
PLATFORMS = (Platform("x"), Platform("mastodon"), Platform("bluesky"), Platform("linkedin"))
BATCH = 28  # stopped at the same time, one process each
LEASES = 5  # that it is stopped for: the lease runs out, absence is proved, and the pause before the second send ends
LEASE = timedelta(seconds=4)  # a busy machine needs more than the crash campaign's to get to its point
DRAIN = 60.0  # seconds that the other worker may take


def paused(turns: Turns) -> Found:
    with scratch("frozen") as folder:
        made = template(folder)
        with servers(folder) as (sandbox, picture):
            bench = fresh_bench(folder / "bench", made, sandbox, picture)
            stopped = [0]
            failures = _rounds(bench, turns, stopped, careless=False)
            control = some(turns.asked, BATCH)
            seen = _rounds(bench, control, [0], careless=True)
    note = f"of {turns.done} workers {stopped[0]} came to the point where they stop themselves, and only these count"
    return Found(failures, "no lease is checked before the first byte", len(seen), control.done, note, stopped[0])


def _rounds(bench: Bench, turns: Turns, stopped: list[int], *, careless: bool) -> list[str]:
    failures: list[str] = []
    for numbers in turns.batches(BATCH):
        failures += _batch(bench, numbers, stopped, careless)
    return failures


def _batch(bench: Bench, numbers: range, stopped: list[int], careless: bool) -> list[str]:
    control = Control(bench.sandbox)
    rounds: list[tuple[Target, str, int, str, int]] = []
    for number in numbers:
        target = Target(PLATFORMS[number // len(POINTS) % len(PLATFORMS)])
        if careless:
            target = Target(Platform("x"))
        name = f"f{uuid.uuid4().hex[:10]}"
        account = link(bench, target, name)
        handle = control.account(target.value, name)["name"]
        earlier = _shown(control, target, handle)
        delivery = plan(bench, account, target, f"Frozen {name}")
        rounds.append((target, handle, delivery, POINTS[number % len(POINTS)], earlier))
    children = [_start(partial(_stops, bench, one[2], one[3], careless)) for one in rounds]
    ids = [one[2] for one in rounds]
    stopped[0] += sum(_stands(child) for child in children)
    heir = _start(lambda: _works(bench, ids))
    time.sleep(LEASE.total_seconds() * LEASES)  # the experiment
    for child in children:
        os.kill(child, signal.SIGCONT)
    for child in [*children, heir]:
        os.waitpid(child, 0)
    return [text for one in rounds for text in _judge(bench, control, *one)]


def _start(act: Callable[[], Any]) -> int:
    child = os.fork()
    if child == 0:
        try:
            act()
        finally:
            os._exit(0)
    return child


def _stands(child: int) -> bool:
    """Whether it has stopped; False when it came to its end without getting there. Its status is read once only."""
    found = os.waitid(os.P_PID, child, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    return found is not None and found.si_code == os.CLD_STOPPED


def _stops(bench: Bench, delivery: int, point: str, careless: bool) -> None:
    def checkpoint(name: str) -> None:
        if name == point:
            os.kill(os.getpid(), signal.SIGSTOP)

    ctx = _context(bench, checkpoint)
    if careless:
        setattr(LeaseKeeper, "check", lambda *_: None)  # noqa: B010 (this is a process of its own)
    publish(ctx, delivery)
    close(ctx)


def _works(bench: Bench, ids: list[int]) -> None:
    """The other worker: what is due, until all have ended."""
    ctx, end = _context(bench), time.monotonic() + DRAIN
    while time.monotonic() < end and not all(settled(ctx, i) or _held(ctx, i) for i in ids):
        ctx.keeper.renew()
        recover_lost(ctx)
        with ctx.db.read() as conn:
            first, second = deliveries.due(conn, ctx.clock.now(), publish=50, follow=50)
        for i, state in first:
            (reconcile if state in DUE_TO_RECONCILE else publish)(ctx, i)
        for i in second:
            follow(ctx, i)
        if not first and not second:
            time.sleep(0.02)
    close(ctx)


def _held(ctx: Context, delivery: int) -> bool:
    with ctx.db.read() as conn:
        return deliveries.get(conn, delivery).state == "held"


def _context(bench: Bench, checkpoint: Callable[[str], None] = lambda _: None) -> Context:
    ctx = bench.context(checkpoint)
    timing = replace(TIMING, lease=LEASE)
    return replace(ctx, timing=timing, keeper=LeaseKeeper(ctx.db, ctx.clock, ctx.worker, LEASE, timing.lease_margin))


def _shown(control: Control, target: Target, handle: str) -> int:
    return sum(post["visible"] for post in control.posts(target.value, handle))


def _judge(
    bench: Bench, control: Control, target: Target, handle: str, delivery: int, point: str, earlier: int
) -> list[str]:
    ctx = bench.context()
    with ctx.db.read() as conn:
        found = deliveries.get(conn, delivery)
    close(ctx)
    creates = [r for r in control.log(platform=target.value, account=handle) if r["operation"] == "create"]
    shown = _shown(control, target, handle) - earlier
    where = f"{target.value}, stopped at {point}: {found.state.value}, {len(creates)} requests, {shown} visible"
    there = found.state in ("verified", "published") and shown == 1
    held = found.state == "held" and shown <= 1
    return [] if (there or held) and len(creates) <= 1 else [where]
