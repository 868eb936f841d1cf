"""The positive control: an engine as most schedulers have it. It sends, and tries again when it got no good answer."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from postprober.domain.remote import PartJob
from postprober.errors import PlatformError
from postprober.pipeline.core.claimed_delivery import media_files
from postprober.pipeline.core.tokens import open_credentials
from postprober.sandbox.control.client import Control
from postprober.storage import accounts, deliveries
from tests.crash.cells import CRASH_POINTS, FAULTS, Verdict
from tests.crash.world import Bench, Target, close, fresh_bench, link, plan

TRIES = 3
PATIENCE = 5.0  # seconds for what the platform processes


def run_naive(
    folder: Path, made: Path, sandbox: str, picture: str, point: str, fault: str, platform: Target, _turn: int
) -> Verdict:
    """The same cell, with the naive engine."""
    name = f"n{uuid.uuid4().hex[:10]}"
    bench = fresh_bench(folder / name, made, sandbox, picture)
    account_id = link(bench, platform, name)
    control = Control(sandbox)
    handle = control.account(platform.value, name)["name"]
    for options in FAULTS[fault]:
        control.fault(platform.value, account=handle, **options)
    delivery_id = plan(bench, account_id, platform, f"Naive {name}")
    for kill in (CRASH_POINTS[point][0], ""):
        child = os.fork()
        if child == 0:
            try:
                _send(bench, delivery_id, kill)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        if (bench.folder / "done").exists():
            break
    visible = sum(post["visible"] for post in control.posts(platform.value, handle))
    return Verdict(f"naive {platform.name} / {fault} / {point}", end="naive", visible=visible, reached=True)


def _send(bench: Bench, delivery_id: int, kill_at: str) -> None:
    def checkpoint(name: str) -> None:
        if name == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    ctx = bench.context()
    with ctx.db.read() as conn:
        delivery = deliveries.get(conn, delivery_id)
        account = accounts.get(conn, delivery.account_id)
    files = media_files(ctx, delivery, delivery.parts[0])
    cred = open_credentials(ctx.vault, account)
    http = ctx.http.bound(checkpoint=checkpoint)
    for _ in range(TRIES):
        adapter = ctx.adapter(account, http)
        now = datetime.now(UTC)
        # A new key at every try, as a scheduler has it that makes one when it sends.
        key = str(uuid.uuid4())
        handle = adapter.new_handle(key, 0, now)
        job = PartJob(key, 0, delivery.parts[0].text, now, files, handle=handle, options=delivery.parts[0].options)
        with contextlib.suppress(PlatformError):
            staged = adapter.submit(cred, job)
            end = time.monotonic() + PATIENCE
            while adapter.check(cred, staged).wait_seconds and time.monotonic() < end:
                pass
            adapter.finalize(cred, job, staged)
            (bench.folder / "done").touch()
            break
    close(ctx)
