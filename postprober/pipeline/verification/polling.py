"""When a published delivery is looked at again."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from postprober.domain.drift import next_look
from postprober.domain.engagement import next_poll
from postprober.pipeline.core.claimed_delivery import Work
from postprober.storage import goals


def first_poll(work: Work, conn: Connection) -> datetime | None:
    """The next moment of the engagement plan or of the watch, whichever comes first; None when both are over."""
    timing = work.ctx.timing
    return next_look(
        _out_since(work), work.now(), scale=timing.engagement_scale,
        shortest=timing.watch_shortest, longest=timing.watch_longest, until=timing.watch_for,
        also=_goal_hour(work, conn),
    )  # fmt: skip


def next_count(work: Work, conn: Connection) -> str:
    """When engagement is read next (ISO 8601), "" when that is over."""
    moment = next_poll(_out_since(work), work.now(), work.ctx.timing.engagement_scale, _goal_hour(work, conn))
    return moment.isoformat() if moment is not None else ""


def _out_since(work: Work) -> datetime:
    """Of a thread that is only partly out: since its first part was sent."""
    return work.delivery.published_at or work.delivery.first_byte_at or work.now()


def _goal_hour(work: Work, conn: Connection) -> list[timedelta]:
    """A goal is judged by a reading at its own hour, so there has to be one."""
    goal = goals.of_post(conn, work.delivery.post_id)
    open_goal = goal is not None and goal.judged_at is None
    return [timedelta(hours=goal.hours) * work.ctx.timing.engagement_scale] if goal and open_goal else []
