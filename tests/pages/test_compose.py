"""The composer: checks before sending, one post however often the button is pressed."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from postprober.domain.platform import Platform
from postprober.domain.post import PostStatus
from postprober.services import media, posts
from postprober.services.posts import NewPost
from postprober.storage import accounts
from postprober.storage.records import Post
from postprober.ui.components.draft import Draft
from tests.pages.conftest import House, everything

Show = Callable[[str], AppTest]


@pytest.fixture
def owner(house: House) -> House:
    house.sign_in()
    return house


def _press(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


def _written(house: House) -> list[Post]:
    return posts.listing(house.core, house.owner)


def _picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (600, 600), "#336699").save(out, "PNG")
    return out.getvalue()


def test_without_accounts_it_leads_to_the_accounts_page(owner: House, show: Show) -> None:
    app = show("compose")
    assert "Link one, then write your first post." in app.info[0].value
    assert not app.text_area and not [b for b in app.button if b.label == "Publish now"]


def test_an_empty_draft_cannot_be_published(owner: House, show: Show) -> None:
    owner.account(Platform.X)
    app = show("compose")
    assert "Write something" in everything(app)
    assert next(b for b in app.button if b.label == "Publish now").disabled


def test_each_platform_says_what_it_thinks_of_the_text(owner: House, show: Show) -> None:
    owner.account(Platform.X)
    owner.account(Platform.LINKEDIN)
    app = show("compose")
    app.text_area[0].set_value("x" * 281).run()
    seen = everything(app)
    assert "Shorten the text by 1 character" in seen and "281 of 280" in seen
    assert seen.count(">Fits<") == 1 and seen.count(">Change this<") == 1
    assert next(b for b in app.button if b.label == "Publish now").disabled
    app.text_area[0].set_value("x" * 280).run()
    assert not next(b for b in app.button if b.label == "Publish now").disabled


def test_publishing_makes_one_post_for_the_chosen_accounts(owner: House, show: Show) -> None:
    keep = owner.account(Platform.X)
    owner.account(Platform.LINKEDIN)
    app = show("compose")
    app.text_area[0].set_value("Hello there")
    app.pills[0].set_value([keep])
    app.run()
    app = _press(app, "Publish now")
    assert "It is on its way." in everything(app)
    (post,) = _written(owner)
    assert (post.content, post.platforms, post.status) == ("Hello there", ["x"], PostStatus.SCHEDULED)
    app.run()
    assert len(_written(owner)) == 1
    app = _press(app, "Write another post")
    assert app.text_area[0].value == ""


def test_it_is_scheduled_in_the_persons_own_time_zone(owner: House, show: Show) -> None:
    owner.account(Platform.X)
    app = show("compose")
    app.text_area[0].set_value("Later")
    app.segmented_control[0].set_value("Later").run()
    there = (owner.core.clock.now() + timedelta(days=2)).astimezone(ZoneInfo("Europe/Berlin"))
    app.date_input[0].set_value(there.date())
    app.time_input[0].set_value(there.replace(hour=9, minute=30).time()).run()
    assert r"In your time zone, Europe/Berlin" in everything(app)
    _press(app, "Schedule")
    (post,) = _written(owner)
    assert post.scheduled_at is not None
    local = post.scheduled_at.astimezone(ZoneInfo("Europe/Berlin"))
    assert (local.date(), local.hour, local.minute) == (there.date(), 9, 30)


def test_a_time_in_the_past_is_refused_with_a_sentence(owner: House, show: Show) -> None:
    owner.account(Platform.X)
    app = show("compose")
    app.text_area[0].set_value("Too late")
    app.segmented_control[0].set_value("Later").run()
    app.date_input[0].set_value((owner.core.clock.now() - timedelta(days=2)).date()).run()
    assert "in the past" in app.error[0].value
    assert not [b for b in app.button if b.label in ("Schedule", "Publish now")]


def test_a_picture_goes_along_with_its_description(owner: House, show: Show) -> None:
    owner.account(Platform.X)
    app = show("compose")
    app.text_area[0].set_value("With a picture")
    app.file_uploader[0].upload("blue.png", _picture(), "image/png").run()
    alt = next(field for field in app.text_input if field.label.startswith("Description of"))
    alt.set_value("A blue square").run()
    _press(app, "Publish now")
    (post,) = _written(owner)
    (file,) = media.files(owner.core, owner.owner, post.options["media"])
    assert (file.alt, file.mime, file.width) == ("A blue square", "image/png", 600)


def test_a_file_that_is_no_picture_is_refused_with_a_sentence(owner: House, show: Show) -> None:
    owner.account(Platform.X)
    app = show("compose")
    app.file_uploader[0].upload("fake.png", b"<script>alert(1)</script>", "image/png").run()
    assert app.error and not app.exception
    assert not [b for b in app.button if b.label == "Publish now"]


def test_a_refusal_at_the_last_moment_writes_nothing(owner: House, show: Show) -> None:
    account = owner.account(Platform.X)
    app = show("compose")
    app.text_area[0].set_value("Hello").run()
    with owner.core.db.write() as conn:
        accounts.write(conn, account, status="reconnect", status_reason="Withdrawn.")
    app = _press(app, "Publish now")
    assert "Link demo again" in app.error[0].value.replace("\\", "")
    assert not _written(owner)


def test_two_presses_at_once_make_one_post(owner: House) -> None:
    new = NewPost(("Once",), (owner.account(Platform.X),))
    draft, made = Draft(), []
    barrier = threading.Barrier(2)

    def press() -> None:
        barrier.wait()
        made.append(draft.publish(owner.core, owner.owner, new))

    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 2 and len(set(made)) == 1
    assert len(_written(owner)) == 1


def test_a_draft_that_did_not_change_is_not_checked_again(owner: House, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(posts, "check", lambda core, user_id, new: asked.append(new) or {})
    draft, new = Draft(), NewPost(("Same",), (1,))
    draft.check(owner.core, owner.owner, new)
    draft.check(owner.core, owner.owner, NewPost(("Same",), (1,)))
    draft.check(owner.core, owner.owner, NewPost(("Other",), (1,)))
    assert len(asked) == 2
