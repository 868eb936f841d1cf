"""One post with its deliveries and what a person can do about them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import streamlit as st

from postprober.domain.delivery import DeliveryState
from postprober.errors import PostProberError
from postprober.services import posts
from postprober.services.monitoring import DeliveryView, PostView
from postprober.ui.components import delivery, history
from postprober.ui.guard import Visit
from postprober.ui.text import POST_WORDS, moment, plain, safe


def draw(visit: Visit, view: PostView, now: datetime) -> None:
    """The card. `now` is aware UTC."""
    with st.container(border=True, key=f"post-{view.post.id}"):
        st.html(_head(view, visit.user.zone))
        for one in view.deliveries:
            delivery.draw(one, visit.user.zone, now)
            _held(visit, one)
            history.draw(visit, one)
        _failed(visit, view)


def _head(view: PostView, zone: str) -> str:
    label, colour = POST_WORDS.get(view.post.status, (view.post.status, "grey"))
    due = view.post.scheduled_at or view.post.created_at
    pictures = len(view.post.options.get("media", []))
    extra = f" · {pictures} picture{'s' if pictures > 1 else ''}" if pictures else ""
    return (
        f'<div class="pp-post"><span class="pp-state pp-{colour}">{safe(label)}</span>'
        f'<time title="{safe(zone)}">{safe(moment(due, zone))}{extra}</time>'
        f'<p class="pp-text">{safe(view.post.content or "(no text)")}</p></div>'
    )


def _held(visit: Visit, view: DeliveryView) -> None:
    """A held delivery waits for a person's word: what each button does stands beside it."""
    held = view.delivery
    if held.state is not DeliveryState.HELD:
        return
    core, user_id = visit.core, visit.user.id
    st.caption(
        f"Please look on {view.platform} yourself. Send it only when it is not there; otherwise it would be there twice."
    )
    with st.container(horizontal=True, key=f"decide-{held.id}"):
        if held.unknown_at is not None and st.button(
            "Look again", key=f"look-{held.id}", help="Searches the account once more. Sends nothing."
        ):
            _do("PostProber looks again.", posts.look_again, core, user_id, held.id)
        if st.button("It is not there: send it", key=f"send-{held.id}"):
            _do("It is sent.", posts.send_held, core, user_id, held.id)


def _failed(visit: Visit, view: PostView) -> None:
    failed = [v for v in view.deliveries if v.delivery.state is DeliveryState.FAILED]
    if not failed:
        return
    names = ", ".join(v.platform for v in failed)
    if st.button("Try again", key=f"retry-{view.post.id}", help=f"Sends it once more on {plain(names)} only."):
        _do("It is tried again.", posts.retry, visit.core, visit.user.id, view.post.id)


def _do(done: str, act: Callable[..., Any], *arguments: Any) -> None:
    """Run one action; the page then shows its result, or the reason why not."""
    try:
        act(*arguments)
    except PostProberError as error:
        st.error(plain(str(error)))
        return
    st.toast(done)
    st.rerun()
