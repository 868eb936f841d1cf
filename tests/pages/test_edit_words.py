"""Words typed for a failed post on the Monitor: they wait for the person who typed them, whatever ends the page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.exc import OperationalError
from streamlit.testing.v1 import AppTest

from postprober.domain.delivery import DeliveryState as S
from postprober.domain.platform import Platform
from postprober.services.people import users
from postprober.services.posts import edit_failed as mending
from postprober.storage import deliveries
from postprober.storage.records import Delivery
from tests.pages.conftest import House, everything

Show = Callable[[str], AppTest]


def _failed(house: House) -> Delivery:
    made = house.post("Refused words", house.account(Platform("x")))
    return house.move(made, S.CLAIMED, S.FAILED, reason="too long")


def _type(app: AppTest, words: str) -> None:
    next(field for field in app.text_area if field.value == "Refused words").set_value(words)


def _press(app: AppTest, label: str = "Publish") -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


def _sent(house: House, delivery: Delivery) -> tuple[S, list[str]]:
    with house.core.db.read() as conn:
        now = deliveries.get(conn, delivery.id)
    return now.state, [part.text for part in now.parts]


def test_words_sent_after_the_session_ended_are_there_again_after_signing_in(house: House, show: Show) -> None:
    token, failed = house.sign_in(), _failed(house)
    app = show("monitor")
    _type(app, "Typed for long")
    users.sign_out(house.core, token)
    app = _press(app)
    assert "Typed for long" not in everything(app) and not app.title
    house.sign_in(house.stranger)
    assert "Typed for long" not in everything(show("monitor"))
    house.sign_in()
    back = show("monitor")
    assert back.session_state[f"edit-{failed.id}"], "the form is open"
    assert [field.value for field in back.text_area if field.label == "Text"] == ["Typed for long"]
    assert _sent(house, failed) == (S.FAILED, ["Refused words"])
    _press(back)
    assert _sent(house, failed) == (S.SCHEDULED, ["Typed for long"])
    failed = house.move(_now(house, failed), S.CLAIMED, S.FAILED, reason="too long")
    assert "Publish" in [b.label for b in show("monitor").button]
    assert not show("monitor").session_state[f"edit-{failed.id}"], "they were sent: nothing waits any more"


def _now(house: House, delivery: Delivery) -> Delivery:
    with house.core.db.read() as conn:
        return deliveries.get(conn, delivery.id)


def test_a_busy_database_leaves_the_words_in_the_form_and_says_so(
    house: House, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.sign_in()
    failed = _failed(house)
    app = show("monitor")
    _type(app, "Typed for long")
    with monkeypatch.context() as busy:

        def locked(*_args: object, **_named: object) -> None:
            raise OperationalError("UPDATE", {}, Exception("database is locked"))

        busy.setattr(mending, "rewrite", locked)
        app = _press(app)
    assert not app.exception
    assert "database does not answer" in app.error[0].value
    assert [field.value for field in app.text_area if field.label == "Text"] == ["Typed for long"]
    _press(app)
    assert _sent(house, failed) == (S.SCHEDULED, ["Typed for long"])
