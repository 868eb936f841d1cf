"""Words that were typed while nothing could be stored: they wait for the person who typed them, and for nobody else."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
import streamlit as st
from sqlalchemy.exc import OperationalError
from streamlit.testing.v1 import AppTest

from postprober.domain.platform import Platform
from postprober.services.posts import drafts, posts
from postprober.storage.records import Post
from postprober.ui import entrance, unsent
from postprober.ui.components.compose import account_picker
from tests.pages.conftest import PASSWORD, ROOT, House, everything
from tests.people import acting

Show = Callable[[str], AppTest]


@pytest.fixture
def owner(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    house.sign_in()
    house.account(Platform("x"))
    house.account(Platform("x"), house.stranger, "other")
    monkeypatch.setattr(unsent, "_kept", OrderedDict())
    return house


def _type(app: AppTest, text: str) -> AppTest:
    app.text_area[0].set_value(text)
    return app.run()


def _again(app: AppTest) -> AppTest:
    """The same address in a new browser tab."""
    back = AppTest.from_file(str(app._script_path), default_timeout=60)
    back.query_params["draft"] = app.query_params["draft"]
    back.run()
    back.switch_page(str(ROOT / "pages" / "compose.py"))
    back.query_params["draft"] = app.query_params["draft"]
    back.run()
    return back


def _texts(house: House, user_id: int | None = None) -> list[str]:
    return [p.content for p in posts.listing(house.core, acting(house.core, user_id or house.owner))[0]]


def test_somebody_who_signs_in_in_the_same_tab_sees_and_keeps_nothing_of_it(owner: House, show: Show) -> None:
    app = _type(show("compose"), "Before")
    app.text_area[0].set_value("Typed by the owner")  # on its way when the other person's cookie is there
    owner.sign_in(owner.stranger)
    app.run()
    assert "Typed by the owner" not in str([t.value for t in app.text_area]) + everything(app)
    _type(app, "Words of the stranger")
    assert _texts(owner, owner.stranger) == ["Words of the stranger"]
    owner.sign_in()
    assert _again(app).text_area[0].value != "Words of the stranger"


def test_what_was_on_its_way_when_another_signed_in_waits_for_the_one_who_typed_it(owner: House, show: Show) -> None:
    app = _type(show("compose"), "Before")
    key = app.query_params["draft"]
    app.text_area[0].set_value("Typed by the owner")
    owner.sign_in(owner.stranger)
    app.run()
    owner.sign_in()
    app.query_params["draft"] = key
    assert _again(app).text_area[0].value == "Typed by the owner"


def test_a_run_that_broke_off_gives_back_the_last_words_and_not_earlier_ones(
    owner: House, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _type(show("compose"), "One")
    with monkeypatch.context() as broken:
        broken.setattr(account_picker, "draw", lambda *_: 1 / 0)
        app.text_area[0].set_value("One two")
        app.run()
        assert "went wrong on this page" in app.error[0].value
    assert _again(app).text_area[0].value == "One two"
    assert _texts(owner) == ["One two"]


def test_words_of_a_run_that_was_stopped_before_it_stored_them_come_back(
    owner: House, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _type(show("compose"), "One")
    with monkeypatch.context() as stopped:
        stopped.setattr(account_picker, "draw", lambda *_: st.stop())
        app.text_area[0].set_value("One two")
        app.run()
    assert _texts(owner) == ["One"]
    assert _again(app).text_area[0].value == "One two"


def test_words_that_come_with_the_click_on_another_page_are_there_again(owner: House, show: Show) -> None:
    """Who types and clicks at once in the menu: the page with the fields does not run any more."""
    app = _type(show("compose"), "One")
    app.text_area[0].set_value("One two")
    app.switch_page(str(ROOT / "pages" / "monitor.py"))
    app.run()
    assert app.title[0].value == "Monitor" and _texts(owner) == ["One"]
    app.run()  # by then the fields are gone
    app.switch_page(str(ROOT / "pages" / "compose.py"))
    app.run()
    assert app.text_area[0].value == "One two" and _texts(owner) == ["One two"]


def test_words_that_were_stored_meanwhile_are_not_offered_again(owner: House, show: Show) -> None:
    app = _type(show("compose"), "One")
    app = _type(app, "One two")
    (draft,) = drafts.listing(owner.core, acting(owner.core, owner.owner))
    drafts.change(
        owner.core, acting(owner.core, owner.owner), draft.id, replace(drafts.wish_of(draft), parts=("Shorter",))
    )
    assert _again(app).text_area[0].value == "Shorter"


def test_a_draft_whose_key_has_changed_finds_its_words(
    owner: House, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _type(show("compose"), "Words")
    drafts.delete(
        owner.core, acting(owner.core, owner.owner), drafts.listing(owner.core, acting(owner.core, owner.owner))[0].id
    )
    app = _type(app, "Words that stay")  # in a draft with another key now
    owner.token = None
    _type(app, "Words that stay here")
    owner.sign_in()
    assert _again(app).text_area[0].value == "Words that stay here"


def test_words_beside_a_newer_version_are_both_kept(owner: House, show: Show) -> None:
    app = _type(show("compose"), "Begun")
    owner.token = None
    app = _type(app, "Mine, not stored")
    (draft,) = drafts.listing(owner.core, acting(owner.core, owner.owner))
    drafts.change(
        owner.core,
        acting(owner.core, owner.owner),
        draft.id,
        replace(drafts.wish_of(draft), parts=("Written elsewhere",)),
    )
    owner.sign_in()
    back = _again(app)
    assert "changed on another page" in back.warning[0].value
    assert back.text_area[0].value == "Mine, not stored"
    assert set(_texts(owner)) == {"Mine, not stored", "Written elsewhere"}


def test_words_of_a_draft_that_was_published_meanwhile_are_offered_as_a_new_one(owner: House, show: Show) -> None:
    app = _type(show("compose"), "Begun")
    owner.token = None
    app = _type(app, "Begun, and more")
    (draft,) = drafts.listing(owner.core, acting(owner.core, owner.owner))
    drafts.submit(owner.core, acting(owner.core, owner.owner), draft.id)
    owner.sign_in()
    back = _again(app)
    assert "published from another page" in back.warning[0].value
    assert back.text_area[0].value == "Begun, and more"
    assert next(b for b in back.button if b.label == "Publish now").disabled
    assert set(_texts(owner)) == {"Begun", "Begun, and more"}


def test_while_the_database_is_busy_the_words_survive_the_end_of_the_tab(
    owner: House, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _type(show("compose"), "Before")
    with monkeypatch.context() as busy:

        def locked(*_args: object, **_named: object) -> Post:
            raise OperationalError("UPDATE", {}, Exception("database is locked"))

        busy.setattr(drafts, "change", locked)
        _type(app, "Typed while it was busy")
    assert _again(app).text_area[0].value == "Typed while it was busy"


@pytest.mark.parametrize(
    ("page", "query", "leads"),
    [
        ("compose", {"draft": "abcdefghijkl-_12"}, "/compose?draft=abcdefghijkl-_12"),
        ("compose", {"draft": "//evil.example/\\x"}, "/compose"),
        ("compose", {"draft": "x" * 500}, "/compose"),
        ("monitor", {"post": "1&next=x"}, "/monitor"),
        ("monitor", {"post": "12"}, "/monitor?post=12"),
        ("monitor", {"token": "secret"}, "/monitor"),
        ("overview", {}, "/"),
    ],
)
def test_after_signing_in_one_is_back_where_one_was(
    owner: House, show: Show, monkeypatch: pytest.MonkeyPatch, page: str, query: dict[str, str], leads: str
) -> None:
    went: list[str] = []
    monkeypatch.setattr(entrance, "go", lambda url, cookie="": went.append(url))
    owner.token = None
    app = show(page)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    app.text_input[0].set_value("owner@example.org")
    app.text_input[1].set_value(PASSWORD)
    next(b for b in app.button if b.label == "Sign in").click().run()
    (address,) = went
    assert parse_qs(urlsplit(address).query).get("next", ["/"]) == [leads]


def test_another_page_with_the_same_draft_takes_no_words_away(
    owner: House, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _type(show("compose"), "Begun")
    beside = _again(app)
    with monkeypatch.context() as stopped:
        stopped.setattr(account_picker, "draw", lambda *_: st.stop())
        app.text_area[0].set_value("Begun, and not stored")
        app.run()
    beside.run()
    assert _texts(owner) == ["Begun"]
    assert _again(app).text_area[0].value == "Begun, and not stored"


def test_of_one_draft_the_words_of_a_few_pages_are_kept_and_the_newest_come_first(
    owner: House, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _type(show("compose"), "Begun")
    pages = [_again(app) for _ in range(unsent.EACH + 2)]
    with monkeypatch.context() as stopped:
        stopped.setattr(account_picker, "draw", lambda *_: st.stop())
        for number, page in enumerate(pages):
            page.text_area[0].set_value(f"Words {number}")
            page.run()
    assert len(unsent._kept) == unsent.EACH
    assert _again(app).text_area[0].value == f"Words {unsent.EACH + 1}"
