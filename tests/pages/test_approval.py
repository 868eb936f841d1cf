"""What the review holds is approved by a person, and only the words that this person has read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from postprober.domain.delivery import DeliveryState as S
from postprober.domain.platform import Platform
from postprober.domain.post import PostStatus
from postprober.services.posts import delivery_actions, drafts, edit_failed, posts
from postprober.services.posts.posts import NewPost
from postprober.storage import deliveries, link_cards
from postprober.storage.link_cards import KnownPage
from postprober.storage.records import Delivery
from tests.pages.conftest import House, everything
from tests.people import acting

Show = Callable[[str], AppTest]
BOX = "I have read it and approve this text"


@pytest.fixture
def owner(house: House) -> House:
    house.sign_in()
    house.beat()
    return house


def _press(app: AppTest, label: str) -> AppTest:
    app = next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


def _box(app: AppTest, label: str = BOX) -> object:
    return next(box for box in app.checkbox if label in box.label)


def _states(house: House, post_id: int) -> list[S]:
    with house.core.db.read() as conn:
        return [one.state for one in deliveries.of_post(conn, post_id)]


def _failed(house: House, text: str = "Refused words") -> Delivery:
    made = house.post(text, house.account(Platform("x")))
    return house.move(made, S.CLAIMED, S.FAILED, reason="refused")


def _type(app: AppTest, text: str) -> AppTest:
    next(field for field in app.text_area if field.label == "Text").set_value(text)
    return app


def test_an_invisible_post_that_the_review_holds_can_be_approved_and_published_again(owner: House, show: Show) -> None:
    made = owner.post("TODO: nobody sees it", owner.account(Platform("x")))
    ghost = owner.move(made, S.CLAIMED, S.SUBMITTING, S.PUBLISHED, S.GHOST, reason="not visible")
    app = show("monitor")
    _box(app, "both may become visible").check().run()  # type: ignore[attr-defined]
    app = _press(app, "Publish again now")
    assert "Held for review." in everything(app).replace("\\", "") and _states(owner, ghost.post_id) == [S.GHOST]
    app = _press(app, "Publish again now")
    assert _states(owner, ghost.post_id) == [S.GHOST], "nobody has approved it"
    _box(app).check().run()  # type: ignore[attr-defined]
    _press(app, "Publish again now")
    assert _states(owner, ghost.post_id) == [S.GHOST, S.SCHEDULED]


def test_an_approval_never_goes_over_to_other_words(owner: House, show: Show) -> None:
    failed = _failed(owner)
    app = _press(_type(show("monitor"), "TODO: write this"), "Publish")
    _box(app).check()  # type: ignore[attr-defined]
    app = _press(_type(app, "TODO: write something else"), "Publish")
    assert "Held for review." in everything(app).replace("\\", "") and _states(owner, failed.post_id) == [S.FAILED]
    assert not _box(app).value, "the box of other words"  # type: ignore[attr-defined]
    app = _press(app, "Publish")
    assert _states(owner, failed.post_id) == [S.FAILED]
    _box(app).check()  # type: ignore[attr-defined]
    _press(app, "Publish")
    assert _states(owner, failed.post_id) == [S.SCHEDULED]


def test_a_review_is_approved_as_it_was_read(owner: House, show: Show) -> None:
    post = posts.create(
        owner.core, acting(owner.core, owner.owner), NewPost(("TODO: first",), (owner.account(Platform("x")),))
    )
    app = show("monitor")
    changed = drafts.change(
        owner.core, acting(owner.core, owner.owner), post.id, replace(drafts.wish_of(post), parts=("TODO: second",))
    )
    button = next(b for b in app.button if b.label == "Approve")
    app = button.click().run()
    assert drafts.get(owner.core, acting(owner.core, owner.owner), post.id).status == PostStatus.REVIEW
    assert "TODO: second" in everything(app)
    _press(app, "Approve")
    done = drafts.get(owner.core, acting(owner.core, owner.owner), post.id)
    assert (done.status, done.content) == (PostStatus.SCHEDULED, changed.content)


# --- somebody else decides while the form is open ---


def _open(app: AppTest, failed: Delivery) -> AppTest:
    app.session_state[f"edit-{failed.id}"] = True
    return app.run()


@pytest.mark.parametrize("filtered", [False, True])
def test_words_in_an_open_form_stay_when_somebody_else_decides_first(owner: House, show: Show, filtered: bool) -> None:
    failed = _failed(owner)
    app = show("monitor")
    if filtered:
        next(p for p in app.pills if "Failed" in p.options).set_value(["failed"]).run()
    app = _open(app, failed)
    field = next(f for f in app.text_area if f.label == "Text").key
    delivery_actions.cancel_one(owner.core, acting(owner.core, owner.owner), failed.id)
    app = app.run()
    assert "Your text was not sent: someone else decided" in app.warning[0].value.replace("\\", "")
    # The same field: what is typed in a form stays in the browser until it is sent, and goes when the field goes.
    assert next(f for f in app.text_area if f.label == "Text").key == field
    app = _press(_type(app, "My words"), "Save my text as a draft")
    assert "Saved as a draft" in app.warning[0].value.replace("\\", "")
    assert [p.content for p in drafts.listing(owner.core, acting(owner.core, owner.owner))] == ["My words"]
    assert not [f for f in app.text_area if f.label == "Text"]


def test_words_in_an_open_form_may_be_discarded(owner: House, show: Show) -> None:
    failed = _failed(owner)
    app = _type(_open(show("monitor"), failed), "My words")
    edit_failed.rewrite(owner.core, acting(owner.core, owner.owner), failed.id, ["Words of the first"])
    app = _press(app.run(), "Discard my text")
    assert not drafts.listing(owner.core, acting(owner.core, owner.owner)) and not app.warning


def test_ones_own_decision_shuts_the_form_and_says_nothing_of_others(owner: House, show: Show) -> None:
    failed = _failed(owner)
    app = _press(_type(_open(show("monitor"), failed), "Better words"), "Publish")
    assert _states(owner, failed.post_id) == [S.SCHEDULED]
    assert not app.warning and not [f for f in app.text_area if f.label == "Text"]


def test_a_form_that_is_shut_begins_with_the_words_as_they_are(owner: House, show: Show) -> None:
    failed = _failed(owner)
    app = show("monitor")
    edit_failed.rewrite(owner.core, acting(owner.core, owner.owner), failed.id, ["Words of the first"])
    with owner.core.db.read() as conn:
        moved = deliveries.get(conn, failed.id)
    owner.move(moved, S.CLAIMED, S.FAILED, reason="refused again")
    assert next(f for f in app.run().text_area if f.label == "Text").value == "Words of the first"


def test_who_approves_a_post_sees_the_card_of_its_link(owner: House, show: Show) -> None:
    account, url = owner.account(Platform("bluesky")), "https://www.iana.org/"
    with owner.core.db.write() as conn:
        link_cards.put(conn, url, KnownPage("What a <b>stranger</b> says", "TODO: more"), owner.core.clock.now())
    post = posts.create(owner.core, acting(owner.core, owner.owner), NewPost((f"Read {url}",), (account,)))
    assert post.status == PostStatus.REVIEW, "the control"
    seen = everything(show("monitor"))
    assert "What a &lt;b&gt;stranger&lt;/b&gt; says" in seen and "TODO: more" in seen
