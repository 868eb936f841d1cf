"""Maria works in Ada's space: what she does is hers in every history, and the space's in everything else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from postprober.cli import publish
from postprober.domain.actor import Actor, job
from postprober.domain.advice import Advice
from postprober.domain.delivery import DeliveryState
from postprober.domain.post import PostStatus
from postprober.errors import BadInput
from postprober.pipeline.core import transitions
from postprober.services.accounts import accounts
from postprober.services.media import media
from postprober.services.monitoring import monitoring
from postprober.services.notifications import channels
from postprober.services.people import permits
from postprober.services.posts import advice, delivery_actions, drafts, edit_failed, posts
from postprober.services.posts.posts import NewPost
from postprober.storage import deliveries, users
from postprober.storage import posts as post_storage
from postprober.storage.records import Delivery
from tests.api.rest_kit import png
from tests.installed import Installation
from tests.people import acting, asked

S = DeliveryState
TEXT = "Great news: {{product}} is out today. TODO: add the link."  # which the review holds


@pytest.fixture
def maria(installation: Installation) -> Actor:
    """An editor of the owner's space, who is called Ada there."""
    now = installation.core.clock.now()
    with installation.core.db.write() as conn:
        users.write(conn, installation.owner, now, name="Ada")
        users.write(conn, installation.teammate, now, name="Maria", owner_id=installation.owner, role="editor")
    return acting(installation.core, installation.teammate)


def _planned(inst: Installation, maria: Actor) -> Delivery:
    account = inst.link("mastodon")
    new = NewPost(("Hello",), (account.id,), at=inst.core.clock.now() + timedelta(days=1))
    post = posts.create(inst.core, maria, new)
    with inst.core.db.read() as conn:
        (found,) = deliveries.of_post(conn, post.id)
    return found


def _at(inst: Installation, delivery: Delivery, *states: DeliveryState, **columns: Any) -> Delivery:
    for state in states:
        with inst.core.db.write() as conn:
            delivery = transitions.move(
                conn, delivery, state, reason="test", now=inst.core.clock.now(), next_at=None, **columns
            )
    return delivery


def _reasons(inst: Installation, actor: Actor, post_id: int) -> list[str]:
    (view,) = monitoring.post_view(inst.core, actor, post_id).deliveries
    return [str(change["reason"]) for change in view.history]


def test_a_plan_and_its_end_say_who(installation: Installation, maria: Actor) -> None:
    delivery = _planned(installation, maria)
    delivery_actions.cancel(installation.core, maria, delivery.post_id)
    assert _reasons(installation, maria, delivery.post_id) == ["planned by Maria", "cancelled by Maria"]
    (view,) = monitoring.post_view(installation.core, maria, delivery.post_id).deliveries
    assert view.explanation.startswith("Cancelled by Maria. ")
    with installation.core.db.read() as conn:
        assert deliveries.get(conn, delivery.id).user_id == installation.owner, "it is the space's post all the same"


ACTS: dict[str, tuple[tuple[DeliveryState, ...], bool, Callable[[Installation, Actor, Delivery], object], str]] = {
    "cancel": ((), False, lambda i, m, d: delivery_actions.cancel_one(i.core, m, d.id), "cancelled by Maria"),
    "not there": (
        (S.CLAIMED, S.SUBMITTING, S.UNCONFIRMED, S.HELD),
        True,
        lambda i, m, d: delivery_actions.cancel_one(i.core, m, d.id, not_there=True),
        "cancelled by Maria, who checked that it was not published",
    ),
    "retry": (
        (S.CLAIMED, S.FAILED),
        False,
        lambda i, m, d: delivery_actions.retry(i.core, m, d.post_id),
        "retried by Maria",
    ),
    "retry one": (
        (S.CLAIMED, S.FAILED),
        False,
        lambda i, m, d: delivery_actions.retry_one(i.core, m, d.id),
        "retried by Maria",
    ),
    "send": (
        (S.CLAIMED, S.SUBMITTING, S.UNCONFIRMED, S.HELD),
        True,
        lambda i, m, d: delivery_actions.send_held(i.core, m, d.id),
        "Maria decided to publish it",
    ),
    "look": (
        (S.CLAIMED, S.SUBMITTING, S.UNCONFIRMED, S.HELD),
        True,
        lambda i, m, d: delivery_actions.look_again(i.core, m, d.id),
        "Maria asked to check again",
    ),
    "rewrite": (
        (S.CLAIMED, S.FAILED),
        False,
        lambda i, m, d: edit_failed.rewrite(i.core, m, d.id, ["In other words"]),
        "edited by Maria",
    ),
    "disconnect": (
        (),
        False,
        lambda i, m, d: accounts.remove(i.core, m, d.account_id),
        "the account was disconnected by Maria",
    ),
}


@pytest.mark.parametrize("name", ACTS)
def test_what_a_person_decides_about_a_delivery_has_their_name(
    installation: Installation, maria: Actor, name: str
) -> None:
    states, unknown, act, said = ACTS[name]
    delivery = _planned(installation, maria)
    columns = {"unknown_at": installation.core.clock.now()} if unknown else {}
    _at(installation, delivery, *states, **columns)
    act(installation, maria, delivery)
    assert _reasons(installation, maria, delivery.post_id)[-1] == said


def test_a_planned_post_that_is_deleted_or_loses_an_account_says_who(installation: Installation, maria: Actor) -> None:
    delivery = _planned(installation, maria)
    post = drafts.get(installation.core, maria, delivery.post_id)
    other = installation.link("bluesky")
    wish = NewPost(("Hello",), (other.id,), at=post.scheduled_at)
    drafts.change(installation.core, maria, post.id, wish)
    with installation.core.db.read() as conn:
        first, second = deliveries.of_post(conn, post.id)
    assert first.reason == "the account was taken off by Maria"
    drafts.delete(installation.core, maria, post.id)
    with installation.core.db.read() as conn:
        assert deliveries.get(conn, second.id).reason == "deleted by Maria"


def test_an_approval_has_the_name_of_who_gave_it_and_keeps_it(installation: Installation, maria: Actor) -> None:
    core = installation.core
    account = installation.link("mastodon")
    at = core.clock.now() + timedelta(days=1)
    held = posts.create(core, acting(core, installation.owner), NewPost((TEXT,), (account.id,), at=at))
    assert held.status == PostStatus.REVIEW
    advice.decide_review(core, maria, held.id, True)
    approved = drafts.get(core, maria, held.id)
    assert approved.options["approved_by"] == maria.user
    moved = drafts.change(
        core, acting(core, installation.owner), held.id, NewPost((TEXT,), (account.id,), at=at + timedelta(hours=1))
    )
    for post in (approved, moved):
        said = Advice.from_json(post.ai_suggestions)
        assert said is not None and said.review.reasons == ("Maria approved it.",)


def test_an_approval_from_before_names_were_kept_still_counts(installation: Installation, maria: Actor) -> None:
    core = installation.core
    account = installation.link("mastodon")
    at = core.clock.now() + timedelta(days=1)
    held = posts.create(core, maria, NewPost((TEXT,), (account.id,), at=at))
    planned = advice.decide_review(core, maria, held.id, True)
    with core.db.write() as conn:
        options = {name: value for name, value in planned.options.items() if name != "approved_by"}
        assert post_storage.edit(conn, planned.id, planned.version, core.clock.now(), options=options)
    moved = drafts.change(core, maria, held.id, NewPost((TEXT,), (account.id,), at=at + timedelta(hours=1)))
    said = Advice.from_json(moved.ai_suggestions)
    assert moved.status == PostStatus.SCHEDULED and said is not None
    assert said.review.reasons == ("A person approved it.",)


def test_a_channel_that_is_turned_off_says_by_whom(installation: Installation, maria: Actor) -> None:
    core = installation.core
    made, _ = channels.add(core, maria, kind="webhook", name="hook", url="http://127.0.0.1:9/hook")
    view = channels.change(core, maria, made.id, kinds=(), escalation=False, active=False)
    assert view.off_reason == "Turned off by Maria."
    assert [one.id for one in channels.listing(core, acting(core, installation.owner))] == [made.id]


def test_files_of_a_refused_post_go_also_when_an_editor_brought_them(
    installation: Installation, maria: Actor, tmp_path: Path
) -> None:
    account = installation.link("bluesky")
    picture = tmp_path / "a.png"
    picture.write_bytes(png())
    before = installation.counts()
    with pytest.raises(BadInput, match="characters"):
        publish.create(installation.core, maria, publish.Request((account.id,), ("x" * 400,), (picture,), (), "", None))
    assert installation.counts() == before
    assert not list((installation.core.settings.data_dir / "media").rglob("*.png"))


def test_what_the_program_does_for_a_space_is_not_said_to_be_its_owner(
    installation: Installation, maria: Actor
) -> None:
    program = permits.actor(installation.core, installation.owner, job("advice"))
    delivery = _planned(installation, program)
    assert _reasons(installation, maria, delivery.post_id) == ["planned by PostProber"]
    assert media.files(installation.core, program, []) == ()


def test_the_agents_own_look_is_the_programs_for_the_space(
    installation: Installation, maria: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts.save(installation.core, maria, NewPost(("Hello",), ()))
    seen = asked(monkeypatch)
    assert advice.make_pending(installation.core) == 1
    assert {(one.user, one.space, one.via) for one in seen} == {(installation.owner, installation.owner, job("advice"))}
