"""The preview of a CSV file: what would be sent, whole, to whom, when, and how the file was read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from streamlit.testing.v1 import AppTest

from postprober.domain.platform import Platform
from postprober.services.posts import posts
from postprober.services.posts.imports import Batch, ImportRow
from postprober.services.posts.posts import NewPost
from postprober.storage import users
from postprober.ui.components.compose import import_form
from postprober.ui.components.compose.import_form import _how_it_was_read, table_html
from postprober.ui.guard import Visit
from tests.pages.conftest import House
from tests.people import acting

AT = datetime(2027, 3, 2, 8, tzinfo=UTC)


def _row(**columns: object) -> ImportRow:
    told = {"to": ("x:demo",), "at": AT, "new": NewPost(("t",), (1,), at=AT), **columns}
    return ImportRow(1, 2, "t", "x", "2.3.27 9 Uhr", **told)  # type: ignore[arg-type]


def test_the_whole_text_is_shown_and_the_moment_on_the_persons_clock() -> None:
    text = "First line\n" + "word " * 200 + "<b>last</b>"
    shown = table_html(
        Batch(
            (
                ImportRow(
                    1, 2, text, "x", "2.3.27 9 Uhr", ("x:demo",), AT, NewPost((text,), (1,), at=AT, language="de")
                ),
            ),
            zone="Europe/Berlin",
        )
    )
    assert "First line\nword" in shown and "&lt;b&gt;last&lt;/b&gt;" in shown
    assert "Tue 2 Mar 2027, 09:00" in shown and "x:demo (de)" in shown and ">Ready<" in shown


@pytest.mark.parametrize(
    ("columns", "label", "words"),
    [
        ({"problems": ("Too long.",)}, "Skipped", "Too long."),
        ({"twice": True, "notes": ("The same as row 1 (X).",)}, "Duplicate", "The same as row 1 (X)."),
        ({"twice": True, "made": 7, "notes": ("Imported before to X: post 7.",)}, "Imported", "Imported before"),
        ({"made": 8}, "Imported", "Post 8"),
        ({"at": None}, "Ready", "Saved as a draft."),
    ],
)
def test_every_row_has_its_result(columns: dict[str, object], label: str, words: str) -> None:
    shown = table_html(Batch((_row(**columns),)))
    assert f">{label}<" in shown and words in shown


def test_it_says_how_the_file_was_read() -> None:
    words = _how_it_was_read(Batch((), "cp1252", False, ";", "day", ignored=("Notiz",)))
    for expected in ("Windows-1252", "semicolons", "The encoding is a guess", "have the day first", "Notiz"):
        assert expected in words
    assert _how_it_was_read(Batch(())) == "Read as UTF-8, separated by commas."


class _File:
    """What Streamlit's uploader hands over."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def getvalue(self) -> bytes:
        return self._content


def _script() -> None:
    from postprober.services.accounts import accounts
    from postprober.ui.components.compose import import_form

    visit = import_form.visit_of_the_test  # type: ignore[attr-defined]
    import_form.body(visit, accounts.listing(visit.core, visit.actor))


@pytest.fixture
def dialog(house: House, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], AppTest]:
    """What the dialog holds, with a file in it, for an owner who has an account on X."""
    house.account(Platform("x"))
    with house.core.db.read() as conn:
        visit = Visit(house.core, users.get(conn, house.owner), acting(house.core, house.owner))
    monkeypatch.setattr(import_form, "visit_of_the_test", visit, raising=False)

    def opened(content: bytes) -> AppTest:
        again = import_form.st.rerun
        monkeypatch.setattr(import_form.st, "file_uploader", lambda *_args, **_named: _File(content))
        monkeypatch.setattr(import_form.st, "rerun", lambda scope: again())  # there is no fragment outside of a dialog
        app = AppTest.from_function(_script, default_timeout=60).run()
        assert not app.exception, app.exception
        return app

    return opened


def _press(app: AppTest, label: str) -> AppTest:
    app = next(button for button in app.button if button.label == label).click().run()
    assert not app.exception, app.exception
    return app


def _shown(app: AppTest) -> str:
    return " ".join(str(one.body) for one in app.get("html"))


def test_the_day_order_is_asked_and_the_rows_created_once(dialog: Callable[[bytes], AppTest], house: House) -> None:
    house.account(Platform("bluesky"))  # it takes the same text twice
    content = b"text,accounts,time\nOne,x,03/02/2027 09:00\n" + 2 * b"Two,bluesky,2027-03-02 10:00\n"
    app = dialog(content)
    assert "could be 3 February or 2 March" in _shown(app)
    app = next(one for one in app.radio).set_value("Month first (12/31/2027)").run()
    assert "Tue 2 Mar 2027, 09:00" in _shown(app) and "The same as row 2" in _shown(app)
    app = _press(app, "Create 2 posts")
    assert sorted(p.content for p in posts.listing(house.core, acting(house.core, house.owner))[0]) == ["One", "Two"]
    assert "2 of 3 rows imported." in [one.value for one in app.success]
    app = next(one for one in app.checkbox if "create it again" in one.label).check().run()
    _press(app, "Create 1 post")
    assert sorted(p.content for p in posts.listing(house.core, acting(house.core, house.owner))[0]) == [
        "One",
        "Two",
        "Two",
    ]


def test_another_encoding_can_be_chosen(dialog: Callable[[bytes], AppTest]) -> None:
    app = dialog("text,accounts\nこんにちは、世界,x\n".encode("shift_jis"))
    assert any("encoding of the file is unclear" in one.value for one in app.error)
    app = next(one for one in app.selectbox if one.label.startswith("Encoding")).set_value("shift_jis").run()
    assert "こんにちは、世界" in _shown(app) and not app.error
