"""One post with its deliveries and what a person can do about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import streamlit as st

from postprober.domain.post import PostStatus
from postprober.services.monitoring.monitoring import PostView
from postprober.services.monitoring.repairs import RepairView
from postprober.services.posts import delivery_actions
from postprober.ui import acts, frame
from postprober.ui.components.compose import open_draft, review_card
from postprober.ui.components.monitor import decisions, delivery, details, proof_link, repair_card
from postprober.ui.components.shared import report_buttons
from postprober.ui.guard import Visit
from postprober.ui.words import POST_WORDS, moment, safe, utc_moment


def draw(visit: Visit, view: PostView, made: Mapping[int, Sequence[RepairView]], now: datetime) -> None:
    """The card. `made`: delivery id -> diagnoses; `now` is aware UTC."""
    with st.container(border=True, key=f"post-{view.post.id}"):
        st.html(_head(view, visit.user.zone))
        review_card.draw(visit, view.post)
        for one in view.deliveries:
            delivery.draw(one, visit.user.zone, now)
            repair_card.draw(visit, one, made.get(one.delivery.id, ()))
            decisions.draw(visit, one)
        with st.container(horizontal=True, key=f"acts-{view.post.id}"):
            _acts(visit, view)
        details.draw(visit, view)


def _head(view: PostView, zone: str) -> str:
    label, colour = POST_WORDS.get(view.post.status, (view.post.status, "grey"))
    due = view.post.scheduled_at or view.post.created_at
    pictures = len(view.post.options.get("media", []))
    extra = f" · {pictures} file{'s' if pictures > 1 else ''}" if pictures else ""
    return (
        f'<div class="pp-post"><span class="pp-state pp-{colour}">{safe(label)}</span>'
        f'<time title="{safe(utc_moment(due))}">{safe(moment(due, zone))}{extra}</time>'
        f'<p class="pp-text">{safe(view.post.content or "(no text)")}</p>{_unasked(view)}</div>'
    )


def _unasked(view: PostView) -> str:
    """Which token published it without a person's word."""
    token = view.post.options.get("unasked")
    return f'<p class="pp-alarm">Published without asking by the token {safe(token)}.</p>' if token else ""


def _acts(visit: Visit, view: PostView) -> None:
    post = view.post
    if st.button("Duplicate", key=f"copy-{post.id}", type="tertiary", icon=":material/content_copy:"):
        open_draft.load(post, visit.user.id, copy=True)
        frame.switch("compose")
    if post.status == PostStatus.DRAFT and st.button(
        "Edit draft", key=f"open-{post.id}", type="tertiary", icon=":material/edit:"
    ):
        open_draft.load(post, visit.user.id)
        frame.switch("compose")
    if post.status == PostStatus.SCHEDULED and visit.button(
        "Edit post", "posts:publish", f"edit-post-{post.id}", type="tertiary", icon=":material/edit:"
    ):
        open_draft.edit(visit, post.id)
    if view.deliveries:
        report_buttons.of_post(visit, post.id)
        proof_link.draw(visit, view)
    if decisions.stoppable(view) and visit.button(
        "Cancel",
        "posts:publish",
        f"cancel-{post.id}",
        type="tertiary",
        icon=":material/block:",
        help="Stops what was not sent yet.",
    ):
        acts.act("What was not sent yet was cancelled.", delivery_actions.cancel, visit.core, visit.actor, post.id)
