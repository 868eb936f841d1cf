"""Who gives advice, and how long things are kept."""

from __future__ import annotations

import streamlit as st

from postprober.services import people, retention
from postprober.ui import acts
from postprober.ui.guard import Visit
from postprober.ui.text import plain

FIELDS = {
    "evidence": ("Evidence (what was seen of a post)", "Differences, hashes and pictures that prove a post."),
    "replies": ("Platforms' replies in attempts", "The shortened, redacted text of each reply; its status stays."),
    "alerts": ("Alerts that were read", "Unread ones stay."),
    "samples": ("Engagement counts", "The points of the growth curves."),
}


def draw(visit: Visit) -> None:
    settings = visit.core.settings
    st.subheader("Advice and diagnosis", anchor=False)
    if settings.ai_api_key:
        where = settings.ai_base_url or "the OpenAI API"
        st.text(f"A model advises: {settings.ai_model or 'the default one'} at {where}.")
        st.caption("Where it is unsure or away, the built-in rules decide; every answer says who gave it.")
    else:
        st.text("The built-in rules advise. No text leaves this machine for it.")
        st.caption(plain("Set POSTPROBER_AI_API_KEY to ask a model too."))
    st.subheader("What is kept, in days", anchor=False)
    keep = retention.get(visit.core)
    owns = people.manages_people(visit.user)
    with st.form("retention"):
        days = {
            name: st.number_input(label, 0, retention.LONGEST, getattr(keep, name), help=help, disabled=not owns)
            for name, (label, help) in FIELDS.items()
        }
        st.caption("0 keeps it for ever. Posts, deliveries, their states and proofs are always kept.")
        if st.form_submit_button("Save", disabled=not owns, help=None if owns else "Only an owner changes this."):
            acts.act(
                "Saved; it takes effect within the hour.",
                lambda: retention.put(visit.core, visit.user, retention.Keep(**{k: int(v) for k, v in days.items()})),
            )
