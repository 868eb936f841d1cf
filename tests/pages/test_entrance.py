"""The other doors: set-up, second factor, new password, registration."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from sqlalchemy import delete
from streamlit.testing.v1 import AppTest

from postprober.errors import Forbidden
from postprober.security import totp
from postprober.services.notifications import channels
from postprober.services.people import passwords, people, second_factor, users
from postprober.storage import users as stored
from postprober.storage.tables import users as table
from postprober.ui import state
from tests.pages.conftest import PASSWORD, ROOT, House, everything
from tests.people import acting

Show = Callable[[str], AppTest]
NEW = "a new good password"


def _open(query: dict[str, str] | None = None) -> AppTest:
    """The first page as it opens for somebody without a session, with this query in its address."""
    app = AppTest.from_file(str(ROOT / "pages" / "monitor.py"), default_timeout=60)
    app.query_params.update(query or {})
    return app.run()


def _field(app: AppTest, label: str) -> AppTest:
    return next(field for field in app.text_input if field.label == label)


def _press(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


def _signed_in_as(house: House, app: AppTest) -> str:
    """The e-mail address of whom the page sends to the sidecar with a ticket."""
    body = next(e.proto.body for e in app.get("html") if "session/begin" in e.proto.body)
    ticket = body.split(f"{state.TICKET}=")[1].partition(";")[0]
    user = users.session_user(house.core, users.redeem_ticket(house.core, ticket))
    assert user is not None
    return user.email


@pytest.fixture
def nobody(house: House) -> House:
    """An installation in which nobody works yet."""
    with house.core.db.write() as conn:
        conn.execute(delete(table))
    return house


def _fill_in(app: AppTest, email: str, password: str) -> None:
    _field(app, "E-mail address").set_value(email)
    _field(app, "Name").set_value("First")
    _field(app, "Password").set_value(password)


@pytest.mark.parametrize("headers", [{"Host": "localhost:8501"}, {"Host": "127.0.0.1:8501"}])
def test_a_visitor_who_looks_local_is_nobody_special(
    nobody: House, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    """Behind a TCP forwarder everybody does."""
    monkeypatch.setattr("streamlit.runtime.context.ContextProxy.headers", headers)
    monkeypatch.setattr("streamlit.runtime.context.ContextProxy.ip_address", None)
    app = _open()
    assert not app.text_input and "set-up link" in app.info[0].value
    with pytest.raises(Forbidden):
        people.make_first(nobody.core, email="a@example.org", password=NEW, name="", zone="UTC", token="")
    assert people.nobody_yet(nobody.core)


def test_a_visitor_from_elsewhere_is_told_how_to_begin_and_sees_no_form(nobody: House) -> None:
    app = _open()
    assert not app.text_input and "set-up link" in app.info[0].value
    assert not _open({"setup": "invented"}).text_input


def test_the_printed_link_lets_a_visitor_from_elsewhere_begin(nobody: House) -> None:
    app = _open({"setup": people.setup_token(nobody.core)})
    _fill_in(app, "first@example.org", "short")
    app = _press(app, "Get started")
    assert "at least" in app.error[0].value
    _field(app, "Password").set_value(NEW)
    assert _signed_in_as(nobody, _press(app, "Get started")) == "first@example.org"


def test_where_somebody_works_already_there_is_no_set_up(house: House) -> None:
    app = _open({"setup": people.setup_token(house.core)})
    assert [field.label for field in app.text_input] == ["E-mail address", "Password"]


def test_with_a_second_factor_the_password_leads_to_the_code_and_the_code_in(house: House, show: Show) -> None:
    with house.core.db.read() as conn:
        owner = users.users.get(conn, house.owner)
    secret = second_factor.enrol(house.core, acting(house.core, owner)).secret
    now = house.core.clock.now().timestamp()
    codes = second_factor.enable(
        house.core, acting(house.core, owner), secret, pyotp.TOTP(secret).at(int(now)), PASSWORD, ""
    )
    app = show("monitor")
    _field(app, "E-mail address").set_value("owner@example.org")
    _field(app, "Password").set_value(PASSWORD)
    app = _press(app, "Sign in")
    assert [field.label for field in app.text_input] == ["Code"]
    assert "session/begin" not in everything(app)
    _field(app, "Code").set_value("000000")
    app = _press(app, "Sign in")
    assert "wrong" in app.error[0].value and "session/begin" not in everything(app)
    _field(app, "Code").set_value(codes[0])
    assert _signed_in_as(house, _press(app, "Sign in")) == "owner@example.org"
    assert len(codes) == totp.CODES


def test_back_from_the_code_leads_to_the_password(house: House, show: Show) -> None:
    app = show("monitor")
    app.session_state["pp_second"] = "ticket"
    app.run()
    assert [field.label for field in app.text_input] == ["Code"]
    app = _press(app, "Back to sign-in")
    assert [field.label for field in app.text_input] == ["E-mail address", "Password"]


def test_without_a_mail_server_a_forgotten_password_says_whom_to_ask(house: House, show: Show) -> None:
    app = _press(show("monitor"), "Forgot your password?")
    assert "user reset" in app.info[0].value and not app.text_input


def test_a_reset_link_leads_to_a_new_password_and_from_there_to_sign_in(house: House) -> None:
    link = passwords.link(house.core, house.owner)
    token = parse_qs(urlsplit(link).query)["reset"][0]
    app = _open({"reset": token})
    _field(app, "New password").set_value("short")
    app = _press(app, "Save password")
    assert "at least" in app.error[0].value
    _field(app, "New password").set_value(NEW)
    app = _press(app, "Save password")
    assert "saved" in app.success[0].value
    assert [field.label for field in app.text_input] == ["E-mail address", "Password"]
    assert users.authenticate(house.core, "owner@example.org", NEW).id == house.owner


def test_a_spent_reset_link_is_told_and_leads_back(house: House) -> None:
    app = _open({"reset": "invented"})
    assert "too old" in app.error[0].value and not app.text_input
    assert [field.label for field in _press(app, "Back to sign-in").text_input] == ["E-mail address", "Password"]


def test_registration_is_offered_only_where_it_is_open(house: House, show: Show) -> None:
    app = show("monitor")
    assert "Create an account" not in [button.label for button in app.button]
    for name, value in (("registration", "open"), ("smtp_host", "127.0.0.1"), ("smtp_from", "pp@example.org")):
        object.__setattr__(house.core.settings, name, value)
    app = _press(app.run(), "Create an account")
    assert [field.label for field in app.text_input] == ["E-mail address"], "nothing else before the address is proved"
    said = set()
    for email in ("new@example.org", "owner@example.org"):
        _field(app, "E-mail address").set_value(email)
        app = _press(app, "Continue")
        said.add(app.success[0].value)
    assert len(said) == 1 and "Check your mail" in said.pop()


def test_the_link_of_a_registration_leads_to_the_account(house: House) -> None:
    object.__setattr__(house.core.settings, "registration", "open")
    token = parse_qs(urlsplit(people.registration_link(house.core, "new@example.org")).query)["register"][0]
    app = _open({"register": token})
    _field(app, "Name").set_value("New")
    _field(app, "Password").set_value(NEW)
    assert _signed_in_as(house, _press(app, "Get started")) == "new@example.org"
    assert "used already" in _open({"register": token}).error[0].value


def test_the_link_in_a_mail_turns_the_mails_off_only_when_its_button_is_pressed(house: House) -> None:
    with house.core.db.read() as conn:
        owner = stored.get(conn, house.owner)
    made, _ = channels.add(
        house.core, acting(house.core, owner), kind="webhook", name="on *call*", url="http://127.0.0.1:9/"
    )
    token = parse_qs(urlsplit(channels.turn_off_links(house.core, made.id)[0]).query)["unsubscribe"][0]
    app = _open({"unsubscribe": token})
    assert channels.get(house.core, acting(house.core, owner), made.id).is_active
    app = _press(app, "Turn these mails off")
    assert not channels.get(house.core, acting(house.core, owner), made.id).is_active
    assert "no longer get mails" in app.success[0].value
    assert "too old" in _open({"unsubscribe": "invented"}).error[0].value


def test_the_link_in_a_mail_confirms_an_address_only_when_its_button_is_pressed(house: House) -> None:
    for name, value in {"smtp_host": "127.0.0.1", "smtp_port": 9, "smtp_from": "pp@example.org"}.items():
        object.__setattr__(house.core.settings, name, value)
    with house.core.db.read() as conn:
        owner = stored.get(conn, house.owner)
    made, _ = channels.add(house.core, acting(house.core, owner), kind="email", name="mail", url="team@example.org")
    link = channels._confirmation(house.core, made.id, "team@example.org")
    token = parse_qs(urlsplit(link).query)["confirm"][0]
    app = _open({"confirm": token})
    assert not channels.get(house.core, acting(house.core, owner), made.id).is_active
    app = _press(app, "Confirm")
    assert channels.get(house.core, acting(house.core, owner), made.id).is_active
    assert "Confirmed. Alerts are sent to team@example.org." in app.success[0].value.replace("\\", "")
    assert [field.label for field in app.text_input] == ["E-mail address", "Password"]
