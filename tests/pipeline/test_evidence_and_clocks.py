"""What a platform leaves out is no evidence, and its times are compared in its own time."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from postprober.clock import ManualClock
from postprober.domain.delivery import DeliveryState
from postprober.domain.remote import PartJob, Ref, RemotePost, Search, SightingState, Timeline
from postprober.pipeline.core.context import Context
from postprober.pipeline.publishing.publish import publish
from postprober.platforms.common.adapter import sighting_in
from postprober.services.operations import doctor
from tests.installed import Installation
from tests.pipeline.fake import TRAITS, Way, cut
from tests.pipeline.stage import Stage, moment

S = DeliveryState
TEXT = "Hello world"
NOW = moment("2026-03-02T09:00:00+00:00")


def copies(stage: Stage) -> int:
    return stage.platform.texts().count(TEXT)


def look(*posts: RemotePost, parent: str = "", **changes: object) -> SightingState:
    job = PartJob("key", 0, TEXT, NOW, parent=Ref(parent) if parent else None)
    search = Search(job=job, since=NOW, author="7", **changes)  # type: ignore[arg-type]
    return sighting_in(Timeline(posts, True), search).state


def post(after: float | None = 1.0, **changes: object) -> RemotePost:
    made = NOW + timedelta(seconds=after) if after is not None else None
    return RemotePost(Ref("1"), TEXT, made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        (post(), "found"),
        (post(author_id="7"), "found"),
        (post(None), "unsure"),
        (post(-60), "unsure"),
        (post(-600), "absent"),
        (post(author_id="8"), "absent"),
        (post(reply_to="99"), "absent"),
    ],
    ids=["all there", "its author", "no time", "just before", "long before", "another author", "an answer"],
)
def test_a_missing_or_doubtful_field_never_speaks_for_a_post(seen: RemotePost, state: str) -> None:
    assert look(seen) == state


def test_a_part_of_a_thread_must_say_what_it_answers() -> None:
    assert look(post(reply_to="55"), parent="55") == "found"
    assert look(post(), parent="55") == "unsure"
    assert look(post(reply_to="44"), parent="55") == "absent"


def test_a_platform_that_does_not_tell_its_time_proves_nothing_about_a_post_with_the_same_text() -> None:
    assert look(post(), time_known=False) == "unsure"
    assert look(time_known=False) == "absent"


def test_a_post_made_with_another_app_is_not_taken() -> None:
    assert look(post(app="Web"), apps=frozenset({"PostProber"})) == "unsure"
    assert look(post(app="PostProber"), apps=frozenset({"PostProber"})) == "found"
    ours = RemotePost(Ref("0"), "earlier", NOW, app="PostProber")
    assert look(post(app="Web"), ours, exclude=frozenset({"0"}), ours=frozenset({"0"})) == "unsure", "known from ours"
    pointed = replace(ours, app="Web")
    assert look(post(app="Web"), pointed, exclude=frozenset({"0"}), apps=frozenset({"PostProber"})) == "unsure"


def test_a_post_by_hand_is_not_adopted_where_the_platform_gives_no_times(stage: Stage, ctx: Context) -> None:
    account = stage.link()
    stage.platform.dates = False
    by_hand = stage.platform.post("owner", TEXT, age=120)
    delivery = stage.plan(account)
    stage.platform.ways.append(Way(refuse=cut()))
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.HELD
    assert stage.get(delivery).remote_id != by_hand.id


def test_a_post_by_hand_a_minute_before_ours_is_a_question_and_no_proof(stage: Stage, ctx: Context) -> None:
    account = stage.link()
    stage.platform.post("owner", TEXT, age=60)
    delivery = stage.plan(account)
    stage.platform.ways.append(Way(refuse=cut()))
    stage.settle(ctx, delivery)
    assert (stage.state(delivery), len(stage.platform.sends)) == (S.HELD, 1)


@pytest.mark.parametrize("skew", [-3600.0, -130.0, 130.0, 3600.0])
def test_a_clock_that_differs_from_the_platforms_makes_no_second_post(stage: Stage, ctx: Context, skew: float) -> None:
    stage.platform.skew = skew
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(lose=cut()))
    stage.settle(ctx, delivery)
    assert (stage.state(delivery), copies(stage), len(stage.platform.sends)) == (S.VERIFIED, 1, 1)


@pytest.mark.parametrize("skew", [-130.0, 130.0])
def test_with_a_wrong_clock_a_post_by_hand_is_still_told_from_ours(stage: Stage, ctx: Context, skew: float) -> None:
    """The control: what is older than the intent by the platform's clock is not ours, and what is absent is sent."""
    account = stage.link()
    stage.platform.skew = skew
    by_hand = stage.platform.post("owner", TEXT, age=200)
    delivery = stage.plan(account)
    stage.platform.ways.append(Way(refuse=cut()))
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED
    assert (stage.get(delivery).remote_id != by_hand.id, copies(stage)) == (True, 2)


@pytest.mark.parametrize("jump", [-130.0, 130.0])
def test_a_clock_that_is_set_between_the_send_and_the_look_makes_no_second_post(
    stage: Stage, ctx: Context, jump: float
) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(lose=cut()))
    publish(ctx, delivery)
    stage.manual.jump(jump)
    stage.platform.skew = -jump  # the platform's time goes on as before
    for one in stage.platform.posts:
        one.born += timedelta(seconds=jump)
    stage.settle(ctx, delivery)
    assert (stage.state(delivery), copies(stage), len(stage.platform.sends)) == (S.VERIFIED, 1, 1)


def test_a_platform_that_tells_no_time_is_held_and_not_sent_again(stage: Stage, ctx: Context) -> None:
    stage.platform.tells_time = False
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(lose=cut()))
    stage.settle(ctx, delivery)
    assert (stage.state(delivery), copies(stage), len(stage.platform.sends)) == (S.HELD, 1, 1)


def test_a_wall_clock_that_jumps_ahead_does_not_shorten_the_settle_time(stage: Stage, ctx: Context) -> None:
    """The request is still on its way when somebody sets the clock ten minutes ahead."""
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(late=25.0, lose=cut()))
    publish(ctx, delivery)
    begun = stage.clock.monotonic()
    late = stage.platform.posts[-1]
    stage.manual.jump(600)
    stage.platform.skew = -600
    late.born += timedelta(seconds=600)
    stage.ring(ctx)
    assert stage.platform.looks == []
    stage.settle(ctx, delivery)
    assert stage.clock.monotonic() - begun >= TRAITS.settle.total_seconds()
    assert (stage.state(delivery), copies(stage), len(stage.platform.sends)) == (S.VERIFIED, 1, 1)


def test_another_process_sees_by_the_platforms_clock_that_it_is_too_early(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(late=25.0, lose=cut()))
    publish(ctx, delivery)
    late = stage.platform.posts[-1]
    stage.manual.jump(600)
    stage.platform.skew = -600
    late.born += timedelta(seconds=600)
    other = stage.worker("w2")
    stage.settle(other, delivery)
    assert (stage.state(delivery), copies(stage), len(stage.platform.sends)) == (S.VERIFIED, 1, 1)


@pytest.mark.parametrize("ahead", [0, 130, -130])
def test_doctor_shows_how_far_a_platforms_clock_is_from_ours(installation: Installation, ahead: float) -> None:
    core = installation.core
    skewed = ManualClock(core.clock.now() - timedelta(seconds=ahead))
    found = doctor.examine(replace(core, clock=skewed))
    x = next(one for one in found if one.name == "X")
    assert x.ok is (ahead == 0)
    told = re.search(r"its clock is (\d+) s (ahead of|behind) ours", x.message)
    assert told is not None and abs(int(told[1]) - abs(ahead)) <= 10, x.message
    assert not ahead or (told[2] == "behind") is (ahead < 0)
