"""Drafts to go on with."""

from __future__ import annotations

import streamlit as st

from postprober.services.posts import drafts
from postprober.ui import acts, unsent
from postprober.ui.components.compose import open_draft
from postprober.ui.guard import Visit
from postprober.ui.words import POST_WORDS, plain, short_moment

WORDS = 60  # characters of a draft's text in its line


def draw(visit: Visit) -> None:
    """A popover with the stored drafts, the one written last first; nothing when there is none."""
    stored = drafts.listing(visit.core, visit.actor)
    if not stored:
        return
    now, zone = visit.core.clock.now(), visit.user.zone
    with st.popover(f"Drafts ({len(stored)})", icon=":material/draft:"):
        for post in stored:
            with st.container(horizontal=True, vertical_alignment="center", wrap=False):
                st.text(" ".join(post.content.split())[:WORDS] or "(no text yet)")
                kind = "Edit of a scheduled post" if drafts.edited_by(post) else POST_WORDS[post.status][0]
                label = plain(f"{kind}, {short_moment(post.updated_at, zone, now)}")
                st.caption(label, width="content")
                if st.button("Open", key=f"draft-open-{post.id}"):
                    open_draft.load(post, visit.user.id)
                    st.rerun()
                if visit.button("Delete", "posts:draft", f"draft-delete-{post.id}", type="tertiary"):
                    acts.act("Draft deleted.", _delete, visit, post.id)


def _delete(visit: Visit, post_id: int) -> None:
    """The row first: when that is refused, the composer keeps what it has."""
    drafts.delete(visit.core, visit.actor, post_id)
    if (mine := open_draft.current()) and mine.saved and mine.saved.id == post_id:
        unsent.drop(mine)
        open_draft.renew()
