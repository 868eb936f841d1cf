"""Workers that are frozen, killed or late: who may send, who may write, and what becomes of their answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from postprober.domain.delivery import DeliveryState
from postprober.domain.retry import MAX_CRASHES
from postprober.errors import ReconnectNeeded, Throttled
from postprober.pipeline.core.context import Context
from postprober.pipeline.publishing.publish import publish
from postprober.pipeline.publishing.recovery import recover_lost
from postprober.storage import deliveries
from postprober.storage.tables import accounts
from postprober.storage.tables import deliveries as table
from tests.pipeline.fake import TRAITS, Way, cut
from tests.pipeline.stage import Killed, Stage

S = DeliveryState
TEXT = "Hello world"
LEASE = 10.0
BACKED_OFF = 10  # seconds, longer than the first pause


def copies(stage: Stage) -> int:
    return stage.platform.texts().count(TEXT)


def kill_at(name: str) -> Callable[[str], None]:
    def checkpoint(where: str) -> None:
        if where == name:
            raise Killed

    return checkpoint


def test_a_worker_frozen_before_the_last_check_sends_nothing(stage: Stage) -> None:
    delivery = stage.plan(stage.link())

    def freeze(where: str) -> None:
        if where == "intent_committed":
            stage.manual.advance(LEASE + 1)

    stage.act(stage.worker("frozen", checkpoint=freeze), delivery)
    assert stage.platform.sends == []
    assert [a.outcome for a in stage.attempts(delivery)] == ["abandoned"]
    stage.settle(stage.worker("w2"), delivery)
    assert (stage.state(delivery), copies(stage)) == (S.VERIFIED, 1)


def test_a_worker_that_is_quick_enough_does_send(stage: Stage) -> None:
    """The control of the test above."""
    delivery = stage.plan(stage.link())

    def pause(where: str) -> None:
        if where == "intent_committed":
            stage.manual.advance(LEASE - 2.5)

    stage.act(stage.worker("slow", checkpoint=pause), delivery)
    assert len(stage.platform.sends) == 1


def test_no_byte_leaves_within_the_margin_before_the_end_of_the_lease(stage: Stage) -> None:
    delivery = stage.plan(stage.link())

    def pause(where: str) -> None:
        if where == "intent_committed":
            stage.manual.advance(LEASE - 1.5)

    stage.act(stage.worker("slow", checkpoint=pause), delivery)
    assert stage.platform.sends == []


def test_an_abandoned_send_costs_no_try(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    frozen = stage.worker(
        "f", checkpoint=lambda w: stage.manual.advance(LEASE - 1) if w == "intent_committed" else None
    )
    for _ in range(12):
        stage.act(frozen, delivery)
        stage.manual.advance(1.1)
        stage.ring(ctx) if stage.state(delivery) in (S.SUBMITTING, S.CLAIMED) else None
    stage.settle(ctx, delivery)
    assert (stage.state(delivery), copies(stage)) == (S.VERIFIED, 1)


def test_renewing_keeps_only_leases_that_are_still_ours(stage: Stage) -> None:
    first, second = stage.worker("w1"), stage.worker("w2")
    delivery = stage.plan(stage.link())
    until, deadline = first.keeper.until()
    with stage.db.write() as conn:
        deliveries.take(conn, delivery, worker="w1", now=stage.clock.now(), until=until)
    first.keeper.hold(delivery, deadline)
    stage.manual.advance(5)
    first.keeper.renew()
    assert stage.get(delivery).lease_until == stage.clock.now() + stage.timing.lease
    first.keeper.check(delivery)
    stage.manual.advance(11)
    recover_lost(second)
    first.keeper.renew()
    assert first.keeper.held() == set()
    assert stage.get(delivery).lease_until is None


def test_a_lost_claim_goes_back_and_a_lost_send_becomes_unconfirmed(stage: Stage, ctx: Context) -> None:
    before, after = stage.plan(stage.link("a")), stage.plan(stage.link("b"))
    for delivery, place in ((before, "before_intent"), (after, "intent_committed")):
        with pytest.raises(Killed):
            stage.act(stage.worker("dead", checkpoint=kill_at(place)), delivery)
    assert recover_lost(ctx) == 0, "the leases still run"
    stage.manual.advance(LEASE + 0.1)
    assert recover_lost(ctx) == 2
    assert (stage.state(before), stage.state(after)) == (S.SCHEDULED, S.UNCONFIRMED)
    assert stage.get(after).next_at == stage.clock.now() + TRAITS.settle
    assert [a.outcome for a in stage.attempts(after)] == ["unknown"]
    stage.settle(ctx, before, after)
    assert copies(stage) == 2 and len(stage.platform.sends) == 2


@pytest.mark.parametrize(
    "place",
    ["before_intent", "intent_committed", "connected", "request_sent", "reply_body", "before_commit", "committed"],
)
def test_a_worker_killed_anywhere_leaves_exactly_one_post(stage: Stage, ctx: Context, place: str) -> None:
    delivery = stage.plan(stage.link())
    with pytest.raises(Killed):
        stage.act(stage.worker("dead", checkpoint=kill_at(place)), delivery)
    stage.settle(ctx, delivery)
    assert (stage.state(delivery), copies(stage)) == (S.VERIFIED, 1)


@pytest.mark.parametrize(
    "meanwhile", ["submitting", "unconfirmed", "scheduled", "claimed", "waiting", "held", "published"]
)
def test_an_answer_that_comes_after_the_fence_moved_is_adopted(stage: Stage, ctx: Context, meanwhile: str) -> None:
    """The worker is frozen while it waits; the others meanwhile bring the delivery into each state there is."""
    delivery = stage.plan(stage.link())
    other = stage.worker("w2")

    def thaw() -> None:
        assert stage.state(delivery) is (DeliveryState(meanwhile))

    def freeze() -> None:
        post = stage.platform.posts[-1]
        if meanwhile == "submitting":
            return thaw()
        stage.manual.advance(LEASE + 1)
        recover_lost(other)
        if meanwhile == "unconfirmed":
            return thaw()
        if meanwhile == "published":
            stage.settle(other, delivery, until=lambda d: d.state is S.PUBLISHED)
            return thaw()
        post.born = stage.clock.now().replace(year=2099)  # invisible so far, so absence is "proved"
        if meanwhile == "held":
            stage.platform.listings.extend(["cut"] * 5)
        wanted = S.HELD if meanwhile == "held" else S.SCHEDULED
        stage.settle(other, delivery, until=lambda d: d.state is wanted)
        if meanwhile in ("claimed", "waiting"):
            stage.manual.advance(BACKED_OFF)
            with stage.db.write() as conn:
                until, _ = other.keeper.until()
                found = deliveries.take(conn, delivery, worker="w2", now=stage.clock.now(), until=until)
                if meanwhile == "waiting":
                    deliveries.change(
                        conn,
                        found,
                        S.WAITING,
                        reason="x",
                        now=stage.clock.now(),
                        columns={"next_at": stage.clock.now(), "lease_until": None},
                    )
        post.born = stage.clock.now()
        return thaw()

    stage.platform.ways.append(Way(after=freeze))
    stage.act(ctx, delivery)
    assert stage.state(delivery) is S.PUBLISHED
    assert stage.account(stage.get(delivery).account_id).busy_delivery_id is None
    stage.settle(ctx, delivery)
    assert (stage.state(delivery), copies(stage), len(stage.platform.sends)) == (S.VERIFIED, 1, 1)


def test_whoever_claimed_it_meanwhile_cannot_send_after_the_late_answer_was_adopted(stage: Stage) -> None:
    """The first worker is frozen in the call; a second one claims the delivery and stands before its intent; then the
    first one's answer is written; then the second one goes on."""
    delivery = stage.plan(stage.link())
    stands, go_on = threading.Event(), threading.Event()

    def wait(where: str) -> None:
        if where == "before_intent":
            stands.set()
            assert go_on.wait(60)

    second = threading.Thread(target=lambda: stage.act(stage.worker("w2", checkpoint=wait), delivery))

    def claim_meanwhile(where: str) -> None:
        if where == "before_commit":
            other = stage.worker("w3")
            stage.manual.advance(LEASE + 1)
            recover_lost(other)
            stage.platform.posts[-1].born = stage.clock.now().replace(year=2099)
            stage.settle(other, delivery, until=lambda d: d.state is S.SCHEDULED)
            stage.manual.advance(BACKED_OFF)
            stage.platform.posts[-1].born = stage.clock.now()
            second.start()
            assert stands.wait(60)

    stage.act(stage.worker("w1", checkpoint=claim_meanwhile), delivery)
    assert stage.state(delivery) is S.PUBLISHED
    go_on.set()
    second.join()
    stage.settle(stage.worker("w3"), delivery)
    assert (stage.state(delivery), copies(stage), len(stage.platform.sends)) == (S.VERIFIED, 1, 1)


def test_an_answer_that_comes_while_a_new_try_is_on_the_wire_alerts_a_person(stage: Stage, ctx: Context) -> None:
    """What the settle time cannot cover: both are recorded and nobody hides it."""
    delivery = stage.plan(stage.link())
    other = stage.worker("w2")

    def freeze() -> None:
        stage.manual.advance(LEASE + 1)
        recover_lost(other)
        stage.platform.posts[-1].born = stage.clock.now().replace(year=2099)
        stage.settle(other, delivery, until=lambda d: d.state is S.SCHEDULED)
        stage.platform.ways.append(Way(lose=cut()))
        stage.manual.advance(BACKED_OFF)
        stage.act(other, delivery)
        with stage.db.write() as conn:
            current = deliveries.get(conn, delivery)
            assert current.state is S.UNCONFIRMED
        stage.platform.posts[1].born = stage.clock.now()

    stage.platform.ways.append(Way(after=freeze))
    stage.act(ctx, delivery)
    assert "late" in [a.outcome for a in stage.attempts(delivery)]
    assert stage.get(delivery).remote_id == stage.platform.posts[1].id
    assert stage.evidence(delivery, "late_reply")


def test_two_known_ids_for_one_delivery_alert_a_person(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    other = stage.worker("w2")

    def freeze() -> None:
        stage.manual.advance(LEASE + 1)
        recover_lost(other)
        stage.platform.posts[-1].born = stage.clock.now().replace(year=2099)
        stage.settle(other, delivery, until=lambda d: d.state is S.PUBLISHED)

    stage.platform.ways.append(Way(after=freeze))
    stage.act(ctx, delivery)
    assert any("two posts are known" in message for message in stage.alerts())
    assert {row["remote_id"] for row in stage.evidence(delivery, "late_reply")} == {stage.platform.posts[1].id}


def test_a_refusal_that_comes_late_changes_nothing(stage: Stage, ctx: Context) -> None:
    delivery, other = stage.plan(stage.link()), stage.worker("w2")

    def freeze() -> None:
        stage.manual.advance(LEASE + 1)
        recover_lost(other)

    stage.platform.ways.append(Way(before=freeze, refuse=Throttled("Too many requests.")))
    stage.act(ctx, delivery)
    assert stage.state(delivery) is S.UNCONFIRMED
    stage.settle(ctx, delivery)
    assert (stage.state(delivery), copies(stage)) == (S.VERIFIED, 1)


def test_a_delivery_that_kills_its_worker_three_times_is_kept_apart(stage: Stage, ctx: Context) -> None:
    bad, good = stage.plan(stage.link("bad")), stage.plan(stage.link("good"))
    for _ in range(MAX_CRASHES):
        with pytest.raises(Killed):
            stage.act(stage.worker("dead", checkpoint=kill_at("before_intent")), bad)
        stage.manual.advance(LEASE + 1)
        recover_lost(ctx)
    stage.settle(ctx, bad, good)
    assert (stage.state(bad), stage.state(good)) == (S.HELD, S.VERIFIED)
    assert "took its worker down 3 times" in stage.get(bad).reason
    assert [name for name, _ in stage.platform.sends] == ["good"]


def test_a_send_that_kills_its_worker_three_times_is_looked_for_and_kept_apart(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    for _ in range(MAX_CRASHES):
        stage.settle(ctx, delivery, until=lambda d: d.state is S.SCHEDULED and d.next_at <= stage.clock.now())
        with pytest.raises(Killed):
            stage.act(stage.worker("dead", checkpoint=kill_at("connected")), delivery)
        stage.manual.advance(LEASE + 1)
        recover_lost(ctx)
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.HELD
    assert copies(stage) == 0 and stage.platform.sends == []


def test_a_row_whose_tokens_cannot_be_opened_waits_and_is_held_in_the_end_and_blocks_nobody(
    stage: Stage, ctx: Context
) -> None:
    account = stage.link("broken")
    bad, good = stage.plan(account), stage.plan(stage.link("good"))
    stage.set_account(account.id, access_token="v1.k1.AAAA")
    for _ in range(60):
        ctx.keeper.renew()  # the engine's timer goes on whatever becomes of single rows
        stage.ring(ctx)
        stage.manual.advance(5)
    assert stage.state(good) is S.VERIFIED
    assert stage.state(bad) is S.WAITING and stage.get(bad).crashes == 0
    stage.manual.advance(3600)
    stage.ring(ctx)
    assert stage.state(bad) is S.HELD
    assert ctx.keeper.held() == set()


def test_a_lost_reader_is_replaced_when_its_lease_ends(stage: Stage, ctx: Context) -> None:
    """Looking has no effect over there, so a reader that dies costs only time."""
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(lose=cut()))
    stage.ring(ctx)
    stage.manual.advance(31)
    with pytest.raises(Killed):
        stage.act(stage.worker("dead", checkpoint=kill_at("reconcile_matched")), delivery)
    stage.settle(ctx, delivery)
    assert (stage.state(delivery), copies(stage), len(stage.platform.sends)) == (S.VERIFIED, 1, 1)


def test_publishing_what_is_already_in_hand_does_nothing(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(before=lambda: publish(stage.worker("w2"), delivery)))
    stage.act(ctx, delivery)
    assert len(stage.platform.sends) == 1


def test_a_token_refused_with_an_old_answer_does_not_stop_the_freshly_linked_account(
    stage: Stage, ctx: Context
) -> None:
    """The person links the account again while a request with the old token is under way."""
    stage.platform.traits = replace(TRAITS, refreshes=False)
    account = stage.link()
    delivery = stage.plan(account)
    stage.platform.identifies.append(ReconnectNeeded("revoked", http_status=401))

    def relink() -> None:
        stage.set_account(account.id, token_version=account.token_version + 1, status="ok")

    stage.platform.ways.append(Way(before=relink, refuse=ReconnectNeeded("revoked", http_status=401)))
    stage.settle(ctx, delivery)
    assert stage.rows(accounts)[0]["status"] == "ok"
    assert (stage.state(delivery), copies(stage)) == (S.VERIFIED, 1)


@pytest.mark.parametrize("state", [S.CLAIMED, S.SUBMITTING, S.PUBLISHED])
def test_a_lease_that_a_clock_ahead_wrote_holds_nobody_off(stage: Stage, ctx: Context, state: DeliveryState) -> None:
    """Its worker was killed while its clock was an hour ahead."""
    delivery = stage.plan(stage.link())
    if state is S.PUBLISHED:
        stage.settle(ctx, delivery, until=lambda d: d.state is S.PUBLISHED)
    else:

        def die(where: str) -> None:
            if where == ("intent_committed" if state is S.SUBMITTING else "before_intent"):
                raise Killed

        with pytest.raises(Killed):
            stage.act(stage.worker("dead", checkpoint=die), delivery)
    assert stage.state(delivery) is state
    began = stage.clock.now()
    with stage.db.write() as conn:
        found = deliveries.get(conn, delivery)
        deliveries.touch(conn, found, began, lease_owner="dead", lease_until=began + timedelta(hours=1))
    recover_lost(ctx)
    stage.settle(ctx, delivery)
    assert (stage.state(delivery), copies(stage)) == (S.VERIFIED, 1)
    assert stage.clock.now() - began < timedelta(minutes=30)


def test_a_lease_of_a_clock_a_minute_ahead_is_respected(stage: Stage, ctx: Context) -> None:
    """The control: workers' clocks are never quite equal."""
    delivery = stage.plan(stage.link())
    now = stage.clock.now()
    with stage.db.write() as conn:
        deliveries.take(conn, delivery, worker="ahead", now=now, until=now + timedelta(seconds=60 + LEASE))
    assert recover_lost(ctx) == 0
    assert stage.state(delivery) is S.CLAIMED


def test_a_claim_to_refresh_that_a_clock_ahead_wrote_holds_nobody_off(stage: Stage, ctx: Context) -> None:
    account = stage.link(expires_in=60)
    stage.set_account(account.id, refresh_until=stage.clock.now() + timedelta(hours=1))
    delivery = stage.plan(account)
    began = stage.clock.now()
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED
    assert stage.clock.now() - began < timedelta(minutes=30)


@pytest.mark.parametrize("ahead", [timedelta(days=400), timedelta(hours=23)])
def test_a_pause_that_a_clock_ahead_wrote_holds_no_account_back(stage: Stage, ctx: Context, ahead: timedelta) -> None:
    account = stage.link()
    until = stage.clock.now() + ahead
    stage.set_account(account.id, throttled_until=until)
    recover_lost(ctx)
    kept = stage.account(account.id).throttled_until
    assert kept == (until if ahead < timedelta(days=1) else None), "a day is what platforms may ask for"


@pytest.mark.parametrize(
    ("state", "ahead", "goes_on"),
    [
        (S.WAITING, timedelta(days=400), True),
        (S.PROCESSING, timedelta(days=400), True),
        (S.HELD, timedelta(days=400), True),
        (S.GHOST, timedelta(days=400), True),
        (S.WAITING, timedelta(hours=23), False),
        (S.SCHEDULED, timedelta(days=400), False),
        (S.UNCONFIRMED, timedelta(hours=23), False),
    ],
)
def test_a_wait_that_a_clock_ahead_wrote_ends_where_going_on_early_harms_nobody(
    stage: Stage, ctx: Context, state: DeliveryState, ahead: timedelta, goes_on: bool
) -> None:
    delivery = stage.plan(stage.link())
    until = stage.clock.now() + ahead
    with stage.db.write() as conn:
        conn.execute(table.update().where(table.c.id == delivery).values(state=state, next_at=until))
    recover_lost(ctx)
    assert stage.get(delivery).next_at == (stage.clock.now() if goes_on else until)


def test_what_may_still_arrive_is_looked_for_after_a_day_whatever_a_clock_ahead_wrote(
    stage: Stage, ctx: Context
) -> None:
    """Until then no other post can go out on its account."""
    account = stage.link()
    stage.platform.ways.append(Way(lose=cut()))
    stage.settle(ctx, delivery := stage.plan(account), until=lambda d: d.state is S.UNCONFIRMED)
    ahead = stage.clock.now() + timedelta(days=400)
    with stage.db.write() as conn:
        conn.execute(table.update().where(table.c.id == delivery).values(next_at=ahead))
    recover_lost(ctx)
    found = stage.get(delivery).next_at
    assert found is not None
    assert timedelta(hours=24) < found - stage.clock.now() < timedelta(hours=25), "a send may take its time"
    stage.manual.advance(timedelta(hours=25).total_seconds())
    recover_lost(ctx)
    assert stage.get(delivery).next_at == found
    stage.settle(ctx, delivery)
    assert (stage.state(delivery), len(stage.platform.sends)) == (S.VERIFIED, 1)
