"""One post, opened from the calendar: what it says, when it goes, and moving it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

import streamlit as st

from postprober.domain.platform import NAMES, Platform
from postprober.domain.post import PostStatus
from postprober.errors import PostProberError
from postprober.services.posts import calendar, delivery_actions, drafts
from postprober.storage.records import Post
from postprober.ui import acts, frame, guard
from postprober.ui.components.compose import open_draft, schedule_form
from postprober.ui.guard import Visit
from postprober.ui.words import POST_WORDS, due_words, moment, plain, safe, utc_moment

UNSENT = (PostStatus.DRAFT, PostStatus.REVIEW)
P = ParamSpec("P")


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
    guard.still_in(visit)
    try:
        post = drafts.get(visit.core, visit.actor, post_id)
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
    zone, now = visit.user.zone, visit.core.clock.now()
    when = schedule_form.pick(visit, post.scheduled_at, f"move-{post.id}-{post.version}", step=300)
    if when.problem:
        st.error(plain(when.problem), icon=":material/schedule:")
    off = bool(when.problem) or when.at is None
    if not visit.button("Reschedule", "posts:publish", f"move-{post.id}", type="primary", off=off) or when.at is None:
        return
    with st.spinner("Checking it for that time …"):
        acts.act(
            f"Rescheduled for {due_words(when.at, zone, now)}.",
            _then_close,
            calendar.move,
            visit.core,
            visit.actor,
            post.id,
            when.at,
            post.version,
        )


def _acts(visit: Visit, post: Post) -> None:
    if post.status in UNSENT and st.button("Edit draft", key=f"open-{post.id}"):
        open_draft.load(post, visit.user.id)
        close()
        frame.switch("compose")
    if post.status == PostStatus.SCHEDULED and visit.button("Edit post", "posts:publish", f"edit-{post.id}"):
        open_draft.edit(visit, post.id, close)
    if st.button("Duplicate", key=f"copy-{post.id}", help="Opens a new post with the same texts and files."):
        open_draft.load(post, visit.user.id, copy=True)
        close()
        frame.switch("compose")
    if post.status not in UNSENT and st.button("View progress", key=f"watch-{post.id}"):
        close()
        frame.switch("monitor")
    if post.status == PostStatus.SCHEDULED and visit.button("Cancel post", "posts:publish", f"cancel-{post.id}"):
        acts.act(
            "Cancelled. Nothing is published.", _then_close, delivery_actions.cancel, visit.core, visit.actor, post.id
        )
    if post.status in UNSENT and visit.button("Delete", "posts:publish", f"delete-{post.id}"):
        acts.act("The draft was deleted.", _then_close, drafts.delete, visit.core, visit.actor, post.id)


def _then_close(work: Callable[P, object], *arguments: P.args, **named: P.kwargs) -> None:
    work(*arguments, **named)
    close()
