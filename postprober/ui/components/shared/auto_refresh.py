"""Keeps a page fresh: asks little and often, redraws only when something changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from postprober import places
from postprober.services.core import Core
from postprober.services.monitoring import monitoring
from postprober.ui import guard
from postprober.ui.guard import Visit

PERIOD = 2  # seconds between two questions
NO_SCHEDULER = f"The scheduler is not running: nothing is published or checked. Start it with: {places.start_command()}"


@st.fragment(run_every=PERIOD)
def draw(visit: Visit, post_ids: Sequence[int], shown: tuple[Any, ...]) -> None:
    """A warning without a scheduler. `shown` is the stamp that the page around was drawn from: the page runs again when
    the stamp differs, or when the person was signed out meanwhile."""
    guard.still_in(visit)
    if monitoring.stamp(visit.core, visit.actor, post_ids) != shown:
        st.rerun()
    if not scheduler_lives(visit.core):
        st.warning(NO_SCHEDULER, icon=":material/heart_broken:")


def scheduler_lives(core: Core) -> bool:
    """Whether its heart beat within the limit."""
    age = monitoring.heartbeat_age(core)
    return age is not None and age <= monitoring.HEARTBEAT_LIMIT
