"""What stands beside a delivery in doubt: the next post of its account, and what a person does meanwhile. Each of these
came out of random runs against an adversarial platform (`make test-chaos`)."""

from __future__ import annotations

import pytest

from postprober.domain.delivery import DeliveryState
from postprober.errors import Unavailable
from postprober.pipeline.core.context import Context
from postprober.pipeline.publishing.publish import publish
from postprober.storage import deliveries
from postprober.storage.records import Account
from tests.pipeline.fake import Way, cut
from tests.pipeline.stage import Stage

S = DeliveryState


def lost_and_held(stage: Stage, ctx: Context, delivery: int) -> None:
    """Its answer is lost, and its account cannot be read."""
    stage.platform.ways.append(Way(refuse=cut()))
    stage.platform.listings.extend(["cut"] * 5)
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.HELD


def due_now(stage: Stage) -> list[int]:
    with stage.db.read() as conn:
        first, _ = deliveries.due(conn, stage.clock.now(), publish=50, follow=50)
    return [delivery for delivery, _ in first]


def test_a_look_at_a_held_one_keeps_the_accounts_next_post_waiting_for_nothing(stage: Stage, ctx: Context) -> None:
    account = stage.link()
    held = stage.plan(account, "Held")
    lost_and_held(stage, ctx, held)
    stage.manual.advance(61)  # its look is due now, too
    waiting = stage.plan(account, "The next one")
    assert due_now(stage) == [held, waiting]


def test_of_two_that_are_to_be_sent_on_one_account_the_older_one_comes_first(stage: Stage, ctx: Context) -> None:
    account = stage.link()
    older, newer = stage.plan(account, "Older"), stage.plan(account, "Newer")
    stage.manual.advance(1)
    assert due_now(stage) == [older]
    publish(ctx, older)
    assert due_now(stage) == [newer]


def _ghost(stage: Stage, ctx: Context, account: Account) -> None:
    stage.platform.ways.append(Way(ghost=True))
    stage.settle(ctx, ghost := stage.plan(account, "Nobody sees this"))
    assert stage.state(ghost) is S.GHOST


@pytest.mark.parametrize("before", ["a post that can be seen", ""])
def test_after_an_invisible_post_a_stale_list_still_proves_no_absence(stage: Stage, ctx: Context, before: str) -> None:
    """The newest post that is known is in no list, so another one has to show that the list is fresh; where there is
    none, nothing shows it."""
    account = stage.link(newest_known_post=False)
    if before:
        stage.settle(ctx, stage.plan(account, before))
    _ghost(stage, ctx, account)
    stage.platform.ways.append(Way(lose=cut()))
    stage.platform.listings.extend(["stale"] * 6)
    stage.settle(ctx, lost := stage.plan(account, "Lost on its way back"))
    assert stage.platform.texts("owner").count("Lost on its way back") == 1
    assert stage.state(lost) is S.HELD
    stage.settle(ctx, lost, until=lambda d: d.state is S.VERIFIED)  # once the list shows it
    assert stage.platform.texts("owner").count("Lost on its way back") == 1


def test_after_an_invisible_post_a_fresh_list_proves_absence_and_it_is_sent(stage: Stage, ctx: Context) -> None:
    """The control."""
    account = stage.link(newest_known_post=False)
    stage.settle(ctx, stage.plan(account, "a post that can be seen"))
    _ghost(stage, ctx, account)
    stage.platform.ways.append(Way(refuse=cut()))
    stage.settle(ctx, lost := stage.plan(account, "Lost on its way there"))
    assert stage.platform.texts("owner").count("Lost on its way there") == 1
    assert stage.state(lost) is S.VERIFIED


@pytest.mark.parametrize("arrived", [False, True])
def test_after_an_invisible_post_the_one_from_before_the_account_was_linked_shows_that_a_list_is_fresh(
    stage: Stage, ctx: Context, arrived: bool
) -> None:
    account = stage.link(newest_known_post=False)
    by_hand = stage.platform.post("owner", "By hand, before the account was linked", age=60)
    stage.set_account(account.id, newest_known_post=by_hand.id)
    _ghost(stage, ctx, account)
    stage.platform.ways.append(Way(lose=cut()) if arrived else Way(refuse=cut()))
    stage.platform.listings.extend(["stale"] * (5 if arrived else 0))
    stage.settle(ctx, lost := stage.plan(account, "Lost"), until=lambda d: d.state in (S.HELD, S.VERIFIED))
    assert stage.state(lost) is (S.HELD if arrived else S.VERIFIED)
    stage.settle(ctx, lost, until=lambda d: d.state is S.VERIFIED)
    assert stage.platform.texts("owner").count("Lost") == 1


def _sent_after(stage: Stage, delivery: int) -> frozenset[str]:
    with stage.db.read() as conn:
        return deliveries.sent_after(conn, deliveries.get(conn, delivery))


@pytest.mark.parametrize("arrived", [False, True])
def test_when_the_last_known_post_was_deleted_a_later_one_shows_that_a_list_is_fresh(
    stage: Stage, ctx: Context, arrived: bool
) -> None:
    account = stage.link(newest_known_post=False)
    stage.settle(ctx, last := stage.plan(account, "The last known one"))
    next(p for p in stage.platform.posts if p.id == stage.get(last).remote_id).deleted = True
    stage.platform.ways.append(Way(lose=cut()) if arrived else Way(refuse=cut()))
    stage.platform.listings.extend(["stale"] * 10 if arrived else [])
    stage.settle(ctx, lost := stage.plan(account, "Lost"))
    assert stage.state(lost) is S.HELD, "nothing shows it yet"
    stage.settle(ctx, later := stage.plan(account, "The next one"))
    assert _sent_after(stage, lost) == {stage.get(later).remote_id}
    stage.settle(ctx, lost, until=lambda d: d.state is S.VERIFIED)
    assert stage.platform.texts("owner").count("Lost") == 1
    assert len([text for _, text in stage.platform.sends if text == "Lost"]) == (1 if arrived else 2)


@pytest.mark.parametrize("old", ["An old one", ""])
def test_a_list_without_a_later_post_proves_no_absence(stage: Stage, ctx: Context, old: str) -> None:
    """Also not where it has the last known one, which is old, or none was known."""
    account = stage.link(newest_known_post=False)
    if old:
        stage.set_account(account.id, newest_known_post=stage.platform.post("owner", old, age=7200).id)
    stage.platform.ways.append(Way(lose=cut()))
    stage.platform.listings.extend([Unavailable("The list cannot be read.")] * 50)
    stage.settle(ctx, lost := stage.plan(account, "Lost"))
    stage.settle(ctx, later := stage.plan(account, "The next one"))
    assert (stage.state(lost), stage.state(later)) == (S.HELD, S.VERIFIED)
    stage.platform.listings.clear()
    stage.platform.listings.extend(["lagging" if old else "stale"] * 2)
    stage.settle(ctx, lost, until=lambda d: d.state is S.VERIFIED)
    assert not stage.platform.listings, "these were read"
    assert stage.platform.texts("owner").count("Lost") == 1


def test_a_later_post_that_nobody_sees_is_not_waited_for(stage: Stage, ctx: Context) -> None:
    account = stage.link()
    lost_and_held(stage, ctx, lost := stage.plan(account, "Lost"))
    stage.platform.listings.extend(["cut"] * 50)
    _ghost(stage, ctx, account)
    assert stage.state(lost) is S.HELD
    stage.platform.listings.clear()
    stage.settle(ctx, lost, until=lambda d: d.state is S.VERIFIED)
    assert stage.platform.texts("owner").count("Lost") == 1


def test_a_post_that_was_sent_between_two_tries_shows_nothing_about_the_second(stage: Stage, ctx: Context) -> None:
    account = stage.link()
    lost_and_held(stage, ctx, lost := stage.plan(account, "Lost"))
    stage.settle(ctx, between := stage.plan(account, "In between"))
    assert _sent_after(stage, lost) == {stage.get(between).remote_id}, "the control"
    stage.platform.ways.append(Way(lose=cut()))
    stage.settle(ctx, lost, until=lambda d: d.state is S.UNCONFIRMED)
    assert len([text for _, text in stage.platform.sends if text == "Lost"]) == 2
    assert _sent_after(stage, lost) == frozenset()


def test_a_post_that_a_person_pointed_at_may_be_older_and_shows_nothing(stage: Stage, ctx: Context) -> None:
    account = stage.link()
    lost_and_held(stage, ctx, lost := stage.plan(account, "Lost"))
    stage.platform.ways.append(Way(lose=cut()))
    stage.settle(ctx, other := stage.plan(account, "Found by looking"))
    assert stage.state(other) is S.VERIFIED and stage.attempts(other, "reconcile")
    assert _sent_after(stage, lost) == frozenset()
