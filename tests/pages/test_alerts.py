"""The Alerts page: what was told, where it is told, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from streamlit.testing.v1 import AppTest

from postprober.domain.alert import AlertKind, Preferences
from postprober.services.monitoring import monitoring
from postprober.services.notifications import channels
from postprober.services.people import people, users
from postprober.storage import alert_log, notifications
from postprober.storage.records import User
from tests.pages.conftest import House, everything
from tests.people import acting
from tests.receivers import Receiver

Show = Callable[[str], AppTest]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def _owner(house: House) -> User:
    with house.core.db.read() as conn:
        return users.users.get(conn, house.owner)


def _alert(house: House, key: str, message: str = "m", kind: str = AlertKind.FAILED, type: str = "error") -> None:
    with house.core.db.write() as conn:
        alert_log.add(
            conn,
            user_id=house.owner,
            post_id=None,
            delivery_id=None,
            type=type,
            message=message,
            dedupe_key=key,
            now=house.core.clock.now(),
            kind=kind,
        )


def _press(app: AppTest, label: str) -> AppTest:
    app = next(button for button in app.button if button.label == label).click().run()
    assert not app.exception, app.exception
    return app


def test_without_anything_it_says_so_and_what_to_do(house: House, show: Show) -> None:
    house.sign_in()
    app = show("alerts")
    said = [info.value for info in app.info]
    assert "No unread alerts." in said and any("Add a channel" in text for text in said)


def test_alerts_are_shown_as_written_read_one_by_one_and_all_at_once(house: House, show: Show) -> None:
    house.sign_in()
    for number in range(3):
        _alert(house, f"k{number}", f"<script>alert({number})</script>")
    app = show("alerts")
    assert "&lt;script&gt;alert(2)&lt;/script&gt;" in everything(app) and "<script>alert(2)" not in everything(app)
    app = _press(app, "Mark as read")
    assert monitoring.unread(house.core, acting(house.core, house.owner)) == 2
    app = _press(app, "Mark all as read")
    assert monitoring.unread(house.core, acting(house.core, house.owner)) == 0 and "No unread alerts." in [
        i.value for i in app.info
    ]


def test_an_alert_that_came_after_the_look_stays_unread(house: House) -> None:
    _alert(house, "seen")
    newest = monitoring.alerts(house.core, acting(house.core, house.owner))[0].id
    _alert(house, "came later")
    assert monitoring.mark_all_read(house.core, acting(house.core, house.owner), newest) == 1
    assert [row.dedupe_key for row in monitoring.alerts(house.core, acting(house.core, house.owner), unread=True)] == [
        "came later"
    ]


def test_kinds_are_filtered_and_what_is_over_is_marked(house: House, show: Show) -> None:
    house.sign_in()
    _alert(house, "a", "was refused")
    _alert(house, "b", "is held", AlertKind.HELD)
    app = show("alerts")
    next(field for field in app.multiselect if field.label == "Kinds").set_value([AlertKind.HELD])
    app = app.run()
    assert "is held" in everything(app) and "was refused" not in everything(app)


def test_a_channel_is_added_tried_switched_off_and_removed(house: House, show: Show, receiver: Receiver) -> None:
    house.sign_in()
    app = show("alerts")
    next(field for field in app.selectbox if field.label == "Kind").set_value("webhook")
    app = app.run()
    next(field for field in app.text_input if field.key == "channel-name").set_value("hook")
    next(field for field in app.text_input if field.key == "channel-url").set_value(f"{receiver.url}/POISON-path")
    app = _press(app, "Add")
    assert next(block.value for block in app.code).startswith("whsec_")
    app = _press(app, "I have copied it")
    assert "whsec_" not in everything(app) and "POISON" not in everything(app), "addresses may hold secrets"
    app = _press(app, "Send a test")
    assert [call.json()["data"]["kind"] for call in receiver.calls] == ["test"]
    receiver.status = 500
    app = _press(app, "Send a test")
    assert "500" in app.error[0].value
    app = _press(app, "Turn off")
    assert [one.is_active for one in channels.listing(house.core, acting(house.core, _owner(house)))] == [False]
    app = _press(app, "Remove")
    assert channels.listing(house.core, acting(house.core, _owner(house))) == []


@pytest.mark.parametrize(
    ("kind", "url", "said"),
    [
        ("apprise", "json://127.0.0.1/", "webhook"),
        ("apprise", "nonsense", "Apprise"),
        ("webhook", "ftp://x", "not usable"),
        ("email", "", "No mail server"),
    ],
)
def test_an_address_that_cannot_be_used_is_told_in_one_sentence(
    house: House, show: Show, kind: str, url: str, said: str
) -> None:
    house.sign_in()
    app = show("alerts")
    next(field for field in app.selectbox if field.label == "Kind").set_value(kind)
    app = app.run()
    next(field for field in app.text_input if field.key == "channel-name").set_value("c")
    next(field for field in app.text_input if field.key == "channel-url").set_value(url)
    app = _press(app, "Add")
    assert (
        said in app.error[0].value.replace("\\", "")
        and channels.listing(house.core, acting(house.core, _owner(house))) == []
    )


def test_the_log_says_what_was_sent_and_what_went_wrong(house: House, show: Show) -> None:
    house.sign_in()
    made, _ = channels.add(
        house.core, acting(house.core, _owner(house)), kind="webhook", name="hook", url="http://127.0.0.1:9/"
    )
    _alert(house, "k", "it was refused")
    now = house.core.clock.now()
    with house.core.db.write() as conn:
        alert = notifications.alert_by_key(conn, "k")
        assert alert is not None
        row = {"alert_id": alert.id, "channel_id": made.id, "dedupe_key": "k:1", "why": "new", "created_at": now}
        notifications.add(conn, [{**row, "next_at": now}])
        notifications.failed(conn, [1], made.id, "The webhook answers 500.", now, now)
    app = show("alerts")
    table = app.dataframe[0].value
    assert list(table["Alert"]) == ["it was refused"] and list(table["Last problem"]) == ["The webhook answers 500."]
    assert list(table["Result"]) == ["retrying"] and "Failing" in everything(app)


def test_quiet_hours_are_saved(house: House, show: Show) -> None:
    house.sign_in()
    app = show("alerts")
    app.number_input[0].set_value(45)
    _press(app, "Save")
    assert channels.preferences(house.core, acting(house.core, _owner(house))) == Preferences(again_minutes=45)


def test_a_viewer_sees_the_owners_alerts_and_can_change_nothing(house: House, show: Show) -> None:
    _alert(house, "k", "the owner's trouble")
    channels.add(house.core, acting(house.core, _owner(house)), kind="webhook", name="hook", url="http://127.0.0.1:9/")
    viewer, _ = people.invite(
        house.core, acting(house.core, _owner(house)), email="v@example.org", name="V", role="viewer"
    )
    house.sign_in(viewer.id)
    app = show("alerts")
    assert "the owner&#x27;s trouble" in everything(app)
    pressed = ("Mark as read", "Mark all as read", "Send a test", "Turn off", "Remove", "Add", "Save")
    found = {button.label: button.disabled for button in app.button if button.label in pressed}
    assert found == dict.fromkeys(pressed, True)


def test_a_stranger_sees_nothing_of_it(house: House, show: Show) -> None:
    _alert(house, "k", "the owner's trouble")
    house.sign_in(house.stranger)
    assert "trouble" not in everything(show("alerts"))
