"""What an author chooses for the card of a link: kept in the draft, told when it changes, part of what is approved."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import delete

from postprober.domain.card import CardChoice
from postprober.domain.limits import CardRule
from postprober.errors import BadInput
from postprober.platforms.registry import SPECS
from postprober.services.background import AT_ONCE, MOST_OF_ONE, MOST_WAITING, Background
from postprober.services.core import Core
from postprober.services.posts import advice, cards, drafts, editing, posts, proposals, review_gate
from postprober.services.posts.posts import Known, NewPost
from postprober.storage import deliveries
from postprober.storage import link_cards as cards_kept
from postprober.storage.link_cards import KnownPage
from postprober.storage.tables import link_cards
from tests.installed import Installation
from tests.people import acting
from tests.websites import Site, og, website

CHOICE = CardChoice(title="In my words")


@pytest.fixture
def site() -> Iterator[Site]:
    with website() as made:
        yield made


def test_a_draft_keeps_what_was_chosen_and_one_without_says_nothing(installation: Installation) -> None:
    core, actor = installation.core, acting(installation.core, installation.owner)
    for choice in (CHOICE, CardChoice(drop=True), CardChoice(description="D", url="https://example.com")):
        kept = drafts.save(core, actor, NewPost(("x",), (), card=choice))
        assert drafts.wish_of(kept).card == choice
    kept = drafts.save(core, actor, NewPost(("x",), ()))
    assert drafts.wish_of(kept).card == CardChoice() and "card" not in kept.options


def test_a_wrong_choice_is_refused_and_nothing_is_written(installation: Installation) -> None:
    core, actor = installation.core, acting(installation.core, installation.owner)
    account = installation.link("bluesky")
    before = installation.counts()
    wrong = NewPost(("x",), (account.id,), card=CardChoice(drop=True, title="x"))
    for act in (drafts.save, posts.create, proposals.propose):
        with pytest.raises(BadInput) as refused:
            act(core, actor, wrong)  # type: ignore[operator]
        assert refused.value.field == "card"
    assert installation.counts() == before


def test_an_edit_of_the_card_is_told_and_needs_a_new_approval(installation: Installation, site: Site) -> None:
    core, actor = installation.core, acting(installation.core, installation.owner)
    account, url = installation.link("bluesky"), site.html("/", og(title="Page"))
    wish = NewPost((f"Read {url}",), (account.id,), at=core.clock.now() + timedelta(days=2))
    post = drafts.submit(core, actor, drafts.save(core, actor, wish).id, approved=True)
    changed = editing.changes(core, actor, post.id, replace(wish, card=CHOICE))
    assert changed.what == ("link card",) and changed.reviewed and changed.approval_ends
    copy = editing.begin(core, actor, post.id, "the-copy-of-the-post")
    copy = drafts.change(core, actor, copy.id, replace(drafts.wish_of(copy), card=CHOICE))
    after = drafts.submit(core, actor, copy.id)
    assert after.id == post.id and after.status == "review", "the link is still one that the review doubts"
    drafts.submit(core, actor, post.id, approved=True)
    with core.db.read() as conn:
        planned = [one for one in deliveries.of_post(conn, post.id) if one.state.value == "scheduled"]
    assert [one.parts[0].card.title for one in planned if one.parts[0].card] == ["In my words"]


def test_an_edit_while_the_page_is_away_takes_no_card_away(installation: Installation, site: Site) -> None:
    core, actor = installation.core, acting(installation.core, installation.owner)
    account, url = installation.link("bluesky"), site.html("/", og(title="While it was there"))
    at = core.clock.now() + timedelta(days=2)
    wish = NewPost((f"Read {url}",), (account.id,), at=at)
    post = drafts.submit(core, actor, drafts.save(core, actor, wish).id, approved=True)
    with core.db.write() as conn:
        conn.execute(delete(link_cards))
    site.pages.clear()
    drafts.change(core, actor, post.id, replace(wish, at=at + timedelta(hours=1)))
    with core.db.read() as conn:
        (delivery,) = deliveries.of_post(conn, post.id)
    card = delivery.parts[0].card
    assert delivery.due_at == at + timedelta(hours=1), "the control: it was planned anew"
    assert card is not None and (card.title, card.problem) == ("While it was there", "")
    assert site.asked["/"] == 2, "the control: the page was asked, and is away"


def test_what_was_approved_or_proposed_without_a_choice_is_still_the_same() -> None:
    plain = NewPost(("x",), (1,))
    assert review_gate.digest(plain) == "ae637da02dde5579817e59a0cc8e3bb45e8fcc371ecb46d66d3029f8a471c864"
    assert review_gate.digest(replace(plain, card=CHOICE)) != review_gate.digest(plain)
    assert review_gate.digest(replace(plain, card=CardChoice())) == review_gate.digest(plain)


def test_the_same_proposal_with_another_card_is_another_one(installation: Installation) -> None:
    core, actor = installation.core, acting(installation.core, installation.owner)
    wish = NewPost(("Read https://www.iana.org/",), (installation.link("bluesky").id,))
    first = proposals.propose(core, actor, wish)
    again = proposals.propose(core, actor, wish)
    other = proposals.propose(core, actor, replace(wish, card=CHOICE))
    assert (first.is_new, again.is_new, other.is_new) == (True, False, True) and first.post.id == again.post.id


def test_the_review_reads_the_authors_words_on_the_card(installation: Installation) -> None:
    core, actor = installation.core, acting(installation.core, installation.owner)
    wish = NewPost(
        ("Read https://www.iana.org/",), (installation.link("bluesky").id,), card=CardChoice(title="[Title]")
    )
    post = posts.create(core, actor, wish)
    assert post.status == "review"
    assert "In the link card" in str(post.ai_suggestions)


def test_its_author_is_told_where_changes_have_no_effect(installation: Installation, site: Site) -> None:
    core, actor = installation.core, acting(installation.core, installation.owner)
    account = installation.link("mastodon")
    wish = NewPost((f"Read {site.url}/",), (account.id,), card=CHOICE)
    (result,) = posts.check(core, actor, wish).values()
    assert result.ok and [note.message for note in result.notes] == [
        "Mastodon makes the link card by itself, so your changes to it have no effect there."
    ]
    assert posts.check(core, actor, replace(wish, parts=("No link",)))[account.id].notes == ()


def test_checking_while_somebody_writes_asks_no_page(installation: Installation, site: Site) -> None:
    core, actor = installation.core, acting(installation.core, installation.owner)
    account = installation.link("bluesky")
    wish = NewPost((f"Read {site.url}/gone",), (account.id,))
    assert posts.check(core, actor, wish, Known())[account.id].notes == () and not site.asked
    told = posts.check(core, actor, wish)[account.id]
    assert told.ok and [note.message for note in told.notes] == ["No link card: 127.0.0.1 answered with status 404."]
    assert posts.check(core, actor, wish, Known())[account.id].notes == told.notes and site.asked == {"/gone": 1}


def test_variants_with_other_links_have_other_cards(installation: Installation, site: Site) -> None:
    core, actor = installation.core, acting(installation.core, installation.owner)
    one, two = installation.link("bluesky"), installation.link("linkedin")
    urls = [site.html(f"/{name}", og(title=name)) for name in ("first", "second")]
    wish = NewPost((f"Read {urls[0]}",), (one.id, two.id), variants={two.id: (f"Read {urls[1]}",)})
    post = drafts.submit(core, actor, drafts.save(core, actor, wish).id, approved=True)
    with core.db.read() as conn:
        found = {d.account_id: d.parts[0].card for d in deliveries.of_post(conn, post.id)}
    assert {account: card.title for account, card in found.items() if card} == {one.id: "first", two.id: "second"}


def test_a_card_is_cut_to_what_its_platform_takes(
    installation: Installation, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    core, account = installation.core, installation.link("bluesky")
    url = site.html("/", og(title="A long title", description="Long words", image=site.picture("/p.png")))
    new = NewPost((f"Read {url}",), (account.id,))
    cards.read_all(core, new, [account])
    spec = SPECS[account.platform]
    seen = []
    for rule in (spec.limits.card, CardRule(7, 5, 100)):
        monkeypatch.setitem(SPECS, account.platform, replace(spec, limits=replace(spec.limits, card=rule)))
        with core.db.read() as conn:
            seen.append(cards.card_for(conn, account, new, core.clock.now()))
    whole, cut = seen
    assert whole is not None and cut is not None
    assert (whole.title, whole.description, whole.picture is not None) == ("A long title", "Long words", True)
    assert (cut.title, cut.description, cut.picture) == ("A long…", "Long…", None)


def test_the_same_work_is_done_once_and_no_more_waits_than_fits() -> None:
    background, done = Background(), []
    gate = threading.Event()
    first = background.start("a", gate.wait)
    assert first is not None and background.start("a", lambda: done.append("a")) is first
    others = [background.start(f"n{number}", gate.wait, number) for number in range(MOST_WAITING + 5)]
    assert others.count(None) == 6
    gate.set()
    first.result(5)
    end = time.monotonic() + 5
    while (again := background.start("a", lambda: done.append("b"))) in (first, None):
        assert time.monotonic() < end
    again.result(5)
    assert done == ["b"]
    background.close()
    assert background.start("z", gate.wait) is None


def test_a_space_with_many_slow_pages_leaves_room_and_turns_to_others() -> None:
    background, done, gate = Background(), list[str](), threading.Event()
    for number in range(AT_ONCE):
        background.start(f"slow{number}", gate.wait, 1)
    mine = [background.start(f"mine{number}", partial(done.append, "mine"), 1) for number in range(MOST_OF_ONE)]
    theirs = background.start("theirs", partial(done.append, "theirs"), 2)
    assert mine.count(None) == AT_ONCE and theirs is not None
    gate.set()
    for one in (*mine, theirs):
        if one is not None:
            one.result(5)
    assert done.index("theirs") <= AT_ONCE, done
    end = time.monotonic() + 5
    while background.start("again", lambda: None, 1) is None:
        assert time.monotonic() < end, "room comes back"
    gate.clear()
    held = [background.start(f"held{number}", gate.wait, 3) for number in range(AT_ONCE + 1)]
    background.close()
    assert held[-1] is not None and held[-1].cancelled()
    gate.set()


SECRET = "The key is sk-proj-" + "a1B2c3D4e5" * 5


def known(core: Core, url: str, title: str) -> None:
    """What the page of a link that the review does not doubt said today."""
    with core.db.write() as conn:
        cards_kept.put(conn, url, KnownPage(title), core.clock.now())


def titles(core: Core, post_id: int) -> list[str]:
    with core.db.read() as conn:
        planned = [one for one in deliveries.of_post(conn, post_id) if one.state.value == "scheduled"]
    return [one.parts[0].card.title for one in planned if one.parts[0].card]


LINK = "https://www.iana.org/"


def test_the_review_reads_what_the_page_puts_on_the_card(installation: Installation) -> None:
    core, actor = installation.core, acting(installation.core, installation.owner)
    wish = NewPost((f"Read {LINK}",), (installation.link("bluesky").id,))
    known(core, LINK, "Numbers and names")
    control = posts.create(core, actor, wish)
    assert control.status == "scheduled" and titles(core, control.id) == ["Numbers and names"], "the control"
    known(core, LINK, SECRET)
    held = posts.create(core, actor, replace(wish, parts=(f"See {LINK}",)))
    assert held.status == "review" and "In the link card" in str(held.ai_suggestions)
    assert "In the link card" in str(advice.ask(core, actor, held.id).review.reasons), "a second look sees it, too"
    planned = drafts.submit(core, actor, held.id, approved=True)
    assert planned.status == "scheduled" and titles(core, held.id) == [SECRET], "a person has seen it and means it"


def test_platforms_that_make_the_card_have_no_words_of_it_to_review(installation: Installation) -> None:
    core, actor = installation.core, acting(installation.core, installation.owner)
    known(core, LINK, SECRET)
    post = posts.create(core, actor, NewPost((f"Read {LINK}",), (installation.link("mastodon").id,)))
    assert post.status == "scheduled"


def test_words_of_a_page_that_nobody_saw_need_another_approval(installation: Installation) -> None:
    core, actor = installation.core, acting(installation.core, installation.owner)
    known(core, LINK, "Numbers and names")
    wish = NewPost((f"[Name], read {LINK}",), (installation.link("bluesky").id,))
    held = posts.create(core, actor, wish)
    assert held.status == "review", "the control: its own words are held"
    known(core, LINK, SECRET)
    again = drafts.submit(core, actor, held.id, approved=True)
    assert again.status == "review" and "In the link card" in str(again.ai_suggestions)
    assert titles(core, held.id) == []
    assert drafts.submit(core, actor, held.id, approved=True).status == "scheduled"
    assert titles(core, held.id) == [SECRET]


def test_what_the_review_read_is_planned_though_the_page_changes_meanwhile(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    core, actor = installation.core, acting(installation.core, installation.owner)
    known(core, LINK, "Numbers and names")
    judged = review_gate.judged

    def slowly(*args: Any) -> Any:
        made = judged(*args)
        known(core, LINK, SECRET)
        return made

    monkeypatch.setattr(review_gate, "judged", slowly)
    at = core.clock.now() + timedelta(days=2)
    wish = NewPost((f"Read {LINK}",), (installation.link("bluesky").id,), at=at)
    post = posts.create(core, actor, wish)
    assert titles(core, post.id) == ["Numbers and names"]
    known(core, LINK, "Still numbers")
    drafts.change(core, actor, post.id, replace(wish, at=at + timedelta(hours=1)))
    assert titles(core, post.id) == ["Still numbers"]
    with core.db.write() as conn:
        conn.execute(delete(link_cards))
    monkeypatch.setattr(cards, "read_all", lambda *_: None)
    post = posts.create(core, actor, replace(wish, parts=(f"See {LINK}",)))
    assert titles(core, post.id) == [""], "a page that answers while the review is on comes too late"
