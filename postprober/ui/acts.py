"""What a person does on a page: the button that knows whether they may, and the sentence when it does not work."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

import streamlit as st

from postprober.errors import PostProberError
from postprober.ui.words import error_words, plain

P = ParamSpec("P")
_TOLD, _WARNED, _DONE = (
    "pp_told",
    "pp_warned",
    "pp_done",
)  # what is said, as typed by whomever: escaped where it is shown


def refuse(error: PostProberError) -> None:
    """Why it cannot be, in one sentence, and what helps."""
    icon, text = error_words(error)
    st.error(plain(text), icon=icon)


def act(done: str, work: Callable[P, object], *arguments: P.args, **named: P.kwargs) -> None:
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


def warn(text: str) -> None:
    """Say at the top of the page, until it is dismissed, what a person has to know although the page goes on."""
    st.session_state[_WARNED] = [*st.session_state.get(_WARNED, ()), text]


def confirm(text: str) -> None:
    """The same for what went well and is not seen on the page itself."""
    st.session_state[_DONE] = [*st.session_state.get(_DONE, ()), text]


def _dismiss() -> None:
    st.session_state.pop(_WARNED, None)
    st.session_state.pop(_DONE, None)


def told() -> None:
    """What the last run wanted said."""
    if done := st.session_state.pop(_TOLD, None):
        st.toast(plain(done), icon=":material/check_circle:")
    warned, well = st.session_state.get(_WARNED, ()), st.session_state.get(_DONE, ())
    if warned or well:
        with st.container(key="pp-warned"):
            for text in well:
                st.success(plain(text), icon=":material/check_circle:")
            for text in warned:
                st.warning(plain(text), icon=":material/sync_problem:")
            st.button("Dismiss", on_click=_dismiss, key="pp-dismiss", type="tertiary")
