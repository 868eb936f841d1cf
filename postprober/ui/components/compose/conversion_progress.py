"""How far the conversion of a video is."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from postprober.errors import NotFound
from postprober.services.media import conversions
from postprober.storage.conversions import ConversionRecord, ConversionState
from postprober.ui import guard
from postprober.ui.guard import Visit
from postprober.ui.words import plain

PERIOD = 2.0  # seconds; the progress is written once a second
_OPEN = (ConversionState.WAITING, ConversionState.WORKING)


def draw(visit: Visit, media_id: int) -> None:
    """One line below the file: nothing when it goes out as it is."""
    found = _found(visit, media_id)
    if any(one.state in _OPEN for one in found):
        _moving(visit, media_id)
    else:
        _lines(found)


@st.fragment(run_every=PERIOD)
def _moving(visit: Visit, media_id: int) -> None:
    guard.still_in(visit)
    _lines(_found(visit, media_id))


def _found(visit: Visit, media_id: int) -> list[ConversionRecord]:
    try:
        return conversions.of(visit.core, visit.actor, media_id)
    except NotFound:  # removed on another page
        return []


def _lines(found: Sequence[ConversionRecord]) -> None:
    waiting = [one for one in found if one.state in _OPEN]
    failed = [one for one in found if one.state == ConversionState.FAILED]
    for one in failed:
        st.caption(plain(f"Not converted: {one.message}"))
    if waiting:
        done = sum(one.progress for one in waiting) / len(waiting)
        said = next((one.message for one in waiting if one.message), "")
        st.progress(min(1.0, done), text=plain(said or f"Converting the video … {done:.0%}"))
    elif len(failed) < len(found):
        st.caption("Converted. Ready to be sent.")
