"""One browser tab, two people after each other: the second sees and sends nothing of what the first has left in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from datetime import date

import pytest
from streamlit.testing.v1 import AppTest

from postprober.domain.delivery import DeliveryState as S
from postprober.domain.platform import Platform
from postprober.services.people import users
from postprober.storage import deliveries
from postprober.storage.records import Delivery
from tests.pages.conftest import ROOT, House, everything

Show = Callable[[str], AppTest]
PAGES = ("overview", "calendar", "monitor", "compose", "accounts", "alerts", "analytics", "settings")
SOURCES = [*(ROOT / "postprober" / "ui").rglob("*.py"), *(ROOT / "pages").glob("*.py")]
OF_THE_TAB = {"pp_framed", "pp_mended", "pp_asked", "pp_whose"}  # true of the tab, whoever sits before it


def _trees() -> Iterator[ast.Module]:
    for source in SOURCES:
        yield ast.parse(source.read_text(), str(source))


def _written(node: ast.expr) -> str:
    """A key as it could be; "" for what is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(one.value if isinstance(one, ast.Constant) else "7" for one in node.values)
    return ""


def _keys() -> set[str]:
    """Every name that the app's modules give to something in the session: of their own, and of fields and buttons."""
    found = set()
    for tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(re.findall(r"^pp_[a-z_]+$", node.value))
            elif isinstance(node, ast.keyword) and node.arg == "key":
                found.add(_written(node.value))
            elif isinstance(node, ast.Return) and isinstance(node.value, ast.JoinedStr):  # functions that make names
                found |= set(re.findall(r"^[a-z]+-[a-z0-9-]*$", _written(node.value)))
    return {name for name in found if name and not name.isdecimal()}


def test_the_names_are_found() -> None:
    """Of each kind one: else the next test would ask for nothing."""
    wanted = {
        "pp_new_token",
        "pp_recovery_codes",
        "pp_channel_secret",
        "pp_told",
        "pp_warned",
        "pp_invitation",
        "pp_import",
        "pp_draft",
        "held-7",
        "edit-7",
        "edit-problem-7",
        "invite-email",
        "edit-text-7-7-7",
        "import-file",
    }
    assert wanted <= _keys(), wanted - _keys()


@pytest.mark.parametrize("page", PAGES)
def test_nothing_of_the_person_before_stays(house: House, show: Show, page: str) -> None:
    house.sign_in()
    house.account(Platform("x"))
    house.account(Platform("x"), house.stranger, "other")
    app = show(page)
    shown = {name for name in _keys() if not name.startswith("pp_") and name in app.session_state}
    names = _keys() - OF_THE_TAB - {"pp_draft"} - shown  # a field that is shown holds what its kind allows
    before = {str(one): app.session_state[one] for one in ("pp_draft",) if one in app.session_state}
    for name in names:
        app.session_state[name] = "POISON of the owner"
    house.sign_in(house.stranger)
    app.run()
    assert not app.exception and app.title[0].value == page.title()
    left = {name for name in names if name in app.session_state and "POISON" in repr(app.session_state[name])}
    assert not left
    assert "POISON" not in everything(app)
    assert "pp_draft" not in before or app.session_state["pp_draft"] is not before["pp_draft"]
    assert "window.location.reload()" in everything(app), "what the browser still has in its fields goes, too"
    app.run()
    assert "window.location.reload()" not in everything(app)


def test_the_same_person_keeps_what_the_tab_had(house: House, show: Show) -> None:
    house.sign_in()
    app = show("calendar")
    app.session_state["pp_cal_day"] = date(2031, 5, 4)
    app.session_state["alerts-limit"] = 200
    house.sign_in()
    app.run()
    assert app.session_state["alerts-limit"] == 200 and "May 2031" in everything(app)


def test_the_press_with_which_the_other_person_comes_does_nothing(house: House, show: Show) -> None:
    house.sign_in()
    house.become("owner", house.stranger)
    app = show("settings")
    app.text_input(key="invite-email").set_value("new@example.org")
    button = next(b for b in app.button if b.label == "Invite")
    house.sign_in(house.stranger)
    button.click().run()
    assert not app.exception
    with house.core.db.read() as conn:
        assert users.users.by_email(conn, "new@example.org") is None


def _failed(house: House) -> Delivery:
    made = house.post("Refused words", house.account(Platform("x")))
    return house.move(made, S.CLAIMED, S.FAILED, reason="too long")


def _state(house: House, delivery: Delivery) -> S:
    with house.core.db.read() as conn:
        return deliveries.get(conn, delivery.id).state


@pytest.mark.parametrize("leaves", ["signed out", "replaced", "stays"])
def test_a_form_sends_only_for_the_person_who_is_still_there(house: House, show: Show, leaves: str) -> None:
    token = house.sign_in()
    failed = _failed(house)
    app = show("monitor")
    next(field for field in app.text_area if field.value == "Refused words").set_value("Words of the owner")
    button = next(b for b in app.button if b.label == "Publish")
    if leaves == "signed out":
        users.sign_out(house.core, token)
    elif leaves == "replaced":
        house.sign_in(house.stranger)
    button.click().run()
    assert not app.exception
    assert _state(house, failed) is (S.SCHEDULED if leaves == "stays" else S.FAILED)


def test_whatever_runs_without_its_page_looks_first_who_is_there() -> None:
    """Dialogs and fragments run without the page around them, and so without its guard."""
    seen = 0
    for tree in _trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef):
                continue
            marks = " ".join(ast.unparse(one) for one in node.decorator_list)
            if "st.dialog" in marks or "st.fragment" in marks:
                seen += 1
                body = "\n".join(ast.unparse(one) for one in node.body[:3])
                assert "still_in(visit)" in body or "session_user(" in body, node.name
    assert seen >= 6
