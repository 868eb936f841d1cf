"""What was last seen of each published post."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from postprober.domain.drift import Watched
from postprober.storage import sql
from postprober.storage.tables import watches

_STATE = select(watches.c.state).where(watches.c.delivery_id == bindparam("delivery"))  # built once: every look asks


def get(conn: Connection, delivery_id: int) -> Watched:
    """What is known; nothing, when nobody has looked yet."""
    stored = conn.execute(_STATE, {"delivery": delivery_id}).scalar_one_or_none()
    return Watched.of(stored)


def of_many(conn: Connection, delivery_ids: Sequence[int]) -> dict[int, Watched]:
    """The same of many, by delivery id."""
    rows = conn.execute(select(watches.c.delivery_id, watches.c.state).where(watches.c.delivery_id.in_(delivery_ids)))
    known = {int(row.delivery_id): Watched.of(row.state) for row in rows}
    return {one: known.get(one, Watched()) for one in delivery_ids}


def put(conn: Connection, delivery_id: int, known: Watched, now: datetime) -> None:
    values = {"state": known.to_json(), "updated_at": now}
    conn.execute(
        sql.upsert(conn, watches)
        .values(delivery_id=delivery_id, **values)
        .on_conflict_do_update(index_elements=["delivery_id"], set_=values)
    )
