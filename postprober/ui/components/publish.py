"""The composer's last step."""

from __future__ import annotations

import streamlit as st

from postprober.errors import PostProberError
from postprober.services.posts import NewPost
from postprober.ui import frame
from postprober.ui.components import draft
from postprober.ui.components.draft import Draft
from postprober.ui.guard import Visit
from postprober.ui.text import plain


def button(visit: Visit, mine: Draft, new: NewPost, *, ready: bool) -> None:
    """Publish or schedule, once; not before every platform would take it."""
    label = "Publish now" if new.at is None else "Schedule"
    if not st.button(label, type="primary", disabled=not ready, key=mine.key("publish")):
        return
    try:
        mine.publish(visit.core, visit.user.id, new)
    except PostProberError as error:
        mine.checked = None  # something changed since the checks ran: run them again
        refuse(error)
        return
    st.rerun()


def refuse(error: PostProberError) -> None:
    """Why it cannot be, in one sentence."""
    st.error(plain(str(error)), icon=":material/error:")


def done() -> None:
    """The post exists; where to go from here."""
    st.success("It is on its way. The Monitor shows each step and the proof.", icon=":material/check_circle:")
    with st.container(horizontal=True):
        if st.button("Watch it on the Monitor", type="primary"):
            draft.renew()
            frame.switch("monitor")
        if st.button("Write another post"):
            draft.renew()
            st.rerun()
