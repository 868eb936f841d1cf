"""Drafts to go on with."""

from __future__ import annotations

import streamlit as st

from postprober.services import drafts
from postprober.ui import acts
from postprober.ui.components import draft as current
from postprober.ui.guard import Visit
from postprober.ui.text import POST_WORDS, plain, short_moment

WORDS = 60  # characters of a draft's text in its line


def draw(visit: Visit) -> None:
    """A popover with the stored drafts, the one written last first; nothing when there is none."""
    stored = drafts.listing(visit.core, visit.user.id)
    if not stored:
        return
    now, zone = visit.core.clock.now(), visit.user.zone
    with st.popover(f"Drafts ({len(stored)})", icon=":material/draft:"):
        for post in stored:
            with st.container(horizontal=True, vertical_alignment="center", wrap=False):
                st.text(" ".join(post.content.split())[:WORDS] or "(no text yet)")
                label = plain(f"{POST_WORDS[post.status][0]}, {short_moment(post.updated_at, zone, now)}")
                st.caption(label, width="content")
                if st.button("Open", key=f"draft-open-{post.id}"):
                    current.load(post)
                    st.rerun()
                if visit.button("Delete", "posts:write", f"draft-delete-{post.id}", type="tertiary"):
                    if (open_now := current.current().saved) and open_now.id == post.id:
                        current.renew()
                    acts.act("The draft was deleted.", drafts.delete, visit.core, visit.user.id, post.id)
