"""What follows after publishing: proof, ghosts, drift, counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from postprober.domain.delivery import DeliveryState
from postprober.domain.engagement import POLL_AFTER
from postprober.domain.remote import Counts
from postprober.errors import Throttled, Unavailable
from postprober.pipeline.core.context import Context
from postprober.storage.tables import monitoring_logs, posts, samples
from tests.pipeline.fake import Way
from tests.pipeline.stage import Stage

S = DeliveryState


def _ghost(stage: Stage, ctx: Context) -> int:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(ghost=True))
    stage.settle(ctx, delivery)
    return delivery


def test_a_post_nobody_can_see_is_a_ghost_after_the_last_look_and_not_before(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(ghost=True))
    began = stage.clock.now()
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.GHOST
    assert stage.clock.now() - began >= stage.timing.verify_after[-1]
    assert len(stage.platform.sends) == 1
    assert "nobody can see it" in stage.alerts()[0].lower()
    assert stage.rows(posts)[0]["status"] == "failed"


def test_a_ghost_is_never_sent_again_however_long_it_stays_one(stage: Stage, ctx: Context) -> None:
    delivery = _ghost(stage, ctx)
    for _ in range(20):
        stage.manual.advance(86_400)
        stage.ring(ctx)
    assert stage.state(delivery) is S.GHOST
    assert len(stage.platform.sends) == 1
    assert len(stage.alerts()) == 1


def test_a_ghost_that_appears_is_verified_and_the_alert_is_taken_back(stage: Stage, ctx: Context) -> None:
    delivery = _ghost(stage, ctx)
    stage.platform.posts[-1].hidden = False
    stage.settle(ctx, delivery, until=lambda d: d.state is S.VERIFIED)
    assert "resolved" in stage.alerts()[-1]
    assert len(stage.outbox()) == 2


def test_a_post_that_shows_up_before_the_last_look_is_no_ghost(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(late=30.0))
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED
    assert stage.alerts() == []


def test_a_post_deleted_later_is_noticed_after_two_looks_and_alerted_once(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.settle(ctx, delivery)
    stage.platform.posts[-1].deleted = True
    stage.settle(ctx, delivery, until=lambda d: d.absences == 1)
    assert stage.state(delivery) is S.VERIFIED and stage.alerts() == []
    stage.settle(ctx, delivery, until=lambda d: d.state is S.GHOST)
    assert "gone" in stage.alerts()[0]
    assert stage.evidence(delivery, "gone")
    assert len(stage.platform.sends) == 1


def test_a_post_that_is_away_for_one_look_alarms_nobody(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.settle(ctx, delivery)
    stage.platform.posts[-1].hidden = True
    stage.settle(ctx, delivery, until=lambda d: d.absences == 1)
    stage.platform.posts[-1].hidden = False
    stage.manual.advance(60)
    stage.ring(ctx)
    assert (stage.state(delivery), stage.get(delivery).absences, stage.alerts()) == (S.VERIFIED, 0, [])


def test_a_text_that_was_changed_on_the_way_is_verified_with_a_warning(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())

    def change() -> None:
        stage.platform.posts[-1].text = "Hello wor"

    stage.platform.ways.append(Way(after=change))
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED
    assert stage.get(delivery).proof == "public"
    assert ("verification", "warning") in stage.steps(delivery)


def test_a_reading_that_fails_proves_nothing_either_way(stage: Stage, ctx: Context) -> None:
    """The owner's reading fails and the public page is down: neither proved nor a ghost."""
    delivery = stage.plan(stage.link())
    stage.platform.down = True
    stage.platform.reads.extend([Unavailable("down")] * 50)
    stage.platform.listings.extend([Unavailable("down")] * 50)
    stage.settle(ctx, delivery, until=lambda d: d.readings >= len(stage.timing.verify_after))
    assert stage.state(delivery) is S.PUBLISHED
    assert ("verification", "warning") in stage.steps(delivery)
    assert stage.alerts() == []
    stage.platform.reads.clear()
    stage.platform.down = False
    stage.settle(ctx, delivery, until=lambda d: d.state is S.VERIFIED)


def test_a_rate_limit_on_reading_waits_for_its_reset_and_is_no_look(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    reset = stage.clock.now() + timedelta(minutes=10)
    stage.platform.reads.append(Throttled("slow down", retry_at=reset))
    stage.ring(ctx)
    stage.ring(ctx)
    assert stage.get(delivery).next_at == reset
    assert stage.get(delivery).readings == 0
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED


def test_counts_are_read_at_the_planned_moments_for_thirty_days(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.settle(ctx, delivery)
    began = stage.get(delivery).published_at
    stage.settle(ctx, delivery, until=lambda d: d.next_at is None, limit=500)
    taken = [row["at"] - began for row in stage.rows(samples)]
    minutes = [round(t.total_seconds() / 60) for t in taken]
    days = [d * 1440 for d in range(2, 31)]
    assert minutes == [1, 5, 15, 60, 180, 360, 720, 1440, *days]
    assert len(POLL_AFTER) == len(taken)


def test_only_changed_counts_are_logged(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.settle(ctx, delivery)
    likes = iter([3, 3, 3, 7])
    for number, after in enumerate(POLL_AFTER[:4]):
        stage.platform.posts[-1].counts = Counts(likes=next(likes))
        stage.manual.advance((after - (POLL_AFTER[number - 1] if number else timedelta())).total_seconds() + 0.001)
        stage.ring(ctx)
    logged = [r["details"] for r in stage.rows(monitoring_logs) if r["step"] == "engagement"]
    assert logged == [{"likes": 3}, {"likes": 7}]
    assert [row["likes"] for row in stage.rows(samples)] == [3, 3, 3, 7]
    assert stage.state(delivery) is S.VERIFIED


def test_unknown_counts_are_not_zero(stage: Stage, ctx: Context) -> None:
    stage.settle(ctx, stage.plan(stage.link()))
    stage.platform.posts[-1].counts = Counts(likes=0, views=None)
    stage.manual.advance(61)
    stage.ring(ctx)
    row = stage.rows(samples)[0]
    assert (row["likes"], row["views"]) == (0, None)


def test_a_ghost_and_a_verified_delivery_make_a_partial_post(stage: Stage, ctx: Context) -> None:
    user = stage.user()
    first = stage.plan(stage.link("a", user_id=user))
    second = stage.plan(stage.link("b", user_id=user), post_id=stage.get(first).post_id)
    stage.platform.ways.extend([Way(), Way(ghost=True)])
    stage.settle(ctx, first, second)
    assert {stage.state(first), stage.state(second)} == {S.VERIFIED, S.GHOST}
    assert stage.rows(posts)[0]["status"] == "partial"


def test_a_verified_delivery_never_goes_back_for_a_moment_of_darkness(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.settle(ctx, delivery)
    stage.platform.reads.extend([Unavailable("down")] * 3)
    stage.platform.listings.extend([Unavailable("down")] * 3)
    stage.timing = replace(stage.timing)
    for _ in range(3):
        stage.manual.advance(900)
        stage.ring(ctx)
    assert stage.state(delivery) is S.VERIFIED
