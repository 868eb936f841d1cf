"""From claim to the platform's word: each answer leads where its error's cure is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from postprober.domain.delivery import DeliveryState
from postprober.domain.retry import LONGEST_WAIT, MAX_TRIES
from postprober.errors import PlatformError, PostRejected, Throttled, Unavailable, UnexpectedReply
from postprober.pipeline.core.context import Context
from postprober.storage.tables import alerts, posts
from tests.pipeline.fake import Way, cut, rejected
from tests.pipeline.stage import Stage

S = DeliveryState


def test_a_post_goes_through_the_four_steps_in_order_and_ends_verified(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.settle(ctx, delivery)
    stage.manual.advance(61)
    stage.ring(ctx)
    assert stage.path(delivery) == ["scheduled", "claimed", "submitting", "published", "verified"]
    assert stage.steps(delivery) == [
        ("authentication", "success"),
        ("posting", "pending"),
        ("posting", "success"),
        ("verification", "success"),
        ("engagement", "success"),
    ]
    assert stage.platform.texts().count("Hello world") == 1
    found = stage.get(delivery)
    assert found.proof == "matches"
    assert found.remote_id == stage.platform.posts[-1].id
    assert stage.rows(posts)[0]["status"] == "posted"
    assert stage.alerts() == []


def test_the_intent_is_committed_before_the_first_byte_leaves(stage: Stage, ctx: Context) -> None:
    seen: list[tuple[DeliveryState, str, object]] = []
    delivery = stage.plan(stage.link())

    def look() -> None:
        tries = stage.attempts(delivery)
        seen.append((stage.state(delivery), tries[0].outcome, tries[0].intent["text"]))

    stage.platform.ways.append(Way(before=look))
    stage.settle(ctx, delivery)
    assert seen == [(S.SUBMITTING, "intended", "Hello world")]
    assert len(stage.attempts(delivery, "publish")[0].payload_hash) == 64


@pytest.mark.parametrize(
    ("error", "state", "sends"),
    [
        (PostRejected("Too long; shorten it.", http_status=400), S.FAILED, 1),
        (UnexpectedReply("It answered in a new way.", http_status=418), S.FAILED, 1),
        (Unavailable("It has a fault.", http_status=503), S.VERIFIED, 2),
        (Throttled("Too many requests.", http_status=429), S.VERIFIED, 2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_clear_no_leads_to_its_own_state(
    stage: Stage, ctx: Context, error: PlatformError, state: DeliveryState, sends: int
) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(refuse=error))
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is state
    assert len(stage.platform.sends) == sends
    assert S.UNCONFIRMED.value not in stage.path(delivery)
    assert stage.platform.texts().count("Hello world") == (state is S.VERIFIED)


def test_a_refused_post_alerts_its_owner_once_with_the_reason(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link("anna"))
    stage.platform.ways.append(Way(refuse=rejected()))
    stage.settle(ctx, delivery)
    assert stage.alerts() == [
        "Mastodon (anna): not published. The platform does not take this text; edit it.",
    ]
    assert stage.rows(posts)[0]["status"] == "failed"


@pytest.mark.parametrize(
    "error",
    [cut(), UnexpectedReply("A 2xx that nobody can read.", http_status=200), UnexpectedReply("Nothing at all.")],
)
def test_whatever_is_no_clear_answer_leads_to_unconfirmed(stage: Stage, ctx: Context, error: PlatformError) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(lose=error))
    stage.ring(ctx)
    assert stage.state(delivery) is S.UNCONFIRMED
    assert stage.attempts(delivery)[-1].outcome == "unknown"


def test_backing_off_grows_and_jitters_between_tries(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.extend([Way(refuse=Unavailable("away"))] * 6)
    waits: list[float] = []
    for _ in range(6):
        stage.settle(ctx, delivery, until=lambda d: d.state is S.WAITING and d.next_at > stage.clock.now())
        waits.append((stage.get(delivery).next_at - stage.clock.now()).total_seconds())  # type: ignore[operator]
        stage.manual.advance(waits[-1] + 0.01)
    for number, wait in enumerate(waits):
        assert 5 * 2**number * 0.8 <= wait <= 5 * 2**number * 1.2
    assert len({round(wait / 5 / 2**number, 6) for number, wait in enumerate(waits)}) > 1, "no jitter at all"


def test_tries_run_out_and_then_it_is_failed_with_an_alert(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.extend([Way(refuse=Unavailable("The platform is away."))] * (MAX_TRIES + 5))
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.FAILED
    assert len(stage.platform.sends) == MAX_TRIES
    assert len(stage.alerts()) == 1


def test_a_platform_that_comes_back_at_the_last_try_gets_the_post_once(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.extend([Way(refuse=Unavailable("The platform is away."))] * (MAX_TRIES - 1))
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED
    assert stage.platform.texts().count("Hello world") == 1


@pytest.mark.parametrize("seconds", [0.0, 1.0, 90.0, 900.0, 3000.0])
def test_a_rate_limit_pauses_the_whole_account_until_its_reset(stage: Stage, ctx: Context, seconds: float) -> None:
    account = stage.link()
    reset = stage.clock.now() + timedelta(seconds=seconds)
    stage.platform.ways.append(Way(refuse=Throttled("Too many requests.", retry_at=reset)))
    first = stage.plan(account, "first")
    stage.ring(ctx)
    second = stage.plan(account, "second")
    waiting = stage.get(first)
    assert waiting.state is S.WAITING
    assert reset < waiting.next_at <= reset + timedelta(seconds=5)  # type: ignore[operator]
    assert waiting.tries == 0, "a rate limit is no try"
    stage.ring(ctx)
    assert stage.state(second) is S.SCHEDULED
    stage.settle(ctx, first, second)
    assert stage.clock.now() >= reset
    assert sorted(stage.platform.texts()) == ["An earlier post", "first", "second"]


def test_a_rate_limit_without_a_reset_waits_at_least_a_minute(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(refuse=Throttled("Too many requests.")))
    stage.ring(ctx)
    assert stage.get(delivery).next_at >= stage.clock.now() + timedelta(seconds=60)  # type: ignore[operator]


def test_a_reset_in_the_far_future_is_cut_to_a_day(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    far = stage.clock.now() + timedelta(days=3650)
    stage.platform.ways.append(Way(refuse=Throttled("Too many requests.", retry_at=far)))
    stage.ring(ctx)
    wait = stage.get(delivery).next_at - stage.clock.now()  # type: ignore[operator]
    assert wait <= LONGEST_WAIT + timedelta(seconds=5)


def test_a_rate_limit_on_one_account_does_not_hold_up_another(stage: Stage, ctx: Context) -> None:
    stage.platform.ways.append(
        Way(refuse=Throttled("Too many requests.", retry_at=stage.clock.now() + timedelta(hours=1)))
    )
    first = stage.plan(stage.link("slow"))
    stage.ring(ctx)
    second = stage.plan(stage.link("quick"))
    stage.settle(ctx, second)
    assert (stage.state(first), stage.state(second)) == (S.WAITING, S.VERIFIED)


def test_only_one_publish_is_in_flight_on_an_account(stage: Stage, ctx: Context) -> None:
    account = stage.link()
    first, second = stage.plan(account, "first"), stage.plan(account, "second")
    other = stage.worker("w2")
    inside: list[DeliveryState] = []

    def meanwhile() -> None:
        stage.act(other, second)
        inside.append(stage.state(second))

    stage.platform.ways.append(Way(before=meanwhile))
    stage.act(ctx, first)
    assert inside == [S.SCHEDULED]
    assert [text for _, text in stage.platform.sends] == ["first"]
    stage.settle(ctx, first, second)
    assert sorted(stage.platform.texts()) == ["An earlier post", "first", "second"]


def test_a_post_too_late_is_held_and_not_sent(stage: Stage, ctx: Context) -> None:
    late, in_time = stage.plan(stage.link("a")), stage.plan(stage.link("b"), due_in=120)
    stage.manual.advance(3700)
    stage.settle(ctx, late, in_time)
    assert (stage.state(late), stage.state(in_time)) == (S.HELD, S.VERIFIED)
    assert [name for name, _ in stage.platform.sends] == ["b"]
    assert "61 minutes late" in stage.get(late).reason
    assert [row["kind"] for row in stage.rows(alerts)] == ["held", "late"]


def test_lateness_counts_only_before_the_first_try(stage: Stage, ctx: Context) -> None:
    """A delivery that waits for a rate limit is not late by its own fault, and must still go out."""
    delivery = stage.plan(stage.link())
    reset = stage.clock.now() + timedelta(hours=3)
    stage.platform.ways.append(Way(refuse=Throttled("Too many requests.", retry_at=reset)))
    stage.ring(ctx)
    stage.manual.advance(3 * 3600 + 10)
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED


def test_nothing_is_sent_before_its_time(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link(), due_in=60)
    stage.manual.advance(59.9)
    assert stage.ring(ctx) == 0
    stage.manual.advance(0.1)
    assert stage.ring(ctx) == 1
    assert stage.state(delivery) is S.PUBLISHED


def test_a_jump_of_the_wall_clock_does_not_send_twice(stage: Stage, ctx: Context) -> None:
    """The lease ends at once by the wall clock, so another worker takes the delivery while the request is out."""
    delivery, other = stage.plan(stage.link()), stage.worker("w2")

    def jump() -> None:
        stage.manual.jump(7200)
        stage.ring(other)

    stage.platform.ways.append(Way(after=jump))
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED
    assert stage.platform.texts().count("Hello world") == 1


@pytest.mark.parametrize("whole_app", [True, False])
def test_a_limit_of_the_whole_app_pauses_every_account_and_one_of_an_account_only_it(
    stage: Stage, ctx: Context, whole_app: bool
) -> None:
    first, other, third = (stage.plan(stage.link(name)) for name in ("first", "other", "third"))
    reset = stage.clock.now() + timedelta(minutes=10)
    stage.platform.ways.append(Way(refuse=Throttled("Too many requests.", retry_at=reset, whole_app=whole_app)))
    stage.act(ctx, first)
    stage.ring(ctx)
    assert len(stage.platform.posts) - 3 == (0 if whole_app else 2)  # each account has an earlier post
    stage.settle(ctx, first, other, third)
    assert {stage.state(i) for i in (first, other, third)} == {S.VERIFIED}
    assert stage.clock.now() >= reset
