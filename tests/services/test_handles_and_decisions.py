"""A handle is chosen when a delivery is planned and survives what people do to it; people decide by cause; disconnecting
answers for every state."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from postprober.domain.attempt import Act, Outcome
from postprober.domain.delivery import DeliveryState, StateCause
from postprober.domain.remote import Ref
from postprober.errors import Conflict
from postprober.pipeline.core import transitions
from postprober.services.accounts import accounts
from postprober.services.monitoring import monitoring
from postprober.services.pipeline_context import context_of
from postprober.services.posts import delivery_actions, drafts, edit_failed, posts
from postprober.storage import attempts, deliveries
from postprober.storage.records import Account, Delivery, PartRecord, replace
from tests.installed import Installation
from tests.people import acting

S = DeliveryState


def plan(inst: Installation, account: Account, *texts: str, hours: float = 24) -> Delivery:
    at = inst.core.clock.now() + timedelta(hours=hours)
    made = posts.create(
        inst.core, acting(inst.core, inst.owner), posts.NewPost(texts or ("Hello",), (account.id,), at=at)
    )
    return of_post(inst, made.id)


def of_post(inst: Installation, post_id: int) -> Delivery:
    with inst.core.db.read() as conn:
        return next(d for d in deliveries.of_post(conn, post_id) if d.state is not S.CANCELLED)


def read(inst: Installation, delivery_id: int) -> Delivery:
    with inst.core.db.read() as conn:
        return deliveries.get(conn, delivery_id)


def move(inst: Installation, delivery: Delivery, *states: DeliveryState, **columns: Any) -> Delivery:
    for state in states:
        with inst.core.db.write() as conn:
            found = deliveries.get(conn, delivery.id)
            transitions.move(
                conn, found, state, reason="test", now=inst.core.clock.now(), **{"next_at": None, **columns}
            )
    return read(inst, delivery.id)


def handles(delivery: Delivery) -> list[str]:
    return [part.handle for part in delivery.parts]


@pytest.mark.parametrize("platform", ["bluesky", "mastodon"])
def test_a_handle_lies_in_the_row_from_the_start_and_survives_edits_and_retries(
    installation: Installation, platform: str
) -> None:
    delivery = plan(installation, installation.link(platform), "One", "Two")
    first = handles(delivery)
    assert all(first) and len(set(first)) == 2
    post = drafts.get(installation.core, acting(installation.core, installation.owner), delivery.post_id)
    wish = drafts.wish_of(post)
    later = replace(wish, parts=("Other", "words"), at=installation.core.clock.now() + timedelta(days=9))
    drafts.change(installation.core, acting(installation.core, installation.owner), post.id, later)
    assert handles(read(installation, delivery.id)) == first, "edited"
    move(installation, delivery, S.CLAIMED, S.FAILED)
    delivery_actions.retry_one(installation.core, acting(installation.core, installation.owner), delivery.id)
    assert handles(read(installation, delivery.id)) == first, "tried again"
    move(installation, delivery, S.CLAIMED, S.FAILED)
    edit_failed.rewrite(
        installation.core, acting(installation.core, installation.owner), delivery.id, ["New", "words", "three"]
    )
    found = handles(read(installation, delivery.id))
    assert found[:2] == first and found[2], "written anew"


def test_what_is_sent_uses_the_handle_of_the_row(installation: Installation) -> None:
    """Also when it goes out at another time than it was planned for."""
    from postprober.pipeline.publishing.publish import publish

    delivery = plan(installation, installation.link("bluesky"))
    with installation.core.db.write() as conn:
        deliveries.touch(conn, delivery, installation.core.clock.now(), next_at=installation.core.clock.now())
    publish(context_of(installation.core), delivery.id)
    found = read(installation, delivery.id)
    assert found.state in (S.PUBLISHED, S.VERIFIED)
    assert (found.remote_id or "").endswith(delivery.parts[0].handle) and delivery.parts[0].handle


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.INTENDED, Outcome.LATE])
def test_words_are_not_changed_while_an_earlier_try_may_still_appear(
    installation: Installation, outcome: Outcome
) -> None:
    delivery = plan(installation, installation.link("mastodon"))
    now = installation.core.clock.now()
    move(installation, delivery, S.CLAIMED, S.SUBMITTING, S.UNCONFIRMED, S.FAILED)
    with installation.core.db.write() as conn:
        found = deliveries.get(conn, delivery.id)
        tried = attempts.open_attempt(conn, found, part=0, act=Act.PUBLISH, request_id="r", worker="w", now=now)
        attempts.close_attempt(conn, tried, outcome, now=now)
    with pytest.raises(Conflict, match="may still appear"):
        edit_failed.rewrite(
            installation.core, acting(installation.core, installation.owner), delivery.id, ["Other words"]
        )
    assert read(installation, delivery.id).parts[0].text == "Hello"
    delivery_actions.retry_one(installation.core, acting(installation.core, installation.owner), delivery.id)
    assert read(installation, delivery.id).state is S.SCHEDULED, "as it is, it may be tried again"


def test_words_may_be_changed_after_a_clear_no(installation: Installation) -> None:
    """The control."""
    delivery = plan(installation, installation.link("mastodon"))
    now = installation.core.clock.now()
    move(installation, delivery, S.CLAIMED, S.SUBMITTING, S.FAILED)
    with installation.core.db.write() as conn:
        tried = attempts.open_attempt(
            conn, deliveries.get(conn, delivery.id), part=0, act=Act.PUBLISH, request_id="r", worker="w", now=now
        )
        attempts.close_attempt(conn, tried, Outcome.REJECTED, now=now)
    edit_failed.rewrite(installation.core, acting(installation.core, installation.owner), delivery.id, ["Other words"])
    assert read(installation, delivery.id).parts[0].text == "Other words"


@pytest.mark.parametrize(
    ("states", "columns", "end"),
    [
        ((), {}, S.CANCELLED),
        ((S.CLAIMED, S.WAITING), {}, S.CANCELLED),
        ((S.CLAIMED, S.PROCESSING), {}, S.CANCELLED),
        ((S.CLAIMED,), {}, S.CANCELLED),
        ((S.HELD,), {"cause": StateCause.LATE}, S.CANCELLED),
        ((S.CLAIMED, S.SUBMITTING), {}, S.SUBMITTING),
        ((S.CLAIMED, S.SUBMITTING, S.UNCONFIRMED), {"unknown": True}, S.HELD),
        ((S.CLAIMED, S.SUBMITTING, S.UNCONFIRMED, S.HELD), {"unknown": True}, S.HELD),
        ((S.CLAIMED, S.FAILED), {}, S.FAILED),
    ],
)
def test_disconnecting_settles_every_state_and_nothing_can_be_ordered_after_it(
    installation: Installation, states: tuple[DeliveryState, ...], columns: dict[str, Any], end: DeliveryState
) -> None:
    core, owner = installation.core, installation.owner
    account = installation.link("mastodon")
    delivery = plan(installation, account)
    unknown = core.clock.now() if columns.pop("unknown", False) else None
    move(installation, delivery, *states, unknown_at=unknown, **columns)
    accounts.remove(core, acting(core, owner), account.id)
    found = read(installation, delivery.id)
    assert (found.state, found.next_at) == (end, None)
    if end is S.HELD:
        assert found.cause is StateCause.UNLINKED
        for act in (delivery_actions.send_held, delivery_actions.look_again):
            with pytest.raises(Conflict, match="Reconnect"):
                act(core, acting(core, owner), delivery.id)
        delivery_actions.cancel_one(core, acting(core, owner), delivery.id, not_there=True)
        assert read(installation, delivery.id).state is S.CANCELLED
    if end is S.FAILED:
        with pytest.raises(Conflict, match="Reconnect"):
            delivery_actions.retry_one(core, acting(core, owner), delivery.id)


def test_what_was_asked_about_is_looked_for_when_the_account_is_linked_again(installation: Installation) -> None:
    core = installation.core
    made = installation.made("mastodon")
    data = {key: made[key] for key in ("access_token", "refresh_token", "expires_at")}
    account = accounts.add_by_token(
        core, acting(core, installation.owner), installation.link("mastodon").platform, data
    )
    lost = [plan(installation, account, text) for text in ("first", "second")]
    for one in lost:
        move(installation, one, S.CLAIMED, S.SUBMITTING, S.UNCONFIRMED, S.HELD, unknown_at=core.clock.now())
    accounts.remove(core, acting(core, installation.owner), account.id)
    assert {read(installation, one.id).cause for one in lost} == {StateCause.UNLINKED}
    fresh = installation.sandbox.control.account("mastodon", made["name"])
    accounts.add_by_token(
        core,
        acting(core, installation.owner),
        account.platform,
        {key: fresh[key] for key in ("access_token", "refresh_token")},
    )
    first, second = (read(installation, one.id) for one in lost)
    assert (first.state, second.state, second.cause) == (S.UNCONFIRMED, S.HELD, StateCause.UNKNOWN)
    assert first.next_at is not None and second.next_at is not None


def test_a_post_held_because_it_is_late_says_that_nothing_was_published(installation: Installation) -> None:
    delivery = plan(installation, installation.link("mastodon"))
    move(installation, delivery, S.HELD, cause=StateCause.LATE)
    view = monitoring.delivery_view(installation.core, acting(installation.core, installation.owner), delivery.id)
    assert view.explanation.startswith("Later than you allow. Nothing was published.")
    move(installation, delivery, S.SCHEDULED)
    assert read(installation, delivery.id).cause == "", "a cause goes with its state"


def test_a_thread_that_is_partly_out_says_how_far_and_is_not_cancelled_as_if_unsent(installation: Installation) -> None:
    core, owner = installation.core, installation.owner
    delivery = plan(installation, installation.link("mastodon"), "One", "Two", "Three")
    parts = (replace(delivery.parts[0], ref=Ref("1", "https://x.example/1")), *delivery.parts[1:])
    move(installation, delivery, S.CLAIMED, S.WAITING, parts=parts)
    assert delivery_actions.cancel(core, acting(core, owner), delivery.post_id) == 1
    found = read(installation, delivery.id)
    assert (found.state, found.url) == (S.PARTIAL, "https://x.example/1")
    view = monitoring.delivery_view(core, acting(core, owner), delivery.id)
    assert "Published: 1 of 3." in view.explanation
    with pytest.raises(Conflict, match="first parts of this thread are published"):
        delivery_actions.cancel_one(core, acting(core, owner), delivery.id)
    assert delivery_actions.retry(core, acting(core, owner), delivery.post_id) == 1
    assert read(installation, delivery.id).state is S.SCHEDULED


def test_a_part_record_keeps_the_platforms_time(installation: Installation) -> None:
    part = PartRecord(0, "t", intent_remote_at="2026-03-02T09:00:00.000Z", handle="h")
    assert PartRecord.from_json(part.to_json()) == part


def test_trying_again_leaves_out_only_the_disconnected_account(installation: Installation) -> None:
    core, owner = installation.core, installation.owner
    here, gone = installation.link("mastodon").id, installation.link("bluesky").id
    made = posts.create(core, acting(core, owner), posts.NewPost(("Hello",), (here, gone)))
    with core.db.read() as conn:
        both = deliveries.of_post(conn, made.id)
    for one in both:
        move(installation, one, S.CLAIMED, S.SUBMITTING, S.FAILED)
    accounts.remove(core, acting(core, owner), gone)
    assert delivery_actions.retry(core, acting(core, owner), made.id) == 1
    assert [read(installation, one.id).state for one in both] == [S.SCHEDULED, S.FAILED]
    move(installation, both[0], S.CLAIMED, S.SUBMITTING, S.FAILED)
    accounts.remove(core, acting(core, owner), here)
    with pytest.raises(Conflict, match="disconnected"):
        delivery_actions.retry(core, acting(core, owner), made.id)
