"""What a program proposed, as the person sees it who decides; and tokens that need nobody's word, in red."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from postprober.domain.access import GRANTABLE
from postprober.domain.actor import Actor
from postprober.domain.platform import Platform
from postprober.domain.post import PostStatus
from postprober.services.media import media
from postprober.services.people import api_tokens, sessions
from postprober.services.people.sessions import Caller
from postprober.services.posts import drafts, posts, proposals
from postprober.services.posts.posts import NewPost
from postprober.storage import accounts as account_storage
from postprober.storage import deliveries, users
from postprober.storage.records import Account, Post
from tests.api.rest_kit import png
from tests.pages.conftest import House, everything
from tests.people import acting

Show = Callable[[str], AppTest]
SCOPES = ("posts:read", "posts:draft", "posts:propose", "posts:publish", "media:write")


@pytest.fixture
def owner(house: House) -> House:
    house.sign_in()
    house.beat()
    return house


def agent(house: House, **limits: Any) -> Actor:
    """The owner's token, in a program's hands."""
    with house.core.db.read() as conn:
        owner = users.get(conn, house.owner)
    _, secret = api_tokens.create(
        house.core, Caller(owner, GRANTABLE, "0", "login"), name="helper <b>", scopes=SCOPES, days=1, **limits
    )
    caller = sessions.by_bearer(house.core, secret)
    assert caller is not None
    return caller.actor


def _account(house: House, platform: str) -> Account:
    with house.core.db.read() as conn:
        return account_storage.get(conn, house.account(Platform(platform)))


def _press(app: AppTest, label: str) -> AppTest:
    app = next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


def _stored(house: House, post_id: int) -> Post:
    return drafts.get(house.core, acting(house.core, house.owner), post_id)


def test_a_person_reads_all_that_readers_will_get_and_decides(owner: House, show: Show) -> None:
    x, linkedin = _account(owner, "x"), _account(owner, "linkedin")
    who = agent(owner)
    picture = media.add_bytes(owner.core, who, "cat.png", png(), "A <i>cat</i>")
    later = owner.core.clock.now() + timedelta(days=3)
    wish = NewPost(("For all",), (x.id, linkedin.id), (picture,), later, {linkedin.id: ("Only <here>",)})
    made = proposals.propose(owner.core, who, wish).post
    app = show("monitor")
    said = everything(app)
    for text in ("helper &lt;b&gt;", "For all", "Only &lt;here&gt;", "LinkedIn"):
        assert text in said, text
    captions = [one.value for one in app.caption]
    assert any("X" in one and "LinkedIn" in one and "demo" in one for one in captions), captions
    app = _press(app, "Approve")
    assert _stored(owner, made.id).status == PostStatus.SCHEDULED
    with owner.core.db.read() as conn:
        planned = deliveries.of_post(conn, made.id)
    assert {one.account_id: one.parts[0].text for one in planned} == {x.id: "For all", linkedin.id: "Only <here>"}


def test_a_proposal_that_is_refused_is_a_draft(owner: House, show: Show) -> None:
    made = proposals.propose(owner.core, agent(owner), NewPost(("Rather not",), (_account(owner, "x").id,))).post
    app = show("monitor")
    assert any("as soon as you approve it" in one.value for one in app.caption)
    _press(app, "Back to draft")
    assert _stored(owner, made.id).status == PostStatus.DRAFT


def test_an_account_that_went_meanwhile_is_named_as_gone(owner: House, show: Show) -> None:
    account = _account(owner, "x")
    proposals.propose(owner.core, agent(owner), NewPost(("Late",), (account.id,)))
    with owner.core.db.write() as conn:
        account_storage.write(conn, account.id, is_active=False)
    assert any("disconnected" in one.value for one in show("monitor").caption)


def test_what_needs_nobodys_word_stands_in_red(owner: House, show: Show) -> None:
    account = _account(owner, "x")
    who = agent(owner, accounts=[account.id], ceiling=4, unasked=True)
    made = proposals.propose(owner.core, who, NewPost(("Unasked",), (account.id,))).post
    assert made.status == PostStatus.SCHEDULED
    assert '<p class="pp-alarm">Published without asking by the token helper &lt;b&gt;.' in everything(show("monitor"))
    listed = everything(show("settings"))
    assert 'pp-alarm">Publishes without asking a person.' in listed and "at most 4 posts a day" in listed
    plain = agent(owner)
    proposals.propose(owner.core, replace(plain), NewPost(("AskedFor",), (account.id,)))
    assert everything(show("monitor")).count("Published without asking") == 1


def test_publishing_without_asking_wants_accounts_and_a_limit(owner: House, show: Show) -> None:
    account = _account(owner, "x")
    app = show("settings")
    next(f for f in app.text_input if f.placeholder == "nightly report").set_value("bold")
    next(f for f in app.multiselect if f.label == "Scopes").set_value(["posts:propose", "posts:publish"])
    next(f for f in app.checkbox if f.label == "Publish without asking a person").check()
    app = _press(app, "Create token")
    assert any("on which accounts" in one.value for one in app.error)
    next(f for f in app.text_input if f.placeholder == "nightly report").set_value("bold")
    next(f for f in app.multiselect if f.label == "Scopes").set_value(["posts:propose", "posts:publish"])
    next(f for f in app.checkbox if f.label == "Publish without asking a person").check()
    next(f for f in app.multiselect if f.label == "Only these accounts").set_value([account.id])
    next(f for f in app.number_input if f.label == "At most so many posts a day").set_value(3)
    _press(app, "Create token")
    (token,) = api_tokens.listing(owner.core, acting(owner.core, owner.owner))
    assert (token.limits.accounts, token.limits.ceiling, token.limits.unasked) == (frozenset({account.id}), 3, True)


def test_what_the_review_holds_of_a_program_is_read_whole_too(owner: House, show: Show) -> None:
    """It is no proposal, and its person has not written it either."""
    x, linkedin = _account(owner, "x"), _account(owner, "linkedin")
    wish = NewPost(("TODO: write this",), (x.id, linkedin.id), variants={linkedin.id: ("Unread words",)})
    held = posts.create(owner.core, agent(owner), wish)
    assert held.status == PostStatus.REVIEW and not held.options.get("proposed")
    app = show("monitor")
    assert "Unread words" in everything(app) and any("LinkedIn" in one.value for one in app.caption)
