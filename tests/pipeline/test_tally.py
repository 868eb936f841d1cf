"""What the pipeline counts for the operator, and that it reaches the database with the heartbeat."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import OperationalError

from postprober.domain.meters import Entry
from postprober.errors import Unavailable
from postprober.pipeline.core.context import Context
from postprober.pipeline.publishing.recovery import recover_lost
from postprober.pipeline.scheduler.scheduler import Scheduler
from postprober.storage import meters, processes
from tests.pipeline.fake import Way, cut, rejected
from tests.pipeline.stage import Killed, Stage


def counted(ctx: Context, name: str) -> dict[tuple[str, ...], float]:
    """By labels, without the platform, which is one here."""
    return {labels[1:]: n for (meter, labels), n in ctx.tally.pending().items() if meter == f"postprober_{name}"}


def test_a_post_that_goes_well(stage: Stage, ctx: Context) -> None:
    stage.settle(ctx, stage.plan(stage.link()))
    stage.manual.advance(61)
    stage.ring(ctx)
    assert counted(ctx, "attempts") == {("publish", "success"): 1}
    assert counted(ctx, "outcomes") == {("published",): 1, ("verified",): 1}
    assert counted(ctx, "failures") == {}
    assert sum(counted(ctx, "lateness_seconds_bucket").values()) == 1
    assert sum(counted(ctx, "queue_wait_seconds_bucket").values()) == 1


def test_lateness_is_from_its_time_to_the_first_byte(stage: Stage, ctx: Context) -> None:
    stage.plan(stage.link(), due_in=10)
    stage.manual.advance(50)
    stage.ring(ctx)
    assert counted(ctx, "lateness_seconds_bucket") == {("60.0",): 1}
    assert counted(ctx, "lateness_seconds_sum")[()] == pytest.approx(40, abs=1)
    assert counted(ctx, "queue_wait_seconds_bucket") == {("60.0",): 1}


@pytest.mark.parametrize(
    ("way", "attempt", "cause", "outcome"),
    [
        (Way(refuse=rejected()), "rejected", "post_rejected", {("failed",): 1}),
        (Way(refuse=Unavailable("It has a fault.", http_status=503)), "unavailable", "unavailable", {}),
        (Way(lose=cut()), "unknown", "outcome_unknown", {("unconfirmed",): 1}),
    ],
)
def test_a_post_that_does_not(
    stage: Stage, ctx: Context, way: Way, attempt: str, cause: str, outcome: dict[tuple[str, ...], float]
) -> None:
    stage.plan(stage.link())
    stage.platform.ways.append(way)
    stage.ring(ctx)
    assert counted(ctx, "attempts") == {("publish", attempt): 1}
    assert counted(ctx, "failures") == {(cause,): 1}
    assert counted(ctx, "outcomes") == outcome


def test_what_held_it_is_a_cause(stage: Stage, ctx: Context) -> None:
    stage.plan(stage.link())
    stage.manual.advance(7200)
    stage.ring(ctx)
    assert counted(ctx, "outcomes") == {("held",): 1}
    assert counted(ctx, "failures") == {("late",): 1}


def test_a_worker_lost_while_sending_is_counted_by_who_finds_it(stage: Stage, ctx: Context) -> None:
    def die(name: str) -> None:
        if name == "before_commit":
            raise Killed

    dying = stage.worker("w2", checkpoint=die)
    stage.plan(stage.link())
    with pytest.raises(Killed):
        stage.ring(dying)
    stage.manual.advance(stage.timing.lease.total_seconds() + 1)
    recover_lost(ctx)
    assert counted(ctx, "failures") == {("worker_lost",): 1}
    assert counted(ctx, "outcomes") == {("unconfirmed",): 1}


def test_the_heartbeat_stores_it_once_and_a_failed_one_loses_nothing(
    stage: Stage, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = Scheduler(ctx, 1)
    stage.settle(ctx, stage.plan(stage.link()))
    wanted = ctx.tally.pending()
    assert wanted

    def away(*_: object, **__: object) -> None:
        raise OperationalError("INSERT", {}, OSError("the disk is full"))

    with monkeypatch.context() as patch:
        patch.setattr(processes, "beat", away)  # comes after the counters, in the same transaction
        with pytest.raises(OperationalError):
            scheduler._beat()
    assert stored(stage) == {} and ctx.tally.pending() == wanted
    scheduler._beat()
    scheduler._beat()
    assert stored(stage) == wanted
    assert ctx.tally.pending() == {}
    stage.settle(ctx, stage.plan(stage.link("other")))
    scheduler._say_goodbye()
    assert stored(stage)["postprober_attempts", ("mastodon", "publish", "success")] == 2


def stored(stage: Stage) -> dict[Entry, float]:
    with stage.db.read() as conn:
        return meters.read(conn)
