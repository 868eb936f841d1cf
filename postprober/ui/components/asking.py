"""Doing what a button says, with its problem or its success told in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from postprober.errors import PostProberError
from postprober.ui.text import plain

_TOLD = "pp_told"


def told() -> None:
    """What was done in the run before this one."""
    if _TOLD in st.session_state:
        st.success(plain(st.session_state.pop(_TOLD)))


def act(what: Callable[[], Any], done: str) -> None:
    """Do it; then the page is drawn anew and says `done`. A problem is shown where it happened and nothing else
    changes."""
    try:
        what()
    except PostProberError as error:
        st.error(plain(error.message))
    else:
        st.session_state[_TOLD] = done
        st.rerun()
