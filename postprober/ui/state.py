"""What a run of a page starts from: one installation per process, one cookie per browser."""

from __future__ import annotations

import streamlit as st

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
    return st.context.cookies.get(COOKIE)
