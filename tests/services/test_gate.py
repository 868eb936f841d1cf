"""Every way to planned words passes the review and the rule of doubt; an invisible post has an end that a person chooses."""

from __future__ import annotations

import pytest

from postprober.domain.attempt import Act, Outcome
from postprober.domain.delivery import DeliveryState
from postprober.domain.diagnosis import Cause, Diagnosis, Fix
from postprober.domain.post import PostStatus
from postprober.errors import BadInput, Conflict
from postprober.pipeline.core import transitions
from postprober.services.monitoring import ghosts, overview, repairs
from postprober.services.posts import delivery_actions, drafts, edit_failed, gate, posts
from postprober.services.posts.posts import NewPost
from postprober.storage import alert_log, attempts, deliveries
from postprober.storage import repairs as repair_storage
from postprober.storage.records import Delivery
from tests.installed import Installation
from tests.people import acting

S = DeliveryState
HELD = "TODO: write this"  # the review holds an unfinished text


def planned(inst: Installation, text: str = "Hello") -> Delivery:
    account = inst.link("bluesky")
    made = posts.create(inst.core, acting(inst.core, inst.owner), NewPost((text,), (account.id,)))
    with inst.core.db.read() as conn:
        return deliveries.of_post(conn, made.id)[0]


def move(inst: Installation, delivery: Delivery, *states: DeliveryState) -> Delivery:
    for state in states:
        with inst.core.db.write() as conn:
            found = deliveries.get(conn, delivery.id)
            transitions.move(conn, found, state, reason="test", now=inst.core.clock.now(), next_at=None)
    return read(inst, delivery.id)


def read(inst: Installation, delivery_id: int) -> Delivery:
    with inst.core.db.read() as conn:
        return deliveries.get(conn, delivery_id)


def proposed(inst: Installation, delivery: Delivery, after: str) -> int:
    with inst.core.db.write() as conn:
        (row,) = repair_storage.of_delivery(conn, delivery.id)
        told = Diagnosis(Cause.TEXT_TOO_LONG, 0.9, (), True, Fix.SHORTEN, "Too long.", "rules")
        plan = {"before": [delivery.parts[0].text], "after": [after]}
        assert repair_storage.diagnosed(conn, row, told, "proposed", plan, inst.core.clock.now())
    return row.id


def test_other_words_for_a_failed_delivery_are_reviewed_and_a_person_approves_exactly_them(
    installation: Installation,
) -> None:
    core, owner = installation.core, installation.owner
    failed = move(installation, planned(installation), S.CLAIMED, S.FAILED)
    with pytest.raises(gate.ReviewNeeded) as held:
        edit_failed.rewrite(core, acting(core, owner), failed.id, [HELD])
    assert read(installation, failed.id) == failed, "nothing was written"
    with pytest.raises(gate.ReviewNeeded):
        edit_failed.rewrite(core, acting(core, owner), failed.id, [HELD + " and that"], held.value.digest)
    edit_failed.rewrite(core, acting(core, owner), failed.id, [HELD], held.value.digest)
    now = read(installation, failed.id)
    assert (now.state, now.parts[0].text) == (S.SCHEDULED, HELD)


def test_words_that_the_review_passes_need_no_approval(installation: Installation) -> None:
    failed = move(installation, planned(installation), S.CLAIMED, S.FAILED)
    edit_failed.rewrite(installation.core, acting(installation.core, installation.owner), failed.id, ["Better words"])
    assert read(installation, failed.id).parts[0].text == "Better words"


def test_a_repair_that_changes_words_is_reviewed_and_never_stands_beside_a_doubtful_try(
    installation: Installation,
) -> None:
    core, owner = installation.core, installation.owner
    failed = move(installation, planned(installation), S.CLAIMED, S.FAILED)
    repair = proposed(installation, failed, HELD)
    with pytest.raises(gate.ReviewNeeded) as held:
        repairs.apply(core, acting(core, owner), repair)
    assert read(installation, failed.id).state is S.FAILED
    with core.db.write() as conn:
        tried = attempts.open_attempt(
            conn, failed, part=0, act=Act.PUBLISH, request_id="r", worker="w", now=core.clock.now()
        )
        attempts.close_attempt(conn, tried, Outcome.UNKNOWN, now=core.clock.now())
    with pytest.raises(Conflict, match="may still appear"):
        repairs.apply(core, acting(core, owner), repair, held.value.digest)
    with core.db.write() as conn:
        attempts.close_attempt(conn, tried, Outcome.ABSENT, now=core.clock.now())
    assert repairs.apply(core, acting(core, owner), repair, held.value.digest).state == "applied"
    assert read(installation, failed.id).parts[0].text == HELD


def ghost(inst: Installation) -> Delivery:
    return move(inst, planned(inst), S.CLAIMED, S.SUBMITTING, S.PUBLISHED, S.GHOST)


def test_an_invisible_post_that_was_acknowledged_needs_nobody_until_it_happens_again(
    installation: Installation,
) -> None:
    core, owner = installation.core, installation.owner
    one = ghost(installation)
    assert overview.take(core, acting(core, owner)).needs == 1
    ghosts.acknowledge(core, acting(core, owner), one.id)
    seen = overview.take(core, acting(core, owner))
    assert (seen.needs, seen.needs_person) == (0, [])
    with core.db.read() as conn:
        assert not alert_log.has_open(conn, f"delivery:{one.id}")
    move(installation, one, S.VERIFIED, S.GHOST)
    assert overview.take(core, acting(core, owner)).needs == 1


def test_an_invisible_post_is_checked_again_at_once(installation: Installation) -> None:
    one = ghost(installation)
    ghosts.check_again(installation.core, acting(installation.core, installation.owner), one.id)
    due = read(installation, one.id).next_at
    assert one.next_at is None and due is not None and due <= installation.core.clock.now()


def test_an_invisible_post_is_published_again_once_as_a_new_delivery_with_the_risk_accepted(
    installation: Installation,
) -> None:
    core, owner = installation.core, installation.owner
    one = ghost(installation)
    with pytest.raises(BadInput, match="both can be seen"):
        ghosts.publish_again(core, acting(core, owner), one.id, risk_accepted=False)
    ghosts.publish_again(core, acting(core, owner), one.id, risk_accepted=True)
    with core.db.read() as conn:
        first, second = deliveries.of_post(conn, one.post_id)
    assert first.state is S.GHOST and first.acknowledged_at is not None
    assert second.state is S.SCHEDULED and second.parts[0].text == "Hello"
    assert second.key != first.key and second.parts[0].handle != first.parts[0].handle
    with pytest.raises(Conflict, match="already"):
        ghosts.publish_again(core, acting(core, owner), one.id, risk_accepted=True)
    move(installation, second, S.CLAIMED, S.SUBMITTING, S.PUBLISHED, S.VERIFIED)
    assert drafts.get(core, acting(core, owner), one.post_id).status == PostStatus.POSTED


def test_only_invisible_posts_are_acknowledged(installation: Installation) -> None:
    one = planned(installation)
    for act in (ghosts.acknowledge, ghosts.check_again):
        with pytest.raises(Conflict, match="not visible"):
            act(installation.core, acting(installation.core, installation.owner), one.id)


def test_a_replacement_that_was_cancelled_does_not_stand_in_the_way_of_another(installation: Installation) -> None:
    core, owner = installation.core, installation.owner
    one = ghost(installation)
    ghosts.publish_again(core, acting(core, owner), one.id, risk_accepted=True)
    with core.db.read() as conn:
        second = deliveries.of_post(conn, one.post_id)[1]
    delivery_actions.cancel_one(core, acting(core, owner), second.id)
    ghosts.publish_again(core, acting(core, owner), one.id, risk_accepted=True)
    with core.db.read() as conn:
        assert [d.state for d in deliveries.of_post(conn, one.post_id)] == [S.GHOST, S.CANCELLED, S.SCHEDULED]
