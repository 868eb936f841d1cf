"""Reports and shared proofs on the pages: to take away, to be sent, to be shown to others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from postprober.domain.delivery import DeliveryState as S
from postprober.domain.delivery import Proof
from postprober.domain.platform import Platform
from postprober.errors import NotSignedIn
from postprober.services.notifications import channels
from postprober.services.people import users
from postprober.services.reports import proof_pages, report_schedule, reports
from postprober.storage import users as user_storage
from postprober.storage.records import Delivery
from postprober.ui.components.shared import report_buttons
from tests.pages.conftest import House, everything
from tests.people import acting

Show = Callable[[str], AppTest]


@pytest.fixture
def owner(house: House) -> House:
    house.sign_in()
    house.beat()
    return house


def live(house: House) -> Delivery:
    now = house.core.clock.now()
    return house.move(
        house.post("Report *me*", house.account(Platform("x"))),
        S.CLAIMED,
        S.SUBMITTING,
        S.PUBLISHED,
        S.VERIFIED,
        proof=Proof.MATCHES,
        published_at=now,
        first_byte_at=now,
        verified_at=now,
        url="https://x.com/demo/status/1",
    )


def opened(app: AppTest, key: str) -> AppTest:
    app.session_state[key] = True
    app.run()
    assert not app.exception
    return app


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


def downloads(app: AppTest) -> dict[str, Any]:
    return {element.proto.label: element.proto for element in app.get("download_button")}


def test_a_post_has_a_report_of_each_kind_once_it_is_asked_for(owner: House, show: Show) -> None:
    one = live(owner)
    app = show("monitor")
    assert not downloads(app), "nothing is prepared for a closed popover"
    found = downloads(opened(app, f"report-{one.post_id}"))
    assert list(found) == list(report_buttons.LABELS.values())
    assert all(proto.deferred_file_id for proto in found.values()), "made when it is pressed, not before"


def test_a_pdf_that_cannot_be_printed_is_off_and_says_why(
    owner: House, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner.core.settings, "browser", "off")
    one = live(owner)
    found = downloads(opened(show("monitor"), f"report-{one.post_id}"))
    assert found["PDF"].disabled and "switched off" in found["PDF"].help and not found["HTML"].disabled


def test_a_file_is_made_for_who_is_still_signed_in(owner: House) -> None:
    one = live(owner)

    def make(form: str) -> reports.Made:
        return reports.of_post(owner.core, acting(owner.core, owner.owner), one.post_id, form, "UTC")

    content = report_buttons._content(owner.core, owner.token, make, "csv")
    assert b"Report *me*" in content()
    users.sign_out(owner.core, owner.token or "")
    with pytest.raises(NotSignedIn):
        content()


def test_the_days_of_a_report_are_chosen_on_the_analytics_page(owner: House, show: Show) -> None:
    live(owner)
    app = opened(show("analytics"), "report-period")
    names = [label for label in downloads(app) if label in report_buttons.LABELS.values()]
    assert names == list(report_buttons.LABELS.values())
    today = owner.core.clock.now().date()
    app.date_input(key="report-days").set_value((today,)).run()
    assert "Choose an end date." in everything(app)


def test_a_proof_is_shared_and_withdrawn_with_a_click(owner: House, show: Show) -> None:
    one = live(owner)
    app = opened(show("monitor"), f"proof-{one.post_id}")
    press(app, "Create link")
    link = proof_pages.link(owner.core, acting(owner.core, owner.owner), one.post_id)
    assert link and link in everything(app)
    press(app, "Revoke link")
    assert proof_pages.link(owner.core, acting(owner.core, owner.owner), one.post_id) == ""
    assert "Create link" in everything(app)


def test_what_is_not_live_cannot_be_shared(owner: House, show: Show) -> None:
    owner.post("Waits", owner.account(Platform("x")))
    labels = [element.proto.popover.label for element in show("monitor").get("popover")]
    assert "Share the proof" not in labels


def test_a_viewer_sees_a_shared_link_and_can_neither_share_nor_withdraw(owner: House, show: Show) -> None:
    one = live(owner)
    owner.become("viewer")
    app = opened(show("monitor"), f"proof-{one.post_id}")
    assert next(b for b in app.button if b.label == "Create link").disabled
    assert not downloads(opened(app, f"report-{one.post_id}"))["CSV"].disabled


def test_reports_that_come_by_themselves_are_chosen_on_the_alerts_page(owner: House, show: Show) -> None:
    with owner.core.db.read() as conn:
        user = user_storage.get(conn, owner.owner)
    hook, _ = channels.add(
        owner.core, acting(owner.core, user), kind="webhook", name="on *call*", url="http://127.0.0.1:9/"
    )
    app = show("alerts")
    app.segmented_control(key="report-every").set_value("month").run()
    assert not app.exception
    next(box for box in app.selectbox if box.label == "Day").set_value(3)
    next(box for box in app.selectbox if box.label == "Time").set_value(7)
    save = [button for button in app.button if button.label == "Save"][-1]
    save.click().run()
    assert not app.exception and not app.error
    found = report_schedule.get(owner.core, acting(owner.core, user))
    assert (found.every, found.day, found.hour, found.channel_id) == ("month", 3, 7, hook.id)
    assert "The next report is made on" in everything(app)
    app.segmented_control(key="report-every").set_value("").run()
    [button for button in app.button if button.label == "Save"][-1].click().run()
    assert report_schedule.get(owner.core, acting(owner.core, user)).every == ""


def test_without_a_way_to_send_it_the_page_says_so(owner: House, show: Show) -> None:
    app = show("alerts")
    app.segmented_control(key="report-every").set_value("week").run()
    assert "Nowhere to send it" in everything(app)
    [button for button in app.button if button.label == "Save"][-1].click().run()
    assert not app.exception and "choose a channel" in everything(app)
