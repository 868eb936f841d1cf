"""Pages that a linked person may post for: listed, linked apart, posted for, and renewed with the person."""

from __future__ import annotations

import pytest

from postprober.domain.delivery import DeliveryState, Proof
from postprober.domain.platform import Platform
from postprober.errors import BadInput
from postprober.pipeline.core.tokens import open_credentials
from postprober.services.accounts import accounts as account_service
from postprober.services.accounts import pages
from postprober.services.posts import posts
from postprober.storage import accounts, deliveries
from postprober.storage.records import Account
from tests.installed import Installation
from tests.people import acting
from tests.pipeline.test_on_the_sandbox import context, drive

OF_PAGES = ["openid", "profile", "w_member_social", "w_organization_social", "r_organization_social"]


def person(inst: Installation) -> Account:
    return inst.link("linkedin", scopes=OF_PAGES)


def test_a_page_is_linked_apart_and_its_posts_are_its_own(installation: Installation) -> None:
    core, owner = installation.core, acting(installation.core, installation.owner)
    me = person(installation)
    (page,) = pages.listing(core, owner, me.id)
    assert page.account_id is None and page.name == f"{me.account_name}-page"
    linked = pages.link(core, owner, me.id, page.remote_id)
    assert linked.id != me.id and linked.account_name == page.name
    assert pages.listing(core, owner, me.id)[0].account_id == linked.id
    text = f"News of {page.name}"
    post = posts.create(core, owner, posts.NewPost((text,), (linked.id, me.id)))
    with core.db.read() as conn:
        planned = [one.id for one in deliveries.of_post(conn, post.id)]
    drive(context(installation), planned)
    with core.db.read() as conn:
        found = [deliveries.get(conn, one) for one in planned]
    assert [one.state for one in found] == [DeliveryState.VERIFIED] * 2
    assert [one.proof for one in found] == [Proof.MATCHES] * 2
    made = [one for one in installation.sandbox.control.posts("linkedin") if one["text"] == text]
    assert sorted(one["account"] for one in made) == sorted([me.account_name, page.name])


def test_a_page_is_listed_only_to_who_may_and_only_theirs_can_be_linked(installation: Installation) -> None:
    core, owner = installation.core, acting(installation.core, installation.owner)
    plain = installation.link("linkedin")
    with pytest.raises(BadInput, match="does not let PostProber see your pages"):
        pages.listing(core, owner, plain.id)
    with pytest.raises(BadInput, match="has no pages of its own on X"):
        pages.listing(core, owner, installation.link("x").id)
    me, before = person(installation), installation.counts()
    with pytest.raises(BadInput, match="may not post for that page"):
        pages.link(core, owner, me.id, "urn:li:organization:1")
    assert installation.counts() == before
    (page,) = pages.listing(core, owner, me.id)
    linked = pages.link(core, owner, me.id, page.remote_id)
    with pytest.raises(BadInput, match="has no pages of its own"):
        pages.listing(core, owner, linked.id)


def test_disconnecting_one_of_the_two_leaves_the_other_its_tokens(installation: Installation) -> None:
    core, owner = installation.core, acting(installation.core, installation.owner)
    me = person(installation)
    (page,) = pages.listing(core, owner, me.id)
    linked = pages.link(core, owner, me.id, page.remote_id)
    account_service.remove(core, owner, me.id)
    with core.db.read() as conn:
        cred = open_credentials(core.vault, accounts.get(conn, linked.id))
    assert core.adapter(Platform("linkedin"), cred).identify(cred).remote_id == page.remote_id
    post = posts.create(core, owner, posts.NewPost((f"Still news of {page.name}",), (linked.id,)))
    with core.db.read() as conn:
        (delivery,) = deliveries.of_post(conn, post.id)
    drive(context(installation), [delivery.id])
    with core.db.read() as conn:
        assert deliveries.get(conn, delivery.id).state is DeliveryState.VERIFIED
    account_service.remove(core, owner, linked.id)
    control = [row for row in installation.sandbox.control.log(platform="linkedin") if "revoke" in row["path"]]
    assert control, "the last one that has them withdraws them"


def test_settings_of_a_page_keep_whose_it_is(installation: Installation) -> None:
    core, owner = installation.core, acting(installation.core, installation.owner)
    me = person(installation)
    (page,) = pages.listing(core, owner, me.id)
    linked = pages.link(core, owner, me.id, page.remote_id)
    account_service.set_up(core, owner, linked.id, label="Ours", language="")
    with core.db.read() as conn:
        assert accounts.get(conn, linked.id).settings[account_service.LINKED_BY] == me.id


def test_a_person_who_is_linked_again_by_token_takes_their_pages_along(installation: Installation) -> None:
    core, owner = installation.core, acting(installation.core, installation.owner)
    me = person(installation)
    (page,) = pages.listing(core, owner, me.id)
    linked = pages.link(core, owner, me.id, page.remote_id)
    with core.db.read() as conn:
        before = open_credentials(core.vault, accounts.get(conn, linked.id)).access_token
    issued = installation.sandbox.control.account("linkedin", me.account_name, scopes=OF_PAGES, fresh=True)
    assert issued["access_token"] != before
    again = account_service.add_by_token(core, owner, Platform("linkedin"), {"access_token": issued["access_token"]})
    assert again.id == me.id
    with core.db.read() as conn:
        both = [open_credentials(core.vault, accounts.get(conn, one)).access_token for one in (me.id, linked.id)]
    assert both == [issued["access_token"]] * 2


def test_whose_a_page_is_stands_with_it_from_the_first_moment(installation: Installation) -> None:
    """The mark is what a repeated request is answered by; whatever is written after it may never be."""
    core, owner = installation.core, acting(installation.core, installation.owner)
    me = person(installation)
    (page,) = pages.listing(core, owner, me.id)
    seen: list[Account] = []
    pages.link(core, owner, me.id, page.remote_id, lambda conn, made: seen.append(accounts.get(conn, made)))
    assert [one.settings.get(account_service.LINKED_BY) for one in seen] == [me.id]
