"""What a run of a page starts from: one installation per process, one cookie per browser."""

from __future__ import annotations

from collections.abc import Collection

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.state.session_state import STREAMLIT_INTERNAL_KEY_PREFIX

from postprober.services.core import Core
from postprober.wiring import build_core

COOKIE = "postprober_session"  # set by the sidecar; scripts in the browser cannot read it
TICKET = "postprober_ticket"  # set by our page for the sidecar, which exchanges it for the session cookie


@st.cache_resource(show_spinner=False)
def core() -> Core:
    """This process's installation, built once and shared by all sessions. Raises ConfigurationError."""
    made = build_core()
    made.db.take_turns()
    return made


def session_token() -> str | None:
    """The session cookie with which this browser opened the page, None without one.

    It is read from the request that opened the WebSocket, so it stays the same until the page is loaded again.
    """
    return st.context.cookies.get(core().settings.cookie_prefix + COOKIE)


def forget(but: Collection[str]) -> None:
    """Empty this browser tab's session state, fields without a key included, which `st.session_state` does not show;
    `but`: names that stay. What Streamlit keeps there for itself stays, too."""
    if (context := get_script_run_ctx(suppress_warning=True)) is None:
        return
    held = context.session_state._state
    kept = {name: st.session_state[name] for name in but if name in st.session_state}
    kept |= {str(name): held[name] for name in held if str(name).startswith(STREAMLIT_INTERNAL_KEY_PREFIX)}
    held.clear()
    for name, value in kept.items():
        held[name] = value
