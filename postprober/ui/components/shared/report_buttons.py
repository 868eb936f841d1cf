"""Reports to take away: each file is made when its button is pressed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from postprober.errors import NotSignedIn
from postprober.services.core import Core
from postprober.services.people import users
from postprober.services.reports import printing, reports
from postprober.services.reports.reports import Made
from postprober.ui import state
from postprober.ui.guard import Visit
from postprober.ui.words import plain

LABELS = {"html": "HTML", "pdf": "PDF", "csv": "CSV", "parquet": "Parquet"}
USUAL = timedelta(days=7)


def of_post(visit: Visit, post_id: int) -> None:
    """Buttons for the report about one post, in a popover that is filled when it is opened."""
    opened = st.popover(
        "Report", icon=":material/description:", type="tertiary", key=f"report-{post_id}", on_change="rerun"
    )
    if not opened.open:
        return
    with opened:
        st.caption(
            "What went out, its proof with the evidence, every attempt, and engagement compared with what is usual here."
        )
        _buttons(
            visit,
            f"post-{post_id}",
            f"postprober-post-{post_id}",
            lambda form: reports.of_post(visit.core, visit.actor, post_id, form),
        )


def of_period(visit: Visit) -> None:
    """The choice of days, and buttons for the report about them."""
    today = visit.core.clock.now().astimezone(ZoneInfo(visit.user.zone)).date()
    opened = st.popover("Report", icon=":material/description:", key="report-period", on_change="rerun")
    if not opened.open:
        return
    with opened:
        chosen = st.date_input(
            "Dates (inclusive)",
            (today - USUAL, today - timedelta(days=1)),
            max_value=today,
            key="report-days",
            min_value=reports.EARLIEST,
            help=f"Time zone: {plain(visit.user.zone)}; at most {reports.LONGEST_DAYS} days.",
        )
        if not isinstance(chosen, tuple) or len(chosen) != 2:
            st.caption("Choose an end date.")
            return
        first, last = chosen
        if (last - first).days >= reports.LONGEST_DAYS:
            st.caption(f"A report covers at most {reports.LONGEST_DAYS} days; choose fewer.")
            return
        _period_buttons(visit, first, last)


def _period_buttons(visit: Visit, first: date, last: date) -> None:
    _buttons(
        visit,
        f"period-{first}-{last}",
        f"postprober-{first}-to-{last}",
        lambda form: reports.of_period(visit.core, visit.actor, first, last, form),
    )


def _buttons(visit: Visit, key: str, name: str, make: Callable[[str], Made]) -> None:
    trouble, token = printing.trouble(visit.core), state.session_token()
    with st.container(horizontal=True):
        for form, label in LABELS.items():
            off = trouble if form == "pdf" else ""
            st.download_button(
                label,
                _content(visit.core, token, make, form),
                f"{name}.{form}",
                reports.FORMATS[form].partition(";")[0],
                key=f"take-{key}-{form}",
                on_click="ignore",
                disabled=bool(off),
                help=off or None,
                icon=":material/download:",
            )


def _content(core: Core, token: str | None, make: Callable[[str], Made], form: str) -> Callable[[], bytes]:
    """Called when the button is pressed, which may be long after the page was drawn."""

    def content() -> bytes:
        if users.session_user(core, token) is None:
            raise NotSignedIn("Sign in first.")
        return make(form).content

    return content
