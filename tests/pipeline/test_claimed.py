"""Claiming a delivery, the same way for whatever is to be done with it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from postprober.domain.delivery import DUE_TO_PUBLISH, DUE_TO_RECONCILE, DeliveryState
from postprober.errors import Conflict, LeaseLost
from postprober.pipeline.core.claimed_delivery import claimed
from tests.pipeline.stage import Stage


def test_a_claim_is_one_workers_for_as_long_as_its_block_runs(stage: Stage) -> None:
    delivery_id = stage.plan(stage.link())
    one, other = stage.worker("w1"), stage.worker("w2")
    with claimed(one, delivery_id, only=DUE_TO_RECONCILE) as work:
        assert work is None, "it is not due to be looked for"
    with claimed(one, delivery_id, only=DUE_TO_PUBLISH) as work:
        assert work is not None and work.delivery.state is DeliveryState.CLAIMED and work.delivery.lease_owner == "w1"
        assert work.cred.access_token == "" and one.keeper.held() == {delivery_id}
        with claimed(other, delivery_id, only=DUE_TO_PUBLISH) as second:
            assert second is None and other.keeper.held() == set()
    assert one.keeper.held() == set()


def test_a_delivery_that_is_not_due_is_claimed_by_nobody(stage: Stage) -> None:
    delivery_id = stage.plan(stage.link(), due_in=60)
    with claimed(stage.worker(), delivery_id, only=DUE_TO_PUBLISH) as work:
        assert work is None
    stage.manual.advance(timedelta(minutes=2).total_seconds())
    with claimed(stage.worker(), delivery_id, only=DUE_TO_PUBLISH) as work:
        assert work is not None


@pytest.mark.parametrize("error", [Conflict("Somebody was faster."), LeaseLost("Too late.")])
def test_what_belongs_to_somebody_else_by_now_ends_the_block_quietly(stage: Stage, error: Exception) -> None:
    ctx, delivery_id = stage.worker(), stage.plan(stage.link())
    with claimed(ctx, delivery_id, only=DUE_TO_PUBLISH):
        raise error
    assert ctx.keeper.held() == set()


def test_a_mistake_ends_it_loudly_and_lets_the_lease_go(stage: Stage) -> None:
    ctx, delivery_id = stage.worker(), stage.plan(stage.link())
    with pytest.raises(ValueError, match="of ours"), claimed(ctx, delivery_id, only=DUE_TO_PUBLISH):
        raise ValueError("of ours")
    assert ctx.keeper.held() == set()
