"""Quiet hours, telling again and escalation."""

from __future__ import annotations

from datetime import time

import streamlit as st

from postprober.domain.alert import Preferences, clock_time
from postprober.services.notifications import channels
from postprober.ui import acts
from postprober.ui.guard import Visit
from postprober.ui.words import plain


def draw(visit: Visit) -> None:
    wishes = channels.preferences(visit.core, visit.actor)
    off = visit.why_not("alerts:write")
    with st.form("notify"):
        st.caption(f"Channels get alerts immediately, except in quiet hours. Times are in {plain(visit.user.zone)}.")
        left, right = st.columns(2)
        begin = left.time_input("Quiet from", _time(wishes.quiet_from), step=900)
        end = right.time_input("Quiet until", _time(wishes.quiet_to), step=900)
        urgent = st.checkbox("Send errors during quiet hours too", wishes.urgent)
        again = st.number_input(
            "Repeat unread errors every … minutes (0 = off)",
            0,
            channels.MOST_MINUTES,
            wishes.again_minutes,
        )
        times = st.number_input("Maximum reminders", 0, 10, wishes.again_times)
        escalate = st.number_input(
            "Alert the escalation channels after … minutes (0 = off)", 0, channels.MOST_MINUTES, wishes.escalate_minutes
        )
        if st.form_submit_button("Save", type="primary", disabled=off is not None, help=off):
            new = Preferences(_text(begin), _text(end), urgent, int(again), int(times), int(escalate))
            acts.act("Saved.", channels.set_preferences, visit.core, visit.actor, new)


def _time(text: str) -> time | None:
    return clock_time(text) if text else None


def _text(value: time | None) -> str:
    return value.strftime("%H:%M") if value else ""
