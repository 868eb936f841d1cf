"""The composer's last step."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

import streamlit as st

from postprober.domain.platform import NAMES, Platform
from postprober.domain.post import PostStatus
from postprober.errors import NotFound, PostProberError
from postprober.services.accounts import account_groups
from postprober.services.posts import drafts
from postprober.services.posts.posts import NewPost
from postprober.storage.records import Post
from postprober.ui import acts, frame, unsent
from postprober.ui.components.compose import open_draft, review_card
from postprober.ui.components.compose.draft import ComposerDraft
from postprober.ui.guard import Visit
from postprober.ui.words import POST_WORDS, due_words, plain, short_moment

GOOD = (PostStatus.SCHEDULED, PostStatus.POSTING, PostStatus.POSTED)
PARTED = {
    "changed": "This draft was changed on another page. Your text is kept as a new draft, which is open here.",
    "planned": "This draft was published from another page. Your later changes are kept as a new draft, which is open "
    "here; publishing it makes a second post.",
    "gone": "This draft was deleted on another page. Your text is kept as a new draft, which is open here.",
    "edit": "You were editing a scheduled post here, and these changes were saved or discarded on another page. Your text "
    "is kept as a new draft, which is open here; publishing it makes a second post.",
}


def parted(visit: Visit, mine: ComposerDraft) -> None:
    """Somebody else, or another page, had the same draft: both versions are kept, and this says where."""
    if not mine.parted:
        return
    with st.container(border=True, key="pp-parted"):
        st.warning(PARTED[mine.parted], icon=":material/call_split:")
        with st.container(horizontal=True):
            if mine.parted == "planned" and st.button("View progress", key=mine.name("other")):
                frame.switch("monitor")
            if mine.parted == "changed" and st.button("Use the other version", key=mine.name("other")):
                acts.act("Your own version is kept under Drafts.", _use_other, visit, mine)
            mine_too = "Keep my text as a new post" if mine.parted in ("planned", "edit") else "Keep my version"
            if st.button(mine_too, key=mine.name("parted-ok")):
                mine.parted = ""
                st.rerun()


def _use_other(visit: Visit, mine: ComposerDraft) -> None:
    open_draft.load(drafts.get(visit.core, visit.actor, mine.other or 0), visit.user.id)


def store(visit: Visit, mine: ComposerDraft, new: NewPost) -> str:
    """Store the draft when it changed, before anything slow is asked; why it could not be stored, "" when it is."""
    if not visit.may("posts:publish"):
        return ""
    before = (mine.parted, mine.other, mine.stopped)
    try:  # nosemgrep: every-error-caught # raised again unless the database is away
        mine.save(visit.core, visit.actor, new)
    except PostProberError as error:
        return error.message
    except Exception as error:  # the database is busy or away: what was typed must stay in the page
        if not drafts.is_unavailable(error):
            raise
        return "The database does not answer."
    if mine.holds_words:
        unsent.hold()
    else:
        unsent.drop(mine)
    open_draft.address(mine)
    if (mine.parted, mine.other, mine.stopped) != before:
        st.rerun()  # so that it is said at the top
    return ""


def kept(visit: Visit, mine: ComposerDraft, problem: str) -> None:
    """Say that the draft is safe, or that it is not."""
    if mine.holds_words:
        st.caption(":material/cloud_off: Not saved: choose at the top what happens to your text.")
    elif problem:
        words = f"Draft not saved: {plain(problem)} Your text stays on this page; keep it open."
        st.warning(words, icon=":material/cloud_off:")
        st.button("Save again", key=mine.name("save-again"))
    elif mine.saved is not None and visit.may("posts:publish"):
        at = short_moment(mine.saved.updated_at, visit.user.zone, visit.core.clock.now())
        st.caption(f":material/cloud_done: Draft saved {plain(at[:-3] if at.count(':') == 2 else at)}")


def button(visit: Visit, mine: ComposerDraft, new: NewPost, *, ready: bool) -> None:
    """Publish or schedule, once; not before every platform would take it."""
    label = "Save changes" if mine.edits else "Publish now" if new.at is None else "Schedule"
    why = None if ready else "Every selected account must be “Ready”, and the time must be valid."
    if mine.asks:
        why = "Choose at the top what happens to your text first."
    off = mine.asks or not ready
    if not visit.button(label, "posts:publish", mine.name("publish"), help=why, off=off, type="primary"):
        return
    try:
        with st.spinner("Scheduling …"):
            mine.publish(visit.core, visit.actor, new)
    except PostProberError as error:
        mine.checked = None  # something changed since the checks ran: run them again
        mine.known.limits.clear()
        if mine.asks:  # said at the top of the page, with the choices
            st.rerun()
        acts.refuse(error)
        return
    with suppress(PostProberError):  # the post is planned; what the next one begins with matters less
        account_groups.remember(visit.core, visit.actor, new.account_ids)
    st.rerun()


def done(visit: Visit, mine: ComposerDraft) -> None:
    """The post exists; where to go from here."""
    try:
        post = drafts.get(visit.core, visit.actor, mine.post_id or 0)
    except NotFound:
        st.info("This post was deleted.", icon=":material/delete:")
        _next(view=False)
        return
    if post.status == PostStatus.DRAFT:  # a person decided so in the review
        open_draft.load(post, visit.user.id)
        st.rerun()
    if post.status == PostStatus.REVIEW:
        st.warning("Held for review. Decide below.", icon=":material/gavel:")
        review_card.draw(visit, post)
        return
    text = plain(words(post, visit.user.zone, visit.core.clock.now()))
    if post.status in GOOD:
        st.success(text, icon=":material/check_circle:")
    else:
        st.warning(text, icon=":material/info:")
    if mine.earlier:
        st.caption("This draft was published before this page was loaded. Nothing was sent again.")
    _next(view=True)


def _next(*, view: bool) -> None:
    with st.container(horizontal=True):
        if view and st.button("View progress", type="primary"):
            open_draft.renew()
            frame.switch("monitor")
        if st.button("Write another post"):
            open_draft.renew()
            st.rerun()


def words(post: Post, zone: str, now: datetime) -> str:
    """What was done: `Scheduled for Mon 30 Nov, 09:00 (Berlin) on` and the platforms."""
    where = ", ".join(NAMES[Platform(one)] for one in post.platforms)
    if post.status == PostStatus.SCHEDULED and post.scheduled_at is not None and post.scheduled_at > now:
        return f"Scheduled for {due_words(post.scheduled_at, zone, now)} on {where}."
    if post.status in (PostStatus.SCHEDULED, PostStatus.POSTING):
        return f"Publishing on {where}…"
    if post.status == PostStatus.POSTED:
        return f"Published on {where}."
    label = POST_WORDS.get(post.status, (post.status, ""))[0]
    return f"{label}." if post.status == PostStatus.CANCELLED else f"{label} on {where}."
