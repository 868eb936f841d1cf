"""The composer: checks before sending, one post however often the button is pressed."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from postprober.domain.platform import Platform
from postprober.domain.post import PostStatus
from postprober.domain.text import weighted_length
from postprober.errors import Forbidden
from postprober.services import accounts as account_service
from postprober.services import deciding, drafts, imports, linking, media, posts, queue
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
    """What was planned; drafts are kept by the way."""
    return [p for p in posts.listing(house.core, house.owner) if p.status != PostStatus.DRAFT]


def _type(app: AppTest, text: str) -> AppTest:
    app.text_area[0].set_value(text)
    return app.run()


def _choose(app: AppTest, label: str, value: object) -> AppTest:
    next(group for group in app.segmented_control if group.label == label).set_value(value)
    return app.run()


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
    assert "Shorten the text by 1 character" in seen and "</b> 281 of 280" in seen
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
    _choose(app, "When", "Later")
    there = (owner.core.clock.now() + timedelta(days=2)).astimezone(ZoneInfo("Europe/Berlin"))
    app.date_input[0].set_value(there.date())
    app.time_input[0].set_value(there.replace(hour=9, minute=30).time()).run()
    seen = everything(app)
    assert "In your time zone, Europe/Berlin" in seen
    assert f"{there.replace(hour=9, minute=30).astimezone(UTC):%H:%M} UTC" in seen
    _press(app, "Schedule")
    (post,) = _written(owner)
    assert post.scheduled_at is not None
    local = post.scheduled_at.astimezone(ZoneInfo("Europe/Berlin"))
    assert (local.date(), local.hour, local.minute) == (there.date(), 9, 30)


def test_a_time_in_the_past_is_refused_with_a_sentence(owner: House, show: Show) -> None:
    owner.account(Platform.X)
    app = show("compose")
    app.text_area[0].set_value("Too late")
    _choose(app, "When", "Later")
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
    monkeypatch.setattr(posts, "check", lambda core, user_id, new, known: asked.append(new) or {})
    draft, new = Draft(), NewPost(("Same",), (1,))
    draft.check(owner.core, owner.owner, new)
    draft.check(owner.core, owner.owner, NewPost(("Same",), (1,)))
    draft.check(owner.core, owner.owner, NewPost(("Other",), (1,)))
    assert len(asked) == 2


def _drafts(house: House) -> list[Post]:
    return [p for p in posts.listing(house.core, house.owner) if p.status == PostStatus.DRAFT]


def test_what_is_typed_is_kept_as_one_draft_and_becomes_the_post(owner: House, show: Show) -> None:
    owner.account(Platform.X)
    app = _type(show("compose"), "First words")
    assert "Kept as a draft" in everything(app)
    app = _type(app, "First words and more")
    (draft,) = _drafts(owner)
    assert draft.content == "First words and more"
    _press(app, "Publish now")
    (post,) = posts.listing(owner.core, owner.owner)
    assert (post.id, post.status) == (draft.id, PostStatus.SCHEDULED)


def test_a_draft_is_opened_again_with_its_texts_accounts_and_files(owner: House, show: Show) -> None:
    account, other = owner.account(Platform.X), owner.account(Platform.MASTODON)
    file = media.add_bytes(owner.core, owner.owner, "blue.png", _picture(), "A blue square")
    drafts.save(owner.core, owner.owner, NewPost(("Common",), (account,), (file,), variants={account: ("Only for X",)}))
    app = _press(show("compose"), "Open")
    assert app.text_area[0].value == "Common" and app.pills[0].value == [account]
    assert "A blue square" in everything(app)
    app = _choose(app, "Text", account)
    assert app.text_area[0].value == "Only for X"
    _press(app, "Publish now")
    (post,) = _written(owner)
    assert post.options["variants"] == {str(account): ["Only for X"]} and post.options["media"] == [file]
    assert other not in post.options["accounts"]


def test_an_accounts_own_text_starts_as_the_common_one_follows_it_and_is_edited_apart(owner: House, show: Show) -> None:
    x, mastodon = owner.account(Platform.X), owner.account(Platform.MASTODON)
    app = _choose(_type(show("compose"), "Common"), "Text", x)
    assert app.text_area[0].value == "Common"
    app = _type(_choose(app, "Text", 0), "Common, changed")
    app = _choose(app, "Text", x)
    assert app.text_area[0].value == "Common, changed"
    app = _type(app, "Short for X")
    app = _choose(app, "Text", 0)
    assert app.text_area[0].value == "Common, changed"
    _press(app, "Publish now")
    (post,) = _written(owner)
    assert post.options["variants"] == {str(x): ["Short for X"]} and post.content == "Common, changed"
    assert mastodon in post.options["accounts"]


def test_a_long_text_is_split_into_a_thread_that_loses_nothing(owner: House, show: Show) -> None:
    x = owner.account(Platform.X)
    words = " ".join(f"Sentence number {n} says a little more." for n in range(20))
    app = _choose(_type(show("compose"), words), "Text", x)
    app = _press(app, "Split into a thread")
    parts = [field.value for field in app.text_area]
    assert len(parts) > 1 and all(weighted_length(part) <= 280 for part in parts)
    assert " ".join(part.rsplit(" (", 1)[0] for part in parts) == words
    assert ">Fits<" in everything(app)


def test_the_next_free_slot_is_taken_and_the_one_after_it_is_next(owner: House, show: Show) -> None:
    owner.account(Platform.X)
    for text in ("One", "Two"):
        app = _choose(_type(show("compose"), text), "When", "Next free slot")
        app = _press(app, "Schedule")
        _press(app, "Write another post")
    first, second = sorted(p.scheduled_at for p in _written(owner) if p.scheduled_at)
    slots = queue.upcoming(queue.DEFAULT, ZoneInfo("Europe/Berlin"), first - timedelta(seconds=1))
    assert [next(slots), next(slots)] == [first, second]


def test_success_criteria_are_stored_with_the_post(owner: House, show: Show) -> None:
    owner.account(Platform.X)
    app = _type(show("compose"), "Judge me")
    next(field for field in app.number_input if field.label == "At least").set_value(20)
    app.run()
    _press(app, "Publish now")
    (post,) = _written(owner)
    assert post.options["criteria"] == {"metric": "likes", "target": 20, "hours": 24}


def test_the_preview_shows_the_text_as_text_with_its_links_marked(owner: House, show: Show) -> None:
    owner.account(Platform.X)
    app = _type(show("compose"), "<img src=x onerror=alert(1)> https://example.com #tag")
    bodies = "".join(element.proto.body for element in app.get("html"))
    assert "&lt;img src=x onerror=alert(1)&gt; <em>https://example.com</em> <em>#tag</em>" in bodies
    assert "<img src=x" not in bodies


def test_a_viewer_may_look_but_nothing_can_be_pressed_and_nothing_is_kept(owner: House, show: Show) -> None:
    owner.account(Platform.X)
    owner.become("viewer")
    app = _type(show("compose"), "I only look")
    publish = next(b for b in app.button if b.label == "Publish now")
    assert publish.disabled and "Your role is viewer" in publish.help
    assert next(b for b in app.button if b.label == "Import many").disabled
    assert not posts.listing(owner.core, owner.owner)


def test_what_a_viewer_may_not_do_is_refused_by_the_services_too(owner: House) -> None:
    account = owner.account(Platform.X)
    post = drafts.save(owner.core, owner.owner, NewPost(("Mine",), (account,)))
    owner.become("viewer")
    core, user = owner.core, owner.owner
    attempts = (
        lambda: posts.create(core, user, NewPost(("No",), (account,))),
        lambda: drafts.save(core, user, NewPost(("No",), (account,))),
        lambda: drafts.change(core, user, post.id, NewPost(("No",), (account,))),
        lambda: drafts.submit(core, user, post.id),
        lambda: drafts.delete(core, user, post.id),
        lambda: deciding.cancel(core, user, post.id),
        lambda: deciding.retry(core, user, post.id),
        lambda: media.add_bytes(core, user, "a.png", _picture()),
        lambda: account_service.remove(core, user, account),
        lambda: account_service.add_by_token(core, user, Platform.X, {"access_token": "t"}),
        lambda: linking.start(core, user, Platform.X),
        lambda: queue.choose(core, user, {0: "9:00"}),
        lambda: imports.create(core, user, imports.Batch("k", ())),
    )
    for attempt in attempts:
        with pytest.raises(Forbidden, match="Your role is viewer"):
            attempt()
    assert [p.content for p in posts.listing(core, user)] == ["Mine"]
