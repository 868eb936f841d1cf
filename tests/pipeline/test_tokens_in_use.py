"""Tokens: one refresher at a time, stored before use, and what waits for a new link goes on by itself."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from postprober.clock import SystemClock
from postprober.domain.account import Credentials
from postprober.domain.delivery import DeliveryState
from postprober.errors import OutcomeUnknown, PlatformError, ReconnectNeeded, Unavailable
from postprober.pipeline.context import Context
from postprober.pipeline.credentials import ensure_valid, open_credentials, seal
from postprober.storage.records import Account
from tests.pipeline.fake import FakePlatform, Way
from tests.pipeline.stage import Killed, Stage

S = DeliveryState


def relink(stage: Stage, account: Account, token: str = "access-new") -> None:
    """What `services.accounts.link` does."""
    cred = Credentials(token, "refresh-new", None, remote_id=account.remote_id, name=account.account_name)
    stage.platform.tokens[account.remote_id] = token
    known = stage.account(account.id)
    stage.set_account(
        account.id, **seal(stage.vault, account.id, cred), status="ok", status_reason="", refresh_until=None,
        token_version=known.token_version + 1,
    )  # fmt: skip


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
        assert hold.wait(10)

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
    assert inside.wait(10)
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
        "Mastodon (owner): link the account again. The access was withdrawn.",
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
