"""The newest alerts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import streamlit as st

from postprober.ui.text import moment, safe, short_moment

_MARKS = {"error": ("✕", "red"), "warning": ("!", "orange"), "success": ("✓", "green")}


def draw(alerts: list[dict[str, Any]], zone: str, now: datetime) -> None:
    """`alerts`: rows of the table, newest first; `now` aware UTC."""
    with st.container(border=True, key="pp-alerts"):
        st.subheader("Alerts", anchor=False)
        if not alerts:
            st.caption("Nothing needs you.")
            return
        st.html(f'<ul class="pp-alerts">{"".join(_alert(row, zone, now) for row in alerts)}</ul>')


def _alert(row: dict[str, Any], zone: str, now: datetime) -> str:
    mark, colour = _MARKS.get(row["type"], ("•", "grey"))
    at = row["created_at"]
    return (
        f'<li><i class="pp-{colour}" aria-hidden="true">{mark}</i><div><p>{safe(row["message"])}</p>'
        f'<time title="{safe(moment(at, zone))}">{safe(short_moment(at, zone, now))}</time></div></li>'
    )
