"""Without a session every page is the sign-in form and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from postprober.api.deps import COOKIE, TICKET
from postprober.domain.platform import Platform
from postprober.services.people import users
from postprober.ui import state
from tests.pages.conftest import PASSWORD, ROOT, House, everything

PAGES = ("overview", "calendar", "monitor", "compose", "accounts", "alerts", "analytics", "settings")
Show = Callable[[str], AppTest]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opened_without_app_py_shows_only_the_sign_in_form(house: House, page: str) -> None:
    house.post("secret plans", house.account(Platform("x")))
    app = AppTest.from_file(str(ROOT / "pages" / f"{page}.py"), default_timeout=60).run()
    assert not app.exception
    assert [field.label for field in app.text_input] == ["E-mail address", "Password"]
    assert [button.label for button in app.button] == ["Sign in", "Forgot your password?"]
    assert "secret plans" not in everything(app) and not app.title


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opened_through_the_app_shows_only_the_sign_in_form(house: House, show: Show, page: str) -> None:
    house.post("secret plans", house.account(Platform("x")))
    app = show(page)
    assert [field.label for field in app.text_input] == ["E-mail address", "Password"]
    assert "secret plans" not in everything(app) and not app.title


@pytest.mark.parametrize("page", PAGES)
def test_a_revoked_session_shows_the_sign_in_form_in_the_next_run(house: House, show: Show, page: str) -> None:
    token = house.sign_in()
    app = show(page)
    assert app.title[0].value == page.title()
    users.sign_out(house.core, token)
    app.run()
    assert [field.label for field in app.text_input] == ["E-mail address", "Password"] and not app.title


def _submit(app: AppTest, email: str, password: str) -> AppTest:
    app.text_input[0].set_value(email)
    app.text_input[1].set_value(password)
    return app.button[0].click().run()


@pytest.mark.parametrize("email", ["owner@example.org", "nobody@example.org"])
def test_a_wrong_password_and_an_unknown_person_get_the_same_sentence(house: House, show: Show, email: str) -> None:
    app = _submit(show("overview"), email, "wrong password")
    assert [error.value for error in app.error] == ["E-mail address or password is wrong."]
    assert "session/begin" not in everything(app)


def test_empty_fields_are_asked_for(house: House, show: Show) -> None:
    app = show("overview").button[0].click().run()
    assert [error.value for error in app.error] == ["Enter your e-mail address and your password."]


def test_the_right_password_sends_the_browser_to_the_sidecar_with_a_ticket_that_works_once(
    house: House, show: Show
) -> None:
    app = _submit(show("overview"), "owner@example.org", PASSWORD)
    script = next(e.proto for e in app.get("html") if "session/begin" in e.proto.body)
    assert script.unsafe_allow_javascript
    assert f'href = "{house.core.settings.api_base}/api/session/begin"' in script.body, "no ticket in an address"
    ticket, _, rest = script.body.split(f'document.cookie = "{TICKET}=')[1].partition(";")
    assert "Path=/api/session; Max-Age=60; SameSite=Strict" in rest
    token = users.redeem_ticket(house.core, ticket)
    user = users.session_user(house.core, token)
    assert user is not None and user.id == house.owner


def test_a_password_with_spaces_around_it_is_not_trimmed(house: House, show: Show) -> None:
    users.create(house.core, email="spaces@example.org", password="  spaces around it  ")
    app = _submit(show("overview"), "spaces@example.org", "  spaces around it  ")
    assert "session/begin" in everything(app)


def test_the_forms_package_keeps_no_state_and_no_cookie_of_its_own(house: House, show: Show) -> None:
    app = _submit(show("overview"), "owner@example.org", PASSWORD)
    assert "authentication_status" not in app.session_state or not app.session_state["authentication_status"]
    assert not app.get("component_instance")


def test_the_app_reads_the_cookie_that_the_sidecar_sets() -> None:
    assert (state.COOKIE, state.TICKET) == (COOKIE, TICKET)
