"""Transitions and alerts as a stream: what came after an id, and what may still come below it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, func, select, text

from postprober.domain.delivery import DeliveryState
from postprober.storage.database import Database
from postprober.storage.tables import alerts, deliveries, transitions

__all__ = [
    "Change",
    "Notice",
    "alerts",
    "changes",
    "data_version",
    "newest",
    "notices",
    "states_at",
    "transitions",
    "watching",
    "writers",
]


@dataclass(frozen=True)
class Change:
    """One transition of a delivery, with its platform."""

    id: int
    post_id: int
    delivery_id: int
    platform: str
    old: str | None
    new: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class Notice:
    """One alert."""

    id: int
    user_id: int
    post_id: int | None
    delivery_id: int | None
    type: str
    message: str
    created_at: datetime


@contextmanager
def watching(db: Database) -> Iterator[Connection]:
    """A connection for many small reads, each of which sees what is committed at its moment."""
    with db.engine.connect() as conn:
        # SQLite's driver begins nothing by itself here (`isolation_level` None); setting it would undo that for good.
        yield conn if db.is_sqlite else conn.execution_options(isolation_level="AUTOCOMMIT")


def data_version(conn: Connection) -> int:
    """A number that changes when another connection has committed (https://sqlite.org/pragma.html#pragma_data_version).
    Straight on the driver: it is asked a hundred times a second."""
    raw = conn.connection.dbapi_connection
    if not isinstance(raw, sqlite3.Connection):
        raise TypeError("only SQLite has a data version")
    return int(raw.execute("PRAGMA data_version").fetchone()[0])


def newest(conn: Connection, table: Table) -> int:
    """The highest id in `table`, 0 when it is empty."""
    return int(conn.execute(select(func.max(table.c.id))).scalar() or 0)


def changes(
    conn: Connection, after: int, limit: int, *, post_id: int | None = None, until: int | None = None
) -> list[Change]:
    """Transitions with ids in (after, until], oldest first; of one post where it is given."""
    query = select(*(transitions.c[name] for name in _CHANGE), deliveries.c.platform).join(
        deliveries, deliveries.c.id == transitions.c.delivery_id
    )
    query = query.where(transitions.c.id > after).order_by(transitions.c.id).limit(limit)
    if post_id is not None:
        query = query.where(transitions.c.post_id == post_id)
    if until is not None:
        query = query.where(transitions.c.id <= until)
    return [Change(**row._mapping) for row in conn.execute(query)]


def notices(
    conn: Connection, after: int, limit: int, *, space: int | None = None, until: int | None = None
) -> list[Notice]:
    """Alerts with ids in (after, until], oldest first; of one user where it is given."""
    query = select(*(alerts.c[name] for name in _NOTICE)).where(alerts.c.id > after).order_by(alerts.c.id).limit(limit)
    if space is not None:
        query = query.where(alerts.c.user_id == space)
    if until is not None:
        query = query.where(alerts.c.id <= until)
    return [Notice(**row._mapping) for row in conn.execute(query)]


def states_at(conn: Connection, post_id: int, until: int) -> dict[int, DeliveryState]:
    """The state of each delivery of a post after transition `until`; delivery id -> state."""
    last = (
        select(func.max(transitions.c.id))
        .where(transitions.c.post_id == post_id, transitions.c.id <= until)
        .group_by(transitions.c.delivery_id)
    )
    rows = conn.execute(select(transitions.c.delivery_id, transitions.c.new).where(transitions.c.id.in_(last)))
    return {row.delivery_id: DeliveryState(row.new) for row in rows}


def writers(conn: Connection, table: Table) -> frozenset[str]:
    """PostgreSQL transactions that have written to `table` and are not over. An INSERT takes this lock before it draws
    its id and keeps it until the commit is visible, so an id that is missing belongs to one of these or to nobody."""
    rows = conn.execute(_WRITERS, {"name": table.name})
    return frozenset(str(row[0]) for row in rows)


_CHANGE = ("id", "post_id", "delivery_id", "old", "new", "reason", "at")
_NOTICE: tuple[Any, ...] = ("id", "user_id", "post_id", "delivery_id", "type", "message", "created_at")
_WRITERS = text(
    "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND relation = CAST(:name AS regclass)"
)
