"""When to post: now, at a time in the person's zone, or in the next free slot of their week."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from postprober.errors import PostProberError
from postprober.services import queue
from postprober.services.times import parse_time
from postprober.ui import acts
from postprober.ui.components.draft import Draft
from postprober.ui.guard import Visit
from postprober.ui.text import moment, plain, until, utc_moment

NOW, LATER, SLOT = "Now", "Later", "Next free slot"


def draw(visit: Visit, draft: Draft) -> datetime | None:
    """Aware UTC; None for now. Raises BadInput for a time that does not work."""
    zone, now = visit.user.zone, visit.core.clock.now()
    choice = st.segmented_control(
        "When",
        [NOW, LATER, SLOT],
        default=LATER if draft.at else NOW,
        required=True,
        key=draft.key(f"when-{draft.revision}"),
    )
    if choice == NOW:
        draft.at = None
        return None
    if choice == SLOT:
        at = queue.next_free(visit.core, visit.user.id, draft.saved.id if draft.saved else None)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{plain(moment(at, zone)[:-3])}**")
            _slots(visit)
    else:
        at = _typed(draft, zone, now)
    draft.at = at
    st.caption(f"In your time zone, {plain(zone)}: {until(at, now)}. That is {utc_moment(at)}.")
    return at


def _typed(draft: Draft, zone: str, now: datetime) -> datetime:
    there = (draft.at or now + timedelta(hours=1)).astimezone(ZoneInfo(zone))
    with st.container(horizontal=True):
        day = st.date_input(
            "Day", value=there.date(), key=draft.key(f"day-{draft.revision}"), format="DD/MM/YYYY", width=170
        )
        at = st.time_input(
            "Time", value=time(there.hour, there.minute), key=draft.key(f"time-{draft.revision}"), step=60, width=120
        )
    return parse_time(datetime.combine(day, at or time(0)).isoformat(), now, zone)


def _slots(visit: Visit) -> None:
    """Where a person says when they like to post."""
    with st.popover("Change my slots", type="tertiary"), st.form("pp-slots", border=False):
        slots = queue.slots_of(visit.core, visit.user.id)
        typed = {
            day: st.text_input(name, queue.typed(slots.get(day, ())), placeholder="none, or 9:00, 12:30")
            for day, name in enumerate(queue.DAYS)
        }
        if st.form_submit_button("Keep these slots", disabled=not visit.may("posts:write")):
            try:
                queue.choose(visit.core, visit.user.id, typed)
            except PostProberError as error:
                acts.refuse(error)
            else:
                st.rerun()
