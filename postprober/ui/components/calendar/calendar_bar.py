"""What the calendar shows: view, day, filters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

import streamlit as st

from postprober.domain.platform import NAMES, known
from postprober.services.posts.calendar import Day
from postprober.ui.words import POST_WORDS

VIEWS = {"month": "Month", "week": "Week", "list": "List"}
_DAY = "pp_cal_day"


@dataclass(frozen=True)
class CalendarChoice:
    """`view`: a key of VIEWS; `day`: within what is shown. Empty tuples: everything."""

    view: str
    day: date
    statuses: tuple[str, ...]
    platforms: tuple[str, ...]

    @property
    def filtered(self) -> bool:
        return bool(self.statuses or self.platforms)


def bar(today: date) -> CalendarChoice:
    """View, back and forth, filters."""
    day: date = st.session_state.setdefault(_DAY, today)
    with st.container(horizontal=True, vertical_alignment="center", key="pp-cal-bar"):
        view = (
            st.segmented_control(
                "View",
                list(VIEWS),
                default="month",
                required=True,
                format_func=VIEWS.__getitem__,
                key="cal-view",
                label_visibility="collapsed",
            )
            or "month"
        )
        if view != "list":
            day = _walk(view, day, today)
            st.markdown(f"**{_title(view, day)}**", width="content")
        with st.popover("Filter", icon=":material/filter_list:"):
            statuses = st.pills(
                "Status",
                list(POST_WORDS),
                selection_mode="multi",
                format_func=lambda s: POST_WORDS[s][0],
                key="cal-status",
                wrap=True,
            )
            platforms = st.pills(
                "Platform",
                list(known()),
                selection_mode="multi",
                format_func=lambda p: NAMES[p],
                key="cal-platform",
                wrap=True,
            )
    return CalendarChoice(view, day, tuple(statuses or ()), tuple(p.value for p in platforms or ()))


def _walk(view: str, day: date, today: date) -> date:
    with st.container(horizontal=True, wrap=False, width="content"):
        if st.button("", icon=":material/chevron_left:", help=f"Previous {view}", key="cal-back"):
            day = step(view, day, -1)
        if st.button("Today", key="cal-today"):
            day = today
        if st.button("", icon=":material/chevron_right:", help=f"Next {view}", key="cal-forth"):
            day = step(view, day, 1)
    st.session_state[_DAY] = day
    return day


def step(view: str, day: date, by: int) -> date:
    """One week or one month on (`by` 1) or back (-1); a month leads to its first day."""
    if view == "week":
        return day + timedelta(weeks=by)
    first = day.replace(day=1)
    return (first + timedelta(days=32)).replace(day=1) if by > 0 else (first - timedelta(days=1)).replace(day=1)


def _title(view: str, day: date) -> str:
    if view == "month":
        return f"{day:%B %Y}"
    monday = day - timedelta(days=day.weekday())
    return f"Week of {monday:%-d %B %Y}"


def keep(day: Day, choice: CalendarChoice) -> Day:
    """The day with only the posts that the filters let through."""
    wanted = tuple(
        post
        for post in day.posts
        if (not choice.statuses or post.status in choice.statuses)
        and (not choice.platforms or set(choice.platforms) & set(post.platforms))
    )
    return replace(day, posts=wanted)
