"""Heartbeats, named leases and small facts of the installation."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, or_, select, update

from postprober.storage import sql
from postprober.storage.tables import leases, meta, processes, transitions


def beat(conn: Connection, name: str, kind: str, started_at: datetime, now: datetime, detail: dict[str, Any]) -> None:
    """Write this process's heartbeat."""
    values = {"kind": kind, "started_at": started_at, "beat_at": now, "detail": detail}
    conn.execute(
        sql.upsert(conn, processes)
        .values(name=name, **values)
        .on_conflict_do_update(index_elements=["name"], set_=values)
    )


def gone(conn: Connection, name: str) -> None:
    """A process said goodbye."""
    conn.execute(delete(processes).where(processes.c.name == name))


def newest_beat(conn: Connection, kind: str) -> datetime | None:
    value: datetime | None = conn.execute(
        select(func.max(processes.c.beat_at)).where(processes.c.kind == kind)
    ).scalar()
    return value


def beating(conn: Connection, kind: str, since: datetime) -> int:
    """How many processes of a kind have told of themselves since then."""
    mine = (processes.c.kind == kind, processes.c.beat_at >= since)
    return int(conn.execute(select(func.count()).select_from(processes).where(*mine)).scalar_one())


def hold_lease(conn: Connection, name: str, owner: str, *, now: datetime, until: datetime) -> bool:
    """Take or renew the named lease; False while somebody else holds it."""
    conn.execute(
        sql.upsert(conn, leases)
        .values(name=name, owner=owner, until=now, fence=0)
        .on_conflict_do_nothing(index_elements=["name"])
    )
    done = conn.execute(
        update(leases)
        .where(leases.c.name == name, or_(leases.c.owner == owner, leases.c.until < now))
        .values(owner=owner, until=until, fence=leases.c.fence + 1)
    )
    return done.rowcount == 1


def drop_lease(conn: Connection, name: str, owner: str) -> None:
    conn.execute(delete(leases).where(leases.c.name == name, leases.c.owner == owner))


def get_fact(conn: Connection, name: str) -> str | None:
    value: str | None = conn.execute(select(meta.c.value).where(meta.c.name == name)).scalar()
    return value


def set_fact(conn: Connection, name: str, value: str) -> None:
    conn.execute(
        sql.upsert(conn, meta)
        .values(name=name, value=value)
        .on_conflict_do_update(index_elements=["name"], set_={"value": value})
    )


def claim_fact(conn: Connection, name: str, value: str) -> bool:
    """Write the fact unless it is there; whether it was us. Of two at once the second waits and gets False."""
    row = conn.execute(
        sql.upsert(conn, meta)
        .values(name=name, value=value)
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(meta.c.name)
    ).first()
    return row is not None


def newest_transition(conn: Connection) -> int:
    """The highest transition id ever written (0 when there is none)."""
    return int(conn.execute(select(func.max(transitions.c.id))).scalar() or 0)
