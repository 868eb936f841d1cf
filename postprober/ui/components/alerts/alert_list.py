"""Alerts, newest first, to read and to tick off."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from postprober.domain.alert import KIND_WORDS, AlertKind
from postprober.services.monitoring import monitoring
from postprober.storage.records import AlertRecord
from postprober.ui import acts
from postprober.ui.guard import Visit
from postprober.ui.words import moment, safe, short_moment

STEP = 30
_MARKS = {"error": ("✕", "red"), "warning": ("!", "orange"), "success": ("✓", "green")}


def draw(visit: Visit) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        which = st.segmented_control("Show", ["Unread", "All"], default="Unread", key="alerts-which") or "Unread"
        kinds = st.multiselect("Kinds", list(AlertKind), format_func=KIND_WORDS.__getitem__, placeholder="All kinds")
    limit = st.session_state.setdefault("alerts-limit", STEP)
    rows = monitoring.alerts(visit.core, visit.actor, limit + 1, unread=which == "Unread", kinds=kinds)
    if not rows:
        st.info("No unread alerts." if which == "Unread" and not kinds else "No alerts match.")
        return
    newest = rows[0].id
    if which == "Unread" and visit.button("Mark all as read", "alerts:write", "alerts-read-all"):
        acts.act("Marked as read.", monitoring.mark_all_read, visit.core, visit.actor, newest)
    now = visit.core.clock.now()
    for row in rows[:limit]:
        _line(visit, row, now)
    if len(rows) > limit and st.button("Show older alerts"):
        st.session_state["alerts-limit"] = limit + STEP
        st.rerun()


def _line(visit: Visit, row: AlertRecord, now: datetime) -> None:
    with st.container(border=True, horizontal=True, wrap=False, vertical_alignment="center", key=f"alert-{row.id}"):
        st.html(alert_html(row, visit.user.zone, now))
        if not row.is_read and visit.button("Mark as read", "alerts:write", f"read-{row.id}", type="tertiary"):
            acts.act("Marked as read.", monitoring.mark_read, visit.core, visit.actor, row.id)


def alert_html(row: AlertRecord, zone: str, now: datetime) -> str:
    """Mark, kind, time and message; whether it is over."""
    mark, colour = _MARKS.get(row.type, ("•", "grey"))
    at = row.created_at
    over = '<span class="pp-state pp-green">Resolved</span>' if row.closed_at else ""
    return (
        f'<div class="pp-account-line pp-{colour}"><span class="pp-platform"><b aria-hidden="true">{mark}</b> '
        f"{safe(KIND_WORDS.get(row.kind, 'Alert'))}</span>{over}"
        f'<time class="pp-account" title="{safe(moment(at, zone))}">{safe(short_moment(at, zone, now))}</time>'
        f"<small>{safe(row.message)}</small></div>"
    )
