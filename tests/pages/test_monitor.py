"""The Monitor page: empty, full, in trouble, and what a person can do there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from io import BytesIO

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from postprober.domain.attempt import Act, Outcome
from postprober.domain.delivery import TRAITS, Proof, StateCause, Step, StepStatus
from postprober.domain.delivery import DeliveryState as S
from postprober.domain.platform import Platform
from postprober.domain.remote import Counts, Ref
from postprober.errors import BadInput, Conflict, Forbidden, NotFound
from postprober.services.monitoring import monitoring, overview
from postprober.services.posts import delivery_actions, drafts, edit_failed
from postprober.services.posts.posts import PreflightFailed
from postprober.storage import attempts, deliveries, evidence_log, pictures, posts, sample_log, step_log, tables
from postprober.storage.records import Delivery, PartRecord
from postprober.ui.components.shared import auto_refresh
from postprober.ui.words import due_words
from tests.pages.conftest import ROOT, House, everything
from tests.people import acting

Show = Callable[[str], AppTest]
NASTY = '<img src=x onerror=alert(1)> **bold** :red[x] $a$ [link](javascript:alert(2)) "quoted"'


@pytest.fixture
def owner(house: House) -> House:
    """Signed in, with a scheduler that lives."""
    house.sign_in()
    house.beat()
    return house


def _live(house: House, text: str = "Hello") -> Delivery:
    """A post on X that is proved live and was counted once."""
    made = house.post(text, house.account(Platform("x")))
    live = house.move(
        made, S.CLAIMED, S.SUBMITTING, S.PUBLISHED, S.VERIFIED, proof=Proof.MATCHES, url="https://x.com/demo/status/1"
    )
    now = house.core.clock.now()
    with house.core.db.write() as conn:
        for step in (Step.AUTHENTICATION, Step.POSTING, Step.VERIFICATION):
            step_log.add(conn, live, step, StepStatus.SUCCESS, now, message="fine")
        sample_log.add(conn, live.id, Counts(likes=1234, views=None, replies=0), now)
    return live


def _held(house: House) -> Delivery:
    made = house.post("Held one", house.account(Platform("linkedin")))
    lost = house.core.clock.now()
    return house.move(made, S.CLAIMED, S.SUBMITTING, S.UNCONFIRMED, S.HELD, reason="cannot be read", unknown_at=lost)


def _state(house: House, delivery: Delivery) -> S:
    with house.core.db.read() as conn:
        return deliveries.get(conn, delivery.id).state


def _press(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


def test_an_empty_monitor_says_what_to_do_next(owner: House, show: Show) -> None:
    app = show("monitor")
    assert app.title[0].value == "Monitor"
    assert "write your first post" in app.info[0].value
    assert "No alerts." in everything(app)


def test_a_live_post_shows_its_steps_its_proof_in_words_and_its_link(owner: House, show: Show) -> None:
    _live(owner)
    seen = everything(show("monitor"))
    assert ">Verified<" in seen and "Verified: the public sees exactly what you sent" in seen
    assert 'href="https://x.com/demo/status/1" target="_blank"' in seen
    assert seen.count("pp-s-success") == 3 and seen.count("pp-s-none") == 1
    assert 'title="Verification: done at ' in seen and "fine" in seen


def test_a_count_that_the_platform_did_not_give_is_a_dash_and_never_zero(owner: House, show: Show) -> None:
    _live(owner)
    seen = everything(show("monitor"))
    assert "<dt>Likes</dt><dd>1,234</dd>" in seen
    assert "<dt>Views</dt><dd>–</dd>" in seen
    assert "<dt>Replies</dt><dd>0</dd>" in seen


def test_text_from_people_and_platforms_is_shown_and_never_interpreted(owner: House, show: Show) -> None:
    made = owner.post(NASTY, owner.account(Platform("x"), name="<script>alert(3)</script>"))
    owner.move(made, S.CLAIMED, S.FAILED, reason=NASTY, url="javascript:alert(4)")
    app = show("monitor")
    bodies = "".join(element.proto.body for element in app.get("html"))
    assert "<img" not in bodies and "&lt;img src=x onerror=alert(1)&gt; **bold** :red[x]" in bodies
    assert "<script>alert(3)" not in bodies and "javascript:alert(4)" not in bodies
    assert not any("onerror" in str(element.value) for element in app.markdown)


def test_a_repaired_delivery_says_what_was_done(owner: House, show: Show) -> None:
    made = owner.post("Lost answer", owner.account(Platform("x")))
    owner.move(made, S.CLAIMED, S.SUBMITTING, S.UNCONFIRMED, S.PUBLISHED, S.VERIFIED, proof=Proof.MATCHES)
    assert "we checked and found the post. Nothing was sent twice." in everything(show("monitor"))


def test_a_held_delivery_explains_itself_and_looking_again_sends_nothing(owner: House, show: Show) -> None:
    held = _held(owner)
    app = show("monitor")
    assert "We cannot tell whether it was published. Cannot be read" in everything(app)
    assert "held, please decide" in everything(app)
    _press(app, "Check again")
    assert _state(owner, held) is S.UNCONFIRMED


def test_a_person_may_decide_that_a_held_delivery_is_sent(owner: House, show: Show) -> None:
    held = _held(owner)
    app = _press(show("monitor"), "Not on LinkedIn: publish it")
    assert _state(owner, held) is S.SCHEDULED
    assert "Not on LinkedIn: publish it" not in everything(app)


def test_a_person_says_where_it_is_and_what_is_not_that_post_is_refused(owner: House, show: Show) -> None:
    held = _held(owner)
    app = show("monitor")
    field = next(field for field in app.text_input if field.label == "Link of the post")
    field.set_value("https://example.org/not-a-post")
    app = _press(app, "Link it")
    assert app.error and _state(owner, held) is S.HELD


def test_one_that_is_only_late_says_that_nothing_was_sent_and_asks_nothing_else(owner: House, show: Show) -> None:
    made = owner.post("Late one", owner.account(Platform("linkedin")))
    late = owner.move(made, S.HELD, reason="It is 90 minutes late, more than you allow.", cause=StateCause.LATE)
    app = show("monitor")
    assert "Later than you allow. Nothing was published." in everything(app)
    labels = {button.label for button in app.button}
    assert {"Publish now", "Cancel it"} <= labels
    assert not {"Check again", "Link it", "Not on LinkedIn: publish it"} & labels
    _press(app, "Publish now")
    assert _state(owner, late) is S.SCHEDULED


def test_what_a_second_account_saw_is_a_level_of_its_own(owner: House, show: Show) -> None:
    made = owner.post("Seen by two", owner.account(Platform("discord")))
    seen = owner.move(made, S.CLAIMED, S.SUBMITTING, S.PUBLISHED, S.VERIFIED, proof=Proof.WITNESSED)
    with owner.core.db.write() as conn:
        told = {"proof": "witnessed", "witness": "reader #news sees it."}
        step_log.add(conn, seen, Step.VERIFICATION, StepStatus.SUCCESS, owner.core.clock.now(), **told)
    shown = everything(show("monitor"))
    assert "Seen: another linked account can read it" in shown and "reader #news sees it." in shown
    bars = shown[shown.index('class="pp-bars"') :].partition("</span>")[0]
    assert (bars.count("<i"), bars.count('"on"')) == (5, 3)


def test_what_was_published_and_deleted_is_a_question_of_its_own(owner: House, show: Show) -> None:
    made = owner.post("Taken down", owner.account(Platform("discord")))
    lost = owner.core.clock.now()
    reason, cause = "the platform says that it was published and then deleted", StateCause.REMOVED
    owner.move(made, S.CLAIMED, S.SUBMITTING, S.UNCONFIRMED, S.HELD, reason=reason, cause=cause, unknown_at=lost)
    app = show("monitor")
    assert "The platform says it was published and then deleted." in everything(app)
    assert "Not on Discord: publish it" in {button.label for button in app.button}


def test_a_thread_that_is_partly_out_offers_the_rest_and_no_giving_up(owner: House, show: Show) -> None:
    made = owner.post("One", owner.account(Platform("x")))
    parts = (PartRecord(0, "One", ref=Ref("1", "https://x.com/demo/status/1")), PartRecord(1, "Two"))
    half = owner.move(made, S.CLAIMED, S.FAILED, parts=parts)
    assert half.state is S.PARTIAL
    app = show("monitor")
    labels = {button.label for button in app.button}
    assert "Publish the rest" in labels and not {"Cancel it", "Try again"} & labels
    assert "Published: 1 of 2." in everything(app) and "Nothing was published" not in everything(app)
    _press(app, "Publish the rest")
    assert _state(owner, half) is S.SCHEDULED


def test_a_person_may_leave_it_unsent(owner: House, show: Show) -> None:
    held = _held(owner)
    _press(show("monitor"), "Cancel it")
    assert _state(owner, held) is S.CANCELLED


def test_a_decision_that_comes_too_late_is_refused_with_a_sentence(owner: House, show: Show) -> None:
    held = _held(owner)
    app = show("monitor")
    owner.move(held, S.PUBLISHED)
    app = _press(app, "Not on LinkedIn: publish it")
    assert _state(owner, held) is S.PUBLISHED


def test_a_failed_delivery_can_be_tried_again(owner: House, show: Show) -> None:
    failed = owner.move(owner.post("Refused", owner.account(Platform("x"))), S.CLAIMED, S.FAILED, reason="too long")
    app = show("monitor")
    assert "Nothing was published. Too long" in everything(app)
    _press(app, "Try again")
    assert _state(owner, failed) is S.SCHEDULED


def _failed(house: House) -> Delivery:
    made = house.post("Refused words", house.account(Platform("x")))
    return house.move(made, S.CLAIMED, S.FAILED, reason="too long")


def test_a_failed_delivery_is_written_anew_for_its_platform_only(owner: House, show: Show) -> None:
    failed = _failed(owner)
    app = show("monitor")
    field = next(field for field in app.text_area if field.value == "Refused words")
    field.set_value("Other words")
    _press(app, "Publish")
    with owner.core.db.read() as conn:
        now = deliveries.get(conn, failed.id)
        post = posts.get(conn, failed.post_id)
    assert (now.state, [part.text for part in now.parts], now.key) == (S.SCHEDULED, ["Other words"], failed.key)
    assert post.options["variants"] == {str(failed.account_id): ["Other words"]} and post.content == "Refused words"


def test_new_words_are_checked_before_they_are_sent(owner: House) -> None:
    failed = _failed(owner)
    with pytest.raises(PreflightFailed, match="Shorten the text"):
        edit_failed.rewrite(owner.core, acting(owner.core, owner.owner), failed.id, ["x" * 281])
    assert _state(owner, failed) is S.FAILED


def test_published_parts_of_a_thread_stay_as_they_are(owner: House) -> None:
    made = owner.post("One", owner.account(Platform("x")))
    parts = (PartRecord(0, "One", ref=Ref("1", "https://x.com/demo/status/1")), PartRecord(1, "Two"))
    failed = owner.move(made, S.CLAIMED, S.FAILED, parts=parts)
    with pytest.raises(BadInput, match="published already"):
        edit_failed.rewrite(owner.core, acting(owner.core, owner.owner), failed.id, ["Changed", "Two"])
    edit_failed.rewrite(owner.core, acting(owner.core, owner.owner), failed.id, ["One", "Two, better", "Three"])
    with owner.core.db.read() as conn:
        now = deliveries.get(conn, failed.id)
    assert [part.text for part in now.parts] == ["One", "Two, better", "Three"] and now.parts[0].ref == parts[0].ref


def test_only_what_failed_is_written_anew_and_only_by_who_owns_it(owner: House) -> None:
    failed = _failed(owner)
    for other in (owner.teammate, owner.stranger):
        for act in (delivery_actions.cancel_one, delivery_actions.retry_one):
            with pytest.raises(NotFound):
                act(owner.core, acting(owner.core, other), failed.id)
        with pytest.raises(NotFound):
            edit_failed.rewrite(owner.core, acting(owner.core, other), failed.id, ["Mine"])
    owner.move(failed, S.SCHEDULED)
    with pytest.raises(Conflict, match="no longer failed"):
        edit_failed.rewrite(owner.core, acting(owner.core, owner.owner), failed.id, ["Late"])


def test_a_failed_delivery_can_be_given_up(owner: House, show: Show) -> None:
    failed = _failed(owner)
    _press(show("monitor"), "Cancel it")
    assert _state(owner, failed) is S.CANCELLED


def test_a_viewer_sees_what_is_wrong_and_can_press_nothing(owner: House, show: Show) -> None:
    _failed(owner)
    held = _held(owner)
    owner.become("viewer")
    app = show("monitor")
    offered = [
        b
        for b in app.button
        if b.label in ("Try again", "Cancel it", "Check again", "Not on LinkedIn: publish it", "Cancel it")
    ]
    assert len(offered) == 5 and all(b.disabled and "Your role is viewer" in b.help for b in offered)
    assert "Held one" in everything(app)
    for act in (delivery_actions.look_again, delivery_actions.send_held):
        with pytest.raises(Forbidden):
            act(owner.core, acting(owner.core, owner.owner), held.id)


def test_one_post_is_shown_alone_by_its_address(owner: House, show: Show) -> None:
    live = _live(owner, "Look at me")
    owner.post("Not at me", live.account_id)
    app = show("monitor")
    app.query_params["post"] = str(live.post_id)
    app.run()
    assert "Look at me" in everything(app) and "Not at me" not in everything(app)


@pytest.mark.parametrize("named", ["999", "-1", "x", "9" * 30, "1' OR 1=1"])
def test_an_address_that_names_no_post_is_no_error(owner: House, show: Show, named: str) -> None:
    _live(owner, "Only one")
    app = show("monitor")
    app.query_params["post"] = named
    app.run()
    assert not app.exception and not [e for e in app.error if "went wrong on this page" in e.value]


def test_the_post_of_another_cannot_be_opened_by_its_number(owner: House, show: Show) -> None:
    live = _live(owner, "SECRET words")
    owner.sign_in(owner.stranger)
    app = show("monitor")
    app.query_params["post"] = str(live.post_id)
    app.run()
    assert "SECRET" not in everything(app) and "There is no post" in app.error[0].value


@pytest.mark.parametrize("state", list(S))
def test_every_state_has_a_name_a_colour_and_a_sentence_on_the_page(owner: House, show: Show, state: S) -> None:
    made = owner.post("In some state", owner.account(Platform("x")))
    with owner.core.db.write() as conn:
        conn.execute(tables.deliveries.update().values(state=state.value, reason="because of this"))
    app = show("monitor")
    seen = everything(app)
    assert TRAITS[state].label in seen and TRAITS[state].sentence in seen, made.id


def test_the_history_is_read_only_when_it_is_opened_and_replies_are_code(owner: House, show: Show) -> None:
    live = _live(owner)
    with owner.core.db.write() as conn:
        now = owner.core.clock.now()
        new = attempts.open_attempt(
            conn, live, part=0, act=Act.PUBLISH, worker="w", request_id="r", now=now, payload_hash="", intent={}
        )
        attempts.close_attempt(conn, new, Outcome.SUCCESS, now=now, http_status=201, latency_ms=12, reply=NASTY)
        evidence_log.keep(conn, live.id, "proof", {"text": NASTY}, now)
    app = show("monitor")
    assert not app.code
    app.session_state[f"details-{live.post_id}"] = True
    app.run()
    assert not app.exception
    assert [code.value for code in app.code][-1] == NASTY
    seen = everything(app)
    assert len(app.code) == 2 and "Verification: as the author and as the public" in seen
    assert app.get("vega_lite_chart") or app.get("arrow_vega_lite_chart")
    assert "Publish, attempt 1: done" in seen and "HTTP 201" in seen and "pp-history" in seen


def test_a_picture_of_the_post_and_every_difference_are_shown(owner: House, show: Show) -> None:
    live = _live(owner)
    picture = BytesIO()
    Image.new("RGB", (40, 20), "teal").save(picture, "PNG")
    name = pictures.keep(pictures.folder(owner.core.settings.data_dir), picture.getvalue())
    told = ["The text differs from what was sent.", f"2 media are shown {NASTY}"]
    with owner.core.db.write() as conn:
        now = owner.core.clock.now()
        step_log.add(conn, live, Step.VERIFICATION, StepStatus.WARNING, now, proof="public", differences=told)
        evidence_log.keep(conn, live.id, "browser", {"verdict": "login_wall"}, now, name)
        evidence_log.keep(conn, live.id, "browser", {"verdict": "found"}, now, "0" * 64)
    app = show("monitor")
    assert "The text differs from what was sent." in everything(app) and "pp-differences" in everything(app)
    assert NASTY not in everything(app)
    app.session_state[f"details-{live.post_id}"] = True
    app.run()
    assert not app.exception
    seen = everything(app)
    assert len(app.get("image")) == 1 and "login wall" in str(app.get("image")[0].proto)
    assert "The picture was deleted" in seen and "Seen in a browser, not signed in" in seen


def test_it_warns_plainly_when_the_scheduler_is_silent(house: House, show: Show) -> None:
    house.sign_in()
    assert [warning.value for warning in show("monitor").warning] == [auto_refresh.NO_SCHEDULER]
    house.beat()
    assert not show("monitor").warning


def test_the_filters_show_only_what_was_asked_for(owner: House, show: Show) -> None:
    _live(owner, "On X")
    owner.post("On Bluesky", owner.account(Platform("bluesky")))
    app = show("monitor")
    assert "On X" in everything(app) and "On Bluesky" in everything(app)
    status, platform = app.pills
    status.set_value(["scheduled"]).run()
    assert "On X" not in everything(app) and "On Bluesky" in everything(app)
    platform.set_value([Platform("x")]).run()
    assert app.info[0].value.startswith("No post fits these filters")


def test_older_posts_come_on_demand(owner: House, show: Show) -> None:
    account = owner.account(Platform("x"))
    for index in range(11):
        owner.post(f"Post number {index:02}", account)
    app = show("monitor")
    assert "Post number 10" in everything(app) and "Post number 00" not in everything(app)
    _press(app, "Show older posts")
    assert "Post number 00" in everything(app)


def test_nobody_sees_the_posts_or_alerts_of_others(owner: House, show: Show) -> None:
    _held(owner)
    for other in (owner.teammate, owner.stranger):
        owner.sign_in(other)
        seen = everything(show("monitor"))
        assert "Held one" not in seen and "please decide" not in seen


def test_the_stamp_changes_with_all_that_the_page_shows(owner: House) -> None:
    live = _live(owner)
    core, seen = owner.core, set()

    def look() -> None:
        seen.add(monitoring.stamp(core, acting(core, owner.owner), [live.post_id]))

    look()
    look()
    assert len(seen) == 1
    with core.db.write() as conn:
        sample_log.add(conn, live.id, Counts(likes=2), core.clock.now() + timedelta(seconds=1))
    look()
    with core.db.write() as conn:
        step_log.add(conn, live, Step.ENGAGEMENT, StepStatus.SUCCESS, core.clock.now())
    look()
    owner.move(live, S.GHOST)
    look()
    owner.post("A new one", live.account_id)
    look()
    assert len(seen) == 5


def test_a_page_without_app_py_around_it_still_works_for_a_signed_in_person(owner: House) -> None:
    _live(owner, "Seen alone")
    app = AppTest.from_file(str(ROOT / "pages" / "monitor.py"), default_timeout=60).run()
    assert not app.exception
    assert "Seen alone" in everything(app)


def test_the_header_names_the_person_and_the_sandbox(owner: House, show: Show) -> None:
    app = show("monitor")
    assert "owner@example.org" in everything(app) and "nothing leaves this machine" in everything(app)
    assert [element.proto.popover.label for element in app.get("popover")] in ([], ["Owner"])


def test_signing_out_ends_the_session_at_once_and_takes_the_cookie_away(owner: House, show: Show) -> None:
    app = _press(show("monitor"), "Sign out")
    assert f"{owner.core.settings.api_base}/api/session/end" in everything(app)
    assert not app.title
    app.run()
    assert [field.label for field in app.text_input] == ["E-mail address", "Password"]


def test_of_two_people_who_write_a_failed_post_anew_the_second_is_told_and_keeps_the_words(
    owner: House, show: Show
) -> None:
    failed = _failed(owner)
    app = show("monitor")
    next(field for field in app.text_area if field.value == "Refused words").set_value("Words of the second")
    edit_failed.rewrite(owner.core, acting(owner.core, owner.owner), failed.id, ["Words of the first"])
    app = _press(app, "Publish")
    assert "Your text was not sent." in app.warning[0].value.replace("\\", "")
    with owner.core.db.read() as conn:
        assert deliveries.get(conn, failed.id).parts[0].text == "Words of the first"
        assert "Words of the second" in [
            p.content for p in posts.of_user(conn, owner.owner, range(1, 50)) if p.status == "draft"
        ]
    app = app.run()
    assert app.warning, "it stays until it is dismissed"
    assert not _press(app, "Dismiss").warning


def test_words_that_the_review_holds_stay_in_the_form_until_a_person_approves_them(owner: House, show: Show) -> None:
    failed = _failed(owner)
    app = show("monitor")
    next(field for field in app.text_area if field.value == "Refused words").set_value("TODO: write this")
    app = _press(app, "Publish")
    assert "Held for review" in app.error[0].value and _state(owner, failed) is S.FAILED
    assert next(field for field in app.text_area if field.label == "Text").value == "TODO: write this"
    next(box for box in app.checkbox if "approve this text" in box.label).check()
    _press(app, "Publish")
    assert _state(owner, failed) is S.SCHEDULED


def _ghost(house: House, text: str = "Nobody sees it") -> Delivery:
    made = house.post(text, house.account(Platform("x")))
    return house.move(made, S.CLAIMED, S.SUBMITTING, S.PUBLISHED, S.GHOST, reason="not visible")


def test_an_invisible_post_is_acknowledged_and_no_longer_needs_anybody(owner: House, show: Show) -> None:
    ghost = _ghost(owner)
    assert "Nobody sees it" in everything(show("overview"))
    app = _press(show("monitor"), "Acknowledge")
    assert "Acknowledged." in everything(app)
    assert not [b for b in app.button if b.label == "Acknowledge"]
    assert overview.take(owner.core, acting(owner.core, owner.owner)).needs == 0
    assert _state(owner, ghost) is S.GHOST


def test_an_invisible_post_is_published_again_only_with_the_risk_accepted(owner: House, show: Show) -> None:
    ghost = _ghost(owner)
    app = show("monitor")
    assert "Then both can be seen." in everything(app)
    assert next(b for b in app.button if b.label == "Publish again now").disabled
    next(box for box in app.checkbox if "both may become visible" in box.label).check().run()
    _press(app, "Publish again now")
    with owner.core.db.read() as conn:
        assert [d.state for d in deliveries.of_post(conn, ghost.post_id)] == [S.GHOST, S.SCHEDULED]


def test_a_scheduled_post_is_edited_from_the_monitor(owner: House, show: Show) -> None:
    made = owner.post("As planned", owner.account(Platform("x")))
    with owner.core.db.write() as conn:
        post = posts.get(conn, made.post_id)
        later = owner.core.clock.now() + timedelta(days=2)
        options = {**post.options, "accounts": [made.account_id]}
        assert posts.edit(conn, post.id, post.version, later, options=options, scheduled_at=later)
    app = _press(show("monitor"), "Edit post").switch_page(str(ROOT / "pages" / "compose.py")).run()
    seen = everything(app)
    assert "Editing a scheduled post" in seen and "No changes yet." in seen
    app.text_area[0].set_value("In other words")
    app = app.run()
    assert "Changes: text." in everything(app).replace("\\", "")
    app = _press(app, "Save changes")
    assert "Scheduled for" in everything(app)
    with owner.core.db.read() as conn:
        (delivery,) = deliveries.of_post(conn, made.post_id)
        assert (delivery.key, delivery.parts[0].text) == (made.key, "In other words")
        assert len(posts.of_user(conn, owner.owner, range(1, 50))) == 1


def test_words_for_a_post_that_was_deleted_meanwhile_are_offered_and_the_others_stay(owner: House, show: Show) -> None:
    failed = _failed(owner)
    owner.post("Another post", failed.account_id)
    app = show("monitor")
    app.session_state[f"edit-{failed.id}"] = True  # the form is open
    app = app.run()
    field = next(field for field in app.text_area if field.value == "Refused words")
    drafts.delete(owner.core, acting(owner.core, owner.owner), failed.post_id)
    app = app.run()
    seen = everything(app)
    assert "Another post" in seen and not app.error
    assert f"Post {failed.post_id} was deleted" in seen
    (same,) = [one for one in app.text_area if one.id == field.id]  # where the browser still has what was typed
    same.set_value("Words that stay")
    app = _press(app, "Save my text as a draft")
    assert "Saved as a draft" in everything(app).replace("\\", "")
    assert [p.content for p in drafts.listing(owner.core, acting(owner.core, owner.owner))] == ["Words that stay"]
    app = app.run()
    assert "was deleted while" not in everything(app) and "Another post" in everything(app)


def test_a_post_that_is_deleted_between_two_questions_of_the_page_takes_no_other_with_it(
    owner: House, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = owner.post("Soon gone", owner.account(Platform("x")))
    owner.post("Another post", gone.account_id)

    def stamp(*_: object) -> tuple[int]:
        with suppress(NotFound):
            drafts.delete(owner.core, acting(owner.core, owner.owner), gone.post_id)
        return (1,)

    monkeypatch.setattr(monitoring, "stamp", stamp)
    seen = everything(show("monitor"))
    assert "Another post" in seen and "Soon gone" not in seen


def test_the_address_of_a_post_that_is_gone_says_so(owner: House, show: Show) -> None:
    gone = owner.post("Soon gone", owner.account(Platform("x")))
    app = show("monitor")
    app.query_params["post"] = str(gone.post_id)
    assert "Soon gone" in everything(app.run())
    drafts.delete(owner.core, acting(owner.core, owner.owner), gone.post_id)
    assert f"There is no post {gone.post_id}." in everything(app.run()).replace("\\", "")


def test_a_cancelled_post_says_once_what_happened(owner: House, show: Show) -> None:
    made = owner.post("Not today", owner.account(Platform("x")))
    delivery_actions.cancel(owner.core, acting(owner.core, owner.owner), made.post_id)
    seen = everything(show("monitor"))
    assert "Cancelled by Owner. Nothing was published." in seen and "ancelled before" not in seen


def test_a_scheduled_post_says_when(owner: House, show: Show) -> None:
    later = owner.core.clock.now() + timedelta(days=2)
    made = owner.post("Soon", owner.account(Platform("x")))
    with owner.core.db.write() as conn:
        deliveries.touch(conn, made, owner.core.clock.now(), due_at=later, next_at=later)
    seen = everything(show("monitor"))
    assert f"Scheduled for {due_words(later, 'Europe/Berlin', owner.core.clock.now())}." in seen
    assert "Next attempt" not in seen


def test_a_verified_post_says_it_once(owner: House, show: Show) -> None:
    _live(owner)
    row = next(body for body in everything(show("monitor")).split("<section") if ">Verified<" in body)
    assert "Verified: the public sees" in row and "pp-why" not in row
