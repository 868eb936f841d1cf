"""A repeat with a handle that lives needs no proof of absence; past the handle's life none is ever made."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from postprober.domain.delivery import DeliveryState, StateCause
from postprober.errors import LeaseLost, PlatformError, PostRejected, ReconnectNeeded, Throttled, Unavailable
from postprober.pipeline.core.context import Context
from postprober.pipeline.publishing.publish import publish
from postprober.pipeline.publishing.reconcile import reconcile
from tests.pipeline.fake import TRAITS, Way, cut
from tests.pipeline.stage import Killed, Stage

S = DeliveryState
TEXT = "Hello world"
SETTLE, LIFE, WINDOW = timedelta(seconds=10), timedelta(seconds=60), 120.0


@pytest.fixture(autouse=True)
def _a_platform_that_forgets_handles(stage: Stage) -> None:
    stage.platform.traits = replace(TRAITS, settle=SETTLE, sends_alike_twice_safely=True, handle_life=LIFE)
    stage.platform.uses_handles, stage.platform.handle_window, stage.platform.blind = True, WINDOW, True


def copies(stage: Stage) -> int:
    return stage.platform.texts().count(TEXT)


def lost(stage: Stage, ctx: Context, way: Way | None = None) -> int:
    """A delivery whose answer is lost, at the moment when the settle time is over."""
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(way or Way(lose=cut()))
    publish(ctx, delivery)
    assert stage.state(delivery) is S.UNCONFIRMED
    stage.manual.advance(SETTLE.total_seconds() + 1)
    return delivery


@pytest.mark.parametrize("landed", [True, False])
def test_what_cannot_be_looked_for_is_sent_again_while_its_handle_lives(
    stage: Stage, ctx: Context, landed: bool
) -> None:
    delivery = lost(stage, ctx, Way(lose=cut()) if landed else Way(refuse=cut()))
    reconcile(ctx, delivery)
    assert stage.state(delivery) is S.WAITING
    assert stage.get(delivery).unknown_at is not None, "it may be out, and whoever asks is told so"
    publish(ctx, delivery)
    assert stage.state(delivery) in (S.PUBLISHED, S.VERIFIED)
    assert (len(stage.platform.sends), copies(stage)) == (2, 1)
    assert stage.get(delivery).remote_id == stage.platform.posts[-1].id
    assert stage.platform.bounds == [None, LIFE.total_seconds()], (
        "on a slow line it would arrive past the handle's life"
    )


def test_past_its_life_it_is_never_sent_again_and_a_person_decides(stage: Stage, ctx: Context) -> None:
    delivery = lost(stage, ctx)
    stage.manual.advance(LIFE.total_seconds())
    stage.settle(ctx, delivery)
    stage.manual.advance(WINDOW)
    stage.settle(ctx, delivery)
    assert (stage.state(delivery), stage.get(delivery).cause) == (S.HELD, StateCause.UNKNOWN)
    assert (len(stage.platform.sends), copies(stage)) == (1, 1)


def test_whoever_believes_in_a_longer_life_makes_a_second_post(stage: Stage, ctx: Context) -> None:
    """The control of the test before: the platform really has forgotten the handle by then."""
    stage.platform.traits = replace(stage.platform.traits, handle_life=timedelta(hours=1))
    delivery = lost(stage, ctx)
    stage.manual.advance(WINDOW)
    reconcile(ctx, delivery)
    publish(ctx, delivery)
    assert (len(stage.platform.sends), copies(stage)) == (2, 2)


def test_a_repeat_that_is_taken_up_too_late_is_looked_for_instead(stage: Stage, ctx: Context) -> None:
    delivery = lost(stage, ctx)
    reconcile(ctx, delivery)
    assert stage.state(delivery) is S.WAITING
    stage.manual.advance(LIFE.total_seconds())
    publish(ctx, delivery)
    assert stage.state(delivery) is S.UNCONFIRMED
    assert not stage.get(delivery).parts[0].repeats
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.HELD and len(stage.platform.sends) == 1


def test_a_clock_that_was_set_back_makes_no_handle_younger(stage: Stage, ctx: Context) -> None:
    delivery = lost(stage, ctx)
    stage.manual.advance(LIFE.total_seconds())
    stage.manual.jump(-LIFE.total_seconds())
    stage.platform.skew += LIFE.total_seconds()  # the platform's clock goes on
    reconcile(ctx, delivery)
    assert stage.state(delivery) is not S.WAITING
    stage.settle(ctx, delivery)
    assert len(stage.platform.sends) == 1


def test_without_the_platforms_time_nothing_is_repeated(stage: Stage, ctx: Context) -> None:
    stage.platform.tells_time = False
    delivery = lost(stage, ctx)
    stage.settle(ctx, delivery)
    assert (stage.state(delivery), len(stage.platform.sends)) == (S.HELD, 1)


@pytest.mark.parametrize(
    "refusal",
    [
        PostRejected("The platform does not take this text.", http_status=422),
        Throttled("Too fast.", http_status=429),
        ReconnectNeeded("The token was withdrawn.", http_status=401),
        Unavailable("The platform is away."),
        LeaseLost("The worker was held up."),
    ],
)
def test_a_refused_repeat_says_nothing_about_the_first_try(
    stage: Stage, ctx: Context, refusal: PlatformError | LeaseLost
) -> None:
    delivery = lost(stage, ctx)
    reconcile(ctx, delivery)

    def refuse() -> None:
        raise refusal

    stage.platform.ways.append(Way(before=refuse))
    publish(ctx, delivery)
    assert stage.state(delivery) is S.UNCONFIRMED, "neither failed nor free to be sent"
    assert stage.get(delivery).unknown_at is not None
    assert copies(stage) == 1


def test_what_was_published_and_deleted_is_never_published_again_by_itself(stage: Stage, ctx: Context) -> None:
    delivery = lost(stage, ctx)
    reconcile(ctx, delivery)
    stage.platform.posts[-1].deleted = True
    stage.settle(ctx, delivery)
    assert (stage.state(delivery), stage.get(delivery).cause) == (S.HELD, StateCause.REMOVED)
    assert copies(stage) == 0
    assert "deleted" in stage.get(delivery).reason


@pytest.mark.parametrize("point", ["before_intent", "intent_committed", "request_sent", "reply_body", "committed"])
def test_a_worker_lost_inside_a_repeat_leaves_one_post(stage: Stage, ctx: Context, point: str) -> None:
    """Whatever comes after: another repeat while the handle lives, or a question to a person."""

    def die(at: str) -> None:
        if at == point:
            raise Killed

    delivery = lost(stage, ctx)
    reconcile(ctx, delivery)
    doomed = stage.worker("doomed", checkpoint=die)
    doomed.times = ctx.times  # another process would ask the platform itself
    with pytest.raises(Killed):
        publish(doomed, delivery)
    stage.settle(ctx, delivery)
    assert copies(stage) == 1
    assert stage.state(delivery) in (S.VERIFIED, S.HELD)
