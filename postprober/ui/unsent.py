"""Words that were typed and are not stored yet: the person was signed out elsewhere, the page broke off, a run was
stopped, the database was busy. They stay in this process's memory for the person and the draft or form that they belong
to, until they are stored."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from postprober.storage.records import Post
    from postprober.ui.components.compose.draft import ComposerDraft

DRAFT = "pp_draft"  # in the session: the composer's draft
MOST = 200  # pages, and forms, whose words are kept at once, the oldest go first
EACH = 4  # pages of one draft whose words are kept at once
LONGEST = 100_000  # characters of a draft's words


@dataclass(frozen=True)
class Words:
    """`texts`: account id (0 for all others) -> parts; `version`: of the stored draft that they were typed on, None when
    nothing was stored yet; `copy`: the working copy of a planned post that they were typed in, as it was then."""

    texts: dict[int, tuple[str, ...]]
    version: int | None
    copy: Post | None = None


_lock = threading.Lock()
_kept: OrderedDict[str, tuple[int, str, Words]] = (
    OrderedDict()
)  # page -> person, draft, words: two tabs can have one draft
_forms: OrderedDict[tuple[int, str], tuple[str, ...]] = OrderedDict()  # person, form -> texts


def hold() -> None:
    """Keep what stands in the composer of this browser tab and is stored nowhere: for whoever has typed it, who need not
    be the person that is signed in now."""
    mine: ComposerDraft | None = st.session_state.get(DRAFT)
    if mine is None or not mine.user_id or mine.post_id is not None:
        return
    texts = {**mine.texts, **_typed(mine)}
    size = sum(len(part) for parts in texts.values() for part in parts)
    if not 0 < size <= LONGEST or not (mine.holds_words or mine.differs(texts)):
        return
    version = mine.saved.version if mine.saved else None
    words = Words(texts, version, mine.saved if mine.edits is not None else None)
    with _lock:
        _kept.pop(mine.page, None)
        _kept[mine.page] = mine.user_id, mine.key, words
        for oldest in _pages(mine.user_id, mine.key)[:-EACH]:
            del _kept[oldest]
        while len(_kept) > MOST:
            _kept.popitem(last=False)


def hold_fields() -> None:
    """The same on any page, as long as the browser still sends the composer's fields: who types and clicks at once in the
    menu sends the last words together with the click."""
    mine: ComposerDraft | None = st.session_state.get(DRAFT)
    if mine is not None and _typed(mine):
        hold()


def _pages(user_id: int, key: str) -> list[str]:
    return [page for page, (whose, draft, _) in _kept.items() if (whose, draft) == (user_id, key)]


def _typed(mine: ComposerDraft) -> dict[int, tuple[str, ...]]:
    """What the fields hold at this moment, where it differs from what the page knew before."""
    begin = mine.name("text-")
    fields = {
        str(name).removeprefix(begin): str(v) for name, v in st.session_state.items() if str(name).startswith(begin)
    }
    found: dict[int, tuple[str, ...]] = {}
    for target in {int(name.split("-")[0]) for name in fields}:
        before = mine.parts(target)
        now = tuple(fields.get(f"{target}-{index}", part) for index, part in enumerate(before))
        if now != before:
            found[target] = now
    return found


def take_over(user_id: int, key: str, page: str) -> Words | None:
    """The words of this person's draft that were kept last; from now on they are those of `page`, which stores them or
    drops them."""
    with _lock:
        last = next(reversed(_pages(user_id, key)), None)
        if last is None:
            return None
        _kept[page] = found = _kept.pop(last)
        return found[2]


def own(mine: ComposerDraft) -> Words | None:
    """What this page itself had kept."""
    with _lock:
        found = _kept.get(mine.page)
        return found[2] if found else None


def drop(mine: ComposerDraft) -> None:
    """The page's words are stored, or the person wants them no more. What another page holds stays."""
    with _lock:
        _kept.pop(mine.page, None)


def keep_form(user_id: int, form: str, texts: tuple[str, ...]) -> None:
    """Keep what was typed in a form while it is sent: that may fail in any way."""
    with _lock:
        _forms.pop((user_id, form), None)
        if sum(map(len, texts)) <= LONGEST:
            _forms[user_id, form] = texts
        while len(_forms) > MOST:
            _forms.popitem(last=False)


def of_form(user_id: int, form: str) -> tuple[str, ...] | None:
    """What this person has typed in the form, when it was not sent."""
    with _lock:
        return _forms.get((user_id, form))


def drop_form(user_id: int, form: str) -> None:
    """The words were sent or stored, or the person wants them no more."""
    with _lock:
        _forms.pop((user_id, form), None)
