"""The composer: checks before sending, one post however often the button is pressed."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from PIL import Image
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from streamlit.testing.v1 import AppTest

from postprober.domain.platform import Platform
from postprober.domain.post import PostStatus
from postprober.domain.text import weighted_length
from postprober.errors import Conflict, Forbidden
from postprober.services.accounts import accounts as account_service
from postprober.services.accounts import linking
from postprober.services.media import media
from postprober.services.posts import delivery_actions, drafts, imports, posts, queue
from postprober.services.posts.posts import NewPost
from postprober.storage import accounts, tables
from postprober.storage.records import Post
from postprober.ui.components.compose.draft import ComposerDraft
from postprober.ui.components.compose.draft import stored as stored_draft
from tests.pages.conftest import ROOT, House, everything
from tests.pages.giving import give, sent
from tests.people import acting

Show = Callable[[str], AppTest]


@pytest.fixture
def owner(house: House) -> House:
    house.sign_in()
    return house


def _press(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


def _written(house: House) -> list[Post]:
    """What was planned; drafts are kept by the way."""
    return [p for p in posts.listing(house.core, acting(house.core, house.owner))[0] if p.status != PostStatus.DRAFT]


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
    owner.account(Platform("x"))
    app = show("compose")
    assert "Write something" in everything(app)
    assert next(b for b in app.button if b.label == "Publish now").disabled


def test_each_platform_says_what_it_thinks_of_the_text(owner: House, show: Show) -> None:
    owner.chose(owner.account(Platform("x")), owner.account(Platform("linkedin")))
    app = show("compose")
    app.text_area[0].set_value("x" * 281).run()
    seen = everything(app)
    assert "Shorten the text by 1 character" in seen and "</b> 281 of 280" in seen
    assert seen.count(">Ready<") == 1 and seen.count(">Needs a change<") == 1
    assert next(b for b in app.button if b.label == "Publish now").disabled
    app.text_area[0].set_value("x" * 280).run()
    assert not next(b for b in app.button if b.label == "Publish now").disabled


def test_the_same_text_as_an_earlier_post_is_a_note_and_the_button_stays(owner: House, show: Show) -> None:
    account = owner.account(Platform("bluesky"))
    actor = acting(owner.core, owner.owner)
    posts.create(owner.core, actor, NewPost(("We are open again.",), (account,)))
    app = show("compose")
    app.text_area[0].set_value("We are OPEN again.").run()
    seen = everything(app)
    assert "The same text is planned for" in seen and "We are open again." in seen and ">Note<" in seen
    assert not next(b for b in app.button if b.label == "Publish now").disabled
    app.text_area[0].set_value("We are closed again.").run()
    assert "The same text" not in everything(app) and ">Ready<" in everything(app)


def test_publishing_makes_one_post_for_the_chosen_accounts(owner: House, show: Show) -> None:
    keep = owner.account(Platform("x"))
    owner.account(Platform("linkedin"))
    app = show("compose")
    app.text_area[0].set_value("Hello there")
    app.pills[0].set_value([keep])
    app.run()
    app = _press(app, "Publish now")
    assert "Publishing on X…" in everything(app)
    (post,) = _written(owner)
    assert (post.content, post.platforms, post.status) == ("Hello there", ["x"], PostStatus.SCHEDULED)
    app.run()
    assert len(_written(owner)) == 1
    app = _press(app, "Write another post")
    assert app.text_area[0].value == ""


def test_it_is_scheduled_in_the_persons_own_time_zone(owner: House, show: Show) -> None:
    owner.account(Platform("x"))
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
    owner.account(Platform("x"))
    app = show("compose")
    app.text_area[0].set_value("Too late")
    _choose(app, "When", "Later")
    app.date_input[0].set_value((owner.core.clock.now() - timedelta(days=2)).date()).run()
    assert "in the past" in app.error[0].value
    assert next(b for b in app.button if b.label == "Schedule").disabled


def test_a_picture_goes_along_with_its_description(owner: House, show: Show) -> None:
    owner.account(Platform("x"))
    app = show("compose")
    app.text_area[0].set_value("With a picture")
    app = give(owner, app, "blue.png", _picture())
    alt = next(field for field in app.text_input if field.label.startswith("Describe image"))
    alt.set_value("A blue square").run()
    _press(app, "Publish now")
    (post,) = _written(owner)
    (file,) = media.files(owner.core, acting(owner.core, owner.owner), post.options["media"])
    assert (file.alt, file.mime, file.width) == ("A blue square", "image/png", 600)


def test_a_file_that_is_no_picture_is_refused_with_a_sentence(owner: House, show: Show) -> None:
    owner.account(Platform("x"))
    app = show("compose")
    refused = sent(owner, app, "fake.png", b"<script>alert(1)</script>")
    assert refused.status_code == 422 and "choose" in refused.json()["detail"], "the script shows it below the field"
    app = app.run()
    assert not app.exception and not [b for b in app.button if b.label == "Remove"]
    assert next(b for b in app.button if b.label == "Publish now").disabled


def test_a_refusal_at_the_last_moment_writes_nothing(owner: House, show: Show) -> None:
    account = owner.account(Platform("x"))
    app = show("compose")
    app.text_area[0].set_value("Hello").run()
    with owner.core.db.write() as conn:
        accounts.write(conn, account, status="reconnect", status_reason="Withdrawn.")
    app = _press(app, "Publish now")
    assert "Reconnect demo" in app.error[0].value.replace("\\", "")
    assert not _written(owner)


def test_two_presses_at_once_make_one_post(owner: House) -> None:
    new = NewPost(("Once",), (owner.account(Platform("x")),))
    draft, made = ComposerDraft(), []
    barrier = threading.Barrier(2)

    def press() -> None:
        barrier.wait()
        made.append(draft.publish(owner.core, acting(owner.core, owner.owner), new))

    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 2 and len(set(made)) == 1
    assert len(_written(owner)) == 1


def test_a_draft_that_did_not_change_is_not_checked_again(owner: House, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(posts, "check", lambda core, user_id, new, known, but: asked.append(new) or {})
    draft, new = ComposerDraft(), NewPost(("Same",), (1,))
    draft.check(owner.core, acting(owner.core, owner.owner), new)
    draft.check(owner.core, acting(owner.core, owner.owner), NewPost(("Same",), (1,)))
    draft.check(owner.core, acting(owner.core, owner.owner), NewPost(("Other",), (1,)))
    assert len(asked) == 2


def _drafts(house: House) -> list[Post]:
    return [p for p in posts.listing(house.core, acting(house.core, house.owner))[0] if p.status == PostStatus.DRAFT]


def test_what_is_typed_is_kept_as_one_draft_and_becomes_the_post(owner: House, show: Show) -> None:
    owner.account(Platform("x"))
    app = _type(show("compose"), "First words")
    assert "Draft saved" in everything(app)
    app = _type(app, "First words and more")
    (draft,) = _drafts(owner)
    assert draft.content == "First words and more"
    _press(app, "Publish now")
    (post,) = posts.listing(owner.core, acting(owner.core, owner.owner))[0]
    assert (post.id, post.status) == (draft.id, PostStatus.SCHEDULED)


def test_a_draft_is_opened_again_with_its_texts_accounts_and_files(owner: House, show: Show) -> None:
    account, other = owner.account(Platform("x")), owner.account(Platform("mastodon"))
    file = media.add_bytes(owner.core, acting(owner.core, owner.owner), "blue.png", _picture(), "A blue square")
    drafts.save(
        owner.core,
        acting(owner.core, owner.owner),
        NewPost(("Common",), (account,), (file,), variants={account: ("Only for X",)}),
    )
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
    x, mastodon = owner.account(Platform("x")), owner.account(Platform("mastodon"))
    owner.chose(x, mastodon)
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
    x = owner.account(Platform("x"))
    words = " ".join(f"Sentence number {n} says a little more." for n in range(20))
    app = _choose(_type(show("compose"), words), "Text", x)
    app = _press(app, "Split into a thread")
    parts = [field.value for field in app.text_area if field.label.startswith("Part ")]
    assert len(parts) > 1 and all(weighted_length(part) <= 280 for part in parts)
    assert " ".join(part.rsplit(" (", 1)[0] for part in parts) == words
    assert ">Ready<" in everything(app)


def test_the_next_free_slot_is_taken_and_the_one_after_it_is_next(owner: House, show: Show) -> None:
    owner.account(Platform("x"))
    for text in ("One", "Two"):
        app = _choose(_type(show("compose"), text), "When", "Next free slot")
        app = _press(app, "Schedule")
        _press(app, "Write another post")
    first, second = sorted(p.scheduled_at for p in _written(owner) if p.scheduled_at)
    slots = queue.upcoming(queue.DEFAULT, ZoneInfo("Europe/Berlin"), first - timedelta(seconds=1))
    assert [next(slots), next(slots)] == [first, second]


def test_success_criteria_are_stored_with_the_post(owner: House, show: Show) -> None:
    owner.account(Platform("x"))
    app = _type(show("compose"), "Judge me")
    next(field for field in app.number_input if field.label == "Goal").set_value(20)
    app.run()
    _press(app, "Publish now")
    (post,) = _written(owner)
    assert post.options["criteria"] == {"metric": "likes", "target": 20, "hours": 24}


def test_the_preview_shows_the_text_as_text_with_its_links_marked(owner: House, show: Show) -> None:
    owner.account(Platform("x"))
    app = _type(show("compose"), "<img src=x onerror=alert(1)> https://example.com #tag")
    bodies = "".join(element.proto.body for element in app.get("html"))
    assert "&lt;img src=x onerror=alert(1)&gt; <em>https://example.com</em> <em>#tag</em>" in bodies
    assert "<img src=x" not in bodies


def test_a_viewer_may_look_but_nothing_can_be_pressed_and_nothing_is_kept(owner: House, show: Show) -> None:
    owner.account(Platform("x"))
    owner.become("viewer")
    app = _type(show("compose"), "I only look")
    publish = next(b for b in app.button if b.label == "Publish now")
    assert publish.disabled and "Your role is viewer" in publish.help
    assert next(b for b in app.button if b.label == "Bulk import (CSV)").disabled
    assert not posts.listing(owner.core, acting(owner.core, owner.owner))[0]


def test_what_a_viewer_may_not_do_is_refused_by_the_services_too(owner: House) -> None:
    account = owner.account(Platform("x"))
    post = drafts.save(owner.core, acting(owner.core, owner.owner), NewPost(("Mine",), (account,)))
    owner.become("viewer")
    core, user = owner.core, owner.owner
    attempts = (
        lambda: posts.create(core, acting(core, user), NewPost(("No",), (account,))),
        lambda: drafts.save(core, acting(core, user), NewPost(("No",), (account,))),
        lambda: drafts.change(core, acting(core, user), post.id, NewPost(("No",), (account,))),
        lambda: drafts.submit(core, acting(core, user), post.id),
        lambda: drafts.delete(core, acting(core, user), post.id),
        lambda: delivery_actions.cancel(core, acting(core, user), post.id),
        lambda: delivery_actions.retry(core, acting(core, user), post.id),
        lambda: media.add_bytes(core, acting(core, user), "a.png", _picture()),
        lambda: account_service.remove(core, acting(core, user), account),
        lambda: account_service.add_by_token(core, acting(core, user), Platform("x"), {"access_token": "t"}),
        lambda: linking.start(core, acting(core, user), Platform("x")),
        lambda: queue.choose(core, acting(core, user), {0: "9:00"}),
        lambda: imports.create(core, acting(core, user), imports.Batch(())),
    )
    for attempt in attempts:
        with pytest.raises(Forbidden, match="Your role is viewer"):
            attempt()
    assert [p.content for p in posts.listing(core, acting(core, user))[0]] == ["Mine"]


# --- a page that comes back ---


def _again(app: AppTest) -> AppTest:
    """The browser's page after the app was started anew: same address, nothing left of the session."""
    back = AppTest.from_file(str(app._script_path), default_timeout=60)
    back.query_params["draft"] = app.query_params["draft"]
    back.run()
    back.switch_page(str(ROOT / "pages" / "compose.py"))
    back.query_params["draft"] = app.query_params["draft"]
    back.run()
    assert not back.exception
    return back


def test_pictures_stay_with_the_draft_when_another_page_was_open(owner: House, show: Show) -> None:
    owner.account(Platform("x"))
    app = _type(show("compose"), "With a picture")
    app = give(owner, app, "blue.png", _picture())
    alt = next(field for field in app.text_input if field.label.startswith("Describe image"))
    alt.set_value("A blue square").run()
    app.switch_page(str(ROOT / "pages" / "calendar.py")).run()
    app.switch_page(str(ROOT / "pages" / "compose.py")).run()
    assert app.text_area[0].value == "With a picture"
    assert next(f for f in app.text_input if f.label.startswith("Describe image")).value == "A blue square"
    _press(app, "Publish now")
    (post,) = posts.listing(owner.core, acting(owner.core, owner.owner))[0]
    (file,) = media.files(owner.core, acting(owner.core, owner.owner), post.options["media"])
    assert (file.alt, post.status) == ("A blue square", PostStatus.SCHEDULED)


def test_a_page_that_comes_back_has_its_whole_draft(owner: House, show: Show) -> None:
    x, linkedin = owner.account(Platform("x")), owner.account(Platform("linkedin"))
    owner.chose(x, linkedin)
    app = _type(show("compose"), "Common")
    app = _type(_choose(app, "Text", x), "Only for X")
    app = give(owner, app, "blue.png", _picture())
    next(field for field in app.number_input if field.label == "Goal").set_value(20).run()
    back = _again(app)
    assert back.text_area[0].value == "Common" and "Describe image 1" in str([f.label for f in back.text_input])
    assert _choose(back, "Text", x).text_area[0].value == "Only for X"
    _press(back, "Publish now")
    (post,) = posts.listing(owner.core, acting(owner.core, owner.owner))[0]
    assert post.options["variants"] == {str(x): ["Only for X"]} and len(post.options["media"]) == 1
    assert set(post.options["accounts"]) == {x, linkedin} and post.options["criteria"]["target"] == 20


def test_a_page_that_comes_back_after_the_press_finds_its_post_and_makes_no_second(owner: House, show: Show) -> None:
    owner.account(Platform("x"))
    app = _type(show("compose"), "Once and for all")
    (stored,) = _drafts(owner)
    drafts.submit(
        owner.core, acting(owner.core, owner.owner), stored.id
    )  # the process ended before the page heard of it
    for back in (_again(app), _press(app, "Publish now")):
        assert "Publishing on X" in everything(back)
        assert not [b for b in back.button if b.label == "Publish now"]
    assert len(posts.listing(owner.core, acting(owner.core, owner.owner))[0]) == 1


def test_a_key_belongs_to_one_post_and_to_one_space(owner: House) -> None:
    new = NewPost(("Once",), (owner.account(Platform("x")),))
    draft = ComposerDraft(user_id=owner.owner)
    draft.publish(owner.core, acting(owner.core, owner.owner), new)
    other = ComposerDraft(key=draft.key, user_id=owner.owner)
    with pytest.raises(Conflict, match="draft of its own"):
        other.publish(owner.core, acting(owner.core, owner.owner), replace(new, parts=("Other",)))
    assert [p.content for p in _written(owner)] == ["Once"]
    assert [p.content for p in _drafts(owner)] == ["Other"]
    assert drafts.by_key(owner.core, acting(owner.core, owner.stranger), draft.key) is None
    assert stored_draft(owner.core, acting(owner.core, owner.stranger), draft.key) is None


def test_two_pages_on_one_draft_keep_both_texts(owner: House, show: Show) -> None:
    owner.account(Platform("x"))
    first = _type(show("compose"), "From the first page")
    second = _again(first)
    _type(second, "From the second page")
    first = _type(first, "The first page again")
    assert "changed on another page" in first.warning[0].value
    assert {p.content for p in _drafts(owner)} == {"From the second page", "The first page again"}
    assert first.text_area[0].value == "The first page again"
    first = _press(first, "Use the other version")
    assert first.text_area[0].value == "From the second page"


def test_an_older_page_does_not_publish_what_another_one_has_changed(owner: House, show: Show) -> None:
    owner.account(Platform("x"))
    first = _type(show("compose"), "Old words")
    _type(_again(first), "New words")
    first = _press(first, "Publish now")
    assert first.error and not _written(owner)
    assert first.run().text_area[0].value == "New words"


def test_a_draft_deleted_elsewhere_goes_on_as_a_new_one(owner: House, show: Show) -> None:
    owner.account(Platform("x"))
    app = _type(show("compose"), "Words")
    drafts.delete(owner.core, acting(owner.core, owner.owner), _drafts(owner)[0].id)
    app = _type(app, "Words that stay")
    assert "deleted on another page" in app.warning[0].value
    assert [p.content for p in _drafts(owner)] == ["Words that stay"]


def test_while_the_database_is_busy_nothing_typed_is_lost(
    owner: House, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.account(Platform("x"))
    app = _type(show("compose"), "Before")
    with monkeypatch.context() as busy:

        def locked(*_args: object, **_named: object) -> Post:
            raise OperationalError("UPDATE", {}, Exception("database is locked"))

        busy.setattr(drafts, "change", locked)
        app = _type(app, "Typed while it was busy")
        assert "Draft not saved" in app.warning[0].value and "Reload the page" not in everything(app)
    app = _press(app, "Save again")
    assert [p.content for p in _drafts(owner)] == ["Typed while it was busy"]


def test_an_account_may_be_removed_while_its_own_text_is_open_and_the_text_is_kept(owner: House, show: Show) -> None:
    x, mastodon = owner.account(Platform("x")), owner.account(Platform("mastodon"))
    owner.chose(x, mastodon)
    app = _type(_choose(_type(show("compose"), "Common"), "Text", x), "Only for X")
    app.pills[0].set_value([mastodon])
    app.run()
    assert not app.error and app.text_area[0].value == "Common" and "Own text kept for X" in everything(app)
    back = _again(app)
    back.pills[0].set_value([x, mastodon])
    assert _choose(back.run(), "Text", x).text_area[0].value == "Only for X"


def test_signed_out_elsewhere_the_last_words_wait_for_the_person(owner: House, show: Show) -> None:
    owner.account(Platform("x"))
    app = _type(show("compose"), "Before")
    owner.token = None
    app = _type(app, "Typed after the sign-out")
    assert not app.text_area and "Typed after" not in everything(app)
    owner.sign_in(owner.teammate)
    assert "Typed after" not in str([t.value for t in _again(app).text_area])
    owner.sign_in()
    assert _again(app).text_area[0].value == "Typed after the sign-out"
    assert [p.content for p in _drafts(owner)] == ["Typed after the sign-out"]


# --- times ---


@pytest.mark.parametrize(
    ("day", "hour", "says"),
    [
        ((2027, 3, 28), 2, "the clocks jump over it"),
        ((2027, 10, 31), 2, "happens twice"),
        ((2026, 1, 2), 9, "in the past"),
    ],
)
def test_a_time_that_cannot_be_leaves_the_rest_of_the_page(
    owner: House, show: Show, day: tuple[int, int, int], hour: int, says: str
) -> None:
    owner.account(Platform("x"))
    app = _type(show("compose"), "Odd hour")
    _choose(app, "When", "Later")
    app.date_input[0].set_value(date(*day))
    app.time_input[0].set_value(time(hour, 30)).run()
    assert says in app.error[0].value.replace("\\", "")
    assert app.text_area[0].value == "Odd hour" and ">Ready<" in everything(app)
    assert next(b for b in app.button if b.label in ("Schedule", "Publish now")).disabled
    assert [p.content for p in _drafts(owner)] == ["Odd hour"]


def test_of_an_hour_that_happens_twice_both_can_be_chosen(owner: House, show: Show) -> None:
    owner.account(Platform("x"))
    app = _type(show("compose"), "Twice")
    _choose(app, "When", "Later")
    app.date_input[0].set_value(date(2027, 10, 31))
    app.time_input[0].set_value(time(2, 30)).run()
    which = next(one for one in app.radio if "twice" in one.label)
    assert which.options == ["First: 02:30 CEST (UTC+02:00)", "Second: 02:30 CET (UTC+01:00)"]
    which.set_value(datetime(2027, 10, 31, 1, 30, tzinfo=UTC)).run()
    app = _press(app, "Schedule")
    (post,) = _written(owner)
    assert post.scheduled_at == datetime(2027, 10, 31, 1, 30, tzinfo=UTC)
    assert "Scheduled for Sun 31 Oct 2027, 02:30 (Berlin) on X" in everything(app).replace("\\", "")


def test_looking_at_the_next_free_slot_keeps_the_time_that_was_chosen(owner: House, show: Show) -> None:
    owner.account(Platform("x"))
    app = _type(show("compose"), "Kept time")
    _choose(app, "When", "Later")
    app.date_input[0].set_value(date(2027, 5, 4))
    app.time_input[0].set_value(time(7, 15)).run()
    app = _choose(_choose(app, "When", "Next free slot"), "When", "Later")
    assert (app.date_input[0].value, app.time_input[0].value) == (date(2027, 5, 4), time(7, 15))
    _press(app, "Schedule")
    (post,) = _written(owner)
    assert post.scheduled_at == datetime(2027, 5, 4, 5, 15, tzinfo=UTC)


def test_a_zone_changed_on_another_page_moves_no_planned_time(owner: House, show: Show) -> None:
    owner.account(Platform("x"))
    app = _type(show("compose"), "Same moment")
    _choose(app, "When", "Later")
    app.date_input[0].set_value(date(2027, 5, 4))
    app.time_input[0].set_value(time(9, 0)).run()
    with owner.core.db.write() as conn:
        conn.execute(update(tables.users).where(tables.users.c.id == owner.owner).values(zone="America/New_York"))
    app.run()
    assert app.time_input[0].value == time(3, 0) and "09:00 (Berlin)" in app.info[0].value.replace("\\", "")
    _press(app, "Schedule")
    (post,) = _written(owner)
    assert post.scheduled_at == datetime(2027, 5, 4, 7, 0, tzinfo=UTC)


def test_options_of_a_platform_are_kept_with_the_draft_and_go_out(owner: House, show: Show) -> None:
    owner.chose(owner.account(Platform("x")), owner.account(Platform("mastodon")))
    app = show("compose")
    app.text_area[0].set_value("A finale worth waiting for")
    app.run()
    next(one for one in app.text_input if one.label == "Content warning").set_value("Spoilers")
    next(one for one in app.selectbox if one.label == "Who can see it").set_value("unlisted")
    next(one for one in app.selectbox if one.label == "Who can reply").set_value("following")
    app.run()
    (kept,) = posts.listing(owner.core, acting(owner.core, owner.owner))[0]
    wanted = {"mastodon": {"content_warning": "Spoilers", "audience": "unlisted"}, "x": {"who_can_reply": "following"}}
    assert drafts.wish_of(kept).options == wanted
    app = show("compose")  # the page comes back
    app.query_params["draft"] = kept.draft_key or ""
    app.run()
    assert next(one for one in app.text_input if one.label == "Content warning").value == "Spoilers"
    _press(app, "Publish now")
    (post,) = _written(owner)
    assert drafts.wish_of(post).options == wanted


def test_a_poll_that_a_platform_would_refuse_stops_the_button(owner: House, show: Show) -> None:
    owner.account(Platform("mastodon"))
    app = show("compose")
    app.text_area[0].set_value("Which?").run()
    next(one for one in app.text_area if one.label.startswith("Poll choices")).set_value("Only one").run()
    assert "2 to 4 choices; this one has 1" in everything(app)
    assert next(b for b in app.button if b.label == "Publish now").disabled
    next(one for one in app.text_area if one.label.startswith("Poll choices")).set_value("One\nTwo").run()
    assert not next(b for b in app.button if b.label == "Publish now").disabled


def test_options_of_one_account_are_told_and_taken_back(owner: House, show: Show) -> None:
    """A program can ask for something else on one account; nobody must send it unseen."""
    mastodon = owner.account(Platform("mastodon"), name="toot")
    actor = acting(owner.core, owner.owner)
    asked = {str(mastodon): {"audience": "followers"}, "mastodon": {"sensitive": True}}
    kept = drafts.save(owner.core, actor, NewPost(("For a few",), (mastodon,), options=asked))
    with owner.core.db.write() as conn:  # the package of a platform was there when it was written
        told = {**kept.options, "asked": {**kept.options["asked"], "gone": {"a": "b"}}}
        conn.execute(tables.posts.update().where(tables.posts.c.id == kept.id).values(options=told))
    app = show("compose")
    app.query_params["draft"] = str(kept.id)
    app.run()
    assert "Only on toot: Mark media as sensitive: yes; Who can see it: Followers only." in everything(app).replace(
        "\\", ""
    )
    app.text_area[0].set_value("For some").run()
    now = drafts.wish_of(drafts.get(owner.core, actor, kept.id))
    assert (now.parts, now.options) == (("For some",), asked)
    _press(app, "Use these options on toot, too")
    now = drafts.wish_of(drafts.get(owner.core, actor, kept.id))
    assert now.options == {"mastodon": {"sensitive": True}}
