"""What a person does on a page: the button that knows whether they may, and the sentence when it does not work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from postprober.errors import PostProberError
from postprober.ui.text import error_words, plain

_TOLD = "pp_told"


def refuse(error: PostProberError) -> None:
    """Why it cannot be, in one sentence, and what helps."""
    icon, text = error_words(error)
    st.error(plain(text), icon=icon)


def act(done: str, work: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    """Do it. Then the page runs again and says `done`; when it is refused, it says why and the run goes on."""
    try:
        work(*arguments, **named)
    except PostProberError as error:
        refuse(error)
    else:
        tell(done)
        st.rerun()


def tell(done: str) -> None:
    """Say it in the next run: a message written before a rerun is gone with the run."""
    st.session_state[_TOLD] = done


def told() -> None:
    """What the last run wanted said."""
    if done := st.session_state.pop(_TOLD, None):
        st.toast(done, icon=":material/check_circle:")
