"""Which draft the composer has open: the one that the page's address names, else the one of this browser tab."""

from __future__ import annotations

import re
from collections.abc import Callable

import streamlit as st

from postprober.errors import PostProberError
from postprober.services.posts import editing
from postprober.storage.records import Post
from postprober.ui import acts, frame, unsent
from postprober.ui.components.compose.draft import ComposerDraft, edit_key, is_edit_key, new_key, stored
from postprober.ui.guard import Visit

_KEY = unsent.DRAFT
PARAM = "draft"  # of the address; what the browser sends again after a restart or a lost connection
_CHOSEN_HERE = re.compile(r"[A-Za-z0-9_-]{12,40}")


def opened(visit: Visit) -> ComposerDraft:
    """The draft of this page, as it is stored by now when the page was away."""
    unsent.hold()  # until they are stored: this run may be stopped before that
    mine: ComposerDraft | None = st.session_state.get(_KEY)
    asked = st.query_params.get(PARAM, "")
    if mine is not None and mine.user_id not in (0, visit.user.id):
        mine = None
    words = unsent.own(mine) if mine is not None else None
    if asked and (mine is None or mine.key != asked):
        mine, words = _loaded(visit, asked, mine)
    mine = mine or ComposerDraft()
    mine.user_id = visit.user.id
    away = not _has_fields(mine)
    if away:
        mine.refresh(visit.core, visit.actor)
    if words is not None:
        mine = _with_words(visit, mine, words, put=away)
    st.session_state[_KEY] = mine
    address(mine)
    return mine


def _loaded(visit: Visit, asked: str, before: ComposerDraft | None) -> tuple[ComposerDraft, unsent.Words | None]:
    """The draft that the address names, and the words that were typed in it and are not stored. An edit that is gone
    makes a new post only when a person says so."""
    mine, page = stored(visit.core, visit.actor, asked), new_key()
    words = unsent.take_over(visit.user.id, asked, page)
    if words is None and mine is not None:
        words = unsent.take_over(visit.user.id, mine.key, page)
    if mine is None:
        if words is None and before is not None:
            return before, unsent.own(before)
        mine = ComposerDraft(_usable(asked), user_id=visit.user.id)
        if words is None and is_edit_key(asked) and _has_fields(mine):
            mine.key, mine.parted = new_key(), "edit"  # the fields keep their names
    mine.page = page
    return mine, words


def _has_fields(mine: ComposerDraft) -> bool:
    """Whether the browser still has the draft's texts."""
    return any(str(name).startswith(mine.name("text-")) for name in st.session_state)


def _with_words(visit: Visit, mine: ComposerDraft, words: unsent.Words, *, put: bool) -> ComposerDraft:
    """Into the draft goes what was typed while nothing could be stored. Where the draft moved on meanwhile, what is
    stored stays as it is, and the words go on beside it; those of an edit stay one, and the page asks what becomes of
    them. `put`: not when the fields still have them."""
    if all(mine.parts(target) == parts for target, parts in words.texts.items()):
        return mine
    page, saved = mine.page, mine.saved
    if words.copy is not None and (saved is None or (saved.id, saved.version) != (words.copy.id, words.version)):
        mine = ComposerDraft.of(words.copy, mine.user_id)
        if saved is not None and saved.id == words.copy.id:
            mine.stopped = "copy"
        mine.look(visit.core, visit.actor)
    elif mine.post_id is not None and saved is not None:
        later = ComposerDraft.like(saved, mine.user_id)
        later.parted, later.other = "planned", mine.post_id
        mine = later
    elif put and (saved.version if saved else None) != words.version:
        mine.fork = saved is not None
    mine.page = page
    for target, parts in words.texts.items() if put else ():
        if mine.parts(target) != parts:
            mine.put(target, parts)
    return mine


def _usable(asked: str) -> str:
    """A page that nothing was stored of yet keeps its key."""
    fresh = new_key()
    return asked if _CHOSEN_HERE.fullmatch(asked) and not asked.isdecimal() else fresh


def current() -> ComposerDraft | None:
    """This tab's draft, if it has one."""
    mine: ComposerDraft | None = st.session_state.get(_KEY)
    return mine


def address(mine: ComposerDraft) -> None:
    """Let the address name the draft; it changes when the words went on in a draft of their own."""
    if st.query_params.get(PARAM) != mine.key:
        st.query_params[PARAM] = mine.key


def renew() -> None:
    """Start an empty one."""
    _switch(ComposerDraft())


def load(post: Post, user_id: int, *, copy: bool = False) -> None:
    """Go on with a stored draft, or write a new one like `post`."""
    mine, before = ComposerDraft.like(post, user_id) if copy else ComposerDraft.of(post, user_id), current()
    if before is not None and before.ref == mine.ref:
        mine.ref = new_key()  # its fields still hold what stood there before
    _switch(mine)


def edit(visit: Visit, post_id: int, before: Callable[[], None] = lambda: None) -> None:
    """Open a planned post in the composer. `before`: done first when it can be edited."""
    try:
        copy = editing.begin(visit.core, visit.actor, post_id, edit_key(post_id))
    except PostProberError as error:
        acts.refuse(error)
        return
    load(copy, visit.user.id)
    before()
    frame.switch("compose")


def _switch(mine: ComposerDraft) -> None:
    st.session_state[_KEY] = mine
    if PARAM in st.query_params:  # the composer's own page; from any other the address comes with the page
        st.query_params[PARAM] = mine.key
