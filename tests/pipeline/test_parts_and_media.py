"""Threads, whose parts are saved as they land, and media that platforms process first."""

from __future__ import annotations

from datetime import timedelta

import pytest

from postprober.domain.delivery import DeliveryState, StateCause
from postprober.domain.health import HealthSign
from postprober.domain.remote import ProgressState
from postprober.errors import HERE, BadInput, PlatformError, ReconnectNeeded, Throttled, Unavailable
from postprober.http import Exchange
from postprober.pipeline.core import transitions
from postprober.pipeline.core.context import Context
from tests.pipeline.fake import BASE, FakeAdapter, Way, cut, progress, rejected
from tests.pipeline.stage import Killed, Stage

S = DeliveryState
THREAD = ("one", "two", "three")


def chain(stage: Stage) -> list[tuple[str, str]]:
    """(text, text of the post it replies to) of everything visible, oldest first."""
    texts = {p.id: p.text for p in stage.platform.posts}
    return [(p.text, texts.get(p.reply_to, "")) for p in stage.platform.visible()][1:]


def test_the_parts_of_a_thread_reply_to_each_other_in_order(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link(), *THREAD)
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED
    assert chain(stage) == [("one", ""), ("two", "one"), ("three", "two")]
    parts = stage.get(delivery).parts
    assert [p.ref.remote_id for p in parts if p.ref] == [p.id for p in stage.platform.posts[1:]]
    assert stage.get(delivery).remote_id == parts[0].ref.remote_id  # type: ignore[union-attr]
    assert stage.path(delivery).count("published") == 1


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("place", ["intent_committed", "request_sent", "before_commit", "committed"])
def test_a_worker_killed_in_a_thread_goes_on_with_the_next_part(
    stage: Stage, ctx: Context, part: int, place: str
) -> None:
    delivery = stage.plan(stage.link(), *THREAD)
    left = [part]

    def die(where: str) -> None:
        if where == place:
            left[0] -= 1
            if left[0] < 0:
                raise Killed

    with pytest.raises(Killed):
        stage.act(stage.worker("dead", checkpoint=die), delivery)
    saved = [p.ref is not None for p in stage.get(delivery).parts]
    assert saved == [i < part or (i == part and place == "committed") for i in range(3)]
    stage.settle(ctx, delivery)
    assert chain(stage) == [("one", ""), ("two", "one"), ("three", "two")]
    assert stage.state(delivery) is S.VERIFIED


@pytest.mark.parametrize("lost", [0, 1, 2])
@pytest.mark.parametrize("landed", [True, False])
def test_a_part_with_an_unknown_outcome_is_looked_for_alone(
    stage: Stage, ctx: Context, lost: int, landed: bool
) -> None:
    delivery = stage.plan(stage.link(), *THREAD)
    stage.platform.ways.extend([Way()] * lost + [Way(lose=cut()) if landed else Way(refuse=cut())])
    stage.settle(ctx, delivery)
    assert chain(stage) == [("one", ""), ("two", "one"), ("three", "two")]
    assert len(stage.platform.sends) == 3 + (not landed)


def test_two_parts_with_the_same_text_are_not_mistaken_for_each_other(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link(), "again", "again", "again")
    stage.platform.ways.extend([Way(), Way(refuse=cut())])
    stage.settle(ctx, delivery)
    assert chain(stage) == [("again", ""), ("again", "again"), ("again", "again")]


def test_a_refused_part_leaves_the_thread_partly_out_and_a_retry_goes_on_after_the_parts_that_are_out(
    stage: Stage, ctx: Context
) -> None:
    delivery = stage.plan(stage.link(), *THREAD)
    stage.platform.ways.extend([Way(), Way(refuse=rejected())])
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.PARTIAL
    with stage.db.write() as conn:
        transitions.move(
            conn, stage.get(delivery), S.SCHEDULED, reason="again", now=stage.clock.now(), next_at=stage.clock.now()
        )
    stage.settle(ctx, delivery)
    assert chain(stage) == [("one", ""), ("two", "one"), ("three", "two")]


@pytest.fixture
def staging(stage: Stage) -> Stage:
    stage.platform.stages = True
    return stage


def test_media_that_is_being_processed_is_waited_for_without_sending(staging: Stage, ctx: Context) -> None:
    delivery = staging.plan(staging.link())
    staging.platform.checks.extend([progress(ProgressState.PROCESSING, 40.0)] * 2)
    staging.ring(ctx)
    assert staging.state(delivery) is S.PROCESSING
    assert (staging.get(delivery).next_at - staging.clock.now()).total_seconds() == 40.0  # type: ignore[operator]
    staging.settle(ctx, delivery)
    assert (staging.state(delivery), len(staging.platform.staged), len(staging.platform.sends)) == (S.VERIFIED, 1, 1)


@pytest.mark.parametrize("state", [ProgressState.FAILED, ProgressState.GONE])
def test_media_that_failed_or_was_forgotten_is_handed_over_anew(
    staging: Stage, ctx: Context, state: ProgressState
) -> None:
    delivery = staging.plan(staging.link())
    staging.platform.checks.append(progress(state))
    staging.settle(ctx, delivery)
    assert (staging.state(delivery), len(staging.platform.staged), len(staging.platform.sends)) == (S.VERIFIED, 2, 1)


def test_media_that_never_gets_ready_is_handed_over_anew_and_fails_in_the_end(staging: Stage) -> None:
    delivery = staging.plan(staging.link())
    staging.platform.checks.extend([progress(ProgressState.PROCESSING, 600.0)] * 200)
    patient = staging.worker("patient", late_limit=timedelta(days=30))
    staging.settle(patient, delivery)
    assert staging.state(delivery) is S.FAILED
    assert staging.platform.sends == []


def test_media_that_is_processed_for_longer_than_a_post_may_be_late_is_a_question(staging: Stage, ctx: Context) -> None:
    delivery = staging.plan(staging.link())
    staging.platform.checks.extend([progress(ProgressState.PROCESSING, 600.0)] * 200)
    staging.settle(ctx, delivery)
    assert (staging.state(delivery), staging.get(delivery).cause) == (S.HELD, StateCause.LATE)
    assert staging.platform.sends == []


def test_a_container_that_says_published_is_adopted_without_sending(staging: Stage, ctx: Context) -> None:
    delivery = staging.plan(staging.link())

    def published(where: str) -> None:
        if where == "before_intent":
            raise Killed

    with pytest.raises(Killed):  # the container exists
        staging.act(staging.worker("dead", checkpoint=published), delivery)
    staging.platform.make("owner", "Hello world", staging.clock.now())
    staging.platform.checks.append(progress(ProgressState.PUBLISHED))
    staging.settle(ctx, delivery)
    assert (staging.state(delivery), staging.platform.sends) == (S.VERIFIED, [])
    assert len(staging.platform.staged) == 1, "the same container, after the crash too"


def test_a_container_that_says_published_and_is_not_found_is_held(staging: Stage, ctx: Context) -> None:
    delivery = staging.plan(staging.link())
    staging.platform.checks.append(progress(ProgressState.PUBLISHED))
    staging.settle(ctx, delivery)
    assert (staging.state(delivery), staging.platform.sends) == (S.HELD, [])


@pytest.mark.parametrize("error", [ReconnectNeeded("revoked", http_status=401), Throttled("Too many requests.")])
def test_a_refused_look_for_a_published_container_is_handled_like_any_refusal(
    staging: Stage, ctx: Context, error: PlatformError, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = staging.plan(staging.link())
    staging.platform.checks.append(progress(ProgressState.PUBLISHED))

    def locate(self: object, cred: object, search: object) -> None:
        raise error

    monkeypatch.setattr(FakeAdapter, "locate", locate)
    staging.ring(ctx)
    assert staging.state(delivery) is S.WAITING
    assert staging.platform.sends == []


def test_an_upload_that_is_cut_off_is_simply_repeated(staging: Stage, ctx: Context) -> None:
    delivery = staging.plan(staging.link())
    staging.platform.submits.append(Unavailable("The upload broke."))
    staging.settle(ctx, delivery)
    assert (staging.state(delivery), len(staging.platform.sends)) == (S.VERIFIED, 1)
    assert S.UNCONFIRMED.value not in staging.path(delivery)


def test_a_file_that_cannot_be_made_fit_ends_as_a_refused_post_does(staging: Stage, ctx: Context) -> None:
    delivery = staging.plan(staging.link())
    staging.platform.submits.append(BadInput("The image is damaged or cut off; choose another file.", field="media"))
    staging.ring(ctx)
    found = staging.get(delivery)
    assert (found.state, found.crashes) == (S.FAILED, 0)
    assert found.reason == "The image is damaged or cut off; choose another file."
    assert [(one.act, one.outcome) for one in staging.attempts(delivery)] == [("stage", "rejected")]
    assert staging.platform.sends == []


@pytest.mark.parametrize(
    "error", [FileNotFoundError("gone"), Unavailable("The picture could not be prepared.", code=HERE)]
)
def test_a_fault_of_this_machine_is_tried_again_and_not_held_against_the_platform(
    staging: Stage, ctx: Context, error: Exception
) -> None:
    delivery = staging.plan(staging.link())
    staging.platform.submits.append(error)
    staging.ring(ctx)
    assert (staging.state(delivery), staging.get(delivery).crashes) == (S.WAITING, 0)
    assert ctx.health_cache.take() == []
    staging.settle(ctx, delivery)
    assert (staging.state(delivery), len(staging.platform.sends)) == (S.VERIFIED, 1)


@pytest.mark.parametrize("error", [BadInput("The image is damaged.", field="media"), FileNotFoundError("gone")])
def test_what_the_platform_said_before_is_not_kept_as_the_reason(
    staging: Stage, ctx: Context, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two pictures the first was taken."""
    delivery = staging.plan(staging.link())

    def submit(self: FakeAdapter, cred: object, job: object) -> None:
        self.http.observer(Exchange("POST", BASE, self.http.request_id, 200, 5, "taken", False))
        raise error

    monkeypatch.setattr(FakeAdapter, "submit", submit)
    staging.ring(ctx)
    (attempt,) = staging.attempts(delivery)
    assert (attempt.act, attempt.http_status, attempt.reply) == ("stage", None, "")


def test_a_fault_of_the_platform_is_held_against_it(staging: Stage, ctx: Context) -> None:
    """The control of the one above."""
    staging.plan(staging.link())
    staging.platform.submits.append(Unavailable("The upload broke."))
    staging.ring(ctx)
    assert [note.sign for note in ctx.health_cache.take()] == [HealthSign.AWAY]
