"""The newest alerts."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from postprober.storage.records import AlertRecord
from postprober.ui import frame
from postprober.ui.words import ALERT_WORDS, moment, safe, short_moment


def draw(alerts: list[AlertRecord], zone: str, now: datetime) -> None:
    """`alerts`: rows of the table, newest first; `now` aware UTC."""
    with st.container(border=True, key="pp-alerts"):
        st.subheader("Alerts", anchor=False)
        if not alerts:
            st.caption("No alerts. Alerts appear here.")
            return
        st.html(f'<ul class="pp-alerts">{"".join(_alert(row, zone, now) for row in alerts)}</ul>')
        frame.link("alerts", "All alerts")


def _alert(row: AlertRecord, zone: str, now: datetime) -> str:
    mark, colour, _label = ALERT_WORDS.get(row.type, ("•", "grey", ""))
    at = row.created_at
    return (
        f'<li class="{"" if row.is_read else "pp-unread"}"><i class="pp-{colour}" aria-hidden="true">{mark}</i><div><p>{safe(row.message)}</p>'
        f'<time title="{safe(moment(at, zone))}">{safe(short_moment(at, zone, now))}</time></div></li>'
    )
