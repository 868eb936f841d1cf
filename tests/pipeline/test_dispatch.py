"""What is due is handed over once, again when the queue lost it, and done here while the queue is away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from postprober.clock import ManualClock
from postprober.domain.delivery import DeliveryState as S
from postprober.errors import Unavailable
from postprober.pipeline.scheduler.dispatcher import COMPLAIN_EVERY, LONGEST, PATIENCE, WORKER_LIMIT, Dispatcher
from postprober.pipeline.scheduler.worker_pool import WorkerPool
from postprober.storage import processes
from postprober.storage.database import Database
from tests.pipeline.fake import TRAITS, FakePlatform, Way, cut
from tests.pipeline.stage import Stage
from tests.pipeline.test_worker_pool import wait_until


class Queue:
    """Remembers what was handed over; `waiting` is its length, `away` makes it fail."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, int]] = []
        self.waiting = 0
        self.away = False

    def send(self, queue: str, act: str, delivery_id: int) -> None:
        if self.away:
            raise Unavailable("Redis does not answer.")
        self.sent.append((queue, act, delivery_id))

    def length(self, queue: str) -> int:
        if self.away:
            raise Unavailable("Redis does not answer.")
        return self.waiting


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Iterator[Stage]:
    clock = ManualClock()
    made = Stage(database, clock, FakePlatform(clock, traits=replace(TRAITS, settle=timedelta(seconds=30))), tmp_path)
    yield made
    made.pools.close()


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def dispatcher(stage: Stage, queue: Queue) -> Iterator[Dispatcher]:
    ctx = stage.worker("scheduler")
    made = Dispatcher(ctx, queue, WorkerPool(ctx, 2), lambda _conn, _now: True)
    yield made
    made.stop()


def _pass(stage: Stage, seconds: float) -> None:
    assert isinstance(stage.clock, ManualClock)
    stage.clock.advance(seconds)


def test_two_that_ring_at_once_do_not_forget_for_each_other(
    stage: Stage, queue: Queue, dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheduler rings in turn and at the very moment that something falls due."""
    delivery = stage.plan(stage.link())
    dispatcher.poll_due()
    _pass(stage, PATIENCE + 1)
    other = threading.Thread(target=dispatcher.poll_due)

    def slow(_queue: str) -> int:
        if other.ident is None:
            other.start()
            other.join(0.3)  # it would be through by then
        return 0

    monkeypatch.setattr(queue, "length", slow)
    dispatcher.poll_due()
    other.join(10)
    assert queue.sent == [("publish", "publish", delivery)] * 2


def test_a_due_delivery_is_handed_over_once(stage: Stage, queue: Queue, dispatcher: Dispatcher) -> None:
    delivery = stage.plan(stage.link())
    dispatcher.poll_due()
    dispatcher.poll_due()
    assert queue.sent == [("publish", "publish", delivery)]
    assert stage.state(delivery) is S.SCHEDULED, "nothing is done here"


def test_what_an_empty_queue_has_lost_is_handed_over_again(stage: Stage, queue: Queue, dispatcher: Dispatcher) -> None:
    delivery = stage.plan(stage.link())
    dispatcher.poll_due()
    queue.waiting = 1
    _pass(stage, PATIENCE + 1)
    dispatcher.poll_due()
    assert len(queue.sent) == 1, "it stands in line"
    queue.waiting = 0
    dispatcher.poll_due()
    assert queue.sent == [("publish", "publish", delivery)] * 2


def test_a_queue_that_is_never_empty_hides_nothing_for_ever(stage: Stage, queue: Queue, dispatcher: Dispatcher) -> None:
    stage.plan(stage.link())
    queue.waiting = 1000
    dispatcher.poll_due()
    _pass(stage, LONGEST - 1)
    dispatcher.poll_due()
    assert len(queue.sent) == 1
    _pass(stage, 2)
    dispatcher.poll_due()
    assert len(queue.sent) == 2


def test_each_kind_of_work_has_its_own_line(stage: Stage, queue: Queue, dispatcher: Dispatcher) -> None:
    published = stage.plan(stage.link("a"))
    stage.act(stage.worker(), published)
    stage.platform.ways.append(Way(lose=cut()))
    unknown = stage.plan(stage.link("b"))
    stage.act(stage.worker(), unknown)
    assert (stage.state(published), stage.state(unknown)) == (S.PUBLISHED, S.UNCONFIRMED)
    _pass(stage, 60)
    dispatcher.poll_due()
    assert sorted(queue.sent) == [("follow", "follow", published), ("publish", "reconcile", unknown)]


def test_while_the_queue_is_away_the_scheduler_delivers_and_says_so_once(
    stage: Stage, queue: Queue, dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    delivery = stage.plan(stage.link())
    queue.away = True
    for _ in range(3):
        dispatcher.poll_due()
    wait_until(lambda: stage.state(delivery) in (S.PUBLISHED, S.VERIFIED))
    assert caplog.text.count("delivers by itself") == 1
    assert len(stage.platform.sends) == 1
    stage.plan(stage.link("b"))
    _pass(stage, COMPLAIN_EVERY)
    dispatcher.poll_due()
    assert caplog.text.count("delivers by itself") == 2


def test_while_no_worker_lives_the_scheduler_delivers_and_hands_over_as_soon_as_one_does(
    stage: Stage, queue: Queue
) -> None:
    ctx = stage.worker("scheduler")
    made = Dispatcher(ctx, queue, WorkerPool(ctx, 2))
    first = stage.plan(stage.link())
    made.poll_due()
    wait_until(lambda: stage.state(first) in (S.PUBLISHED, S.VERIFIED))
    assert queue.sent == []
    now = ctx.clock.now()
    with stage.db.write() as conn:
        processes.beat(conn, "w1", "worker", now, now, {})
    second = stage.plan(stage.link("b"))
    made.poll_due()
    assert ("publish", "publish", second) in queue.sent
    _pass(stage, WORKER_LIMIT.total_seconds() + 1)
    made.poll_due()
    wait_until(lambda: stage.state(second) in (S.PUBLISHED, S.VERIFIED))
    made.stop()
