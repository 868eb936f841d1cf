"""Who gives advice, and how long things are kept."""

from __future__ import annotations

import streamlit as st

from postprober.services.operations import retention
from postprober.services.posts import advice
from postprober.ui import acts
from postprober.ui.guard import Visit
from postprober.ui.words import plain

FIELDS = {
    "evidence": ("Evidence of a post", "Differences, hashes and pictures that prove a post."),
    "replies": ("Platform responses in attempts", "The shortened, redacted text of each reply; its status stays."),
    "alerts": ("Read alerts", "Unread ones stay."),
    "samples": ("Engagement counts", "The points of the growth curves."),
}


def draw(visit: Visit) -> None:
    _advisor(visit)
    st.subheader("Data retention (days)", anchor=False)
    keep = retention.get(visit.core)
    owns = retention.may_put(visit.core, visit.actor)
    with st.form("retention"):
        days = {
            name: st.number_input(label, 0, retention.LONGEST, getattr(keep, name), help=help, disabled=not owns)
            for name, (label, help) in FIELDS.items()
        }
        st.caption("0 = forever. Posts, deliveries, their states and proofs are always kept.")
        if st.form_submit_button(
            "Save", disabled=not owns, help=None if owns else "Only the first owner can change this."
        ):
            acts.act(
                "Saved. It takes effect within the hour.",
                lambda: retention.put(visit.core, visit.actor, retention.Keep(**{k: int(v) for k, v in days.items()})),
            )


def _advisor(visit: Visit) -> None:
    """Who gives advice, and whether posts wait for the model."""
    st.subheader("Advice and diagnosis", anchor=False)
    language_model = visit.core.advisor.language_model
    if language_model is None:
        st.text("Built-in rules review posts and make suggestions. No text leaves this machine for it.")
        st.caption(plain("Set POSTPROBER_AI_API_KEY to ask a model too."))
        return
    st.text(f"Posts are reviewed by the {language_model.by} at {language_model.server} and by the built-in rules.")
    st.caption(
        "Text that the rules flag is never sent to the model, nor are file names or the confidential parts of links. "
        "While the model is unavailable, the rules review alone and the post is checked again later."
    )
    owns = visit.actor.owns
    now = advice.waits_for_model(visit.core, visit.actor)
    wanted = st.toggle(
        "Hold posts while the model is unavailable",
        value=now,
        disabled=not owns,
        help=None if owns else "Only an owner can change this.",
    )
    if wanted != now:
        acts.act("Saved.", lambda: advice.wait_for_model(visit.core, visit.actor, wanted))
