"""The Monitor page: empty, full, in trouble, and what a person can do there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from postprober.domain.attempt import Act, Outcome
from postprober.domain.delivery import DeliveryState as S
from postprober.domain.delivery import Proof, Step, StepStatus
from postprober.domain.platform import Platform
from postprober.domain.remote import Counts
from postprober.services import monitoring
from postprober.storage import attempts, deliveries, logs
from postprober.storage.records import Delivery
from postprober.ui.components import pulse
from tests.pages.conftest import ROOT, House, everything

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
    made = house.post(text, house.account(Platform.X))
    live = house.move(
        made, S.CLAIMED, S.SUBMITTING, S.PUBLISHED, S.VERIFIED, proof=Proof.MATCHES, url="https://x.com/demo/status/1"
    )
    now = house.core.clock.now()
    with house.core.db.write() as conn:
        for step in (Step.AUTHENTICATION, Step.POSTING, Step.VERIFICATION):
            logs.step(conn, live, step, StepStatus.SUCCESS, now, message="fine")
        logs.sample(conn, live.id, Counts(likes=1234, views=None, replies=0), now)
    return live


def _held(house: House) -> Delivery:
    made = house.post("Held one", house.account(Platform.LINKEDIN))
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
    assert "Proved live" in seen and "Matches: a stranger sees exactly what was sent" in seen
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
    made = owner.post(NASTY, owner.account(Platform.X, name="<script>alert(3)</script>"))
    owner.move(made, S.CLAIMED, S.FAILED, reason=NASTY, url="javascript:alert(4)")
    app = show("monitor")
    bodies = "".join(element.proto.body for element in app.get("html"))
    assert "<img" not in bodies and "&lt;img src=x onerror=alert(1)&gt; **bold** :red[x]" in bodies
    assert "<script>alert(3)" not in bodies and "javascript:alert(4)" not in bodies
    assert not any("onerror" in str(element.value) for element in app.markdown)


def test_a_repaired_delivery_says_what_was_done(owner: House, show: Show) -> None:
    made = owner.post("Lost answer", owner.account(Platform.X))
    owner.move(made, S.CLAIMED, S.SUBMITTING, S.UNCONFIRMED, S.PUBLISHED, S.VERIFIED, proof=Proof.MATCHES)
    assert "PostProber looked and found the post. Nothing was sent twice." in everything(show("monitor"))


def test_a_held_delivery_explains_itself_and_looking_again_sends_nothing(owner: House, show: Show) -> None:
    held = _held(owner)
    app = show("monitor")
    assert "It cannot be told whether it is there; please decide. Cannot be read" in everything(app)
    assert "held, please decide" in everything(app)
    _press(app, "Look again")
    assert _state(owner, held) is S.UNCONFIRMED


def test_a_person_may_decide_that_a_held_delivery_is_sent(owner: House, show: Show) -> None:
    held = _held(owner)
    app = _press(show("monitor"), "It is not there: send it")
    assert _state(owner, held) is S.SCHEDULED
    assert "It is not there: send it" not in everything(app)


def test_a_decision_that_comes_too_late_is_refused_with_a_sentence(owner: House, show: Show) -> None:
    held = _held(owner)
    app = show("monitor")
    owner.move(held, S.PUBLISHED)
    app = _press(app, "It is not there: send it")
    assert _state(owner, held) is S.PUBLISHED


def test_a_failed_delivery_can_be_tried_again(owner: House, show: Show) -> None:
    failed = owner.move(owner.post("Refused", owner.account(Platform.X)), S.CLAIMED, S.FAILED, reason="too long")
    app = show("monitor")
    assert "Nothing was published. Too long" in everything(app)
    _press(app, "Try again")
    assert _state(owner, failed) is S.SCHEDULED


def test_the_history_is_read_only_when_it_is_opened_and_replies_are_code(owner: House, show: Show) -> None:
    live = _live(owner)
    with owner.core.db.write() as conn:
        now = owner.core.clock.now()
        new = attempts.open_attempt(
            conn, live, part=0, act=Act.PUBLISH, worker="w", request_id="r", now=now, payload_hash="", intent={}
        )
        attempts.close_attempt(conn, new, Outcome.SUCCESS, now=now, http_status=201, latency_ms=12, reply=NASTY)
    app = show("monitor")
    assert not app.code
    app.session_state[f"history-{live.id}"] = True
    app.run()
    assert not app.exception
    assert [code.value for code in app.code] == [NASTY]
    seen = everything(app)
    assert "Publish, try 1: done" in seen and "HTTP 201" in seen and "pp-history" in seen


def test_it_warns_plainly_when_the_scheduler_is_silent(house: House, show: Show) -> None:
    house.sign_in()
    assert [warning.value for warning in show("monitor").warning] == [pulse.NO_SCHEDULER]
    house.beat()
    assert not show("monitor").warning


def test_the_filters_show_only_what_was_asked_for(owner: House, show: Show) -> None:
    _live(owner, "On X")
    owner.post("On Bluesky", owner.account(Platform.BLUESKY))
    app = show("monitor")
    assert "On X" in everything(app) and "On Bluesky" in everything(app)
    status, platform = app.pills
    status.set_value(["scheduled"]).run()
    assert "On X" not in everything(app) and "On Bluesky" in everything(app)
    platform.set_value([Platform.X]).run()
    assert app.info[0].value.startswith("No post fits these filters")


def test_older_posts_come_on_demand(owner: House, show: Show) -> None:
    account = owner.account(Platform.X)
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
        seen.add(monitoring.stamp(core, owner.owner, [live.post_id]))

    look()
    look()
    assert len(seen) == 1
    with core.db.write() as conn:
        logs.sample(conn, live.id, Counts(likes=2), core.clock.now() + timedelta(seconds=1))
    look()
    with core.db.write() as conn:
        logs.step(conn, live, Step.ENGAGEMENT, StepStatus.SUCCESS, core.clock.now())
    look()
    owner.move(live, S.GHOST)
    look()
    owner.post("A new one", live.account_id)
    look()
    assert len(seen) == 5


def test_a_page_without_app_py_around_it_still_works_for_a_signed_in_person(owner: House) -> None:
    _live(owner, "Seen alone")
    app = AppTest.from_file(str(ROOT / "pages" / "monitor.py"), default_timeout=20).run()
    assert not app.exception
    assert "Seen alone" in everything(app)


def test_the_header_names_the_person_and_the_sandbox(owner: House, show: Show) -> None:
    app = show("monitor")
    assert "owner@example.org" in everything(app) and "nothing leaves it" in everything(app)
    assert [element.proto.popover.label for element in app.get("popover")] in ([], ["Owner"])


def test_signing_out_ends_the_session_at_once_and_takes_the_cookie_away(owner: House, show: Show) -> None:
    app = _press(show("monitor"), "Sign out")
    assert f"{owner.core.settings.api_base}/api/session/end" in everything(app)
    assert not app.title
    app.run()
    assert [field.label for field in app.text_input] == ["E-mail address", "Password"]
