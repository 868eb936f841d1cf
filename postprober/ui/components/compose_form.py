"""The composer's fields."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from postprober.domain.platform import NAMES
from postprober.services.times import parse_time
from postprober.storage.records import Account
from postprober.ui.components.draft import Draft
from postprober.ui.guard import Visit
from postprober.ui.text import plain

MAX_PICTURES = 4
TYPES = ["jpg", "jpeg", "png", "webp", "gif"]


def text(draft: Draft) -> str:
    """The post's text as typed."""
    return (
        st.text_area(
            "Text",
            height=160,
            key=draft.key("text"),
            placeholder="What do you want to say?",
            help="The checks below run when you leave the field or press Ctrl+Enter.",
        )
        or ""
    )


def targets(draft: Draft, linked: list[Account]) -> tuple[int, ...]:
    """Ids of the chosen accounts."""
    names = {a.id: f"{NAMES[a.platform]} · {plain(a.account_name)}" for a in linked}
    chosen = st.pills(
        "Accounts",
        list(names),
        selection_mode="multi",
        default=list(names),
        format_func=lambda account_id: names[account_id],
        key=draft.key("accounts"),
        wrap=True,
    )
    return tuple(chosen or ())


def pictures(visit: Visit, draft: Draft) -> tuple[int, ...]:
    """Ids of the stored pictures, with their descriptions. Raises BadInput for a file that is no picture."""
    files = st.file_uploader(
        f"Pictures (up to {MAX_PICTURES})", type=TYPES, accept_multiple_files=True, key=draft.key("files")
    )
    if len(files) > MAX_PICTURES:
        st.warning(f"Only the first {MAX_PICTURES} pictures are used.")
    ids: list[int] = []
    for file in files[:MAX_PICTURES]:
        content = file.getvalue()
        with st.container(horizontal=True, vertical_alignment="center"):
            thumbnail = st.empty()
            alt = st.text_input(
                f"Description of {plain(file.name)}",
                key=draft.key(f"alt-{file.file_id}"),
                placeholder="What is to be seen, for people who cannot see it",
            )
        # What it is comes from its content: nothing is drawn before that is known to be a picture.
        ids.append(draft.take(visit.core, visit.user.id, file.name, content, (alt or "").strip()))
        thumbnail.image(content, width=96)
    return tuple(dict.fromkeys(ids))


def moment(draft: Draft, zone: str, now: datetime) -> datetime | None:
    """When to post, aware UTC; None for now. Raises BadInput for a time that does not work."""
    choice = st.segmented_control(
        "When", ["Now", "Later"], default="Now", required=True, key=draft.key("when"), label_visibility="visible"
    )
    if choice != "Later":
        return None
    there = now.astimezone(ZoneInfo(zone)) + timedelta(hours=1)
    with st.container(horizontal=True):
        day = st.date_input("Day", value=there.date(), key=draft.key("day"), format="DD/MM/YYYY")
        at = st.time_input("Time", value=time(there.hour, there.minute), key=draft.key("time"), step=300)
    st.caption(f"In your time zone, {plain(zone)}.")
    return parse_time(datetime.combine(day, at).isoformat(), now, zone)
