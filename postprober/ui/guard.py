"""Who may see a page. The first statement of every page, because Streamlit can run a page without app.py."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from postprober.services import users
from postprober.services.core import Core
from postprober.storage.records import User
from postprober.ui import frame, signin, state


@dataclass(frozen=True)
class Visit:
    """A signed-in person on one run of a page."""

    core: Core
    user: User


def signed_in() -> User | None:
    """Who the browser's session belongs to at this moment; read anew in every run, so that a sign-out holds at once."""
    return users.session_user(state.core(), state.session_token())


def enter() -> Visit:
    """The signed-in person; for everybody else the sign-in form, and the run ends here."""
    core, user = state.core(), signed_in()
    if user is None:
        frame.look()
        signin.show(core)
        st.stop()
    frame.surround(core, user)
    return Visit(core, user)


def still_in(visit: Visit) -> None:
    """For fragments, which run without the page around them: signed out meanwhile means the whole page runs again."""
    user = signed_in()
    if user is None or user.id != visit.user.id:
        st.rerun()
