"""What posts shall reach."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select, update

from postprober.domain.criteria import Criteria
from postprober.storage import sql
from postprober.storage.records import record_of
from postprober.storage.tables import goals, posts


@dataclass(frozen=True)
class Goal:
    id: int
    post_id: int
    user_id: int
    metric: str
    target: int
    hours: int
    due_at: datetime | None
    met: bool | None
    value: int | None
    comment: str
    judged_at: datetime | None

    @property
    def criteria(self) -> Criteria:
        return Criteria(self.metric, self.target, self.hours)


def put(conn: Connection, post_id: int, criteria: Criteria | None, starts: datetime) -> None:
    """What the post shall reach; None: nothing. It is looked at from `starts` on, and judged when its time is up."""
    if criteria is None:
        conn.execute(delete(goals).where(goals.c.post_id == post_id, goals.c.judged_at.is_(None)))
        return
    owner = conn.execute(select(posts.c.user_id).where(posts.c.id == post_id)).scalar_one()
    values = {**criteria.to_json(), "due_at": starts}
    conn.execute(
        sql.upsert(conn, goals)
        .values(post_id=post_id, user_id=owner, **values)
        .on_conflict_do_update(index_elements=["post_id"], set_=values)
    )


def due(conn: Connection, now: datetime, most: int = 50) -> list[Goal]:
    rows = conn.execute(
        select(goals).where(goals.c.due_at <= now, goals.c.judged_at.is_(None)).order_by(goals.c.due_at).limit(most)
    )
    return [record_of(Goal, row) for row in rows]


_OF_POST = select(goals).where(goals.c.post_id == bindparam("post"))  # built once: every look asks


def of_post(conn: Connection, post_id: int) -> Goal | None:
    row = conn.execute(_OF_POST, {"post": post_id}).one_or_none()
    return record_of(Goal, row) if row else None


def later(conn: Connection, goal: Goal, until: datetime) -> None:
    """It is too early to judge."""
    conn.execute(update(goals).where(goals.c.id == goal.id, goals.c.judged_at.is_(None)).values(due_at=until))


def judge(conn: Connection, goal: Goal, *, met: bool | None, value: int | None, comment: str, now: datetime) -> bool:
    """Close it, once; returns whether this call did."""
    done = conn.execute(
        update(goals)
        .where(goals.c.id == goal.id, goals.c.judged_at.is_(None))
        .values(met=met, value=value, comment=comment, judged_at=now, due_at=None)
    )
    return done.rowcount == 1
