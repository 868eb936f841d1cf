"""What people see when something breaks that no page expected: a sentence, never a stack trace."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from postprober import errors
from postprober.domain.platform import known
from postprober.services.accounts import accounts
from postprober.services.monitoring import monitoring
from postprober.services.posts import calendar
from postprober.ui import frame
from postprober.ui.words import ERROR_WORDS, error_words
from tests.pages.conftest import ROOT, House

PLACES = {
    "monitor": (monitoring, "views_of"),
    "compose": (accounts, "listing"),
    "accounts": (accounts, "listing"),
    "calendar": (calendar, "days"),
}


@pytest.fixture
def owner(house: House) -> House:
    house.sign_in()
    house.beat()
    return house


def _open(tmp_path: Path, name: str) -> AppTest:
    main = tmp_path / "app.py"
    main.write_text((ROOT / "app.py").read_text())
    app = AppTest.from_file(str(main), default_timeout=60).run()
    return app.switch_page(str(ROOT / "pages" / f"{name}.py")).run()


@pytest.mark.parametrize("name", list(PLACES))
def test_a_page_that_breaks_says_so_and_shows_no_trace(
    owner: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("SECRET detail in /some/path.py")

    monkeypatch.setattr(*PLACES[name], broken)
    app = _open(tmp_path, name)
    assert not app.exception
    (said,) = [error.value for error in app.error]
    assert said.startswith("Something went wrong on this page.") and "SECRET" not in said and "path" not in said
    number = said.rstrip(".").rsplit(" ", 1)[1]
    assert number in caplog.text and "SECRET detail" in caplog.text


@pytest.mark.parametrize("kind", [kind for kind in ERROR_WORDS if issubclass(kind, errors.PostProberError)])
def test_an_error_that_reaches_the_page_is_its_sentence(
    owner: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[errors.PostProberError]
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise kind("It did not work because of <b>this</b>", "SECRET detail")

    monkeypatch.setattr(accounts, "listing", refused)
    app = _open(tmp_path, "accounts")
    assert not app.exception
    said = app.error[0].value.replace("\\", "")
    assert said.startswith("It did not work because of <b>this</b>") and "SECRET" not in said


def _all_errors(kind: type[errors.PostProberError]) -> set[type[errors.PostProberError]]:
    return {kind}.union(*(_all_errors(sub) for sub in kind.__subclasses__()))


def test_every_error_has_an_icon_and_words() -> None:
    for kind in _all_errors(errors.PostProberError):
        if kind.__module__.startswith("postprober.errors"):
            icon, text = error_words(kind("A sentence."))
            assert icon.startswith(":material/") and text.startswith("A sentence.")


def test_streamlit_is_told_to_show_nobody_a_trace() -> None:
    assert 'showErrorDetails = "none"' in (ROOT / ".streamlit" / "config.toml").read_text()


def test_a_core_that_cannot_be_built_is_a_sentence_too(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unusable() -> None:
        raise errors.ConfigurationError("The database was written by a newer PostProber.")

    with monkeypatch.context() as patched:
        patched.setattr("postprober.ui.state.core", unusable)
        app = _open(tmp_path, "monitor")
    assert "newer PostProber" in app.error[0].value.replace("\\", "") and not app.exception


def test_the_menu_leads_to_every_page_there_is() -> None:
    files = {path.stem for path in (ROOT / "pages").glob("*.py")}
    assert {entry.name for _task, entries in frame.MENU for entry in entries} >= files


def test_a_platforms_name_is_known_for_every_platform(owner: House, tmp_path: Path) -> None:
    for platform in known():
        owner.account(platform)
    app = _open(tmp_path, "accounts")
    assert not app.exception and not app.error
