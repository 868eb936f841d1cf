"""When a published delivery is looked at again, and what is due at a look.

Two plans run side by side. Strangers look at fixed moments (`domain.drift.next_look`), which cost nothing. Engagement is
planned for the moments of `domain.engagement`; a reading may come up to a tenth of the age before or, once the post is a day
old, after its moment, so that one call of the owner serves many posts.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from postprober.domain.drift import Watched, may_come_early, next_look
from postprober.domain.engagement import leeway, next_poll
from postprober.pipeline.core.claimed_delivery import ClaimedDelivery
from postprober.storage import goals, watches

_DAY = timedelta(days=1)


def first_poll(work: ClaimedDelivery, conn: Connection, after: datetime | None = None) -> datetime | None:
    """The next moment of the engagement plan or of the watch, whichever comes first; None when both are over. `after`: the
    moment for which a look has just been taken."""
    timing = work.ctx.timing
    return next_look(
        out_since(work),
        work.now(),
        scale=timing.engagement_scale,
        shortest=timing.watch_shortest,
        longest=timing.watch_longest,
        until=timing.watch_for,
        also=goal_hours(work, conn),
        after=after,
    )


def next_count(work: ClaimedDelivery, conn: Connection, after: datetime | None = None) -> str:
    """For when engagement is planned next (ISO 8601), "" when that is over. `after`: the moment that was just read."""
    begin = max(after or work.now(), work.now())
    moment = next_poll(out_since(work), begin, work.ctx.timing.engagement_scale, goal_hours(work, conn))
    return moment.isoformat() if moment is not None else ""


def looked(work: ClaimedDelivery, conn: Connection, known: Watched) -> Watched:
    """After a stranger's look: the next one is planned."""
    moment = first_poll(work, conn, known.look_planned())
    return replace(known, next_look=moment.isoformat() if moment else "", look_from=_from(work, moment))


def counted(work: ClaimedDelivery, conn: Connection, known: Watched) -> Watched:
    """After engagement was read, or left out: the next reading is planned."""
    told = next_count(work, conn, known.count_planned(out_since(work)))
    return replace(known, next_count=told, count_from=_from(work, datetime.fromisoformat(told) if told else None))


def begin(work: ClaimedDelivery, conn: Connection, known: Watched) -> Watched:
    """Right after the proof: the plan begins. Written down."""
    known = counted(work, conn, looked(work, conn, replace(known, next_look="", next_count="")))
    watches.put(conn, work.delivery.id, known, work.now())
    return known


def _from(work: ClaimedDelivery, planned: datetime | None) -> str:
    if planned is None:
        return ""
    return may_come_early(planned, out_since(work), work.now(), work.ctx.timing.engagement_scale).isoformat()


def appointment(work: ClaimedDelivery, conn: Connection, known: Watched) -> dict[str, datetime | None]:
    """Columns of the delivery: when it is looked at at the latest, and from when on it may go along with another."""
    latest = [one for one in (known.look_planned(), count_at_latest(work, conn, known)) if one is not None]
    early = [datetime.fromisoformat(one) for one in (known.look_from, known.count_from) if one]
    return {"next_at": min(latest, default=None), "early_at": min(early, default=None) if work.ctx.together else None}


def count_at_latest(work: ClaimedDelivery, conn: Connection, known: Watched) -> datetime | None:
    """When the planned reading of engagement cannot wait for another post any longer. A goal is judged on the hour."""
    since, scale = out_since(work), work.ctx.timing.engagement_scale
    planned = known.count_planned(since)
    if planned is None:
        return None
    age = planned - since
    waits = work.ctx.together and age >= _DAY * 2 * scale and age not in goal_hours(work, conn)
    return planned + leeway(age, scale) if waits else planned


def out_since(work: ClaimedDelivery) -> datetime:
    """Of a thread that is only partly out: since its first part was sent."""
    return work.delivery.published_at or work.delivery.first_byte_at or work.now()


def goal_hours(work: ClaimedDelivery, conn: Connection) -> list[timedelta]:
    """A goal is judged by a reading at its own hour, so there has to be one."""
    goal = goals.of_post(conn, work.delivery.post_id)
    open_goal = goal is not None and goal.judged_at is None
    return [timedelta(hours=goal.hours) * work.ctx.timing.engagement_scale] if goal and open_goal else []
