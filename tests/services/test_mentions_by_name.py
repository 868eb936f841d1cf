"""Who can be mentioned is found by name where the platform lets the app, and goes out as a mention."""

from __future__ import annotations

import pytest

from postprober.domain.actor import Actor
from postprober.domain.delivery import DeliveryState, Proof
from postprober.errors import BadInput, Forbidden, NotFound, ReconnectNeeded
from postprober.services.accounts import mentions, pages
from postprober.services.people import users
from postprober.services.posts import posts
from postprober.storage import deliveries
from tests.installed import Installation
from tests.people import acting
from tests.pipeline.test_on_the_sandbox import context, drive
from tests.services.test_pages_of_people import person


@pytest.fixture
def owner(installation: Installation) -> Actor:
    return acting(installation.core, installation.owner)


@pytest.mark.parametrize(
    "typed", ["{}", "@{}", "https://www.linkedin.com/company/{}/", "linkedin.com/company/{}", " {} "]
)
def test_a_page_is_found_by_its_address_and_mentioned(installation: Installation, owner: Actor, typed: str) -> None:
    core, me = installation.core, person(installation)
    (page,) = pages.listing(core, owner, me.id)
    (found,) = mentions.find(core, owner, me.id, typed.format(page.name))
    assert found.text == f"@[{found.name}]({page.remote_id})"
    post = posts.create(core, owner, posts.NewPost((f"Thanks to {found.text} for all",), (me.id,)))
    with core.db.read() as conn:
        (delivery,) = [one.id for one in deliveries.of_post(conn, post.id)]
    drive(context(installation), [delivery])
    with core.db.read() as conn:
        done = deliveries.get(conn, delivery)
    assert (done.state, done.proof) == (DeliveryState.VERIFIED, Proof.MATCHES)


def test_nobody_is_found_by_a_name_that_nobody_has(installation: Installation, owner: Actor) -> None:
    assert mentions.find(installation.core, owner, person(installation).id, "nobody-at-all") == []


@pytest.mark.parametrize(
    "typed", ["two words", "https://evil.example/company/acme", "a" * 200, "linkedin.com/in/ann", "x?q=1", ""]
)
def test_what_is_no_name_of_a_page_is_asked_for_again(installation: Installation, owner: Actor, typed: str) -> None:
    me = person(installation)
    before = len(installation.sandbox.control.log(platform="linkedin"))
    with pytest.raises(BadInput, match=r"linkedin\.com/company"):
        mentions.find(installation.core, owner, me.id, typed)
    assert len(installation.sandbox.control.log(platform="linkedin")) == before, "nobody was asked"


def test_where_it_cannot_be_done_it_says_what_to_do(installation: Installation, owner: Actor) -> None:
    core = installation.core
    with pytest.raises(BadInput, match="urn:li:organization:123"):
        mentions.find(core, owner, installation.link("linkedin").id, "acme")
    with pytest.raises(BadInput, match="nobody is looked up by name"):
        mentions.find(core, owner, installation.link("x").id, "acme")
    with pytest.raises(NotFound):
        mentions.find(core, acting(core, installation.stranger), person(installation).id, "acme")


def test_an_access_that_ran_out_is_no_matter_of_what_the_app_may_do(installation: Installation, owner: Actor) -> None:
    me = person(installation)
    installation.sandbox.control.fault("linkedin", "revoked", account=me.account_name, operation="me")
    with pytest.raises(ReconnectNeeded):
        mentions.find(installation.core, owner, me.id, "acme")


@pytest.mark.parametrize("role", ["editor", "viewer"])
def test_only_who_may_write_finds_somebody(installation: Installation, role: str) -> None:
    core, me = installation.core, person(installation)
    made = users.create(
        core, email="m@example.org", password="correct horse battery staple", role=role, owner_id=installation.owner
    )
    if role == "editor":
        assert mentions.find(core, acting(core, made), me.id, "nobody") == []
        return
    with pytest.raises(Forbidden):
        mentions.find(core, acting(core, made), me.id, "nobody")
