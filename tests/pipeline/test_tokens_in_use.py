"""Tokens: one refresher at a time, stored before use, and what waits for a new link goes on by itself."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from postprober.clock import SystemClock
from postprober.domain.account import Credentials
from postprober.domain.delivery import DeliveryState
from postprober.errors import OutcomeUnknown, PlatformError, ReconnectNeeded, Suspended, Unavailable
from postprober.pipeline.core import unlinked
from postprober.pipeline.core.context import Context
from postprober.pipeline.core.tokens import ensure_valid, open_credentials, seal
from postprober.storage import deliveries
from postprober.storage.records import Account
from tests.pipeline.fake import FakeAdapter, FakePlatform, Way
from tests.pipeline.stage import Killed, Stage

S = DeliveryState


def relink(stage: Stage, account: Account, token: str = "access-new") -> None:
    """What `services.accounts.link` does."""
    cred = Credentials(token, "refresh-new", None, remote_id=account.remote_id, name=account.account_name)
    stage.platform.tokens[account.remote_id] = token
    known = stage.account(account.id)
    stage.set_account(
        account.id,
        **seal(stage.vault, account.id, cred),
        status="ok",
        status_reason="",
        refresh_until=None,
        token_version=known.token_version + 1,
    )


def refused() -> ReconnectNeeded:
    return ReconnectNeeded("The access was withdrawn.", http_status=400)


def test_a_token_about_to_end_is_renewed_before_publishing(stage: Stage, ctx: Context) -> None:
    account = stage.link(expires_in=60)
    delivery = stage.plan(account)
    stage.settle(ctx, delivery)
    assert stage.platform.refreshed == ["refresh-owner"]
    assert stage.state(delivery) is S.VERIFIED
    assert open_credentials(stage.vault, stage.account(account.id)).access_token == "access-owner~1"
    assert stage.account(account.id).token_version == 1


def test_a_token_that_holds_long_enough_is_left_alone(stage: Stage, ctx: Context) -> None:
    stage.settle(ctx, stage.plan(stage.link(expires_in=3600)))
    assert stage.platform.refreshed == []


def test_new_tokens_are_stored_before_they_are_used(stage: Stage, ctx: Context) -> None:
    account = stage.link(expires_in=60)
    seen: list[str] = []
    stage.platform.ways.append(
        Way(before=lambda: seen.append(open_credentials(stage.vault, stage.account(account.id)).access_token))
    )
    stage.settle(ctx, stage.plan(account))
    assert seen == ["access-owner~1"]


def test_many_who_need_a_fresh_token_cause_one_refresh(database, tmp_path) -> None:  # type: ignore[no-untyped-def]
    clock = SystemClock()
    stage = Stage(database, clock, FakePlatform(clock), tmp_path)
    account = stage.link(expires_in=60)
    delivery = stage.get(stage.plan(account))
    inside, hold = threading.Event(), threading.Event()

    def slow() -> None:
        inside.set()
        assert hold.wait(60)

    stage.platform.refreshes.append(slow)
    results: list[str] = []

    def need(name: str) -> None:
        try:
            ensure_valid(stage.worker(name), delivery, account)
            results.append("renewed")
        except Unavailable as error:
            results.append(error.code)

    threads = [threading.Thread(target=need, args=(f"w{i}",)) for i in range(8)]
    threads[0].start()
    assert inside.wait(60)
    for thread in threads[1:]:
        thread.start()
    for thread in threads[1:]:
        thread.join()
    hold.set()
    threads[0].join()
    stage.pools.close()
    assert sorted(results) == ["refresh_in_flight"] * 7 + ["renewed"]
    assert len(stage.platform.refreshed) == 1


def test_a_token_refused_in_mid_flight_is_renewed_once_and_the_post_goes_out_once(stage: Stage, ctx: Context) -> None:
    account = stage.link()
    delivery = stage.plan(account)
    stage.platform.tokens["owner"] = "another"
    stage.settle(ctx, delivery)
    assert stage.platform.refreshed == ["refresh-owner"]
    assert stage.state(delivery) is S.VERIFIED
    assert stage.platform.texts().count("Hello world") == 1
    assert stage.alerts() == []


def test_a_token_refused_again_and_again_asks_for_a_new_link(stage: Stage, ctx: Context) -> None:
    account = stage.link()
    delivery = stage.plan(account)
    stage.platform.ways.extend([Way(refuse=ReconnectNeeded("Not this one.", http_status=401))] * 10)
    for _ in range(10):
        stage.ring(ctx)
    assert stage.account(account.id).status == "reconnect"
    assert stage.state(delivery) is S.WAITING
    assert len(stage.platform.sends) <= 3
    assert len(stage.alerts()) == 1


def test_a_refused_refresh_alerts_once_and_everything_goes_on_after_the_new_link(stage: Stage, ctx: Context) -> None:
    account = stage.link(expires_in=60)
    ids = [stage.plan(account, text) for text in ("a", "b", "c")]
    stage.platform.refreshes.append(refused())
    for _ in range(6):
        stage.ring(ctx)
        stage.manual.advance(30)
    assert stage.platform.sends == []
    assert stage.account(account.id).status == "reconnect"
    assert stage.alerts() == [
        "Mastodon (owner): reconnect the account. The access was withdrawn.",
    ]
    relink(stage, account)
    stage.settle(ctx, *ids)
    assert {stage.state(i) for i in ids} == {S.VERIFIED}
    assert sorted(stage.platform.texts()) == ["An earlier post", "a", "b", "c"]


@pytest.mark.parametrize("error", [OutcomeUnknown("cut"), Unavailable("away")])
def test_a_refresh_that_is_cut_is_tried_again_and_nothing_is_sent_meanwhile(
    stage: Stage, ctx: Context, error: PlatformError
) -> None:
    delivery = stage.plan(stage.link(expires_in=60))
    stage.platform.refreshes.append(error)
    stage.ring(ctx)
    assert (stage.state(delivery), stage.platform.sends) == (S.WAITING, [])
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED
    assert len(stage.platform.refreshed) == 2


def test_a_refresher_that_dies_blocks_the_account_only_for_a_while(stage: Stage, ctx: Context) -> None:
    """The delivery must outlive the time for which the dead refresher's claim holds."""
    delivery = stage.plan(stage.link(expires_in=60))

    def die(where: str) -> None:
        if where == "refresh_rotated":
            raise Killed

    with pytest.raises(Killed):
        stage.act(stage.worker("dead", checkpoint=die), delivery)
    began = stage.clock.now()
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED
    assert stage.clock.now() - began < timedelta(minutes=2)
    assert stage.platform.texts().count("Hello world") == 1


def test_waiting_for_a_slow_refresher_costs_no_tries(stage: Stage, ctx: Context) -> None:
    """A look at another post of the account renews the token and takes half a minute; the post must not fail by it."""
    account = stage.link(expires_in=60)
    stage.set_account(account.id, refresh_until=stage.clock.now() + timedelta(seconds=30))
    delivery = stage.plan(account)
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED
    assert stage.get(delivery).tries == 1


def test_tokens_linked_again_during_a_refresh_are_not_overwritten(stage: Stage, ctx: Context) -> None:
    account = stage.link(expires_in=60)
    delivery = stage.plan(account)
    stage.platform.refreshes.append(lambda: relink(stage, account))
    stage.act(ctx, delivery)
    assert open_credentials(stage.vault, stage.account(account.id)).access_token == "access-new"
    assert [a.outcome for a in stage.attempts(delivery, "refresh")] == ["late"]


def test_an_expired_token_that_cannot_be_renewed_asks_for_a_new_link(stage: Stage, ctx: Context) -> None:
    stage.platform.traits = replace(stage.platform.traits, refreshes=False)
    account = stage.link(expires_in=-5)
    delivery = stage.plan(account)
    stage.ring(ctx)
    assert (stage.state(delivery), stage.platform.sends) == (S.WAITING, [])
    assert stage.account(account.id).status == "reconnect"
    relink(stage, account)
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED


# Disconnecting


def disconnect(stage: Stage, account: Account) -> None:
    """What `services.accounts.remove` writes."""
    known = stage.account(account.id)
    stage.set_account(
        account.id,
        is_active=False,
        access_token=None,
        refresh_token=None,
        secret=None,
        refresh_until=None,
        token_version=known.token_version + 1,
        unlinked_at=stage.clock.now(),
    )
    with stage.db.write() as conn:
        for delivery in deliveries.unsettled(conn, account.id):
            unlinked.settle(conn, delivery, stage.clock.now())


@pytest.mark.parametrize("answer", ["tokens", "refused", "cut"])
def test_an_account_that_is_disconnected_during_a_refresh_sends_nothing_and_leaves_no_tokens(
    stage: Stage, ctx: Context, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    account = stage.link(expires_in=60)
    delivery = stage.plan(account)
    if answer == "tokens":
        stage.platform.refreshes.append(lambda: disconnect(stage, account))
    else:
        error = refused() if answer == "refused" else OutcomeUnknown("cut")
        refresh = FakeAdapter.refresh

        def late(adapter: FakeAdapter, cred: Credentials) -> Credentials:
            disconnect(stage, account)
            stage.platform.refreshes.append(error)
            return refresh(adapter, cred)

        monkeypatch.setattr(FakeAdapter, "refresh", late)
    stage.act(ctx, delivery)
    assert (stage.state(delivery), stage.platform.sends, stage.alerts()) == (S.CANCELLED, [], [])
    assert stage.platform.revoked == (["access-owner~1"] if answer == "tokens" else [])
    found = stage.account(account.id)
    assert (found.status, found.access_token, found.refresh_token) == ("ok", None, None)


def test_a_late_renewal_withdraws_no_token_that_another_account_has(stage: Stage, ctx: Context) -> None:
    """A page and its person have one refresh token where the platform leaves it as it is when it is used."""
    page = stage.link("page", expires_in=60)
    person = stage.link("person", user_id=page.user_id)
    cred = replace(open_credentials(stage.vault, person), refresh_token="refresh~1")  # what the renewal answers with
    stage.set_account(person.id, **seal(stage.vault, person.id, cred))
    delivery = stage.plan(page)
    stage.platform.refreshes.append(lambda: disconnect(stage, page))
    stage.act(ctx, delivery)
    assert (stage.state(delivery), stage.platform.revoked) == (S.CANCELLED, [])


def test_tokens_that_nobody_uses_after_a_new_link_are_withdrawn(stage: Stage, ctx: Context) -> None:
    account = stage.link(expires_in=60)
    delivery = stage.plan(account)
    stage.platform.refreshes.append(lambda: relink(stage, account))
    stage.act(ctx, delivery)
    assert stage.platform.revoked == ["access-owner~1"]


def test_what_was_on_the_wire_when_its_account_was_disconnected_does_not_go_out_after_a_new_link(
    stage: Stage, ctx: Context
) -> None:
    """Its worker dies, the account is linked again before that is noticed, and the post proves to be absent."""
    account = stage.link()
    lost, later = stage.plan(account), stage.plan(account, "Planned for later", due_in=3600)

    def die(where: str) -> None:
        if where == "intent_committed":
            raise Killed

    with pytest.raises(Killed):
        stage.act(stage.worker("dead", checkpoint=die), lost)
    assert stage.state(lost) is S.SUBMITTING
    disconnect(stage, account)
    relink(stage, account)
    stage.set_account(account.id, is_active=True)
    new = stage.plan(stage.account(account.id), "A new post", due_in=1)
    stage.settle(ctx, lost, new)
    assert [stage.state(d) for d in (lost, later, new)] == [S.CANCELLED, S.CANCELLED, S.VERIFIED]
    assert "Hello world" not in stage.platform.texts()


# Access that is withdrawn after publishing


@pytest.mark.parametrize("renewable", [False, True])
def test_access_that_is_withdrawn_after_publishing_is_told_once(stage: Stage, ctx: Context, renewable: bool) -> None:
    stage.platform.traits = replace(stage.platform.traits, refreshes=renewable)
    account = stage.link()
    delivery = stage.plan(account)
    stage.settle(ctx, delivery)
    stage.platform.tokens["owner"] = "withdrawn"
    stage.platform.refreshes.extend([refused()] * 50)
    for _ in range(4):
        stage.manual.advance(86_400)
        stage.ring(ctx)
    assert stage.account(account.id).status == "reconnect"
    assert len(stage.alerts()) == 1 and "reconnect the account" in stage.alerts()[0]
    assert len(stage.platform.refreshed) == (1 if renewable else 0)
    assert stage.state(delivery) is S.VERIFIED, "the public still sees it"


def test_one_thing_that_may_not_be_read_is_no_withdrawn_access(
    stage: Stage, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = stage.link()
    delivery = stage.plan(account)
    stage.settle(ctx, delivery)

    def closed(*_: object) -> None:
        raise ReconnectNeeded("These counts need another permission.", http_status=403)

    monkeypatch.setattr(FakeAdapter, "read_many", closed)
    for _ in range(4):
        stage.manual.advance(86_400)
        stage.ring(ctx)
    assert (stage.account(account.id).status, stage.alerts()) == ("ok", [])


def test_a_suspended_account_is_called_suspended(stage: Stage, ctx: Context) -> None:
    account = stage.link()
    delivery = stage.plan(account)
    stage.platform.ways.extend([Way(refuse=Suspended("It has suspended this account. Settle that first."))] * 9)
    stage.platform.refreshes.extend([Suspended("It has suspended this account. Settle that first.")] * 9)
    for _ in range(4):
        stage.ring(ctx)
    assert stage.account(account.id).status == "suspended"
    assert stage.alerts() == ["Mastodon (owner): It has suspended this account. Settle that first."]
    assert stage.state(delivery) is S.WAITING
    stage.platform.ways.clear()
    stage.platform.refreshes.clear()
    relink(stage, account)
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED
