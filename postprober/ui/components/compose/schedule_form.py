"""When to post: now, at a time in the person's zone, or in the next free slot of their week."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from postprober.errors import PostProberError
from postprober.services.posts import queue
from postprober.services.posts.times import check_time, readings, skipped
from postprober.ui import acts
from postprober.ui.components.compose.draft import ComposerDraft
from postprober.ui.guard import Visit
from postprober.ui.words import city, clock_name, plain, until, utc_moment, weekday_moment

NOW, LATER, SLOT = "Now", "Later", "Next free slot"


@dataclass(frozen=True)
class When:
    """`at`: aware UTC, None for now or where no time is known; `problem`: why nothing can be scheduled with it, ""
    when it can."""

    at: datetime | None = None
    problem: str = ""


def draw(visit: Visit, draft: ComposerDraft) -> When:
    """The choice. What is wrong with a time is said below its fields, and nothing else of the page is lost by it."""
    zone = visit.user.zone
    _keep_the_moment(draft, zone)
    options = [LATER, SLOT] if draft.edits else [NOW, LATER, SLOT]  # what is planned keeps a time
    choice = st.segmented_control(
        "When",
        options,
        default=LATER if draft.at or draft.edits else NOW,
        required=True,
        key=draft.name(f"when-{draft.revision}"),
    )
    fields = draft.name(f"at-{draft.revision}")
    if choice != LATER:
        forget(fields)  # opened again, they begin with the time that was chosen last
    if choice == NOW:
        draft.at = None
        return When()
    when = _slot(visit, draft, zone) if choice == SLOT else pick(visit, draft.typed, fields)
    if choice != SLOT:
        draft.typed = when.at or draft.typed
    draft.at = when.at or draft.at
    _say(when, zone, visit.core.clock.now())
    return When(draft.at, when.problem)


def _say(when: When, zone: str, now: datetime) -> None:
    if when.problem:
        st.error(plain(when.problem), icon=":material/schedule:")
    elif when.at is not None:
        st.caption(f"In your time zone, {plain(zone)}: {until(when.at, now)}. That is {utc_moment(when.at)}.")


def _keep_the_moment(draft: ComposerDraft, zone: str) -> None:
    """The person's zone was changed on another page: a chosen time stays the same moment, and it is said."""
    if draft.zone and draft.zone != zone:
        draft.revision += 1
        if draft.at is not None:
            st.info(
                f"Your time zone is now {plain(zone)}. The post keeps its time: {plain(weekday_moment(draft.at, draft.zone))} "
                f"({city(draft.zone)}) is {plain(weekday_moment(draft.at, zone))} ({city(zone)})."
            )
    draft.zone = zone


def _slot(visit: Visit, draft: ComposerDraft, zone: str) -> When:
    """The slot that was found first stays while it is to come; a time that was chosen by hand is kept beside it."""
    now = visit.core.clock.now()
    problem = ""
    if draft.slot is None or draft.slot <= now:
        but = draft.edits or (draft.saved.id if draft.saved else None)
        try:
            draft.slot = queue.next_free(visit.core, visit.actor, but)
        except PostProberError as error:
            draft.slot, problem = None, error.message
    with st.container(horizontal=True, vertical_alignment="center"):
        if draft.slot is not None:
            st.markdown(f"**{plain(weekday_moment(draft.slot, zone))}**")
        _slots(visit, draft)
    return When(draft.slot, problem)


def pick(visit: Visit, before: datetime | None, key: str, *, step: int = 60) -> When:
    """Date and time fields that begin with `before` (aware UTC), else an hour from now. A time that the clocks skip, or
    that is past, has a `problem`; of one that happens twice, both are offered."""
    zone, now = visit.user.zone, visit.core.clock.now()
    first: datetime = st.session_state.setdefault(f"{key}-first", before or now + timedelta(hours=1))
    there = first.astimezone(ZoneInfo(zone))
    with st.container(horizontal=True):
        day = st.date_input("Date", value=there.date(), key=f"{key}-day-{zone}", format="DD/MM/YYYY", width=170)
        at = st.time_input("Time", value=time(there.hour, there.minute), key=f"{key}-time-{zone}", step=step, width=120)
    if day is None or at is None:
        return When(problem="Choose a date and a time.")
    found = readings(datetime.combine(day, at), zone)
    if not found:
        return When(problem=skipped(datetime.combine(day, at), zone))
    moment_ = found[0] if len(found) == 1 else _which(found, zone, key, first.replace(second=0, microsecond=0))
    if moment_ is not None and moment_ <= first < moment_ + timedelta(minutes=1):
        moment_ = first  # the fields have no seconds; a time that nobody touched stays exactly as it is
    if moment_ is None:
        return When(problem="The clocks go back, so this time happens twice. Choose which one.")
    try:
        return When(check_time(moment_, now))
    except PostProberError as error:
        return When(moment_, error.message)


def forget(key: str) -> None:
    """The fields of `pick` were left."""
    st.session_state.pop(f"{key}-first", None)


def _which(found: tuple[datetime, ...], zone: str, key: str, before: datetime) -> datetime | None:
    """Of an hour that happens twice."""
    names = {one: f"{'First' if i == 0 else 'Second'}: {clock_name(one, zone)}" for i, one in enumerate(found)}
    return st.radio(
        "This time happens twice",
        list(names),
        index=found.index(before) if before in found else None,
        format_func=lambda one: names.get(one, ""),
        key=f"{key}-which-{found[0].isoformat()}",
        horizontal=True,
    )


def _slots(visit: Visit, draft: ComposerDraft) -> None:
    """Where a person says when they like to post."""
    with st.popover("Change my slots", type="tertiary"), st.form("pp-slots", border=False):
        slots = queue.slots_of(visit.core, visit.actor)
        typed = {
            day: st.text_input(name, queue.typed(slots.get(day, ())), placeholder="none, or 9:00, 12:30")
            for day, name in enumerate(queue.DAYS)
        }
        if st.form_submit_button("Save slots", disabled=not visit.may("posts:draft")):
            try:
                queue.choose(visit.core, visit.actor, typed)
            except PostProberError as error:
                acts.refuse(error)
            else:
                draft.slot = None
                st.rerun()
