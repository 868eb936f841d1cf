"""A post that waits for a person's review: why, and the decision."""

from __future__ import annotations

import streamlit as st

from postprober.domain.advice import Advice
from postprober.domain.post import PostStatus
from postprober.services import advice
from postprober.storage.records import Post
from postprober.ui import acts, frame
from postprober.ui.components import draft
from postprober.ui.components.advice_panel import review_html
from postprober.ui.guard import Visit

WRITE = "posts:write"


def draw(visit: Visit, post: Post) -> None:
    """Nothing for posts that are not in review."""
    if post.status != PostStatus.REVIEW:
        return
    said = Advice.from_json(post.ai_suggestions)
    if said is not None:
        st.html(review_html(said.review))
    st.caption(
        "It is not planned before you decide. Approved, it goes out as it stands; otherwise it is a draft again."
    )
    with st.container(horizontal=True, key=f"review-{post.id}"):
        if visit.button("Approve it", WRITE, f"approve-{post.id}", type="primary"):
            acts.act("Approved; it is planned.", advice.decide_review, visit.core, visit.user.id, post.id, True)
        if visit.button("Back to a draft", WRITE, f"reject-{post.id}"):
            acts.act("It is a draft again.", advice.decide_review, visit.core, visit.user.id, post.id, False)
        if st.button("Change it", key=f"change-{post.id}"):
            draft.load(post)
            frame.switch("compose")
