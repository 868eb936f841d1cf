"""Random SIGKILLs over a running queue."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from postprober.domain.platform import Platform, known
from postprober.pipeline.scheduler.scheduler import Scheduler
from postprober.sandbox.control.client import Control
from postprober.storage import deliveries
from tests.crash.world import RECONNECT, Bench, Target, close, fresh_bench, link, plan, servers, settled, template

ACCOUNTS = 4  # of each platform
WAVE = 10  # posts added at a time
LONGEST = 0.6  # seconds a worker lives at most; the queue moves between 0.05 and this
CALM = 240.0  # seconds that the queue may take to drain after the last kill


@dataclass(frozen=True)
class Ends:
    """How `posts` ended, by name; `bad` when anything was lost, doubled, or is not what we say it is."""

    posts: int
    ends: Counter[str]
    lost: int
    doubled: int
    contradicted: int

    @property
    def bad(self) -> bool:
        return bool(self.lost or self.doubled or self.contradicted)


def kill_at_random(kills: int, seed: int = 1) -> Ends:
    """Kill a full scheduler process `kills` times while posts keep coming, and count what became of them."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="pp-kills-") as name:
        folder = Path(name)
        made = template(folder)
        with servers(folder) as (sandbox, picture):
            bench = fresh_bench(folder / "queue", made, sandbox, picture)
            names = {p: [f"k{uuid.uuid4().hex[:8]}" for _ in range(ACCOUNTS)] for p in known()}
            ids = {p: [link(bench, Target(p), n) for n in names[p]] for p in known()}
            planned: dict[int, tuple[Platform, str]] = {}
            for number in range(kills):
                if number % 8 == 0:
                    for _ in range(WAVE):
                        platform = rng.choice(list(known()))
                        text = f"Kill {number} {uuid.uuid4().hex}"
                        planned[plan(bench, rng.choice(ids[platform]), Target(platform), text)] = (platform, text)
                _run_and_kill(bench, rng.uniform(0.05, LONGEST))
            return _drain_and_judge(bench, planned, kills)


def _start(bench: Bench) -> int:
    child = os.fork()
    if child == 0:
        try:
            Scheduler(bench.context(), 8).run()
        finally:
            os._exit(0)
    return child


def _run_and_kill(bench: Bench, seconds: float) -> None:
    child = _start(bench)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _drain_and_judge(bench: Bench, planned: dict[int, tuple[Platform, str]], kills: int) -> Ends:
    child = _start(bench)
    ctx = bench.context()
    end = time.monotonic() + CALM
    while time.monotonic() < end and any(settled(ctx, i) is None for i in planned):
        time.sleep(0.2)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    ends: Counter[str] = Counter()
    lost = doubled = wrong = 0
    truth = Counter(p["text"].strip() for p in Control(bench.sandbox).posts() if p["visible"])
    for delivery_id, (_, text) in planned.items():
        found = settled(ctx, delivery_id)
        with ctx.db.read() as conn:
            state = found[1] if found else deliveries.get(conn, delivery_id).state.value
        ends[state] += 1
        lost += found is None or state == RECONNECT
        doubled += truth[text] > 1
        wrong += (state in ("verified", "accepted") and truth[text] != 1) or (state == "failed" and truth[text] != 0)
    close(ctx)
    print(f"random kills: {kills} SIGKILLs, {len(planned)} posts: {dict(ends)}")
    print(f"  lost: {lost}  doubled: {doubled}  contradicted: {wrong}", flush=True)
    return Ends(len(planned), ends, lost, doubled, wrong)
