"""Reports that come by themselves: how often, when, as what, and where."""

from __future__ import annotations

import calendar

import streamlit as st

from postprober.domain.report_plan import LAST_DAY
from postprober.services.notifications import channels
from postprober.services.reports import report_schedule
from postprober.services.reports.report_schedule import ReportChoice
from postprober.ui import acts
from postprober.ui.guard import Visit
from postprober.ui.words import moment, plain

EVERY = {"": "Never", "week": "Every week", "month": "Every month"}
FORMS = {"html": "HTML", "pdf": "PDF (HTML if no browser is installed)"}


def draw(visit: Visit) -> None:
    now = report_schedule.get(visit.core, visit.actor)
    st.caption(
        "A weekly report covers the seven days before it, a monthly one the month before. "
        f"Times are in {plain(visit.user.zone)}."
    )
    every = st.segmented_control(
        "Frequency", list(EVERY), default=now.every, required=True, format_func=EVERY.__getitem__, key="report-every"
    )
    with st.form("report-schedule", border=False):
        chosen = _details(visit, every or "", now)
        off = visit.why_not("reports:write")
        if st.form_submit_button("Save", type="primary", disabled=off is not None, help=off):
            acts.act("Saved.", report_schedule.put, visit.core, visit.actor, chosen)
    if now.next_at is not None:
        st.text(f"The next report is made on {moment(now.next_at, visit.user.zone)}.")


def _details(visit: Visit, every: str, now: ReportChoice) -> ReportChoice:
    if not every:
        return ReportChoice()
    left, right = st.columns(2)
    days = range(1, 8) if every == "week" else range(1, LAST_DAY + 1)
    day = left.selectbox(
        "Day",
        list(days),
        index=now.day - 1 if now.every == every else 0,
        format_func=lambda n: calendar.day_name[n - 1] if every == "week" else f"{n}.",
    )
    hour = right.selectbox("Time", list(range(24)), index=now.hour, format_func=lambda n: f"{n:02}:00")
    where: dict[int | None, str] = {None: f"By e-mail to {visit.user.email}"} if visit.core.settings.mail else {}
    where |= {one.id: f"A summary to {one.name}" for one in channels.listing(visit.core, visit.actor) if one.is_active}
    if not where:
        st.warning("Nowhere to send it: set up a mail server or add a channel.")
    to = st.selectbox(
        "Send to",
        list(where),
        format_func=lambda n: plain(where[n]),
        index=list(where).index(now.channel_id) if now.channel_id in where else 0 if where else None,
    )
    form = st.selectbox("Attachment", list(FORMS), index=list(FORMS).index(now.form), format_func=FORMS.__getitem__)
    return ReportChoice(every, day, hour, form, to)
