"""Which posts to show."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from postprober.domain.platform import NAMES, known
from postprober.ui.words import POST_WORDS

STEP = 10  # posts more each time
_STATUSES = ("draft", "review", "scheduled", "posting", "posted", "partial", "failed", "cancelled")


# Drafts are looked for in the composer; here they would hide what is going on.
USUAL = tuple(status for status in _STATUSES if status != "draft")


@dataclass(frozen=True)
class PostFilter:
    """Empty tuples: everything but drafts."""

    statuses: tuple[str, ...]
    platforms: tuple[str, ...]

    @property
    def shown(self) -> tuple[str, ...]:
        """The statuses to ask for."""
        return self.statuses or USUAL

    @property
    def any(self) -> bool:
        return bool(self.statuses or self.platforms)


def draw() -> PostFilter:
    """Two rows of pills."""
    with st.container(horizontal=True, key="pp-filters"):
        statuses = st.pills(
            "Status",
            _STATUSES,
            selection_mode="multi",
            format_func=lambda s: POST_WORDS[s][0],
            key="filter-status",
            wrap=True,
        )
        platforms = st.pills(
            "Platform",
            list(known()),
            selection_mode="multi",
            format_func=lambda p: NAMES[p],
            key="filter-platform",
            wrap=True,
        )
    return PostFilter(tuple(statuses or ()), tuple(p.value for p in platforms or ()))


def only() -> int | None:
    """The one post that the address names (`?post=12`), with the way back to all of them."""
    named = st.query_params.get("post", "")
    if not (named.isascii() and named.isdigit() and len(named) < 19):
        return None
    if st.button("Show all posts", icon=":material/arrow_back:"):
        st.query_params.clear()
        st.rerun()
    return int(named)
