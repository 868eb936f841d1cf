"""Alerts: what people were told, whether they read it, and whether it is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, insert, select, update

from postprober.domain.alert import AlertKind, AlertType
from postprober.errors import NotFound
from postprober.storage import sql
from postprober.storage.records import AlertRecord, record_of
from postprober.storage.tables import alerts, outbox


def add(
    conn: Connection,
    *,
    user_id: int,
    post_id: int | None,
    delivery_id: int | None,
    type: str,
    message: str,
    dedupe_key: str,
    now: datetime,
    kind: str = AlertKind.OTHER,
    subject: str = "",
) -> bool:
    """One alert and its outbox row, once per `dedupe_key`; returns whether it is new. `subject`: what it is about
    (`delivery:12`), so that a recovery can close it."""
    row = {
        "user_id": user_id,
        "post_id": post_id,
        "delivery_id": delivery_id,
        "type": type,
        "message": message,
        "dedupe_key": dedupe_key,
        "created_at": now,
        "kind": kind,
        "subject": subject,
    }
    new = conn.execute(
        sql.upsert(conn, alerts)
        .values(row)
        .on_conflict_do_nothing(index_elements=["dedupe_key"])
        .returning(alerts.c.id)  # the row count of such an INSERT is not told by psycopg
    ).first()
    if new is None:
        return False
    payload = {"type": type, "message": message, "post_id": post_id, "delivery_id": delivery_id}
    conn.execute(
        insert(outbox).values(
            user_id=user_id, kind="alert", dedupe_key=dedupe_key, payload=payload, created_at=now, next_at=now
        )
    )
    return True


_OPEN = (
    select(alerts.c.id)
    .where(alerts.c.subject == bindparam("subject"), alerts.c.closed_at.is_(None), alerts.c.type != AlertType.SUCCESS)
    .limit(1)
)


def has_open(conn: Connection, subject: str) -> bool:
    """Whether something was told about this that is not closed."""
    return conn.execute(_OPEN, {"subject": subject}).first() is not None


_LAST = select(alerts.c.type).where(alerts.c.subject == bindparam("subject")).order_by(alerts.c.id.desc()).limit(1)


def in_trouble(conn: Connection, subject: str) -> bool:
    """Whether the last thing that was told about this, open or closed, was no success."""
    last = conn.execute(_LAST, {"subject": subject}).scalar()
    return last is not None and last != AlertType.SUCCESS


def names(conn: Connection, post_id: int) -> bool:
    """Whether any alert leads to this post."""
    return conn.execute(select(alerts.c.id).where(alerts.c.post_id == post_id).limit(1)).first() is not None


def close(conn: Connection, subject: str, now: datetime) -> None:
    """Nothing is left to do about this."""
    still_open = (alerts.c.subject == subject, alerts.c.closed_at.is_(None), alerts.c.type != AlertType.SUCCESS)
    conn.execute(update(alerts).where(*still_open).values(closed_at=now))


def of_user(
    conn: Connection,
    user_id: int,
    *,
    limit: int = 50,
    before: int | None = None,
    unread: bool = False,
    kinds: Sequence[str] = (),
) -> list[AlertRecord]:
    """Newest first; `before`: only ids smaller than this (cursor); `unread`: only those; `kinds`: only these."""
    query = select(alerts).where(alerts.c.user_id == user_id).order_by(alerts.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(alerts.c.id < before)
    if unread:
        query = query.where(alerts.c.is_read.is_(False))
    if kinds:
        query = query.where(alerts.c.kind.in_(kinds))
    return [record_of(AlertRecord, row) for row in conn.execute(query)]


def unread_count(conn: Connection, user_id: int, most: int) -> int:
    """How many alerts the user has not read; counts no further than `most`."""
    some = select(alerts.c.id).where(alerts.c.user_id == user_id, alerts.c.is_read.is_(False)).limit(most).subquery()
    return int(conn.execute(select(func.count()).select_from(some)).scalar_one())


def mark_read(conn: Connection, user_id: int, alert_id: int) -> AlertRecord:
    """Mark the user's alert as read; returns it. Raises NotFound."""
    mine = (alerts.c.id == alert_id, alerts.c.user_id == user_id)
    done = conn.execute(update(alerts).where(*mine).values(is_read=True)).rowcount if sql.is_id(alert_id) else 0
    if done != 1:
        raise NotFound(f"There is no alert {alert_id}.")
    found: AlertRecord = record_of(AlertRecord, conn.execute(select(alerts).where(*mine)).one())
    return found


def mark_all_read(conn: Connection, user_id: int, until: int) -> int:
    """Mark the user's alerts up to the id `until` as read; returns how many were not."""
    mine = (alerts.c.user_id == user_id, alerts.c.id <= until, alerts.c.is_read.is_(False))
    return conn.execute(update(alerts).where(*mine).values(is_read=True)).rowcount
