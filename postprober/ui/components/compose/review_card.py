"""A post that waits for a person's review: why, and the decision."""

from __future__ import annotations

import streamlit as st

from postprober.domain.advice import Advice
from postprober.domain.post import PostStatus
from postprober.services.posts import advice
from postprober.storage.records import Post
from postprober.ui import acts, frame
from postprober.ui.components.compose import intended, open_draft
from postprober.ui.components.compose.advice_panel import review_html
from postprober.ui.guard import Visit

WRITE = "posts:write"


def draw(visit: Visit, post: Post) -> None:
    """Nothing for posts that are not in review."""
    if post.status != PostStatus.REVIEW:
        return
    said = Advice.from_json(post.ai_suggestions)
    if said is not None:
        st.html(review_html(said.review))
        intended.draw(visit, post.id, said.review)
    st.caption(
        "Nothing is scheduled before you decide. If you approve it, it is published as it is; otherwise it becomes a draft again."
    )
    # A press belongs to the words that it stood under: of another version the buttons are others, and it is lost.
    seen = f"{post.id}-{post.version}"
    with st.container(horizontal=True, key=f"review-{post.id}"):
        if visit.button("Approve", WRITE, f"approve-{seen}", type="primary"):
            acts.act(
                "Approved and scheduled.", advice.decide_review, visit.core, visit.actor, post.id, True, post.version
            )
        if visit.button("Back to draft", WRITE, f"reject-{seen}"):
            acts.act(
                "Moved back to drafts.", advice.decide_review, visit.core, visit.actor, post.id, False, post.version
            )
        if st.button("Edit draft", key=f"change-{post.id}"):
            open_draft.load(post, visit.user.id)
            frame.switch("compose")
