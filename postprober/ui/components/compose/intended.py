"""A button beside each reason of the review: what it found is meant, and raises no doubt again on these accounts."""

from __future__ import annotations

import streamlit as st

from postprober.domain.advice import Review, intended_as
from postprober.services.posts import advice
from postprober.ui import acts
from postprober.ui.guard import Visit
from postprober.ui.words import plain

WRITE = "posts:approve"


def draw(visit: Visit, post_id: int, review: Review) -> None:
    """One row for each reason that a person may mark; nothing for secrets, and nothing when there is none."""
    for one in review.details:
        if not one.can_be_intended:
            continue
        key = f"{post_id}-{intended_as(one.kind, one.piece)}"
        with st.container(horizontal=True, key=f"intended-row-{key}"):
            st.caption(plain(one.piece))
            if visit.button("This is intended", WRITE, f"intended-{key}", type="tertiary", icon=":material/check:"):
                acts.act(
                    "Noted. It will not be asked about again on these accounts.",
                    advice.intend,
                    visit.core,
                    visit.actor,
                    post_id,
                    one.kind,
                    one.piece,
                )
