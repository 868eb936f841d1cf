"""Accounts on servers of other software through the whole pipeline: checked, sent once, proved as far as each shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from postprober.domain.delivery import DeliveryState, Proof
from postprober.services.media import media
from postprober.services.posts import posts
from postprober.services.posts.posts import PreflightFailed
from postprober.storage import deliveries
from postprober.storage.records import Account
from tests.installed import Installation
from tests.people import acting
from tests.pipeline.test_on_the_sandbox import context, drive
from tests.pipeline.test_options import ended, plan
from tests.services.test_accounts_and_posts import png

S = DeliveryState
SCOPES = ["read", "write", "read:accounts", "read:statuses", "write:statuses", "write:media"]
Open = Callable[[str], Account]


@pytest.fixture
def account_on(installation: Installation) -> Iterator[Open]:
    def make(software: str) -> Account:
        installation.sandbox.control.settings(mastodon_software=software)
        return installation.link("mastodon", scopes=SCOPES)

    yield make
    installation.sandbox.control.settings(mastodon_software="")


@pytest.mark.parametrize("software", ["gotosocial", "hollo", "akkoma", "snac"])
@pytest.mark.parametrize("fault", ["cut_after_accept", "late_create"])
def test_one_post_is_visible_and_proved_whatever_becomes_of_the_reply(
    installation: Installation, account_on: Open, software: str, fault: str
) -> None:
    account = account_on(software)
    params = {"seconds": 0.2} if fault == "late_create" else {}
    installation.sandbox.control.fault("mastodon", fault, operation="create", params=params)
    text = f"One post on {software} after {fault} by {account.account_name}"
    delivery, seen = ended(installation, plan(installation, account, {}, text))
    assert (delivery.state, delivery.proof, seen["differences"]) == (S.VERIFIED, Proof.MATCHES, [])
    assert len([p for p in installation.sandbox.control.posts("mastodon") if p["text"] == text]) == 1


def test_what_becomes_formatting_is_not_sent_again(installation: Installation, account_on: Open) -> None:
    account = account_on("hollo")
    installation.sandbox.control.fault("mastodon", "cut_after_accept", operation="create")
    text = f"so *much* better, says {account.account_name}"
    delivery, seen = ended(installation, plan(installation, account, {}, text))
    assert (delivery.state, delivery.proof, seen["differences"]) == (S.VERIFIED, Proof.MATCHES, [])
    assert len([p for p in installation.sandbox.control.posts("mastodon") if p["text"] == text]) == 1


def test_what_gotosocial_shows_to_nobody_is_proved_by_its_owner_and_is_no_ghost(
    installation: Installation, account_on: Open
) -> None:
    account = account_on("gotosocial")
    delivery, seen = ended(installation, plan(installation, account, {"audience": "unlisted"}))
    assert (delivery.state, delivery.proof, seen["differences"]) == (S.VERIFIED, Proof.EXISTS, [])
    shown = installation.link("mastodon", scopes=SCOPES)
    delivery, _ = ended(installation, plan(installation, shown, {}))
    assert delivery.proof is Proof.MATCHES, "what is public is seen by strangers"


def test_a_post_that_strangers_should_see_and_do_not_is_still_a_ghost(
    installation: Installation, account_on: Open
) -> None:
    account = account_on("gotosocial")
    installation.sandbox.control.fault("mastodon", "shadow", operation="create")
    delivery_id = plan(installation, account, {})
    drive(context(installation), [delivery_id])
    with installation.core.db.read() as conn:
        assert deliveries.get(conn, delivery_id).state is S.GHOST


def test_pixelfed_refuses_words_alone_before_anything_is_queued(installation: Installation, account_on: Open) -> None:
    account = account_on("pixelfed")
    with pytest.raises(PreflightFailed, match="Pixelfed takes no post without one"):
        plan(installation, account, {})
    assert installation.sandbox.control.posts("mastodon", account.account_name) == []


def test_a_picture_on_pixelfed_goes_out_once_and_is_proved_with_its_description(
    installation: Installation, account_on: Open
) -> None:
    """Its API is closed and its page is a script; the object that it gives to other servers has the picture."""
    account = account_on("pixelfed")
    core, actor = installation.core, acting(installation.core, installation.owner)
    picture = media.add_bytes(core, actor, "a.png", png(400, 400), "A square")
    text = f"A picture by {account.account_name}"
    installation.sandbox.control.fault("mastodon", "cut_after_accept", operation="create")
    post = posts.create(core, actor, posts.NewPost((text,), (account.id,), media_ids=(picture,)))
    with core.db.read() as conn:
        delivery_id = deliveries.of_post(conn, post.id)[0].id
    delivery, seen = ended(installation, delivery_id)
    assert (delivery.state, delivery.proof, seen["differences"]) == (S.VERIFIED, Proof.MATCHES, [])
    assert "every server that asks" in seen["public_reason"]
    assert len([p for p in installation.sandbox.control.posts("mastodon") if p["text"] == text]) == 1
