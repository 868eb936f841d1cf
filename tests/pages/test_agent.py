"""Suggestions, reviews and repairs on the pages: shown with their reason and maker, decided by a click, only by who may."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from postprober.domain.delivery import DeliveryState as S
from postprober.domain.diagnosis import Cause, Diagnosis, Fix
from postprober.domain.platform import Platform
from postprober.domain.post import PostStatus
from postprober.domain.text import weighted_length
from postprober.errors import Forbidden
from postprober.services.accounts import accounts
from postprober.services.monitoring import repairs as repair_service
from postprober.services.posts import advice, posts
from postprober.storage import deliveries, repairs
from postprober.storage.records import Delivery, Post
from tests.pages.conftest import House, everything
from tests.people import acting

Show = Callable[[str], AppTest]
LONG = "Our spring notes are out, and the data are there to check them. " + "Thank you so much! " * 14
FRAUD = "FREE BITCOIN!!! Guaranteed returns, click now and send us your password to double your money today"


@pytest.fixture
def owner(house: House) -> House:
    house.sign_in()
    house.beat()
    house.account(Platform("x"))
    return house


def _press(app: AppTest, label: str, which: int = 0) -> AppTest:
    return [button for button in app.button if button.label == label][which].click().run()


def _labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def _posts(house: House) -> list[Post]:
    return posts.listing(house.core, acting(house.core, house.owner))[0]


def _type(app: AppTest, text: str) -> AppTest:
    app.text_area[0].set_value(text)
    return app.run()


def test_a_text_too_long_gets_a_thread_or_a_shorter_one_by_a_click(owner: House, show: Show) -> None:
    app = _type(show("compose"), LONG)
    assert ">Needs a change<" in everything(app) and "No issues found" in everything(app)
    app = _press(app, "Get suggestions")
    seen = everything(app)
    assert seen.index("As a thread") < seen.index("A text that fits") and "by rules" in seen and "<del>" in seen
    assert "Left out:" in seen and "<li>Thank you so much!</li>" in seen
    app = _press(app, "Apply", 1)
    seen = everything(app)
    assert ">Ready<" in seen and ">Needs a change<" not in seen
    app = _press(app, "Publish now")
    (post,) = _posts(owner)
    ((text,),) = post.options["variants"].values()
    assert post.status == PostStatus.SCHEDULED and weighted_length(text) <= 280


def test_a_refused_suggestion_does_not_come_back(owner: House, show: Show) -> None:
    app = _press(_type(show("compose"), LONG), "Get suggestions")
    before = _labels(app).count("Apply")
    app = _press(app, "Dismiss")
    assert _labels(app).count("Apply") == before - 1
    app = _press(app, "Get suggestions")
    assert _labels(app).count("Apply") == before - 1


def test_a_flagged_post_waits_for_a_person_who_sees_why(owner: House, show: Show) -> None:
    app = _press(_type(show("compose"), FRAUD), "Publish now")
    seen = everything(app)
    assert "Held for review" in seen and "Flagged" in seen and "<li>" in seen
    (post,) = _posts(owner)
    assert post.status == PostStatus.REVIEW
    with owner.core.db.read() as conn:
        assert not deliveries.of_post(conn, post.id)


@pytest.mark.parametrize(("label", "status"), [("Approve", PostStatus.SCHEDULED), ("Back to draft", PostStatus.DRAFT)])
def test_the_review_is_decided_on_the_monitor(owner: House, show: Show, label: str, status: PostStatus) -> None:
    _press(_type(show("compose"), FRAUD), "Publish now")
    _press(show("monitor"), label)
    (post,) = _posts(owner)
    assert post.status == status


def _proposed(house: House, explanation: str = "The text is too long for X.") -> tuple[Delivery, int]:
    """A failed delivery with a proposal to shorten its text."""
    with house.core.db.read() as conn:
        account = conn.exec_driver_sql("SELECT min(id) FROM accounts").scalar_one()
    failed = house.move(house.post("Far too long a text", account), S.CLAIMED, S.FAILED, reason="too long")
    now = house.core.clock.now()
    with house.core.db.write() as conn:
        (row,) = repairs.of_delivery(conn, failed.id)
        found = Diagnosis(Cause.TEXT_TOO_LONG, 0.9, (1, 2), True, Fix.SHORTEN, explanation, "rules")
        plan = {"before": ["Far too long a text"], "after": ["A text"]}
        assert repairs.diagnosed(conn, row, found, "proposed", plan, now)
    return failed, row.id


def test_a_proposed_repair_explains_itself_with_a_diff_and_is_applied_by_a_click(owner: House, show: Show) -> None:
    failed, repair = _proposed(owner)
    app = show("monitor")
    seen = everything(app)
    assert "The text is too long for X." in seen and "Shorten the text" in seen and "<del>" in seen
    assert "Diagnosed by rules. Based on 2 attempts." in seen
    _press(app, "Apply the repair")
    with owner.core.db.read() as conn:
        now = deliveries.get(conn, failed.id)
        assert (now.state, [p.text for p in now.parts]) == (S.SCHEDULED, ["A text"])
        assert repairs.get(conn, repair, owner.owner).state == "applied"


def test_a_refused_repair_leaves_the_delivery_as_it_is(owner: House, show: Show) -> None:
    failed, repair = _proposed(owner)
    app = _press(show("monitor"), "Dismiss the repair")
    assert "Apply the repair" not in _labels(app)
    with owner.core.db.read() as conn:
        assert deliveries.get(conn, failed.id).state is S.FAILED
        assert repairs.get(conn, repair, owner.owner).state == "refused"


def test_a_diagnosis_is_text_whatever_stands_in_it(owner: House, show: Show) -> None:
    _proposed(owner, "<img src=x onerror=alert(1)>")
    bodies = "".join(element.proto.body for element in show("monitor").get("html"))
    assert "<img src=x" not in bodies and "&lt;img src=x onerror" in bodies


def test_a_viewer_reads_proposals_and_decides_nothing(owner: House, show: Show) -> None:
    _failed, repair = _proposed(owner)
    _press(_type(show("compose"), FRAUD), "Publish now")
    post = next(p for p in _posts(owner) if p.status == PostStatus.REVIEW)
    owner.become("viewer")
    app = show("monitor")
    deciding = [
        b for b in app.button if b.label in ("Apply the repair", "Dismiss the repair", "Approve", "Back to draft")
    ]
    assert len(deciding) == 4 and all(b.disabled for b in deciding)
    core, user = owner.core, owner.owner
    for act in (
        lambda: repair_service.apply(core, acting(core, user), repair),
        lambda: repair_service.refuse(core, acting(core, user), repair),
        lambda: advice.decide_review(core, acting(core, user), post.id, True),
        lambda: advice.ask(core, acting(core, user), post.id),
    ):
        with pytest.raises(Forbidden):
            act()


def test_nobody_decides_about_the_repairs_of_others(owner: House) -> None:
    failed, _repair = _proposed(owner)
    for other in (owner.teammate, owner.stranger):
        assert repair_service.of_posts(owner.core, acting(owner.core, other), [failed.post_id]) == {}


def test_what_is_said_of_several_accounts_is_said_once(owner: House, show: Show) -> None:
    owner.chose(
        owner.account(Platform("mastodon")),
        *(one.id for one in accounts.listing(owner.core, acting(owner.core, owner.owner))),
    )
    app = show("compose")
    app.text_area[0].set_value("The spring notes are out.")
    app = _press(app.run(), "Get suggestions")
    said = [one.value.replace("\\", "") for one in app.caption if "not enough data yet" in one.value]
    assert said == [
        "A better time (for all): There is not enough data yet: 0 of the 20 posts with metrics that are needed."
    ]


def test_a_reason_is_marked_as_intended_by_a_click_and_is_not_asked_about_again(owner: House, show: Show) -> None:
    app = _type(show("compose"), "Our game [[name]] is out")
    assert "[[name]]" in everything(app) and "This is intended" in _labels(app)
    app = _press(app, "This is intended")
    seen = everything(app)
    assert "No issues found" in seen and "This is intended" not in _labels(app)
    app = _press(app, "Publish now")
    (post,) = _posts(owner)
    assert post.status == PostStatus.SCHEDULED


def test_a_secret_has_no_such_button_and_is_not_shown_whole(owner: House, show: Show) -> None:
    _press(_type(show("compose"), "Our key is AKIAIOSFODNN7EXAMPLE"), "Publish now")
    app = show("monitor")
    reasons = [element.proto.body for element in app.get("html") if "<li>" in element.proto.body]
    assert "This is intended" not in _labels(app)
    assert reasons and all("AKIA…LE" in one and "IOSFODNN" not in one for one in reasons)
