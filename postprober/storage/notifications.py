"""Channels, and one row for each alert on each of them: what is to be sent, what was, and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, insert, or_, select, update

from postprober.domain.alert import AlertType
from postprober.errors import NotFound
from postprober.storage import sql
from postprober.storage.records import AlertRecord, record_of
from postprober.storage.tables import alerts, channels, deliveries, notifications, posts


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
    confirmed: bool = True  # an address that its owner has agreed to; only mail asks


def add_channel(conn: Connection, *, space: int, name: str, kind: str, now: datetime) -> int:
    """A new channel, whose sealed columns follow once its id is known."""
    row = conn.execute(
        insert(channels).values(user_id=space, name=name, kind=kind, url="", created_at=now, is_active=True)
    )
    return sql.new_id(row)


def write_channel(conn: Connection, channel_id: int, **columns: Any) -> None:
    conn.execute(update(channels).where(channels.c.id == channel_id).values(**columns))


def channel(conn: Connection, space: int, channel_id: int, *, hold: bool = False) -> Channel:
    """`hold`: nobody changes it before this transaction ends. Raises NotFound, also for somebody else's."""
    found = any_channel(conn, channel_id, hold=hold)
    if found.user_id != space:
        raise NotFound(f"There is no channel {channel_id}.")
    return found


def any_channel(conn: Connection, channel_id: int, *, hold: bool = False) -> Channel:
    """The channel, whosever it is. Raises NotFound, also for a removed one."""
    query = select(channels).where(channels.c.id == channel_id)
    if hold:
        query = query.with_for_update()
    row = conn.execute(query).one_or_none() if sql.is_id(channel_id) else None
    if row is None or row.off_reason == REMOVED:
        raise NotFound(f"There is no channel {channel_id}.")
    return _channel(row._mapping)


def confirm(conn: Connection, channel_id: int, now: datetime) -> bool:
    """The channel's address has agreed: it is told of what happens from now on. False when it had, or is removed."""
    row = conn.execute(select(channels).where(channels.c.id == channel_id).with_for_update()).one_or_none()
    if row is None or row.off_reason == REMOVED or (row.settings or {}).get("confirmed", True):
        return False
    write_channel(conn, channel_id, settings={**row.settings, "confirmed": True})
    switch_on(conn, channel_id, now, errors_at=now, others_at=now)
    return True


def channels_of(conn: Connection, space: int, *, active: bool = False) -> list[Channel]:
    """Oldest first; `active`: only those that are told something."""
    query = select(channels).where(channels.c.user_id == space, channels.c.off_reason != REMOVED)
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


IN_ORDER = 5  # tries; ours: with their pauses about half an hour
# Ours: longer than any pause that is meant (a receiver may ask for a day, quiet hours may last one). What waits longer was
# written by a clock that ran ahead, and waits no more.
LONGEST_PAUSE = timedelta(hours=25)


def due_channels(conn: Connection, now: datetime) -> list[Channel]:
    """Active channels with something to send."""
    waiting = select(notifications.c.channel_id).where(_due(now))
    rows = conn.execute(
        select(channels).where(channels.c.id.in_(waiting), channels.c.is_active).order_by(channels.c.id)
    )
    return [_channel(row._mapping) for row in rows]


def _due(now: datetime) -> ColumnElement[bool]:
    return or_(notifications.c.next_at <= now, notifications.c.next_at > now + LONGEST_PAUSE)


def claim(conn: Connection, channel_id: int, now: datetime, until: datetime, most: int) -> list[dict[str, Any]]:
    """Take what is due on a channel until `until`; with each row its alert. Rows that went out together once, go out
    together again, alone: the receiver recognises the batch. While one waits for its next try, what came after it waits
    too, so that after an outage nobody reads of the end before the beginning; a message that only the receiver dislikes
    holds up the others for IN_ORDER tries."""
    ahead = (notifications.c.tries.between(1, IN_ORDER), notifications.c.next_at.is_not(None), ~_due(now))
    if conn.execute(
        select(notifications.c.id).where(notifications.c.channel_id == channel_id, *ahead).limit(1)
    ).first():
        return []
    due = select(notifications).where(notifications.c.channel_id == channel_id, _due(now))
    again = conn.execute(due.where(notifications.c.batch.is_not(None)).order_by(notifications.c.id).limit(1)).first()
    query = due.where(notifications.c.batch == again.batch if again else notifications.c.batch.is_(None))
    ids = [row.id for row in conn.execute(query.order_by(notifications.c.id).limit(most))]
    if not ids:
        return []
    done = conn.execute(
        update(notifications)
        .where(notifications.c.id.in_(ids), _due(now))
        .values(next_at=until, tries=notifications.c.tries + 1, batch=again.batch if again else ids[0])
    )
    if done.rowcount != len(ids):
        return []  # another process was faster with one of them; the next look takes what is left
    rows = conn.execute(
        select(notifications, *_ALERT, *_ABOUT, _undelivered())
        .join(alerts, alerts.c.id == notifications.c.alert_id)
        .outerjoin(posts, posts.c.id == alerts.c.post_id)
        .outerjoin(deliveries, deliveries.c.id == alerts.c.delivery_id)
        .where(notifications.c.id.in_(ids))
        .order_by(notifications.c.id)
    )
    return [dict(row._mapping) for row in rows]


_ALERT = tuple(
    alerts.c[name].label(f"alert_{name}")
    for name in ("type", "kind", "message", "post_id", "delivery_id", "created_at", "subject")
)
_ABOUT = (
    posts.c.content.label("post_content"),
    deliveries.c.platform.label("delivery_platform"),
    deliveries.c.url.label("delivery_url"),
)


def _undelivered() -> Any:
    """Whether channels were to be told of the alert and none of them has been."""
    other = notifications.alias()
    plain = (other.c.alert_id == notifications.c.alert_id, other.c.why != "escalation")
    some, sent = select(other.c.id).where(*plain), select(other.c.id).where(*plain, other.c.sent_at.is_not(None))
    return and_(some.exists(), ~sent.exists()).label("undelivered")


HELD_BACK = timedelta(minutes=1)  # between a notification and its turn: it waits for the end of the quiet hours, or its
# channel was off. Well over the seconds in which what happens together is collected.


def drop_stale(conn: Connection, channel_id: int, now: datetime, most: int) -> int:
    """Of the `most` oldest that would be told for the first time now, leave out what was held back and is over: what
    somebody has read, problems that are closed, and the good end of a problem that this channel never heard of. Returns
    how many; after 0 the `most` oldest are as they should be told."""
    due = conn.execute(
        select(notifications.c.id, notifications.c.created_at, notifications.c.next_at, alerts)
        .join(alerts, alerts.c.id == notifications.c.alert_id)
        .where(notifications.c.channel_id == channel_id, _due(now), notifications.c.tries == 0)
        .order_by(notifications.c.id)
        .limit(most)
    ).all()
    dropped = 0
    for row in due:  # oldest first, so that an end is asked for after its beginning
        if row[2] - row[1] > HELD_BACK and _over(conn, channel_id, row):
            reason = "Not sent: it was read or over before its time came."
            dropped += conn.execute(
                update(notifications)
                .where(notifications.c.id == row[0], notifications.c.tries == 0)
                .values(next_at=None, error=reason)
            ).rowcount
    return dropped


def _over(conn: Connection, channel_id: int, row: Any) -> bool:
    found = row._mapping
    if found[alerts.c.is_read] or found[alerts.c.closed_at] is not None:
        return True
    subject, ended = found[alerts.c.subject], found[alerts.c.type] == AlertType.SUCCESS.value
    if not ended or not subject:
        return False
    before = (alerts.c.subject == subject, alerts.c.id < found[alerts.c.id])
    last_end = select(func.max(alerts.c.id)).where(*before, alerts.c.type == AlertType.SUCCESS.value).scalar_subquery()
    heard = (
        select(notifications.c.id)
        .join(alerts, alerts.c.id == notifications.c.alert_id)
        .where(
            *before,
            alerts.c.type != AlertType.SUCCESS.value,
            alerts.c.id > func.coalesce(last_end, 0),
            notifications.c.channel_id == channel_id,
            or_(notifications.c.sent_at.is_not(None), notifications.c.next_at.is_not(None)),
        )
        .limit(1)
    )
    return conn.execute(heard).first() is None


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


def turn_off(conn: Connection, channel_id: int, reason: str, *, withdraw: bool) -> bool:
    """Whoever is told there wants no more of it, also when it is off already. `withdraw`: nor will they, until they agree
    anew. False when the channel was off."""
    row = conn.execute(select(channels).where(channels.c.id == channel_id).with_for_update()).one()
    write_channel(conn, channel_id, is_active=False, off_reason=reason)
    if withdraw:
        write_channel(conn, channel_id, settings={**(row.settings or {}), "confirmed": False})
    return bool(row.is_active)


TOO_OLD = "Not sent: it was too old when the channel was turned on."  # in the delivery log


def switch_on(conn: Connection, channel_id: int, since: datetime, *, errors_at: datetime, others_at: datetime) -> None:
    """Tell it again, also what it missed after `since`: errors and everything else each at their time, which the quiet
    hours make. What it missed before is given up."""
    write_channel(conn, channel_id, is_active=True, off_reason="", failing_since=None)
    unsent = and_(notifications.c.channel_id == channel_id, notifications.c.sent_at.is_(None))
    old = and_(unsent, notifications.c.created_at <= since, notifications.c.next_at.is_not(None))
    conn.execute(update(notifications).where(old).values(next_at=None, error=TOO_OLD))
    missed = and_(unsent, notifications.c.created_at > since)
    error = notifications.c.alert_id.in_(select(alerts.c.id).where(alerts.c.type == AlertType.ERROR.value))
    # Begun anew: what waits for the end of the quiet hours is no message that waits for its next try, with others behind it.
    anew = update(notifications).where(missed).values(tries=0, batch=None)
    conn.execute(anew.where(error).values(next_at=errors_at))
    conn.execute(anew.where(~error).values(next_at=others_at))


def log_of(conn: Connection, channel_id: int, limit: int = 50) -> list[dict[str, Any]]:
    """The delivery log of a channel, newest first."""
    rows = conn.execute(
        select(notifications, *_ALERT)
        .join(alerts, alerts.c.id == notifications.c.alert_id)
        .where(notifications.c.channel_id == channel_id)
        .order_by(notifications.c.id.desc())
        .limit(limit)
    )
    return [dict(row._mapping) for row in rows]


def alert_by_key(conn: Connection, key: str) -> AlertRecord | None:
    row = conn.execute(select(alerts).where(alerts.c.dedupe_key == key)).one_or_none()
    return record_of(AlertRecord, row) if row else None


def to_repeat(conn: Connection, space: int, before: datetime, times: int, limit: int = 500) -> list[AlertRecord]:
    """Errors of this space that nobody has read, were told last until `before`, and again `times` times at most; those
    that wait longest first. What is told again leaves the list, so more than `limit` only take longer."""
    due = _unread(space).where(alerts.c.told_at <= before, alerts.c.told_times <= times)
    return [
        record_of(AlertRecord, row) for row in conn.execute(due.order_by(alerts.c.told_at, alerts.c.id).limit(limit))
    ]


def to_escalate(conn: Connection, space: int, before: datetime, limit: int = 500) -> list[AlertRecord]:
    """Errors of this space that nobody has read although somebody was told until `before` (or nobody can be: there is no
    channel, or each has failed since `before` or more than IN_ORDER times), and that are not escalated; oldest first."""
    new = (notifications.c.alert_id == alerts.c.id, notifications.c.why == "new")
    heard = select(notifications.c.id).where(*new, notifications.c.sent_at <= before)
    told_later = select(notifications.c.id).where(*new, notifications.c.sent_at > before)
    its_turn_comes = and_(notifications.c.tries == 0, notifications.c.next_at > before)
    works = or_(channels.c.failing_since.is_(None), channels.c.failing_since > before)
    on_its_way = (
        select(notifications.c.id)
        .join(channels, channels.c.id == notifications.c.channel_id)
        .where(
            *new,
            channels.c.is_active,
            notifications.c.next_at.is_not(None),
            or_(its_turn_comes, and_(works, notifications.c.tries <= IN_ORDER)),
        )
    )
    nobody = and_(~told_later.exists(), ~on_its_way.exists())
    due = _unread(space).where(
        alerts.c.created_at <= before, alerts.c.escalated_at.is_(None), or_(heard.exists(), nobody)
    )
    return [record_of(AlertRecord, row) for row in conn.execute(due.order_by(alerts.c.id).limit(limit))]


def _unread(space: int) -> Select[Any]:
    return select(alerts).where(
        alerts.c.user_id == space,
        alerts.c.is_read.is_(False),
        alerts.c.closed_at.is_(None),
        alerts.c.type == AlertType.ERROR.value,
        alerts.c.told_at.is_not(None),
    )


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
            select(func.count())
            .select_from(notifications)
            .join(channels, channels.c.id == notifications.c.channel_id)
            .where(or_(notifications.c.next_at.is_not(None)), channels.c.is_active)
        ).scalar_one()
    )


def _channel(row: Any) -> Channel:
    chosen = row["settings"] or {}
    return Channel(
        row["id"],
        row["user_id"],
        row["name"],
        row["kind"],
        row["url"],
        row["secret"],
        row["is_active"],
        tuple(chosen.get("kinds", ())),
        bool(chosen.get("escalation", False)),
        row["failing_since"],
        row["off_reason"],
        row["created_at"],
        bool(chosen.get("confirmed", True)),
    )
