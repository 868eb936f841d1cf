"""The draft of one browser tab: what outlives a rerun, and the lock that keeps a double click from publishing twice."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from datetime import datetime

import streamlit as st

from postprober.domain.criteria import Criteria
from postprober.domain.post import Preflight
from postprober.services import drafts, media, posts
from postprober.services.core import Core
from postprober.services.posts import Known, NewPost
from postprober.storage.records import Post

_KEY = "pp_draft"
COMMON = 0  # in `texts`: what every account gets that has no text of its own


@dataclass
class Draft:
    """`number` and `revision` are part of every widget's key, so that the next draft starts empty and a text that is
    replaced is shown. `texts`: account id (COMMON for all others) -> parts. `saved`: the stored draft, as last written.
    `focus`: whose text is shown after a revision.
    `post_id`: set as soon as the post is planned. `kept`: stored files that came with a loaded draft."""

    number: int = 0
    revision: int = 0
    focus: int = COMMON
    post_id: int | None = None
    saved: Post | None = None
    saved_wish: NewPost | None = None
    texts: dict[int, tuple[str, ...]] = field(default_factory=lambda: {COMMON: ("",)})
    chosen: tuple[int, ...] | None = None
    kept: tuple[int, ...] = ()
    at: datetime | None = None
    criteria: Criteria | None = None
    files: dict[tuple[str, str], int] = field(default_factory=dict)
    checked: NewPost | None = None
    results: dict[int, Preflight] = field(default_factory=dict)
    known: Known = field(default_factory=Known)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def key(self, name: str) -> str:
        return f"compose-{self.number}-{name}"

    def text_key(self, target: int, part: int) -> str:
        return self.key(f"text-{self.revision}-{target}-{part}")

    def parts(self, target: int) -> tuple[str, ...]:
        """The account's own parts, else the common ones."""
        return self.texts.get(target) or self.texts[COMMON]

    def put(self, target: int, parts: tuple[str, ...]) -> None:
        """Replace a text from outside of its field."""
        self.texts[target] = parts
        self.focus = target
        self.revision += 1

    def take(self, core: Core, user_id: int, name: str, content: bytes, alt: str) -> int:
        """The id of a file with this description; the same one is stored once. Raises BadInput."""
        known = (hashlib.sha256(content).hexdigest(), alt)
        if known not in self.files:
            self.files[known] = media.add_bytes(core, user_id, name, content, alt)
        return self.files[known]

    def wish(self, account_ids: tuple[int, ...], media_ids: tuple[int, ...], at: datetime | None) -> NewPost:
        """What is asked for at this moment."""
        common = self.texts[COMMON]
        own = {a: self.texts[a] for a in account_ids if a in self.texts and self.texts[a] != common}
        return NewPost(common, account_ids, media_ids, at, variants=own or None, criteria=self.criteria)

    def check(self, core: Core, user_id: int, new: NewPost) -> dict[int, Preflight]:
        """Preflight by account id; asked again only when something changed. Raises BadInput or NotFound."""
        if new != self.checked:
            self.results = posts.check(core, user_id, new, self.known)
            self.checked = new
        return self.results

    def save(self, core: Core, user_id: int, new: NewPost) -> bool:
        """Keep what was written, once for each change; whether it was written now. An empty draft is not kept. Raises
        BadInput, NotFound or Stale (somebody else changed the stored draft)."""
        with self.lock:
            empty = not any(any(part.strip() for part in parts) for parts in self.texts.values()) and not new.media_ids
            if new == self.saved_wish or self.post_id is not None or (empty and self.saved is None):
                return False
            if self.saved is None:
                self.saved = drafts.save(core, user_id, new)
            else:
                self.saved = drafts.change(core, user_id, self.saved.id, new, [self.saved.version])
            self.saved_wish = new
            return True

    def follow(self, post: Post, focus: int) -> None:
        """The stored draft was changed from outside of the fields (a suggestion was accepted): show it as it is now."""
        wish = drafts.wish_of(post)
        self.saved, self.saved_wish, self.checked = post, wish, None
        self.texts = {COMMON: wish.parts, **(wish.variants or {})}
        self.at = wish.at
        self.focus = focus
        self.revision += 1

    def publish(self, core: Core, user_id: int, new: NewPost) -> int:
        """Plan the post once, however often this is called; returns its id. Raises PreflightFailed, BadInput, Conflict.

        Streamlit may stop a run at any of its own calls and start the next one with the button still pressed. Between
        planning the post and noting its id there is no such call, and the lock makes a parallel run wait. Should the
        process end in between, the stored draft is a planned post by then and cannot be submitted again.
        """
        self.save(core, user_id, new)
        with self.lock:
            if self.post_id is None:
                if self.saved is None:
                    self.post_id = posts.create(core, user_id, new).id
                else:
                    self.post_id = drafts.submit(core, user_id, self.saved.id, [self.saved.version]).id
            return self.post_id


def current() -> Draft:
    """This tab's draft."""
    draft: Draft = st.session_state.setdefault(_KEY, Draft())
    return draft


def renew() -> None:
    """Start an empty one."""
    st.session_state[_KEY] = Draft(current().number + 1)


def load(post: Post, *, copy: bool = False) -> None:
    """Go on with a stored draft, or write a new one like `post`."""
    wish = drafts.wish_of(post)
    st.session_state[_KEY] = Draft(
        number=current().number + 1,
        saved=None if copy else post,
        saved_wish=None if copy else wish,
        texts={COMMON: wish.parts, **(wish.variants or {})},
        chosen=wish.account_ids,
        kept=wish.media_ids,
        at=None if copy else wish.at,
        criteria=wish.criteria,
    )
