"""The draft of one browser tab: what outlives a rerun, and the lock that keeps a double click from publishing twice."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field

import streamlit as st

from postprober.domain.post import Preflight
from postprober.services import media, posts
from postprober.services.core import Core
from postprober.services.posts import NewPost

_KEY = "pp_draft"


@dataclass
class Draft:
    """`number` is part of every widget's key, so that the next draft starts empty. `post_id`: set as soon as the post
    exists."""

    number: int = 0
    post_id: int | None = None
    files: dict[tuple[str, str], int] = field(default_factory=dict)
    checked: NewPost | None = None
    results: dict[int, Preflight] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def key(self, name: str) -> str:
        return f"compose-{self.number}-{name}"

    def take(self, core: Core, user_id: int, name: str, content: bytes, alt: str) -> int:
        """The id of a file with this description; the same one is stored once. Raises BadInput."""
        known = (hashlib.sha256(content).hexdigest(), alt)
        if known not in self.files:
            self.files[known] = media.add_bytes(core, user_id, name, content, alt)
        return self.files[known]

    def check(self, core: Core, user_id: int, new: NewPost) -> dict[int, Preflight]:
        """Preflight by account id; asked again only when something changed. Raises BadInput or NotFound."""
        if new != self.checked:
            self.results = posts.check(core, user_id, new)
            self.checked = new
        return self.results

    def publish(self, core: Core, user_id: int, new: NewPost) -> int:
        """Create the post once, however often this is called; returns its id. Raises PreflightFailed or BadInput.

        Streamlit may stop a run at any of its own calls and start the next one with the button still pressed. Between
        creating the post and noting its id there is no such call, and the lock makes a parallel run wait.
        """
        with self.lock:
            if self.post_id is None:
                self.post_id = posts.create(core, user_id, new).id
            return self.post_id


def current() -> Draft:
    """This tab's draft."""
    draft: Draft = st.session_state.setdefault(_KEY, Draft())
    return draft


def renew() -> None:
    """Start an empty one."""
    st.session_state[_KEY] = Draft(current().number + 1)
