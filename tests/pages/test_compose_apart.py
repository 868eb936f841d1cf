"""The composer when something happens elsewhere to what it has open: no press makes a second post that nobody asked for,
and no words are lost."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from postprober.domain.criteria import Criteria
from postprober.domain.delivery import DeliveryState
from postprober.domain.platform import Platform
from postprober.domain.post import PostStatus
from postprober.pipeline.core import transitions
from postprober.services.accounts import accounts
from postprober.services.posts import delivery_actions, drafts, editing, posts
from postprober.services.posts.posts import NewPost
from postprober.storage import deliveries
from postprober.storage.records import Post
from postprober.ui import unsent
from postprober.ui.components.compose.draft import edit_key
from tests.pages.conftest import ROOT, House, everything
from tests.people import acting

Show = Callable[[str], AppTest]
SEND = ("Publish now", "Schedule", "Save changes")


@pytest.fixture
def owner(house: House) -> House:
    house.sign_in()
    house.account(Platform("x"))
    return house


def _buttons(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def _press(app: AppTest, label: str) -> AppTest:
    app = next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


def _type(app: AppTest, text: str) -> AppTest:
    app.text_area[0].set_value(text)
    return app.run()


def _planned(house: House) -> list[Post]:
    return [p for p in posts.listing(house.core, acting(house.core, house.owner))[0] if p.status != PostStatus.DRAFT]


def _drafts(house: House) -> list[str]:
    return [p.content for p in drafts.listing(house.core, acting(house.core, house.owner))]


def _post(house: House) -> Post:
    (account,) = accounts.listing(house.core, acting(house.core, house.owner))
    at = house.core.clock.now() + timedelta(days=2)
    return posts.create(house.core, acting(house.core, house.owner), NewPost(("As planned",), (account.id,), at=at))


def _open(app: AppTest, key: str) -> AppTest:
    """The composer at the address of this draft, in a browser tab of its own."""
    fresh = AppTest.from_file(str(app._script_path), default_timeout=60)
    fresh.run()
    fresh.switch_page(str(ROOT / "pages" / "compose.py"))
    fresh.query_params["draft"] = key
    fresh.run()
    assert not fresh.exception
    return fresh


def _editing(house: House, show: Show) -> tuple[Post, Post, AppTest]:
    """A planned post, its working copy, and a page that edits it with words of its own."""
    post = _post(house)
    copy = editing.begin(house.core, acting(house.core, house.owner), post.id, edit_key(post.id))
    app = _type(_open(show("compose"), copy.draft_key or ""), "My words")
    assert "Editing a scheduled post" in everything(app) and "Save changes" in _buttons(app)
    return post, drafts.get(house.core, acting(house.core, house.owner), copy.id), app


def _saved(house: House, copy: Post) -> None:
    drafts.submit(house.core, acting(house.core, house.owner), copy.id)


def _discarded(house: House, copy: Post) -> None:
    drafts.delete(house.core, acting(house.core, house.owner), copy.id)


def _changed(house: House, copy: Post) -> None:
    post = drafts.get(house.core, acting(house.core, house.owner), drafts.edited_by(copy) or 0)
    drafts.change(
        house.core, acting(house.core, house.owner), post.id, replace(drafts.wish_of(post), parts=("Theirs",))
    )


def _cancelled(house: House, copy: Post) -> None:
    delivery_actions.cancel(house.core, acting(house.core, house.owner), drafts.edited_by(copy) or 0)


def _deleted(house: House, copy: Post) -> None:
    drafts.delete(house.core, acting(house.core, house.owner), drafts.edited_by(copy) or 0)


def _sent(house: House, copy: Post) -> None:
    with house.core.db.write() as conn:
        (found,) = deliveries.of_post(conn, drafts.edited_by(copy) or 0)
        for state in (DeliveryState.CLAIMED, DeliveryState.SUBMITTING, DeliveryState.PUBLISHED):
            found = transitions.move(conn, found, state, reason="test", now=house.core.clock.now(), next_at=None)
        deliveries.refresh_post(conn, found.post_id, house.core.clock.now())


def _also_edited(house: House, copy: Post) -> None:
    drafts.change(
        house.core, acting(house.core, house.owner), copy.id, replace(drafts.wish_of(copy), parts=("Theirs",))
    )


CASES = [
    (_saved, "Changes to this post were saved on another page."),
    (_discarded, "These changes were discarded on another page."),
    (_changed, "This scheduled post was changed on another page."),
    (_cancelled, "This post can no longer be changed: Cancelled."),
    (_deleted, "This scheduled post was deleted."),
    (_sent, "This post can no longer be changed:"),
    (_also_edited, "These changes were also edited on another page."),
]


# A page without words of its own just shows the newer ones of another page.
@pytest.mark.parametrize(
    ("happens", "says", "typed"),
    [(*case, typed) for case in CASES for typed in ("", "My words, longer") if typed or case[0] is not _also_edited],
)
def test_what_happens_to_a_post_that_is_being_edited_is_said_and_no_press_makes_a_second_post(
    owner: House, show: Show, happens: Callable[[House, Post], None], says: str, typed: str
) -> None:
    _, copy, app = _editing(owner, show)
    happens(owner, copy)
    planned, kept = _planned(owner), _drafts(owner)
    if typed:
        app = _type(app, typed)
    for _ in range(3):
        for label in SEND:
            if (button := next((b for b in app.button if b.label == label), None)) and not button.disabled:
                app = button.click().run()
    assert _planned(owner) == planned, "something was planned or changed unseen"
    assert says in everything(app).replace("\\", "")
    assert app.text_area[0].value == (typed or "My words")
    assert len(_drafts(owner)) <= len(kept), "a new draft was made without being asked for"
    app = _press(app, "Save my text as a new draft")
    assert app.text_area[0].value == (typed or "My words") and (typed or "My words") in _drafts(owner)
    assert [p.id for p in _planned(owner)] == [p.id for p in planned]
    app = _press(app, "Publish now")
    assert len(_planned(owner)) == len(planned) + 1, "now it was asked for"


def test_nothing_happened_elsewhere_and_the_changes_are_saved(owner: House, show: Show) -> None:
    post, _copy, app = _editing(owner, show)
    app = _press(app, "Save changes")
    assert [(p.id, p.content) for p in _planned(owner)] == [(post.id, "My words")] and not _drafts(owner)


def test_of_two_edits_of_one_post_either_can_be_taken(owner: House, show: Show) -> None:
    post, copy, app = _editing(owner, show)
    _also_edited(owner, copy)
    app = _press(_type(app, "Mine again"), "Replace the other version with mine")
    assert _drafts(owner) == ["Mine again"] and "Save changes" in _buttons(app)
    copy = drafts.get(owner.core, acting(owner.core, owner.owner), copy.id)
    _also_edited(owner, copy)
    app = _press(_type(app, "Mine once more"), "Use the other version")
    assert app.text_area[0].value == "Theirs"
    _press(app, "Save changes")
    assert [(p.id, p.content) for p in _planned(owner)] == [(post.id, "Theirs")]


@pytest.mark.parametrize("happens", [_saved, _discarded, _changed])
def test_the_post_can_be_edited_as_it_is_now(owner: House, show: Show, happens: Callable[[House, Post], None]) -> None:
    post, copy, app = _editing(owner, show)
    happens(owner, copy)
    now = drafts.get(owner.core, acting(owner.core, owner.owner), post.id).content
    app = _press(_type(app, "Too late"), "Edit the post as it is now")
    assert app.text_area[0].value == now and "Editing a scheduled post" in everything(app)
    _press(_type(app, "In time"), "Save changes")
    assert [(p.id, p.content) for p in _planned(owner)] == [(post.id, "In time")]


def test_a_draft_published_elsewhere_is_not_published_again_before_a_person_says_so(owner: House, show: Show) -> None:
    app = _type(show("compose"), "First words")
    (draft,) = drafts.listing(owner.core, acting(owner.core, owner.owner))
    drafts.submit(owner.core, acting(owner.core, owner.owner), draft.id)
    app = _type(app, "Later words")
    assert "published from another page" in app.warning[0].value
    assert next(b for b in app.button if b.label == "Publish now").disabled
    app = _press(app, "Keep my text as a new post")
    _press(app, "Publish now")
    assert sorted(p.content for p in _planned(owner)) == ["First words", "Later words"]


def test_of_two_texts_of_one_draft_ones_own_or_the_others_can_be_taken(owner: House, show: Show) -> None:
    for choice, stays in (("Keep my version", "Mine"), ("Use the other version", "Theirs")):
        app = _type(show("compose"), f"Begun for {choice}")
        draft = drafts.listing(owner.core, acting(owner.core, owner.owner))[0]
        _also_edited(owner, draft)
        app = _type(app, "Mine")
        assert next(b for b in app.button if b.label == "Publish now").disabled
        app = _press(app, choice)
        assert app.text_area[0].value == stays and not app.warning
        assert {"Mine", "Theirs"} <= set(_drafts(owner)), "both are kept"
        for one in drafts.listing(owner.core, acting(owner.core, owner.owner)):
            drafts.delete(owner.core, acting(owner.core, owner.owner), one.id)


@pytest.mark.parametrize(("happens", "says"), CASES)
def test_loading_the_page_again_asks_again_and_makes_no_new_post_of_an_edit(
    owner: House, show: Show, happens: Callable[[House, Post], None], says: str
) -> None:
    _, copy, app = _editing(owner, show)
    happens(owner, copy)
    planned, kept = _planned(owner), _drafts(owner)
    _type(app, "My words, longer")
    for _ in range(2):
        app = _open(app, copy.draft_key or "")
        assert says in everything(app).replace("\\", "")
        assert app.text_area[0].value == "My words, longer"
        for label in SEND:
            if (button := next((b for b in app.button if b.label == label), None)) and not button.disabled:
                app = button.click().run()
    assert _planned(owner) == planned and len(_drafts(owner)) <= len(kept), "a post was made without being asked for"
    app = _press(app, "Save my text as a new draft")
    assert app.text_area[0].value == "My words, longer" and "My words, longer" in _drafts(owner)
    assert _planned(owner) == planned


def test_words_typed_on_two_pages_of_one_edit_are_both_kept(owner: House, show: Show) -> None:
    _, copy, app = _editing(owner, show)
    beside = _type(_open(app, copy.draft_key or ""), "Theirs")
    app = _type(app, "Mine, not saved")
    assert "also edited on another page" in everything(app)
    beside.run()  # it has nothing that is not saved
    assert _drafts(owner) == ["Theirs"]
    app = _open(app, copy.draft_key or "")
    assert app.text_area[0].value == "Mine, not saved" and "also edited on another page" in everything(app)


def test_an_edit_that_was_discarded_while_the_app_started_anew_is_not_published_as_a_new_post(
    owner: House, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, copy, app = _editing(owner, show)
    key = copy.draft_key or ""
    field = f"compose-{owner.owner}-{key}-text-0-0"
    assert app.session_state[field] == "My words"
    _discarded(owner, copy)
    planned = _planned(owner)
    monkeypatch.setattr(unsent, "_kept", OrderedDict())
    fresh = AppTest.from_file(str(app._script_path), default_timeout=60)
    fresh.run()
    fresh.session_state[field] = "My words"  # the browser sends again what its fields have
    fresh.switch_page(str(ROOT / "pages" / "compose.py"))
    fresh.query_params["draft"] = key
    fresh.run()
    assert fresh.text_area[0].value == "My words"
    assert next(b for b in fresh.button if b.label == "Publish now").disabled
    assert "You were editing a scheduled post" in everything(fresh)
    assert _planned(owner) == planned


def test_who_takes_the_other_version_gets_its_options_goal_and_accounts_too(owner: House, show: Show) -> None:
    """Fields keep what they showed, and would write it over what was taken."""
    post, copy, app = _editing(owner, show)
    mastodon = owner.account(Platform("mastodon"))
    copy = drafts.change(
        owner.core,
        acting(owner.core, owner.owner),
        copy.id,
        replace(drafts.wish_of(copy), account_ids=(*drafts.wish_of(copy).account_ids, mastodon)),
    )
    app = _open(show("compose"), copy.draft_key or "")
    theirs = replace(
        drafts.wish_of(copy),
        parts=("Theirs",),
        account_ids=(mastodon,),
        options={"mastodon": {"audience": "followers"}},
        criteria=Criteria("likes", 20, 48),
    )
    drafts.change(owner.core, acting(owner.core, owner.owner), copy.id, theirs)
    app = _press(_type(app, "Mine again"), "Use the other version")
    assert app.text_area[0].value == "Theirs"
    _press(app, "Save changes")
    (planned,) = [p for p in _planned(owner) if p.id == post.id]
    wish = drafts.wish_of(planned)
    assert (wish.parts, set(wish.account_ids)) == (theirs.parts, set(theirs.account_ids))
    assert (wish.options, wish.criteria) == (theirs.options, theirs.criteria)
