"""Throughput, lateness, recovery and memory of the pipeline."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from bench.stage import TEXT_PLATFORMS, Stage, percentile, plan, stage, wait_until_verified
from postprober.domain.remote import PartJob
from postprober.pipeline.credentials import open_credentials
from postprober.probe.public import look
from postprober.storage import accounts, deliveries
from postprober.storage.tables import deliveries as table
from postprober.storage.tables import transitions

WORKERS = 12


def _requests(made: Stage, since: int) -> Counter[str]:
    return Counter(row["operation"] for row in made.control.log(since=since))


def _bare(made: Stage, count: int) -> float:
    """The same HTTP calls with the same client and adapters, and nothing written down; seconds."""
    core = made.core
    assert core
    with core.db.read() as conn:
        linked = {i: accounts.get(conn, i) for ids in made.accounts for i in ids.values()}
    creds = {i: open_credentials(core.vault, a) for i, a in linked.items()}

    def one(number: int) -> None:
        ids = made.accounts[number % len(made.accounts)]
        platform = TEXT_PLATFORMS[(number // len(made.accounts)) % len(TEXT_PLATFORMS)]
        account, cred = linked[ids[platform]], creds[ids[platform]]
        adapter = core.adapter(platform, cred)
        now = datetime.now(UTC)
        key = f"bare-{number}"
        text = f"Bare {number} https://example.org/{number}"
        job = PartJob(key, 0, text, now, handle=adapter.new_handle(key, 0, now))
        receipt = adapter.finalize(cred, job, adapter.submit(cred, job))
        adapter.fetch(cred, receipt.ref.remote_id)
        look(
            core.http, platform, core.settings.platform(platform), url=receipt.ref.url,
            remote_id=receipt.ref.remote_id, instance=account.instance, author=account.account_name,
        )  # fmt: skip

    began = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(one, range(count)))
    return time.monotonic() - began


def throughput(count: int = 600, rounds: int = 3) -> None:
    """Deliveries per second, whole pipeline against the bare loop, in turn."""
    ratios = []
    print(f"throughput: {count} deliveries a round, {WORKERS} threads on both sides, X, Mastodon and Bluesky")
    for _ in range(rounds):
        with stage(accounts=20, POSTPROBER_WORKERS=str(WORKERS)) as made:
            mark = made.control.log(limit=1)[-1]["seq"] if made.control.log(limit=1) else 0
            bare = _bare(made, count)
            calls_bare = _requests(made, mark)
            last = made.control.log()[-1]["seq"]
            for number in range(count):
                plan(made, number)
            made.start("scheduler", "-m", "bench.worker")
            _first_transition(made)
            began = time.monotonic()
            wait_until_verified(made, count, 180)
            full = time.monotonic() - began
            calls_full = _requests(made, last)
            ratios.append(bare / full)
            print(
                f"  bare {count / bare:6.1f}/s   pipeline {count / full:6.1f}/s   ratio {bare / full:.2f}"
                f"   HTTP calls {sum(calls_bare.values())} against {sum(calls_full.values())}"
            )
    print(f"  pipeline / bare: median {sorted(ratios)[len(ratios) // 2]:.2f}  (aim: at least 0.5)")


def _first_transition(made: Stage) -> None:
    """Wait until the scheduler has started to work, so that Python's start is not measured."""
    assert made.core
    while True:
        with made.core.db.read() as conn:
            if conn.execute(transitions.select().where(transitions.c.new == "claimed").limit(1)).first():
                return
        time.sleep(0.005)


def lateness(count: int = 1000, seconds: float = 60.0) -> None:
    """From due to the first byte of the request at the platform."""
    with stage(accounts=40) as made:
        core = made.core
        assert core
        made.scheduler()
        start = datetime.now(UTC) + timedelta(seconds=25)
        for number in range(count):
            plan(made, number, start + timedelta(seconds=seconds * number / count))
        if datetime.now(UTC) > start:
            raise RuntimeError("planning took longer than its head start")
        wait_until_verified(made, count, seconds + 90)
        with core.db.read() as conn:
            due = {row.key: row.due_at for row in conn.execute(table.select())}
            texts = {row.parts[0]["text"].split()[1]: row.due_at for row in conn.execute(table.select())}
        assert len(due) == count
        arrived = {p["text"].split()[1]: p["created_at"] for p in made.control.posts()}
        late = [(_moment(arrived[number]) - moment).total_seconds() for number, moment in texts.items()]
    p50, p95, p99 = (percentile(late, share) for share in (0.5, 0.95, 0.99))
    print(f"lateness: {count} posts in {seconds:.0f} s, due to the platform's own time of creation")
    print(
        f"  p50 {p50 * 1000:.0f} ms   p95 {p95 * 1000:.0f} ms   p99 {p99 * 1000:.0f} ms   worst {max(late) * 1000:.0f} ms"
    )
    print("  (aim: p99 under 1 s; the best published figure is 69 s)")


def _moment(value: object) -> datetime:
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return datetime.fromisoformat(str(value).replace("Z", "+00:00"))


def recovery(rounds: int = 5) -> None:
    """From SIGKILL of the worker in the middle of a request until its delivery moves again, a standby being there."""
    waits = []
    for _ in range(rounds):
        with stage(accounts=1) as made:
            core = made.core
            assert core
            made.control.fault("x", "timeout_after_accept", account="b0", params={"seconds": 30})
            made.scheduler("first")
            post_id = plan(made, 0)
            _wait_state(made, post_id, "submitting")
            made.scheduler("second")
            time.sleep(2)  # let the standby start; the first one's request hangs for 8 s
            killed = datetime.now(UTC)
            made.kill("first")
            _wait_state(made, post_id, "unconfirmed")
            with core.db.read() as conn:
                moved = deliveries.history(conn, post_id)[-1]["at"]
            waits.append((moved - killed).total_seconds())
    print(f"recovery: from SIGKILL to the next step of its delivery, {rounds} times, standby running")
    print(f"  median {sorted(waits)[len(waits) // 2]:.1f} s   worst {max(waits):.1f} s   (aim: 15 s)")


def _wait_state(made: Stage, post_id: int, state: str) -> None:
    assert made.core
    end = time.monotonic() + 40
    while time.monotonic() < end:
        with made.core.db.read() as conn:
            if any(row["new"] == state for row in deliveries.history(conn, post_id)):
                return
        time.sleep(0.01)
    raise RuntimeError(f"the delivery never became {state}")


def memory() -> None:
    """Resident memory of every process of the demonstration after a minute's work."""
    with stage(accounts=5) as made:
        env = made.env
        made.start("sidecar", "-m", "postprober.api", ready=f"http://127.0.0.1:{env['POSTPROBER_API_PORT']}/healthz")
        made.scheduler()
        made.start(
            "app", "-m", "streamlit", "run", "app.py", "--server.port", env["POSTPROBER_APP_PORT"], "--server.headless",
            "true", "--server.address", "127.0.0.1",
            ready=f"http://127.0.0.1:{env['POSTPROBER_APP_PORT']}/_stcore/health",
        )  # fmt: skip
        for number in range(60):
            plan(made, number)
        wait_until_verified(made, 60, 90)
        print("memory: resident set after 60 deliveries")
        total = 0.0
        for name, child in made.children.items():
            size = _resident_mb(child.pid)
            total += size
            print(f"  {name:10} {size:6.0f} MB")
        print(f"  {'all':10} {total:6.0f} MB")


def _resident_mb(pid: int) -> float:
    with open(f"/proc/{pid}/status") as stream:
        return next(int(line.split()[1]) / 1024 for line in stream if line.startswith("VmRSS"))
