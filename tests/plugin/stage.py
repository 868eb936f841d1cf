"""An installation whose data folder outlives a run, so that a platform can be removed from it. For files that are run inside
a virtual environment of their own (tests/plugin/test_plugin.py)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from postprober.domain.platform import Platform
from postprober.pipeline.core.context import Context
from postprober.sandbox.serve import SandboxServer
from postprober.services.core import Core
from postprober.services.people import users
from postprober.services.pipeline_context import context_of
from postprober.ui import frame, state, visitor
from postprober.wiring import close_core
from tests.pipeline.test_on_the_sandbox import TIMING

ROOT = Path(__file__).resolve().parents[2]
BOARD = Platform("noticeboard")
FOLDER = "PLUGIN_TEST_DATA"  # names the data folder


class Stage:
    """The owner of the installation, whose browser it is."""

    def __init__(self, core: Core, sandbox: SandboxServer, folder: Path) -> None:
        self.core, self.sandbox, self.folder = core, sandbox, folder
        with core.db.read() as conn:
            found = users.users.by_email(conn, "owner@example.org")
        self.owner = found.id if found else users.create(core, email="owner@example.org", password="correct horse")
        with core.db.read() as conn:
            user = users.users.get(conn, self.owner)
        self.token = users.redeem_ticket(core, users.issue_ticket(core, user))

    def context(self) -> Context:
        return context_of(self.core, worker="w", timing=TIMING)

    def show(self, name: str) -> AppTest:
        """A page, opened as a browser would."""
        main = self.folder / "app.py"
        shutil.copy(ROOT / "app.py", main)
        app = AppTest.from_file(str(main), default_timeout=60).run()
        if name != frame.HOME:
            app.switch_page(str(ROOT / "pages" / f"{name}.py")).run()
        assert not app.exception, app.exception
        assert not [error.value for error in app.error if "went wrong on this page" in error.value], "the page broke"
        return app


@pytest.fixture
def stage(sandbox_server: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    folder = Path(os.environ[FOLDER])
    monkeypatch.setenv("POSTPROBER_DATA_DIR", str(folder))
    monkeypatch.setenv("POSTPROBER_SANDBOX_PORT", str(sandbox_server.port))
    monkeypatch.chdir(folder)
    st.cache_resource.clear()
    made = Stage(state.core(), sandbox_server, folder)
    monkeypatch.setattr(state, "session_token", lambda: made.token)
    monkeypatch.setattr(visitor, "device", lambda: "Test browser")
    monkeypatch.setattr(visitor, "address", lambda core: "198.51.100.7")
    yield made
    core = state.core()
    st.cache_resource.clear()
    close_core(core)


def press(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()
