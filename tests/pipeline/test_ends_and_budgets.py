"""How deliveries end: partly out, late, disconnected; one budget for all sends; no alert outlives its state."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from postprober.domain.delivery import DeliveryState, Proof, StateCause
from postprober.domain.held import WORDS, Choice, words
from postprober.domain.retry import MAX_TRIES
from postprober.errors import OutcomeUnknown, ReconnectNeeded, Unavailable
from postprober.pipeline.core import transitions, unlinked
from postprober.pipeline.core.context import Context
from postprober.pipeline.publishing.publish import publish
from postprober.pipeline.repairs.diagnosis_job import tend
from postprober.storage import deliveries
from postprober.storage.tables import alerts, posts
from tests.pipeline.fake import Way, cut, rejected
from tests.pipeline.stage import Stage

S = DeliveryState


def open_alerts(stage: Stage, delivery: int) -> list[str]:
    rows = stage.rows(alerts)
    return [
        r["kind"]
        for r in rows
        if r["subject"] == f"delivery:{delivery}" and r["closed_at"] is None and r["type"] != "success"
    ]


def status(stage: Stage) -> str:
    return str(stage.rows(posts)[0]["status"])


def move(stage: Stage, delivery: int, to: DeliveryState, **columns: object) -> None:
    with stage.db.write() as conn:
        transitions.move(
            conn,
            stage.get(delivery),
            to,
            reason="cancelled by a user",
            now=stage.clock.now(),
            **{"next_at": None, **columns},
        )


# Threads


def half(stage: Stage, ctx: Context, *ways: Way) -> int:
    """A thread of three of which two are out."""
    thread = stage.plan(stage.link(), "one", "two", "three")
    stage.platform.ways.extend([Way(), Way(), *ways])
    return thread


def test_a_thread_that_fails_in_the_middle_is_partly_out_and_says_so(stage: Stage, ctx: Context) -> None:
    thread = half(stage, ctx, Way(refuse=rejected()))
    stage.settle(ctx, thread)
    found = stage.get(thread)
    assert (found.state, status(stage)) == (S.PARTIAL, "partial")
    assert found.url and found.remote_id == found.parts[0].ref.remote_id  # type: ignore[union-attr]
    assert open_alerts(stage, thread) == ["partly"]
    assert not any("not published" in text for text in stage.alerts())


@pytest.mark.parametrize("end", [S.CANCELLED, S.FAILED])
def test_whoever_ends_a_thread_of_which_a_part_is_out_makes_it_partly_out(
    stage: Stage, ctx: Context, end: DeliveryState
) -> None:
    thread = half(stage, ctx, Way(refuse=Unavailable("away")))
    publish(ctx, thread)
    assert stage.state(thread) is S.WAITING
    move(stage, thread, end)
    assert stage.state(thread) is S.PARTIAL


def test_what_is_out_of_a_thread_is_still_watched(stage: Stage, ctx: Context) -> None:
    thread = half(stage, ctx, Way(refuse=rejected()))
    stage.settle(ctx, thread)
    stage.settle(ctx, thread, until=lambda d: d.proof is Proof.MATCHES)
    next(p for p in stage.platform.posts if p.text == "two").deleted = True
    for _ in range(200):
        if open_alerts(stage, thread) == ["drifted"]:
            break
        if not stage.ring(ctx):
            stage.manual.advance(600)
    assert open_alerts(stage, thread) == ["drifted"], "the news replace what was told"
    assert (stage.state(thread), len(stage.platform.sends)) == (S.PARTIAL, 3)
    told = len(stage.alerts())
    for _ in range(30):
        stage.manual.advance(1800)
        stage.ring(ctx)
    assert len(stage.alerts()) == told, "once"


def test_the_rest_of_a_thread_is_sent_when_a_person_says_so(stage: Stage, ctx: Context) -> None:
    thread = half(stage, ctx, Way(refuse=rejected()))
    stage.settle(ctx, thread)
    now = stage.clock.now()
    move(stage, thread, S.SCHEDULED, next_at=now, due_at=now)
    stage.settle(ctx, thread)
    assert stage.state(thread) is S.VERIFIED
    assert sorted(t for t in stage.platform.texts() if t in ("one", "two", "three")) == ["one", "three", "two"]
    assert open_alerts(stage, thread) == [] and "resolved" in stage.alerts()[-1]


def test_a_late_answer_for_a_thread_that_was_ended_sends_nothing_more(stage: Stage, ctx: Context) -> None:
    thread = stage.plan(stage.link(), "one", "two", "three")

    def ended() -> None:
        stage.manual.advance(11)
        other = stage.worker("w2")
        stage.platform.posts[-1].born = stage.clock.now().replace(year=2099)
        stage.settle(other, thread, until=lambda d: d.state is S.SCHEDULED)
        move(stage, thread, S.CANCELLED)
        stage.platform.posts[-1].born = stage.clock.now()

    stage.platform.ways.extend([Way(), Way(after=ended)])
    publish(ctx, thread)
    found = stage.get(thread)
    assert (found.state, [part.ref is not None for part in found.parts]) == (S.PARTIAL, [True, True, False])
    stage.manual.advance(86_400)
    stage.ring(ctx)
    assert len(stage.platform.sends) == 2


def test_a_late_answer_for_what_was_cancelled_is_told_as_that(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())

    def cancelled() -> None:
        stage.manual.advance(11)
        other = stage.worker("w2")
        stage.platform.posts[-1].born = stage.clock.now().replace(year=2099)
        stage.settle(other, delivery, until=lambda d: d.state is S.SCHEDULED)
        move(stage, delivery, S.CANCELLED)

    stage.platform.ways.append(Way(after=cancelled))
    publish(ctx, delivery)
    assert stage.state(delivery) is S.CANCELLED
    assert "you cancelled is published after all" in stage.alerts()[-1]


# Lateness


def test_a_refused_token_does_not_let_a_post_go_weeks_late_without_a_question(stage: Stage, ctx: Context) -> None:
    account = stage.link()
    delivery = stage.plan(account)
    gone = ReconnectNeeded("The token was withdrawn.", http_status=401)
    stage.platform.ways.append(Way(refuse=gone))
    stage.platform.refreshes.append(gone)
    stage.ring(ctx)
    assert (stage.state(delivery), stage.get(delivery).tries) == (S.WAITING, 1)
    stage.manual.advance(timedelta(days=21).total_seconds())
    stage.set_account(account.id, status="ok", status_reason="")
    stage.settle(ctx, delivery)
    assert (stage.state(delivery), stage.get(delivery).cause) == (S.HELD, StateCause.LATE)
    assert len(stage.platform.sends) == 1 and stage.platform.texts() == ["An earlier post"]


def test_the_rest_of_a_thread_is_not_late(stage: Stage, ctx: Context) -> None:
    """The control: what is half visible is finished."""
    thread = half(stage, ctx, Way(refuse=Unavailable("away")))
    publish(ctx, thread)
    stage.manual.advance(7200)
    stage.settle(ctx, thread)
    assert stage.state(thread) is S.VERIFIED


# Disconnecting


def in_state(stage: Stage, ctx: Context, state: DeliveryState) -> int:
    account = stage.link()
    delivery = stage.plan(account)
    if state is S.UNCONFIRMED:
        stage.platform.ways.append(Way(refuse=cut()))
        publish(ctx, delivery)
    elif state is S.WAITING:
        stage.platform.ways.append(Way(refuse=Unavailable("away")))
        publish(ctx, delivery)
    elif state is S.HELD:
        stage.platform.ways.append(Way(refuse=cut()))
        stage.platform.listings.extend(["cut"] * 5)
        stage.settle(ctx, delivery)
    elif state is not S.SCHEDULED:
        move(stage, delivery, S.CLAIMED, lease_until=stage.clock.now() + timedelta(seconds=10))
        if state is not S.CLAIMED:
            move(stage, delivery, state)
    assert stage.state(delivery) is state
    return delivery


@pytest.mark.parametrize(
    ("state", "end"),
    [
        (S.SCHEDULED, S.CANCELLED),
        (S.CLAIMED, S.CANCELLED),
        (S.PROCESSING, S.CANCELLED),
        (S.WAITING, S.CANCELLED),
        (S.UNCONFIRMED, S.HELD),
        (S.HELD, S.HELD),
    ],
)
def test_every_state_has_its_answer_to_disconnecting(
    stage: Stage, ctx: Context, state: DeliveryState, end: DeliveryState
) -> None:
    delivery = in_state(stage, ctx, state)
    stage.set_account(stage.get(delivery).account_id, is_active=False, access_token=None, refresh_token=None)
    looks, sends = len(stage.platform.looks), len(stage.platform.sends)
    unlinked.settle_all(ctx)
    for _ in range(5):
        stage.manual.advance(86_400)
        stage.ring(ctx)
    found = stage.get(delivery)
    assert (found.state, found.next_at, found.lease_until) == (end, None, None)
    assert found.cause == (StateCause.UNLINKED if end is S.HELD else "")
    assert (len(stage.platform.looks), len(stage.platform.sends)) == (looks, sends)
    assert open_alerts(stage, delivery) == (["held"] if end is S.HELD else [])
    assert stage.account(found.account_id).busy_delivery_id is None


def test_an_answer_that_comes_after_disconnecting_counts_and_a_lost_one_is_a_question(
    stage: Stage, ctx: Context
) -> None:
    for way, end in ((Way(), S.VERIFIED), (Way(lose=cut()), S.HELD)):
        account = stage.link(f"owner-{end}")
        delivery = stage.plan(account)

        def cut_off(account_id: int = account.id) -> None:
            stage.set_account(account_id, is_active=False, access_token=None, refresh_token=None)
            unlinked.settle_all(ctx)

        stage.platform.ways.append(Way(lose=way.lose, after=cut_off))
        stage.ring(ctx)
        stage.settle(ctx, delivery)
        assert stage.state(delivery) is end


def test_a_worker_whose_delivery_was_cancelled_under_it_sends_nothing(stage: Stage, ctx: Context) -> None:
    account = stage.link()
    delivery = stage.plan(account)

    def cut_off(where: str) -> None:
        if where == "before_intent":
            stage.set_account(account.id, is_active=False, access_token=None)
            unlinked.settle_all(ctx)

    publish(stage.worker("w2", checkpoint=cut_off), delivery)
    assert (stage.state(delivery), stage.platform.sends) == (S.CANCELLED, [])


# One budget, one back-off


def test_all_sends_of_a_delivery_share_one_budget_and_one_back_off(stage: Stage, ctx: Context) -> None:
    """A server that answers 500 to everything, and an agent that repairs."""
    delivery = stage.plan(stage.link())
    stage.platform.ways.extend([Way(refuse=OutcomeUnknown("500", http_status=500))] * 100)
    times = []
    for _ in range(300):
        before = len(stage.platform.sends)
        if not stage.ring(ctx):
            stage.manual.advance(stage._pause())
        if len(stage.platform.sends) > before:
            times.append(stage.clock.now())
        if stage.state(delivery) is S.FAILED and tend(ctx) and stage.state(delivery) is S.FAILED:
            break  # diagnosed, and nobody repairs it any more
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert MAX_TRIES <= len(times) <= MAX_TRIES + 3
    assert gaps[3] > gaps[0] and gaps[6] > timedelta(minutes=4), gaps
    assert len([t for t in times if t - times[0] < timedelta(minutes=4)]) <= 5
    assert stage.state(delivery) is S.FAILED
    assert f"was sent {len(times)} times" in stage.get(delivery).reason, "the count that people read is true"


# Alerts


def test_an_alert_ends_with_the_state_that_it_told_of(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(refuse=rejected()))
    stage.settle(ctx, delivery)
    assert open_alerts(stage, delivery) == ["failed"]
    now = stage.clock.now()
    move(stage, delivery, S.SCHEDULED, next_at=now, due_at=now)
    assert open_alerts(stage, delivery) == []
    stage.platform.ways.append(Way(refuse=cut()))
    stage.platform.listings.extend(["cut"] * 5)
    stage.settle(ctx, delivery)
    assert open_alerts(stage, delivery) == ["held"], "and not 'not published' beside it"
    stage.settle(ctx, delivery, until=lambda d: d.readings > 0)
    move(stage, delivery, S.SCHEDULED, next_at=stage.clock.now(), due_at=stage.clock.now(), unknown_at=None)
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED
    recovered = [text for text in stage.alerts() if "resolved" in text]
    assert (open_alerts(stage, delivery), len(recovered)) == ([], 1)


# The post's status


def test_a_post_is_not_called_posting_while_its_only_delivery_is_scheduled(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(refuse=Unavailable("away")))
    publish(ctx, delivery)
    assert (stage.state(delivery), status(stage)) == (S.WAITING, "posting")
    stage.manual.advance(30)
    with stage.db.write() as conn:
        now = stage.clock.now()
        until = now + timedelta(seconds=10)
        assert deliveries.take(conn, delivery, worker="w9", now=now, until=until) is not None
    assert (stage.state(delivery), status(stage)) == (S.CLAIMED, "scheduled")
    move(stage, delivery, S.SCHEDULED, next_at=stage.clock.now(), lease_until=None)
    assert (stage.state(delivery), status(stage)) == (S.SCHEDULED, "scheduled")


# Words


def test_every_cause_of_holding_has_its_own_words_and_only_what_makes_sense_to_choose() -> None:
    assert set(WORDS) == set(StateCause) - {StateCause.PLATFORM}
    assert len({one.sentence for one in WORDS.values()}) == len(WORDS)
    for cause in (StateCause.LATE, StateCause.CRASHED):
        told = words(cause, unknown=False)
        assert "Nothing" in told.sentence and set(told.choices) == {Choice.SEND, Choice.CANCEL}
    told = words(StateCause.CRASHED, unknown=True)
    assert told.may_be_out and "Nothing" not in told.sentence and Choice.LOOK in told.choices
    assert words("", unknown=True) == WORDS[StateCause.UNKNOWN]
