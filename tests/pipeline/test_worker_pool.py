"""The engine and the scheduler process, on threads and the real clock."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from postprober.clock import SystemClock
from postprober.domain.delivery import TRAITS, DeliveryState
from postprober.domain.timing import Timing
from postprober.errors import Unavailable
from postprober.pipeline.core.context import Context
from postprober.pipeline.publishing.publish import publish
from postprober.pipeline.scheduler import scheduler as runner_module
from postprober.pipeline.scheduler.scheduler import LEADER, Job, Scheduler
from postprober.pipeline.scheduler.worker_pool import WorkerPool
from postprober.storage import processes
from postprober.storage.database import Database
from postprober.storage.tables import leases, transitions
from postprober.storage.tables import processes as process_table
from tests.pipeline.fake import TRAITS as FAKE_TRAITS
from tests.pipeline.fake import FakePlatform, Way, cut
from tests.pipeline.stage import Stage

S = DeliveryState
QUICK = Timing(
    lease=timedelta(seconds=1.2),
    lease_margin=timedelta(seconds=0.05),
    reread=timedelta(seconds=0.1),
    unsure_retries=(timedelta(seconds=0.1),) * 3,
    verify_after=tuple(timedelta(seconds=s) for s in (0, 0.05, 0.2)),
)


@pytest.fixture
def live(database: Database, tmp_path: Path) -> Iterator[Stage]:
    clock = SystemClock()
    platform = FakePlatform(clock, traits=replace(FAKE_TRAITS, settle=timedelta(seconds=0.3)))
    stage = Stage(database, clock, platform, tmp_path, QUICK)
    yield stage
    stage.pools.close()


def wait_until(holds: Callable[[], bool], limit: float = 60.0) -> None:
    """Raises AssertionError when `holds` is still false after `limit` seconds."""
    event, end = threading.Event(), time.monotonic() + limit
    while not holds():
        assert time.monotonic() < end, "it did not come about in time"
        event.wait(0.02)


def all_ended(stage: Stage, ids: list[int]) -> bool:
    return all(TRAITS[stage.state(i)].at_rest for i in ids)


class Running:
    """A runner in a thread. `ended`: what its `run` returned."""

    def __init__(self, ctx: Context, workers: int = 4, more: Sequence[Job] = ()) -> None:
        self.runner = Scheduler(ctx, workers, more)
        self.ended: bool | None = None
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self.ended = self.runner.run()

    def __enter__(self) -> Scheduler:
        self.thread.start()
        return self.runner

    def __exit__(self, *_: object) -> None:
        self.runner.stop()
        self.thread.join(20)
        assert not self.thread.is_alive()


def test_many_workers_at_once_publish_a_delivery_once(live: Stage) -> None:
    delivery = live.plan(live.link())
    barrier = threading.Barrier(8)

    def race(number: int) -> None:
        ctx = live.worker(f"w{number}")
        barrier.wait(60)
        publish(ctx, delivery)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(race, range(8)))
    assert len(live.platform.sends) == 1
    assert live.path(delivery).count("claimed") == 1


def test_a_queue_over_several_accounts_goes_out_once_each_with_two_schedulers(live: Stage) -> None:
    """The second one is a standby; two faults are among the way."""
    links = [live.link(f"a{n}") for n in range(4)]
    ids = [live.plan(links[n % 4], f"post {n}") for n in range(16)]
    live.platform.ways.extend([Way(lose=cut()), Way(refuse=cut())])
    with Running(live.worker("first")), Running(live.worker("second")):
        wait_until(lambda: all_ended(live, ids), 30)
    assert {live.state(i) for i in ids} == {S.VERIFIED}
    texts = [t for t in live.platform.texts() if t.startswith("post")]
    assert sorted(texts) == sorted(f"post {n}" for n in range(16))


def test_a_standby_does_not_ring_the_bell_and_takes_over_when_the_leader_leaves(live: Stage) -> None:
    with Running(live.worker("leader")) as leader:
        wait_until(lambda: _leader(live) == "leader")
        with Running(live.worker("standby")) as standby:
            wait_until(lambda: _beats(live) >= {"leader", "standby"})
            assert not standby._leader
            delivery = live.plan(live.link())
            wait_until(lambda: live.state(delivery) is S.VERIFIED)
            assert {row["worker"] for row in _transitions(live, delivery)} == {"", "leader"}
            leader.stop()
            wait_until(lambda: _leader(live) == "standby")
            second = live.plan(live.link("other"))
            wait_until(lambda: live.state(second) is S.VERIFIED)


def _leader(stage: Stage) -> str:
    with stage.db.read() as conn:
        row = conn.execute(leases.select().where(leases.c.name == LEADER)).one_or_none()
    return row.owner if row else ""


def _beats(stage: Stage) -> set[str]:
    with stage.db.read() as conn:
        return {row.name for row in conn.execute(process_table.select())}


def _transitions(stage: Stage, delivery: int) -> list[dict[str, object]]:
    return [row for row in stage.rows(transitions) if row["delivery_id"] == delivery]


def test_stopping_finishes_the_item_at_hand_and_takes_nothing_new(live: Stage) -> None:
    account = live.link()
    delivery = live.plan(account)
    inside, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        inside.set()
        assert go_on.wait(60)

    live.platform.ways.append(Way(before=wait))
    running = Running(live.worker("w"))
    with running as runner:
        assert inside.wait(60)
        later = live.plan(live.link("b"))
        wait_until(lambda: live.state(later) is not S.SCHEDULED)
        runner.stop()
        third = live.plan(live.link("c"))
        threading.Event().wait(QUICK.lease.total_seconds() * 1.5)  # longer than a lease: it must be renewed meanwhile
        assert running.thread.is_alive()
        go_on.set()
    assert live.state(delivery) in (S.PUBLISHED, S.VERIFIED)
    # A busy machine may end the short lease before the first byte; then nothing was sent, and it is begun again.
    outcomes = [a.outcome for a in live.attempts(delivery, "publish")]
    assert [one for one in outcomes if one != "abandoned"] == ["success"]
    assert live.state(third) is S.SCHEDULED
    assert _beats(live) == set() and _leader(live) == ""


def test_it_ends_while_the_due_poll_is_about_to_run_between_two_ticks(
    live: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The due poll plans its next run with APScheduler, whose `shutdown` must not wait for it under the same lock."""
    running, inside = Running(live.worker("w")), threading.Event()
    runner = running.runner

    def poll_due() -> datetime:
        inside.set()
        wait_until(lambda: not runner._jobs.running)
        return live.clock.now() + timedelta(seconds=0.2)

    monkeypatch.setattr(runner._deliverer, "poll_due", poll_due)
    with running:
        assert inside.wait(60)
    assert running.ended is True and _beats(live) == set()


def test_what_hangs_holds_up_the_end_for_a_bounded_time_only(
    live: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        inside.set()
        go_on.wait(30)

    monkeypatch.setattr(runner_module, "FAREWELL", 0.5)
    live.platform.ways.append(Way(before=hang))
    live.plan(live.link())
    running = Running(live.worker("w"), more=(("report", hang, 0.1),))
    try:
        with running:
            assert inside.wait(60)
            wait_until(lambda: running.runner._in_hand() == ["1 deliveries", "report"])
    finally:
        go_on.set()
        running.runner._deliverer.stop()
        running.runner._threads.shutdown(wait=True)
    assert running.ended is False and _leader(live) == "" and _beats(live) == set()
    assert "left in hand after 0.5 s, to be taken over: 1 deliveries, report" in caplog.text


def test_a_row_that_raises_does_not_stop_the_others(live: Stage, caplog: pytest.LogCaptureFixture) -> None:
    def explode() -> None:
        raise KeyError("a bug in an adapter")

    bad, good = live.plan(live.link("bad")), live.plan(live.link("good"))
    live.platform.ways.append(Way(before=explode))
    with caplog.at_level(logging.ERROR), Running(live.worker("w"), workers=1):
        wait_until(lambda: all_ended(live, [bad, good]))
    assert {live.state(bad), live.state(good)} == {S.VERIFIED}
    assert len(live.platform.visible("bad")) == 2 and len(live.platform.visible("good")) == 2
    assert "a bug in an adapter" in caplog.text


def test_an_idle_scheduler_still_beats(live: Stage) -> None:
    with Running(live.worker("w")):
        wait_until(lambda: "w" in _beats(live))
        with live.db.read() as conn:
            first = processes.newest_beat(conn, "scheduler", datetime.now(UTC))

        def newer() -> bool:
            with live.db.read() as conn:
                return processes.newest_beat(conn, "scheduler", datetime.now(UTC)) > first

        wait_until(newer)


def test_the_bell_rings_at_the_due_moment_and_not_a_tick_later(live: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a minute between two ticks, so that a busy machine's delay is not taken for one."""
    monkeypatch.setattr(runner_module, "TICK", 60.0)
    with Running(live.worker("w")) as running:
        wait_until(lambda: running._guarded)
        account = live.link()
        delivery = live.plan(account, due_in=0.9)
        running._poll_due()  # the tick that sees it coming
        wait_until(lambda: live.get(delivery).first_byte_at is not None)
    found = live.get(delivery)
    late = (found.first_byte_at - found.due_at).total_seconds()  # type: ignore[operator]
    assert 0 <= late < 15


def test_following_never_takes_all_the_threads(live: Stage) -> None:
    """Six published posts wait to be proved, and looking is slow; a new post must go out all the same."""
    links = [live.link(f"a{n}") for n in range(6)]
    ids = [live.plan(link, f"p{n}") for n, link in enumerate(links)]
    ctx = live.worker("w")
    for delivery in ids:
        publish(ctx, delivery)
    hold = threading.Event()
    live.platform.slow_reads = hold
    engine = WorkerPool(ctx, 3)
    try:
        engine.poll_due()
        urgent = live.plan(live.link("urgent"), "urgent")
        engine.poll_due()
        wait_until(lambda: live.state(urgent) is S.PUBLISHED)
        assert engine.busy() >= 1
    finally:
        hold.set()
        engine.stop()


def test_a_stopped_engine_starts_nothing(live: Stage) -> None:
    engine = WorkerPool(live.worker("w"), 2)
    engine.stop()
    delivery = live.plan(live.link())
    assert engine.poll_due() is None
    assert live.state(delivery) is S.SCHEDULED


def test_a_running_scheduler_looks_at_accounts_and_holds_posts_back_while_their_platform_fails(live: Stage) -> None:
    timing = replace(QUICK, account_check_every=timedelta(seconds=10), account_check_soon=timedelta(seconds=0.2))
    timing = replace(timing, delay_looks=(timedelta(seconds=30), timedelta(seconds=60)))
    account = live.link("a")
    live.platform.outage = lambda _: Unavailable("away", http_status=503)

    ctx = live.worker("canary", timing=timing)
    with Running(ctx):
        wait_until(lambda: ctx.health_cache.blocks((account.platform, account.instance)) is not None, 60)
        mine = live.plan(account)
        wait_until(lambda: live.state(mine) is S.WAITING)
        assert live.platform.sends == []
        live.platform.outage = None
        wait_until(lambda: live.state(mine) is S.VERIFIED)
    assert len(live.platform.sends) == 1
