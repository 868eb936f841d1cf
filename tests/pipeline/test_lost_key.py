"""The key that the tokens are sealed with is not at hand: nothing is sent, nothing is blamed, and a person is told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from postprober.domain.delivery import DeliveryState as S
from postprober.errors import OutcomeUnknown
from postprober.pipeline.core.context import Context
from postprober.pipeline.health import account_checks
from postprober.pipeline.repairs import diagnosis_job
from postprober.security.vault import Vault
from postprober.storage.tables import alerts, repairs
from tests.pipeline.fake import Way
from tests.pipeline.stage import Stage

OTHER = Vault({"k2": b"o" * 32})


@pytest.fixture
def keyless(stage: Stage) -> Context:
    return stage.worker("w2", vault=OTHER)


def _open(stage: Stage) -> list[str]:
    return [row["message"] for row in stage.rows(alerts) if row["closed_at"] is None]


def test_what_is_due_waits_for_the_key_and_goes_out_with_it(stage: Stage, ctx: Context, keyless: Context) -> None:
    account = stage.link()
    first, second = stage.plan(account, "one"), stage.plan(account, "two")
    for _ in range(10):
        stage.ring(keyless)
        stage.manual.advance(60)
    for delivery in (first, second):
        assert (stage.state(delivery), stage.get(delivery).crashes, stage.get(delivery).tries) == (S.WAITING, 0, 0)
        assert "'k1', which is not at hand" in stage.get(delivery).reason
    assert stage.platform.sends == []
    (told,) = stage.alerts()
    assert "Put the key back into POSTPROBER_VAULT_KEYS" in told and _open(stage) == [told]
    stage.settle(ctx, first, second)
    assert (stage.state(first), stage.state(second)) == (S.VERIFIED, S.VERIFIED)
    assert sorted(text for _, text in stage.platform.sends) == ["one", "two"]
    assert _open(stage) == []


def test_beyond_the_late_limit_a_person_decides(stage: Stage, keyless: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.ring(keyless)
    stage.manual.advance(2 * 3600)
    stage.ring(keyless)
    assert stage.state(delivery) is S.HELD and "late, more than you allow" in stage.get(delivery).reason


def test_an_unknown_outcome_stays_unknown_and_is_looked_for_with_the_key(
    stage: Stage, ctx: Context, keyless: Context
) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(refuse=OutcomeUnknown("cut")))
    stage.act(ctx, delivery)
    stage.manual.advance(600)
    stage.act(keyless, delivery)
    assert stage.state(delivery) is S.UNCONFIRMED and stage.get(delivery).lease_until is None
    assert stage.attempts(delivery, "reconcile") == []
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED


def test_what_is_out_is_looked_at_again_with_the_key(stage: Stage, ctx: Context, keyless: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.settle(ctx, delivery)
    before = stage.get(delivery)
    assert before.next_at is not None
    stage.manual.advance((before.next_at - stage.clock.now()).total_seconds() + 1)
    stage.act(keyless, delivery)
    after = stage.get(delivery)
    assert (after.state, after.next_at) == (S.VERIFIED, stage.clock.now() + timedelta(minutes=1))
    assert after.lease_until is None and "which is not at hand" in _open(stage)[0]


def test_a_canary_tells_it_before_a_post_is_due_and_closes_it(stage: Stage, ctx: Context, keyless: Context) -> None:
    account = stage.link()
    account_checks.look(keyless, account.id)
    account_checks.look(keyless, account.id)
    assert len(_open(stage)) == 1 and stage.account(account.id).status == "ok"
    account_checks.look(ctx, account.id)
    assert _open(stage) == []


def test_a_held_post_is_diagnosed_ever_less_often_while_the_key_is_missing(stage: Stage, keyless: Context) -> None:
    stage.plan(stage.link())
    stage.ring(keyless)
    stage.manual.advance(2 * 3600)
    stage.ring(keyless)
    pauses = []
    for _ in range(9):
        assert diagnosis_job.tend(keyless) == 0
        (row,) = [one for one in stage.rows(repairs) if one["state"] == "open"]
        pauses.append(row["next_at"] - stage.clock.now())
        stage.manual.advance(pauses[-1].total_seconds())
    assert pauses == sorted(pauses) and pauses[0] == timedelta(seconds=30) and pauses[-1] > timedelta(minutes=2)
