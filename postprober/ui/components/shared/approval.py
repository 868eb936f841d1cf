"""What the review holds of words that are about to be sent, and a person's approval of exactly those words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from postprober.errors import PostProberError
from postprober.services.posts.gate import ReviewNeeded
from postprober.ui import acts
from postprober.ui.words import plain


def ask(name: str, held: ReviewNeeded) -> None:
    """The review held these words: `draw` asks from the next run on. `name`: of the place where they are sent from."""
    st.session_state[_held(name)] = held


def clear(name: str) -> None:
    """Nothing is held there any more."""
    st.session_state.pop(_held(name), None)


def draw(name: str) -> None:
    """Why they are held, and the box that approves them; nothing when nothing is held. The box belongs to the digest of
    the words: for other words it is a new one, which nobody has ticked."""
    held = _asked(name)
    if held is not None:
        st.error(plain(f"Held for review. {' '.join(held.reasons)}"), icon=":material/gavel:")
        st.checkbox("I have read it and approve this text", key=_box(name, held))


def given(name: str) -> str:
    """The digest of the words that were approved, "" without an approval."""
    held = _asked(name)
    return held.digest if held is not None and st.session_state.get(_box(name, held)) else ""


def act(name: str, done: str, work: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    """`acts.act` for work that takes `approved`: when the review holds the words, the person is asked."""
    try:
        work(*arguments, approved=given(name), **named)
    except ReviewNeeded as held:
        ask(name, held)
    except PostProberError as error:
        acts.refuse(error)
        return
    else:
        clear(name)
        acts.tell(done)
    st.rerun()


def _asked(name: str) -> ReviewNeeded | None:
    held: ReviewNeeded | None = st.session_state.get(_held(name))
    return held


def _held(name: str) -> str:
    return f"held-{name}"


def _box(name: str, held: ReviewNeeded) -> str:
    return f"approve-{name}-{held.digest[:16]}"
