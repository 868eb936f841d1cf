"""The composer's last step."""

from __future__ import annotations

import streamlit as st

from postprober.domain.post import PostStatus
from postprober.errors import PostProberError
from postprober.services import drafts
from postprober.services.posts import NewPost
from postprober.ui import acts, frame
from postprober.ui.components import draft, review_card
from postprober.ui.components.draft import Draft
from postprober.ui.guard import Visit
from postprober.ui.text import plain, short_moment


def keep(visit: Visit, mine: Draft, new: NewPost) -> None:
    """Store the draft when it changed, and say that it is safe."""
    if not visit.may("posts:write"):
        return
    try:
        mine.save(visit.core, visit.user.id, new)
    except PostProberError as error:
        st.caption(f"Not kept as a draft: {plain(str(error))}")
        return
    if mine.saved is not None:
        at = short_moment(mine.saved.updated_at, visit.user.zone, visit.core.clock.now())
        st.caption(f":material/cloud_done: Kept as a draft, {plain(at)}")


def button(visit: Visit, mine: Draft, new: NewPost, *, ready: bool) -> None:
    """Publish or schedule, once; not before every platform would take it."""
    label = "Publish now" if new.at is None else "Schedule"
    why = None if ready else "Every chosen account has to say “Fits” first."
    if not visit.button(label, "posts:write", mine.key("publish"), help=why, off=not ready, type="primary"):
        return
    try:
        with st.spinner("Planning it …"):
            mine.publish(visit.core, visit.user.id, new)
    except PostProberError as error:
        mine.checked = None  # something changed since the checks ran: run them again
        mine.known.limits.clear()
        acts.refuse(error)
        return
    st.rerun()


def done(visit: Visit, mine: Draft) -> None:
    """The post exists; where to go from here."""
    post = drafts.get(visit.core, visit.user.id, mine.post_id) if mine.post_id else None
    if post is not None and post.status == PostStatus.REVIEW:
        st.warning("The review did not pass it, so it waits for your decision.", icon=":material/gavel:")
        review_card.draw(visit, post)
        return
    if mine.at and mine.at > visit.core.clock.now():
        when = short_moment(mine.at, visit.user.zone, visit.core.clock.now())
        words = f"It is planned for {plain(when)}. The Monitor shows each step and the proof."
    else:
        words = "It is on its way. The Monitor shows each step and the proof."
    st.success(words, icon=":material/check_circle:")
    with st.container(horizontal=True):
        if st.button("Watch it on the Monitor", type="primary"):
            draft.renew()
            frame.switch("monitor")
        if st.button("Write another post"):
            draft.renew()
            st.rerun()
