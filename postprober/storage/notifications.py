"""Channels, and one row for each alert on each of them: what is to be sent, what was, and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, insert, or_, select, update

from postprober.domain.alert import AlertType
from postprober.errors import NotFound
from postprober.storage import sql
from postprober.storage.tables import alerts, channels, notifications


@dataclass(frozen=True)
class Channel:
    """Where somebody wants to be told. `url` and `secret` are sealed; `kinds`: which alerts, empty for all;
    `escalation`: only what was not read for long."""

    id: int
    user_id: int
    name: str
    kind: str
    url: str
    secret: str | None
    is_active: bool
    kinds: tuple[str, ...]
    escalation: bool
    failing_since: datetime | None
    off_reason: str
    created_at: datetime


def add_channel(conn: Connection, *, user_id: int, name: str, kind: str, now: datetime) -> int:
    """A new channel, whose sealed columns follow once its id is known."""
    row = conn.execute(
        insert(channels).values(user_id=user_id, name=name, kind=kind, url="", created_at=now, is_active=True)
    )
    return sql.new_id(row)


def write_channel(conn: Connection, channel_id: int, **columns: Any) -> None:
    conn.execute(update(channels).where(channels.c.id == channel_id).values(**columns))


def channel(conn: Connection, user_id: int, channel_id: int) -> Channel:
    """Raises NotFound, also for somebody else's."""
    mine = and_(channels.c.id == channel_id, channels.c.user_id == user_id)
    row = conn.execute(select(channels).where(mine)).one_or_none() if sql.is_id(channel_id) else None
    if row is None or row.off_reason == REMOVED:
        raise NotFound(f"There is no channel {channel_id}.")
    return _channel(row._mapping)


def channels_of(conn: Connection, user_id: int, *, active: bool = False) -> list[Channel]:
    """Oldest first; `active`: only those that are told something."""
    query = select(channels).where(channels.c.user_id == user_id, channels.c.off_reason != REMOVED)
    if active:
        query = query.where(channels.c.is_active)
    return [_channel(row._mapping) for row in conn.execute(query.order_by(channels.c.id))]


# A removed channel keeps its row, because its delivery log names it; what was secret in it is blanked.
REMOVED = "removed"


def add(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """New notifications; one whose key is known is left alone."""
    for row in rows:
        conn.execute(
            sql.upsert(conn, notifications).values(**row).on_conflict_do_nothing(index_elements=["dedupe_key"])
        )


def due_channels(conn: Connection, now: datetime) -> list[Channel]:
    """Active channels with something to send."""
    waiting = select(notifications.c.channel_id).where(notifications.c.next_at <= now)
    rows = conn.execute(
        select(channels).where(channels.c.id.in_(waiting), channels.c.is_active).order_by(channels.c.id)
    )
    return [_channel(row._mapping) for row in rows]


def claim(conn: Connection, channel_id: int, now: datetime, until: datetime, most: int) -> list[dict[str, Any]]:
    """Take what is due on a channel until `until`; with each row its alert. Rows that went out together once, go out
    together again, alone: the receiver recognises the batch."""
    due = select(notifications).where(notifications.c.channel_id == channel_id, notifications.c.next_at <= now)
    again = conn.execute(due.where(notifications.c.batch.is_not(None)).order_by(notifications.c.id).limit(1)).first()
    query = due.where(notifications.c.batch == again.batch if again else notifications.c.batch.is_(None))
    ids = [row.id for row in conn.execute(query.order_by(notifications.c.id).limit(most))]
    if not ids:
        return []
    done = conn.execute(
        update(notifications)
        .where(notifications.c.id.in_(ids), notifications.c.next_at <= now)
        .values(next_at=until, tries=notifications.c.tries + 1, batch=again.batch if again else ids[0])
    )
    if done.rowcount != len(ids):
        return []  # another process was faster with one of them; the next look takes what is left
    rows = conn.execute(
        select(notifications, *_ALERT).join(alerts, alerts.c.id == notifications.c.alert_id)
        .where(notifications.c.id.in_(ids)).order_by(notifications.c.id)
    )  # fmt: skip
    return [dict(row._mapping) for row in rows]


_ALERT = tuple(
    alerts.c[name].label(f"alert_{name}")
    for name in ("type", "kind", "message", "post_id", "delivery_id", "created_at", "subject")
)


def sent(conn: Connection, ids: Sequence[int], channel_id: int, now: datetime) -> None:
    conn.execute(update(notifications).where(notifications.c.id.in_(ids)).values(next_at=None, sent_at=now, error=""))
    conn.execute(update(channels).where(channels.c.id == channel_id).values(failing_since=None))


def failed(
    conn: Connection, ids: Sequence[int], channel_id: int, error: str, again: datetime | None, now: datetime
) -> None:
    """Try these again at `again`; None gives them up."""
    conn.execute(update(notifications).where(notifications.c.id.in_(ids)).values(next_at=again, error=error))
    conn.execute(
        update(channels)
        .where(channels.c.id == channel_id, channels.c.failing_since.is_(None))
        .values(failing_since=now)
    )


def switch_off(conn: Connection, channel_id: int, reason: str) -> bool:
    """Tell this channel nothing more; False when somebody did it before."""
    done = conn.execute(
        update(channels)
        .where(channels.c.id == channel_id, channels.c.is_active)
        .values(is_active=False, off_reason=reason)
    )
    return done.rowcount == 1


def switch_on(conn: Connection, channel_id: int, now: datetime, since: datetime) -> None:
    """Tell it again, also what it missed after `since`."""
    write_channel(conn, channel_id, is_active=True, off_reason="", failing_since=None)
    missed = and_(
        notifications.c.channel_id == channel_id, notifications.c.sent_at.is_(None), notifications.c.created_at > since
    )
    conn.execute(update(notifications).where(missed).values(next_at=now))


def log_of(conn: Connection, channel_id: int, limit: int = 50) -> list[dict[str, Any]]:
    """The delivery log of a channel, newest first."""
    rows = conn.execute(
        select(notifications, *_ALERT).join(alerts, alerts.c.id == notifications.c.alert_id)
        .where(notifications.c.channel_id == channel_id).order_by(notifications.c.id.desc()).limit(limit)
    )  # fmt: skip
    return [dict(row._mapping) for row in rows]


def alert_by_key(conn: Connection, key: str) -> dict[str, Any] | None:
    row = conn.execute(select(alerts).where(alerts.c.dedupe_key == key)).one_or_none()
    return dict(row._mapping) if row else None


def unattended(conn: Connection, limit: int = 500) -> list[dict[str, Any]]:
    """Errors that are open, were told and that nobody has read, oldest first."""
    rows = conn.execute(
        select(alerts)
        .where(
            alerts.c.is_read.is_(False), alerts.c.closed_at.is_(None), alerts.c.type == AlertType.ERROR.value,
            alerts.c.told_at.is_not(None),
        )
        .order_by(alerts.c.id.desc())
        .limit(limit)
    )  # fmt: skip
    return [dict(row._mapping) for row in rows]


def told(conn: Connection, alert_id: int, times: int, now: datetime) -> bool:
    """Note that the channels are told for the (`times` + 1)th time; False when somebody did it before."""
    done = conn.execute(
        update(alerts)
        .where(alerts.c.id == alert_id, alerts.c.told_times == times)
        .values(told_at=now, told_times=times + 1)
    )
    return done.rowcount == 1


def escalated(conn: Connection, alert_id: int, now: datetime) -> bool:
    """Note that the alert is escalated; False when it was before."""
    done = conn.execute(
        update(alerts).where(alerts.c.id == alert_id, alerts.c.escalated_at.is_(None)).values(escalated_at=now)
    )
    return done.rowcount == 1


def waiting(conn: Connection) -> int:
    """How many notifications are still to be sent."""
    return int(
        conn.execute(
            select(func.count()).select_from(notifications).join(channels, channels.c.id == notifications.c.channel_id)
            .where(or_(notifications.c.next_at.is_not(None)), channels.c.is_active)
        ).scalar_one()
    )  # fmt: skip


def _channel(row: Any) -> Channel:
    chosen = row["settings"] or {}
    return Channel(
        row["id"], row["user_id"], row["name"], row["kind"], row["url"], row["secret"], row["is_active"],
        tuple(chosen.get("kinds", ())), bool(chosen.get("escalation", False)), row["failing_since"], row["off_reason"],
        row["created_at"],
    )  # fmt: skip
