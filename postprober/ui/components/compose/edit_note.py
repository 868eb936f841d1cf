"""In the composer, while a planned post is edited: which one, what changes, and what is reviewed again."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from postprober.errors import NotFound, PostProberError
from postprober.services.posts import drafts, editing
from postprober.services.posts.posts import NewPost
from postprober.storage.records import Post
from postprober.ui import acts, frame, unsent
from postprober.ui.components.compose import open_draft
from postprober.ui.components.compose.draft import ComposerDraft
from postprober.ui.guard import Visit
from postprober.ui.words import POST_WORDS, due_words, plain

WRITE = "posts:draft"
STOPPED = {
    "copy": "These changes were also edited on another page. Your text here is not saved yet.",
    "saved": "Changes to this post were saved on another page. Your text here was not saved with them.",
    "discarded": "These changes were discarded on another page. The post stays scheduled as it was.",
    "changed": "This scheduled post was changed on another page. Your text here can no longer be saved to it.",
    "ended": "This post can no longer be changed: {status}. Your text here was not published.",
    "deleted": "This scheduled post was deleted. Your text here was not published.",
}


def draw(visit: Visit, mine: ComposerDraft) -> None:
    """Above the fields; nothing for an ordinary draft."""
    if mine.edits is None or mine.saved is None:
        return
    mine.look(visit.core, visit.actor)
    with st.container(border=True, key="pp-edits"):
        if mine.stopped:
            _stopped(visit, mine)
            return
        post = mine.planned
        at = (
            due_words(post.scheduled_at, visit.user.zone, visit.core.clock.now())
            if post and post.scheduled_at
            else "now"
        )
        st.markdown(f"**Editing a scheduled post** ({plain(at)})")
        st.caption("The post stays scheduled as it was until you save your changes.")
        with st.container(horizontal=True):
            if visit.button("Discard changes", WRITE, mine.name("discard"), type="tertiary"):
                _discard(visit, mine)
            if st.button("Use as a new post instead", key=mine.name("as-new"), type="tertiary"):
                open_draft.load(mine.saved, visit.user.id, copy=True)
                st.rerun()


def _stopped(visit: Visit, mine: ComposerDraft) -> None:
    """What happened, and what can become of the words: nothing happens to them before one of these is pressed."""
    status = POST_WORDS.get(mine.planned.status, (mine.planned.status, ""))[0] if mine.planned else ""
    st.warning(plain(STOPPED[mine.stopped].format(status=status)), icon=":material/call_split:")
    core, actor = visit.core, visit.actor
    with st.container(horizontal=True):
        if mine.stopped == "copy":
            if visit.button("Replace the other version with mine", WRITE, mine.name("replace")):
                acts.act("Your version is kept.", mine.replace_theirs, core, actor)
            if st.button("Use the other version", key=mine.name("theirs")):
                acts.act("The other version is open.", _take_theirs, visit, mine)
        if visit.button("Save my text as a new draft", WRITE, mine.name("detach")):
            acts.act("Saved as a new draft.", _detach, visit, mine)
        if mine.stopped in ("saved", "discarded", "changed") and visit.button(
            "Edit the post as it is now", WRITE, mine.name("anew")
        ):
            _remove(visit, mine.saved)
            unsent.drop(mine)
            open_draft.edit(visit, mine.edits or 0)
        if mine.stopped == "ended" and st.button("View progress", key=mine.name("progress")):
            frame.switch("monitor")
        if visit.button("Discard my text", WRITE, mine.name("discard"), type="tertiary"):
            _discard(visit, mine)


def _detach(visit: Visit, mine: ComposerDraft) -> None:
    keep_theirs = mine.stopped == "copy"
    left = mine.detach(visit.core, visit.actor)
    unsent.drop(mine)
    open_draft.address(mine)
    if not keep_theirs:
        _remove(visit, left)


def _take_theirs(visit: Visit, mine: ComposerDraft) -> None:
    mine.take_theirs(visit.core, visit.actor)
    unsent.drop(mine)


def _remove(visit: Visit, copy: Post | None) -> None:
    """A working copy that has no use any more."""
    if copy is not None:
        with suppress(NotFound):
            drafts.delete(visit.core, visit.actor, copy.id)


def _discard(visit: Visit, mine: ComposerDraft) -> None:
    try:
        if mine.stopped != "copy":  # there the stored words are those of the other page
            _remove(visit, mine.saved)
    except PostProberError as error:
        acts.refuse(error)
        return
    unsent.drop(mine)
    open_draft.renew()
    st.rerun()


def changes(visit: Visit, mine: ComposerDraft, new: NewPost) -> None:
    """Above the button: what saving will change."""
    if mine.edits is None or mine.stopped:
        return
    try:
        found = editing.changes(visit.core, visit.actor, mine.edits, new)
    except PostProberError as error:
        acts.refuse(error)
        return
    if not found.what:
        st.caption("No changes yet.")
        return
    words = f"Changes: {', '.join(found.what)}."
    if found.approval_ends:
        words += " The earlier approval does not cover this: the post is reviewed again."
    elif found.reviewed:
        words += " The new version is reviewed before it is scheduled."
    st.caption(plain(words))
