"""Failed sign-ins. They are rows of `leases`: the door `name` is held until a time, and `fence` counts the holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from postprober.storage import sql
from postprober.storage.tables import leases

PREFIX = "signin:"


@dataclass(frozen=True)
class FailedSignIns:
    """`failures` so far; nothing is looked at before `until`."""

    failures: int
    until: datetime


def lock(conn: Connection, name: str, now: datetime) -> FailedSignIns:
    """The row `name`, made when there is none, and ours until the transaction ends."""
    row = conn.execute(
        sql.upsert(conn, leases)
        .values(name=name, owner="", until=now, fence=0)
        .on_conflict_do_update(index_elements=["name"], set_={"owner": ""})
        .returning(leases.c.fence, leases.c.until)
    ).one()
    return FailedSignIns(row.fence, row.until)


def write(conn: Connection, name: str, failures: int, until: datetime) -> None:
    conn.execute(update(leases).where(leases.c.name == name).values(fence=failures, until=until))


def clear(conn: Connection, name: str) -> None:
    conn.execute(delete(leases).where(leases.c.name == name))


def give_back(conn: Connection, name: str, now: datetime) -> None:
    """One failure less, and the door is open."""
    conn.execute(
        update(leases).where(leases.c.name == name, leases.c.fence > 0).values(fence=leases.c.fence - 1, until=now)
    )


def forget(conn: Connection, before: datetime) -> None:
    """Delete what was held until before then, except rows that somebody is counting on at this moment."""
    old = select(leases.c.name).where(leases.c.name.startswith(PREFIX), leases.c.until < before)
    conn.execute(delete(leases).where(leases.c.name.in_(old.with_for_update(skip_locked=True))))
