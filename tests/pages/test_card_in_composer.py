"""The composer shows the card of a link, and lets its author change or drop it; no page of a stranger holds it up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from streamlit.testing.v1 import AppTest

from postprober.domain.card import CardChoice, LinkCard
from postprober.domain.platform import Platform
from postprober.services.posts import drafts
from postprober.services.posts.posts import NewPost
from postprober.storage import deliveries
from postprober.storage.records import PartRecord
from tests.pages.conftest import House, everything
from tests.people import acting
from tests.websites import Site, og, website

Show = Callable[[str], AppTest]


@pytest.fixture
def owner(house: House) -> House:
    house.sign_in()
    return house


@pytest.fixture
def site() -> Iterator[Site]:
    with website() as made:
        yield made


@pytest.fixture
def story(site: Site) -> str:
    return site.html("/story", og(title="A <b>story</b>", description="About it", image=site.picture("/p.png")))


def typed(app: AppTest, text: str) -> AppTest:
    app.text_area[0].set_value(text)
    return app.run()


def until_read(house: House, url: str) -> None:
    """Wait for the reading that the page has begun."""
    begun = house.core.background.start(url, lambda: None)
    if begun is not None:
        begun.result(10)


def field(app: AppTest, label: str):  # type: ignore[no-untyped-def]
    return next(one for one in (*app.text_input, *app.text_area) if one.label == label)


def the_draft(house: House) -> NewPost:
    (draft,) = drafts.listing(house.core, acting(house.core, house.owner))
    return drafts.wish_of(draft)


def test_the_preview_shows_the_card_when_its_page_has_been_read(owner: House, show: Show, story: str) -> None:
    owner.account(Platform("bluesky"))
    app = typed(show("compose"), f"Read {story}")
    until_read(owner, story)
    seen = everything(app.run())
    assert "pp-card" in seen and "A &lt;b&gt;story&lt;/b&gt;" in seen and "About it" in seen
    assert "data:image/jpeg;base64," in seen and "Link card" in seen


def test_a_page_that_never_answers_holds_up_neither_typing_nor_checks(owner: House, show: Show, site: Site) -> None:
    site.pages["/never"] = lambda _request: site.over.wait(30)
    owner.account(Platform("bluesky"))
    app = show("compose")
    began = time.monotonic()
    app = typed(app, f"Read {site.url}/never")
    assert time.monotonic() - began < 2.5
    seen = everything(app)
    assert "Reading the page of the link…" in seen
    assert not next(b for b in app.button if b.label == "Publish now").disabled


def test_a_page_without_a_card_is_said_in_the_checks_and_refuses_nothing(owner: House, show: Show, site: Site) -> None:
    url = f"{site.url}/gone"
    owner.account(Platform("linkedin"))
    app = typed(show("compose"), f"Read {url}")
    until_read(owner, url)
    seen = everything(app.run())
    assert "No link card: 127.0.0.1 answered with status 404." in seen and "Needs a change" not in seen
    assert not next(b for b in app.button if b.label == "Publish now").disabled


def test_its_author_changes_the_words_and_the_draft_keeps_them(owner: House, show: Show, story: str) -> None:
    owner.account(Platform("bluesky"))
    app = typed(show("compose"), f"Read {story}")
    until_read(owner, story)
    app = app.run()
    assert field(app, "Title").placeholder == "A <b>story</b>"
    field(app, "Title").set_value("In my words")
    seen = everything(app.run())
    assert "In my words" in seen and "About it" in seen and "A &lt;b&gt;story" not in seen
    assert the_draft(owner).card == CardChoice(title="In my words", url=story)


def test_its_author_drops_the_card(owner: House, show: Show, story: str) -> None:
    owner.account(Platform("bluesky"))
    app = typed(show("compose"), f"Read {story}")
    until_read(owner, story)
    app = app.run()
    next(one for one in app.checkbox if one.label == "Send a link card").uncheck()
    seen = everything(app.run())
    assert "pp-card" not in seen and the_draft(owner).card == CardChoice(drop=True)


def test_where_the_platform_makes_the_card_there_is_nothing_to_change(owner: House, show: Show, story: str) -> None:
    owner.account(Platform("mastodon"))
    app = typed(show("compose"), f"Read {story}")
    until_read(owner, story)
    seen = everything(app.run())
    assert "pp-card" in seen and "Mastodon makes its own card; it may differ." in seen
    assert not [one for one in app.checkbox if one.label == "Send a link card"]


def test_the_monitor_says_why_a_post_goes_without_a_card(owner: House, show: Show) -> None:
    delivery = owner.post("Read https://example.com/", owner.account(Platform("bluesky")))
    assert "pp-card-note" not in everything(show("monitor"))
    card = LinkCard("https://example.com/", problem="No link card: example.com <b>did not answer</b> in time.")
    with owner.core.db.write() as conn:
        deliveries.touch(conn, delivery, owner.core.clock.now(), parts=(PartRecord(0, "x", card=card),))
    assert "No link card: example.com &lt;b&gt;did not answer&lt;/b&gt; in time." in everything(show("monitor"))


def test_without_a_link_there_is_no_card(owner: House, show: Show) -> None:
    owner.account(Platform("bluesky"))
    seen = everything(typed(show("compose"), "No link"))
    assert "pp-card" not in seen and "Link card" not in seen and "Reading the page" not in seen
