"""I20: a post that takes its worker down whenever it is touched is set apart; what stands beside it goes out."""

from __future__ import annotations

import os
import signal
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from postprober.domain.delivery import DUE_TO_RECONCILE
from postprober.domain.platform import Platform
from postprober.pipeline.publishing import publish as posting
from postprober.pipeline.publishing.publish import publish
from postprober.pipeline.publishing.reconcile import reconcile
from postprober.pipeline.publishing.recovery import recover_lost
from postprober.pipeline.verification.follow_up import follow
from postprober.sandbox.control.client import Control
from postprober.storage import deliveries
from tests.crash.world import Bench, Target, close, fresh_bench, link, plan, servers, settled, template
from tests.trust.base import Found, Turns, scratch, some

GOOD = 3  # beside each poison post
BATCH = 5
LIMIT = 90.0  # seconds for a batch
PLATFORMS = (Platform("x"), Platform("mastodon"), Platform("bluesky"))


def apart(turns: Turns) -> Found:
    with scratch("poison") as folder:
        made = template(folder)
        with servers(folder) as (sandbox, picture):
            failures = _rounds(folder, made, sandbox, picture, turns, careless=False)
            control = some(turns.asked, BATCH)
            with patch.object(posting, "MAX_CRASHES", 10**6):
                seen = _rounds(folder, made, sandbox, picture, control, careless=True)
    return Found(failures, "nobody counts how often a post took its worker down", len(seen), control.done)


def _rounds(folder: Path, made: Path, sandbox: str, picture: str, turns: Turns, *, careless: bool) -> list[str]:
    failures: list[str] = []
    for numbers in turns.batches(BATCH):
        bench = fresh_bench(folder / uuid.uuid4().hex, made, sandbox, picture)
        failures += _batch(bench, numbers, LIMIT / 3 if careless else LIMIT)
    return failures


def _batch(bench: Bench, numbers: range, limit: float) -> list[str]:
    bad, good = {}, {}
    for number in numbers:
        target = Target(PLATFORMS[number % len(PLATFORMS)])
        text = f"Poison {uuid.uuid4().hex}"
        bad[plan(bench, link(bench, target, f"p{uuid.uuid4().hex[:10]}"), target, text)] = text
        for _ in range(GOOD):
            text = f"Good {uuid.uuid4().hex}"
            good[plan(bench, link(bench, target, f"g{uuid.uuid4().hex[:10]}"), target, text)] = text
    end, deaths = time.monotonic() + limit, 0
    while time.monotonic() < end and not _over(bench, [*bad, *good]):
        child = os.fork()
        if child == 0:
            try:
                _work(bench, [*bad, *good], end)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        deaths += os.WIFSIGNALED(status)
    return _judge(bench, bad, good)


def _over(bench: Bench, ids: list[int]) -> bool:
    ctx = bench.context()
    over = all(settled(ctx, i) is not None for i in ids)
    close(ctx)
    return over


def _work(bench: Bench, ids: list[int], end: float) -> None:
    """A worker until all have ended, or until the poison kills it with SIGKILL as it is about to be sent."""
    base = bench.context()

    def adapter_for(platform: Platform, http: Any) -> Any:
        adapter = base.adapter_for(platform, http)
        real = adapter.submit

        def submit(cred: Any, job: Any) -> Any:
            if job.text.startswith("Poison"):
                os.kill(os.getpid(), signal.SIGKILL)
            return real(cred, job)

        adapter.submit = submit  # type: ignore[method-assign]
        return adapter

    ctx = replace(base, adapter_for=adapter_for)
    while time.monotonic() < end and not all(settled(ctx, i) is not None for i in ids):
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


def _judge(bench: Bench, bad: dict[int, str], good: dict[int, str]) -> list[str]:
    shown = [post["text"].strip() for post in Control(bench.sandbox).posts() if post["visible"]]
    ctx, failures = bench.context(), []
    with ctx.db.read() as conn:
        for delivery, text in bad.items():
            found = deliveries.get(conn, delivery)
            if found.state != "held" or text in shown:
                failures.append(f"poison {delivery}: {found.state.value}, {found.crashes} crashes")
        for delivery, text in good.items():
            found = deliveries.get(conn, delivery)
            if found.state not in ("verified", "published") or shown.count(text) != 1:
                failures.append(f"good {delivery}: {found.state.value}, {shown.count(text)} visible")
    close(ctx)
    return failures
