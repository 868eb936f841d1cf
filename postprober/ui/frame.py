"""What surrounds every page: look, navigation, the person's name, the sandbox note and the result of a linking."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from postprober.services.core import Core
from postprober.storage.records import User
from postprober.ui import signin
from postprober.ui.text import plain

ROOT = Path(__file__).resolve().parent.parent.parent
_LOOK = Path(__file__).with_name("look.css")
MARK = Path(__file__).with_name("mark.png")
_FRAMED, _MENDED = "pp_framed", "pp_mended"
MAX_RESULT = 300  # characters of a linking's result; it comes back in the address, where anybody can write


def pages() -> list[StreamlitPage]:
    """The screens in the order of the menu; the first one is where sign-in leads."""
    folder = ROOT / "pages"
    return [
        st.Page(folder / "monitor.py", title="Monitor", icon=":material/monitor_heart:", default=True),
        st.Page(folder / "compose.py", title="Compose", icon=":material/edit_square:"),
        st.Page(folder / "accounts.py", title="Accounts", icon=":material/link:"),
        st.Page(folder / "settings.py", title="Settings", icon=":material/settings:"),
    ]


def page(name: str) -> StreamlitPage:
    """The page in `pages/<name>.py`, for links and switches."""
    return next(p for p in pages() if p.title == name.title())


def look() -> None:
    """Our style sheet."""
    st.html(_LOOK)


def navigation() -> StreamlitPage:
    """The page that the browser asks for. The menu is ours: Streamlit's own turns into a side bar on a phone, which
    stays open over the page that was chosen."""
    st.set_page_config(page_title="PostProber", page_icon=str(MARK), layout="wide")
    return st.navigation(pages(), position="hidden")


@contextmanager
def framed() -> Iterator[None]:
    """While app.py runs a page."""
    st.session_state[_FRAMED] = True
    try:
        yield
    finally:
        st.session_state[_FRAMED] = False


def surround(core: Core, user: User) -> None:
    """What stands around every page of a signed-in person.

    On a fresh server whose first visitor opens a page's own address, Streamlit runs the page without app.py, because a
    `pages` folder counts until `st.navigation` was called once. It is called here then, and the run begins anew, now
    through app.py: a page that changes its identity later would lose the first click. Where there is no app.py around
    the page (tests), the page goes on as it is.
    """
    if not st.session_state.get(_FRAMED):
        navigation()
        if not st.session_state.get(_MENDED):
            st.session_state[_MENDED] = True
            st.rerun()
    st.logo(str(MARK))
    look()
    _take_link_result()
    _header(core, user)


def _header(core: Core, user: User) -> None:
    """The menu, the person's name with the way out, and what everybody should know."""
    with st.container(horizontal=True, key="pp-menu"):
        for one in pages():
            st.page_link(one, label=one.title)
    with (
        st.container(key="pp-person"),
        st.popover(plain(user.name or user.email), icon=":material/account_circle:", type="tertiary"),
    ):
        st.text(user.email)
        st.caption(f"Times are shown in {plain(user.zone)}.")
        if st.button("Sign out", icon=":material/logout:", width="stretch"):
            signin.sign_out(core)
            st.stop()
    if core.settings.sandbox:
        st.html(
            '<div class="pp-band">Sandbox: the five platforms are emulated on this machine and nothing leaves it. '
            f'<a href="{core.settings.sandbox_url}" target="_blank">Open the emulated platforms</a></div>'
        )


def _take_link_result() -> None:
    """A consent page led back here: keep its result for the Accounts page and clean the address."""
    for name in ("linked", "link_error"):
        if name in st.query_params:
            st.session_state["pp_link_result"] = (name, st.query_params[name][:MAX_RESULT])
            st.query_params.clear()
            st.switch_page(page("accounts"))
