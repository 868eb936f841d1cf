"""Throughput, lateness, recovery and memory of the pipeline: embedded and scaled side by side, and a bare loop."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench import meter
from bench.bounds import Bound, Disk, print_bounds
from bench.engines import Engines, engines
from bench.processes import memory_mb
from bench.stage import TEXT_PLATFORMS, THREADS, WORKERS, Stage, percentile, plan, stage, wait_until_verified
from postprober.domain.delivery import DeliveryState
from postprober.domain.remote import PartJob
from postprober.pipeline.core.tokens import open_credentials
from postprober.probe.public import look
from postprober.storage import accounts, deliveries
from postprober.storage.tables import deliveries as table

EMBEDDED, SCALED = "embedded", "scaled"
PILOTS = 20  # posts by which the time to plan one is learned


@contextmanager
def _profiles() -> Iterator[dict[str, Engines | None]]:
    """Both, by name: SQLite alone, and PostgreSQL with Redis."""
    with engines() as made:
        yield {EMBEDDED: None, SCALED: made}


def _requests(made: Stage, since: int) -> int:
    return len(made.control.log(since=since))


def _last(made: Stage) -> int:
    log = made.control.log(limit=1)
    return int(log[-1]["seq"]) if log else 0


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
            core.http,
            platform,
            core.settings.platform(platform),
            url=receipt.ref.url,
            remote_id=receipt.ref.remote_id,
            instance=account.instance,
            author=account.account_name,
        )

    began = time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, range(count)))
    return time.monotonic() - began


@dataclass
class Run:
    """One round of a profile: deliveries a second, HTTP calls, CPU seconds of each process."""

    rate: float
    calls: int
    cpu: dict[str, float] = field(default_factory=dict)


def _bare_round(count: int) -> Run:
    with stage(accounts=20) as made:
        since, before, own = _last(made), made.cpu(), time.process_time()
        seconds = _bare(made, count)
        cpu = {"bare loop": time.process_time() - own, "sandbox": made.cpu()["sandbox"] - before["sandbox"]}
        return Run(count / seconds, _requests(made, since), cpu)


def _round(count: int, which: Engines | None, **env: str) -> Run:
    """All is planned before anything delivers; the time runs from the first claim, so that no start of Python counts."""
    with stage(accounts=20, engines=which, **env) as made:
        since = _last(made)
        for number in range(count):
            plan(made, number)
        made.deliver(long_polls=True)
        made.wait_for("SELECT count(*) FROM transitions WHERE new = 'claimed'", "nothing was taken")
        began, before = time.monotonic(), made.cpu()
        wait_until_verified(made, count, 240)
        seconds = time.monotonic() - began
        cpu = {name: used - before[name] for name, used in made.cpu().items()}
        return Run(count / seconds, _requests(made, since), cpu)


def throughput(count: int = 600, rounds: int = 3) -> None:
    """Deliveries per second, in turn: bare loop, embedded, scaled. Then what bounds each, in a metered round."""
    print(
        f"throughput: {count} deliveries a round, {THREADS} threads everywhere (scaled: {WORKERS} processes), X, Mastodon, "
        f"Bluesky; PostgreSQL with fsync; load average {os.getloadavg()[0]:.1f}"
    )
    with _profiles() as profiles:
        runs: dict[str, list[Run]] = {name: [] for name in ("bare", *profiles)}
        for _ in range(rounds):
            runs["bare"].append(_bare_round(count))
            for name, which in profiles.items():
                runs[name].append(_round(count, which))
            bare = runs["bare"][-1]
            others = "   ".join(
                f"{n} {runs[n][-1].rate:6.1f}/s ratio {runs[n][-1].rate / bare.rate:.2f}" for n in profiles
            )
            calls = " / ".join(str(found[-1].calls) for found in runs.values())
            print(f"  bare {bare.rate:6.1f}/s   {others}   HTTP calls {calls}", flush=True)
        for name in profiles:
            ratios = [run.rate / bare.rate for run, bare in zip(runs[name], runs["bare"], strict=True)]
            aim = "  (aim: at least 0.5)" if name == EMBEDDED else ""
            print(f"  {name} / bare: median {sorted(ratios)[len(ratios) // 2]:.2f}{aim}")
        bounds = [Bound("bare", _middle(runs["bare"]), count)]
        bounds += [_metered(name, which, _middle(runs[name]), count) for name, which in profiles.items()]
    print_bounds(bounds)


def _middle(runs: list[Run]) -> Run:
    return sorted(runs, key=lambda run: run.rate)[len(runs) // 2]


def _metered(name: str, which: Engines | None, plain: Run, count: int) -> Bound:
    """CPU from the plain round; counts and shares of time from one more that counts."""
    with tempfile.TemporaryDirectory(prefix="pp-bench-meter-") as folder:
        syncs = Disk(which)
        _round(count, which, BENCH_METER=folder)
        return Bound(name, plain, count, meter.read(Path(folder)), syncs.since())


def lateness(count: int = 1000, seconds: float = 60.0) -> None:
    """From due to the platform's own time of creation, in both profiles."""
    print(f"lateness: {count} posts in {seconds:.0f} s, due to the platform's own time of creation")
    with _profiles() as profiles:
        for name, which in profiles.items():
            late = _lateness(which, count, seconds)
            p50, p95, p99 = (percentile(late, share) * 1000 for share in (0.5, 0.95, 0.99))
            print(
                f"  {name:9} p50 {p50:4.0f} ms   p95 {p95:4.0f} ms   p99 {p99:4.0f} ms   worst {max(late) * 1000:.0f} ms"
            )
    print("  (aim: p99 under 1 s; the best published figure is 69 s)")


def _lateness(which: Engines | None, count: int, seconds: float) -> list[float]:
    with stage(accounts=40, engines=which) as made:
        core = made.core
        assert core
        made.deliver()
        start = datetime.now(UTC) + _head_start(made, count)
        for number in range(count):
            plan(made, number, start + timedelta(seconds=seconds * number / count))
        if datetime.now(UTC) > start:
            raise RuntimeError("planning took longer than its head start")
        wait_until_verified(made, count, seconds + 90)
        with core.db.read() as conn:
            rows = conn.execute(table.select().where(table.c.state == DeliveryState.VERIFIED))
            texts = {row.parts[0]["text"].split()[1]: row.due_at for row in rows}
        assert len(texts) == count
        arrived = {p["text"].split()[1]: p["created_at"] for p in made.control.posts()}
        return [(_moment(arrived[number]) - moment).total_seconds() for number, moment in texts.items()]


def _head_start(made: Stage, count: int) -> timedelta:
    """Time enough to plan `count` posts before the first is due, by planning a few for much later."""
    began, later = time.monotonic(), datetime.now(UTC) + timedelta(days=1)
    for number in range(count, count + PILOTS):
        plan(made, number, later)
    return timedelta(seconds=10 + 2 * count * (time.monotonic() - began) / PILOTS)


def _moment(value: object) -> datetime:
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return datetime.fromisoformat(str(value).replace("Z", "+00:00"))


def recovery(rounds: int = 5) -> None:
    """From SIGKILL of the worker in the middle of a request until its delivery moves again, a standby being there."""
    print(f"recovery: from SIGKILL to the next step of its delivery, {rounds} times, standby running  (aim: 15 s)")
    with _profiles() as profiles:
        for name, which in profiles.items():
            waits = [_recovery(which) for _ in range(rounds)]
            print(f"  {name:9} median {sorted(waits)[len(waits) // 2]:.1f} s   worst {max(waits):.1f} s")


def _recovery(which: Engines | None) -> float:
    with stage(accounts=1, engines=which) as made:
        core = made.core
        assert core
        made.control.fault("x", "timeout_after_accept", account="b0", params={"seconds": 30})
        if which:
            made.scheduler()
        begin: Callable[[str], object] = made.worker if which else made.scheduler
        begin("first")
        _wait_beating(made)
        post_id = plan(made, 0)
        _wait_state(made, post_id, "submitting")
        begin("second")
        time.sleep(2)  # let the standby start; the first one's request hangs for 8 s
        killed = datetime.now(UTC)
        made.kill("first")
        _wait_state(made, post_id, "unconfirmed")
        with core.db.read() as conn:
            moved = deliveries.history(conn, post_id)[-1]["at"]
        return float((moved - killed).total_seconds())


def _wait_beating(made: Stage) -> None:
    """Else nobody would be there to take the post, which is not what is measured."""
    kind = "worker" if made.engines else "scheduler"
    made.wait_for(f"SELECT count(*) FROM processes WHERE kind = '{kind}'", f"no {kind} started")


def _wait_state(made: Stage, post_id: int, state: str) -> None:
    statement = f"SELECT count(*) FROM transitions WHERE post_id = {post_id} AND new = '{state}'"
    made.wait_for(statement, f"the delivery never became {state}")


def memory() -> None:
    """Memory of every process of the demonstration after a minute's work, in both profiles."""
    print("memory: after 60 deliveries, each process with its children (PSS)")
    with _profiles() as profiles:
        for name, which in profiles.items():
            found = _memory(which)
            parts = "   ".join(f"{process} {size:.0f}" for process, size in found.items())
            print(f"  {name:9} {sum(found.values()):5.0f} MB:   {parts}")


def _memory(which: Engines | None) -> dict[str, float]:
    with stage(accounts=5, engines=which) as made:
        env = made.env
        made.start("sidecar", "-m", "postprober.api", ready=f"http://127.0.0.1:{env['POSTPROBER_API_PORT']}/healthz")
        made.deliver()
        made.start(
            "app",
            "-m",
            "streamlit",
            "run",
            "app.py",
            "--server.port",
            env["POSTPROBER_APP_PORT"],
            "--server.headless",
            "true",
            "--server.address",
            "127.0.0.1",
            ready=f"http://127.0.0.1:{env['POSTPROBER_APP_PORT']}/_stcore/health",
        )
        for number in range(60):
            plan(made, number)
        wait_until_verified(made, 60, 90)
        return {name: memory_mb(pid) for name, pid in made.pids().items()}
