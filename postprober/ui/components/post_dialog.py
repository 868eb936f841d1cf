"""One post, opened from the calendar: what it says, when it goes, and moving it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from postprober.domain.platform import NAMES, Platform
from postprober.domain.post import PostStatus
from postprober.errors import PostProberError
from postprober.services import calendar, deciding, drafts
from postprober.services.times import parse_time
from postprober.storage.records import Post
from postprober.ui import acts, frame
from postprober.ui.components import draft
from postprober.ui.guard import Visit
from postprober.ui.text import POST_WORDS, moment, safe, utc_moment

UNSENT = (PostStatus.DRAFT, PostStatus.REVIEW)


_OPEN = "pp_open_post"


def open_post(post_id: int) -> None:
    """Show this post's dialog in the next run, and until it is closed."""
    st.session_state[_OPEN] = post_id
    st.rerun()


def close() -> None:
    """Show none any more."""
    st.session_state.pop(_OPEN, None)


def draw(visit: Visit) -> None:
    """The dialog of the post that is open, if one is. At the end of a page, which may then run again as it likes."""
    if _OPEN in st.session_state:
        _dialog(visit, st.session_state[_OPEN])


@st.dialog("Post", on_dismiss=close)
def _dialog(visit: Visit, post_id: int) -> None:
    try:
        post = drafts.get(visit.core, visit.user.id, post_id)
    except PostProberError as error:
        acts.refuse(error)
        return
    label, colour = POST_WORDS.get(post.status, (post.status, "grey"))
    at = post.scheduled_at
    when = f"{moment(at, visit.user.zone)[:-3]} ({utc_moment(at)})" if at else "no time yet"
    names = ", ".join(NAMES[Platform(p)] for p in post.platforms) or "no account yet"
    st.html(
        f'<div class="pp-post"><span class="pp-state pp-{colour}">{safe(label)}</span><time>{safe(when)}</time>'
        f'<p class="pp-text">{safe(post.content or "(no text)")}</p><small class="pp-why">{safe(names)}</small></div>'
    )
    if post.status in calendar.MOVABLE:
        _move(visit, post)
    with st.container(horizontal=True):
        _acts(visit, post)


def _move(visit: Visit, post: Post) -> None:
    now, zone = visit.core.clock.now(), visit.user.zone
    there = (post.scheduled_at or now + timedelta(hours=1)).astimezone(ZoneInfo(zone))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        day = st.date_input("Day", value=there.date(), format="DD/MM/YYYY", key=f"move-day-{post.id}", width=150)
        at = st.time_input(
            "Time", value=time(there.hour, there.minute), step=300, key=f"move-time-{post.id}", width=110
        )
        if not visit.button("Move it", "posts:write", f"move-{post.id}", type="primary"):
            return
    try:
        wanted = parse_time(datetime.combine(day, at or time(0)).isoformat(), now, zone)
    except PostProberError as error:
        acts.refuse(error)
        return
    with st.spinner("Checking it for that time …"):
        acts.act(
            f"It is moved to {moment(wanted, zone)[:-3]}.", _then_close, calendar.move, visit.core, visit.user.id, post.id, wanted,
            post.version,
        )  # fmt: skip


def _acts(visit: Visit, post: Post) -> None:
    if post.status in UNSENT and st.button("Go on writing", key=f"open-{post.id}"):
        draft.load(post)
        close()
        frame.switch("compose")
    if st.button("Duplicate", key=f"copy-{post.id}", help="Opens a new post with the same texts and files."):
        draft.load(post, copy=True)
        close()
        frame.switch("compose")
    if post.status not in UNSENT and st.button("Watch it", key=f"watch-{post.id}"):
        close()
        frame.switch("monitor")
    if post.status == PostStatus.SCHEDULED and visit.button("Cancel it", "posts:write", f"cancel-{post.id}"):
        acts.act(
            "It was cancelled; nothing goes out.", _then_close, deciding.cancel, visit.core, visit.user.id, post.id
        )
    if post.status in UNSENT and visit.button("Delete", "posts:write", f"delete-{post.id}"):
        acts.act("The draft was deleted.", _then_close, drafts.delete, visit.core, visit.user.id, post.id)


def _then_close(work: Callable[..., Any], *arguments: Any) -> None:
    work(*arguments)
    close()
