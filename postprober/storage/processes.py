"""Heartbeats, named leases and small facts of the installation."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, or_, select, text, update
from sqlalchemy.exc import DBAPIError

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


AHEAD = timedelta(
    seconds=15
)  # ours: further ahead of our clock no heartbeat is believed; its process had a wrong clock


def newest_beat(conn: Connection, kind: str, now: datetime) -> datetime | None:
    """The newest heartbeat of a kind; those from the future do not count."""
    mine = (processes.c.kind == kind, processes.c.beat_at <= now + AHEAD)
    value: datetime | None = conn.execute(select(func.max(processes.c.beat_at)).where(*mine)).scalar()
    return value


def beat_ahead(conn: Connection, kind: str, now: datetime) -> datetime | None:
    """The newest heartbeat of a kind that is not believed, because it comes from the future."""
    mine = (processes.c.kind == kind, processes.c.beat_at > now + AHEAD)
    value: datetime | None = conn.execute(select(func.max(processes.c.beat_at)).where(*mine)).scalar()
    return value


def beating(conn: Connection, kind: str, since: datetime, now: datetime) -> int:
    """How many processes of a kind have told of themselves since then."""
    mine = (processes.c.kind == kind, processes.c.beat_at >= since, processes.c.beat_at <= now + AHEAD)
    return int(conn.execute(select(func.count()).select_from(processes).where(*mine)).scalar_one())


def running_since(conn: Connection, kind: str, since: datetime) -> datetime | None:
    """When the oldest process of a kind was started that has told of itself since `since`; None: there is none."""
    mine = (processes.c.kind == kind, processes.c.beat_at >= since)
    found: datetime | None = conn.execute(select(func.min(processes.c.started_at)).where(*mine)).scalar()
    return found


def hold_lease(conn: Connection, name: str, owner: str, *, now: datetime, until: datetime) -> bool:
    """Take or renew the named lease; False while somebody else holds it. One that ends later than two whole leases from
    now was written by a clock that ran ahead, and holds nobody off."""
    too_far = now + (until - now) * 2
    conn.execute(
        sql.upsert(conn, leases)
        .values(name=name, owner=owner, until=now, fence=0)
        .on_conflict_do_nothing(index_elements=["name"])
    )
    done = conn.execute(
        update(leases)
        .where(leases.c.name == name, or_(leases.c.owner == owner, leases.c.until < now, leases.c.until > too_far))
        .values(owner=owner, until=until, fence=leases.c.fence + 1)
    )
    return done.rowcount == 1


def lease_end(conn: Connection, name: str) -> datetime | None:
    """Until when somebody holds the lease; None when nobody does."""
    value: datetime | None = conn.execute(select(leases.c.until).where(leases.c.name == name)).scalar()
    return value


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


def drop_fact(conn: Connection, name: str) -> None:
    conn.execute(delete(meta).where(meta.c.name == name))


def birthplace(conn: Connection) -> str:
    """Which PostgreSQL cluster, timeline and database this is; "" on SQLite and where the server does not say."""
    if conn.dialect.name == "sqlite":
        return ""
    query = text(
        "SELECT s.system_identifier::text || '/' || c.timeline_id || '/' || d.oid FROM pg_control_system() s, "
        "pg_control_checkpoint() c, pg_database d WHERE d.datname = current_database()"
    )
    try:
        with conn.begin_nested():
            return str(conn.execute(query).scalar_one())
    except DBAPIError:  # a hosted server may not permit it
        return ""


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
