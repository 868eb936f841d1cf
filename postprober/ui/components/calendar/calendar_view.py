"""Month, week and list: a button for each post, which opens it. On a phone the grid becomes a list of the days that
have something (look.css)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from postprober.domain.platform import NAMES, Platform
from postprober.services.posts.calendar import Day
from postprober.storage.records import Post
from postprober.ui.components.calendar import post_dialog
from postprober.ui.guard import Visit
from postprober.ui.words import POST_WORDS, plain

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MOST_A_DAY = 4  # posts shown in one field of the month; the week shows them all
WORDS = {"month": 60, "week": 120}  # characters of a post's text in its button


def grid(visit: Visit, days: Sequence[Day], shown: str, month: int, now: datetime) -> None:
    """Rows of seven days. `shown`: month or week; `month`: days of others are dimmed, 0 for none."""
    zone = visit.user.zone
    today = now.astimezone(ZoneInfo(zone)).date()
    head = "".join(f"<span>{name}</span>" for name in WEEKDAYS)
    st.html(f'<div class="pp-weekdays" aria-hidden="true">{head}</div>')
    with st.container(key="cal-grid", gap="xxsmall"):
        for start in range(0, len(days), 7):
            with st.container(key=f"cal-week-{days[start].date}"):
                for column, day in zip(st.columns(7, gap="xxsmall"), days[start : start + 7], strict=True):
                    with column:
                        _field(visit, day, shown, zone, other=bool(month) and day.date.month != month, today=today)


def _field(visit: Visit, day: Day, shown: str, zone: str, *, other: bool, today: date) -> None:
    kind = "other" if other else "today" if day.date == today else "day"
    filled = "full" if day.posts else "empty"
    with st.container(key=f"cal-{filled}-{kind}-{day.date}", gap="xxsmall"):
        st.html(
            f'<time class="pp-day" datetime="{day.date}"><b>{day.date.day}</b><span>{day.date:%A, %-d %B}</span></time>'
        )
        most = MOST_A_DAY if shown == "month" else len(day.posts)
        for post in day.posts[:most]:
            entry(visit, post, zone, WORDS[shown])
        if len(day.posts) > most:
            st.caption(f"+{len(day.posts) - most} more")


def listing(visit: Visit, days: Sequence[Day]) -> None:
    """Day by day."""
    for day in days:
        st.markdown(f"**{day.date:%A, %-d %B %Y}**")
        for post in day.posts:
            entry(visit, post, visit.user.zone, 120)


def entry(visit: Visit, post: Post, zone: str, words: int) -> None:
    """A button that opens the post: time, state by colour and by word, text."""
    label, colour = POST_WORDS.get(post.status, (post.status, "grey"))
    at = post.scheduled_at.astimezone(ZoneInfo(zone)) if post.scheduled_at else None
    text = " ".join(post.content.split())
    short = text[:words].rstrip() + ("…" if len(text) > words else "")
    names = ", ".join(NAMES[Platform(p)] for p in post.platforms)
    with st.container(key=f"cal-entry-{colour}-{post.id}"):
        if st.button(
            f"**{at:%H:%M}** {plain(short or '(no text)')}" if at else plain(short),
            key=f"cal-{post.id}",
            help=plain(f"{label} · {names or 'no account'}"),
            width="stretch",
        ):
            post_dialog.open_post(post.id)


def span_of(view: str, day: date) -> tuple[date, int]:
    """First day and number of days of the month (in whole weeks) or week around `day`."""
    if view == "week":
        return day - timedelta(days=day.weekday()), 7
    first = day.replace(day=1)
    start = first - timedelta(days=first.weekday())
    after = (first + timedelta(days=32)).replace(day=1)
    return start, ((after - start).days + 6) // 7 * 7
