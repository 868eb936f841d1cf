"""Tells people, where they are, what the alerts say.

An alert is written with the change it tells of, together with an outbox row. Here that row becomes one notification for
each channel (`fan_out`), which is sent at least once under a key of its own (`send_due`): it is marked only after the
receiver took it, so a crash in between repeats it. What nobody reads is told again and escalated (`attend`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from postprober.domain.alert import AlertKind, AlertType, Preferences, quiet_until, wants
from postprober.domain.retry import backoff
from postprober.errors import PostProberError, Unavailable, VaultError
from postprober.pipeline.core.context import Context
from postprober.pipeline.notifications.sender import Gone, Refused, Sender
from postprober.storage import alert_log, notifications, users
from postprober.storage.loops import each
from postprober.storage.notifications import Channel
from postprober.storage.records import AlertRecord, OutboxRecord, User

log = logging.getLogger("postprober.notify")

GROUP = timedelta(seconds=2)  # what happens within it is told in one message; well under the 60 s a hold may take
MOST = 20  # alerts in one message
LEASE = timedelta(seconds=60)  # for one message; the slowest receiver has 20 s
GIVE_UP_AFTER = timedelta(days=3)
SWITCH_OFF_AFTER = timedelta(hours=24)  # of nothing but failures
WAITS = "The channel is off. This is sent when it is turned on."  # in the delivery log
LONGEST_PAUSE = timedelta(minutes=15)  # between tries, so that a receiver that is back hears of it soon


def sender_of(ctx: Context) -> Sender:
    return Sender(ctx.vault, ctx.http, ctx.clock, ctx.mail, ctx.app_url, ctx.turn_off)


def fan_out(ctx: Context, row: OutboxRecord, conn: Connection) -> None:
    """One notification for each channel that wants this outbox row's alert."""
    alert = notifications.alert_by_key(conn, row.dedupe_key)
    if alert is not None:
        tell(ctx, conn, users.get(conn, alert.user_id), alert, "new", alert.dedupe_key)


def tell(ctx: Context, conn: Connection, user: User, alert: AlertRecord, why: str, key: str) -> None:
    """Write the notifications of one alert and note that its channels are told."""
    now = ctx.clock.now()
    errors_at, others_at = turns(conn, user, now)
    at = max(now + GROUP, errors_at if alert.type == AlertType.ERROR else others_at)
    rows = [
        {
            "alert_id": alert.id,
            "channel_id": channel.id,
            "dedupe_key": f"{key}:{channel.id}"[:160],
            "why": why,
            "created_at": now,
            "next_at": at,
            "error": "" if channel.is_active else WAITS,
        }
        for channel in notifications.channels_of(conn, user.id)
        # What arises while a channel is off waits there; that it was repeated meanwhile would be old news.
        if (channel.is_active or (why != "again" and channel.confirmed))
        and wants(channel.kinds, alert.kind)
        and channel.escalation == (why == "escalation")
    ]
    notifications.add(conn, rows)
    if why != "escalation":  # what waits for the end of the quiet hours is told then, and its repeats count from there
        notifications.told(conn, alert.id, alert.told_times, at)


def turns(conn: Connection, user: User, now: datetime) -> tuple[datetime, datetime]:
    """When errors, and when everything else, may be told in this space: now, or at the end of the quiet hours."""
    wishes = Preferences(**(user.notify or {}))
    zone = users.get(conn, wishes.by).zone if wishes.by else user.zone
    others_at = quiet_until(now, zone, wishes) or now
    return now if wishes.urgent else others_at, others_at


def send_due(ctx: Context) -> int:
    """Send what is due on every channel, one after another; returns how many notifications were taken."""
    with ctx.db.read() as conn:
        waiting = notifications.due_channels(conn, ctx.clock.now())
    return sum(send_channel(ctx, channel) for channel in waiting)


def send_channel(ctx: Context, channel: Channel, until: float | None = None) -> int:
    """Send what is due on one channel; returns how many notifications were taken. `until`: monotonic time after which
    nothing more is begun."""
    done, most = 0, 1 if channel.kind == "webhook" else MOST
    while until is None or ctx.clock.monotonic() < until:
        now = ctx.clock.now()
        with ctx.db.write() as conn:
            if notifications.drop_stale(conn, channel.id, now, most):
                continue  # others are the oldest now
            rows = notifications.claim(conn, channel.id, now, now + LEASE, most)
        if not rows:
            break
        ids = [row["id"] for row in rows]
        try:  # nosemgrep: every-error-caught # logged whole
            sender_of(ctx).deliver(channel, rows)
        except PostProberError as error:
            _note_failure(ctx, channel, rows, error)
            break
        except Exception as error:  # one channel with a mistake nobody thought of must not silence the others
            log.exception("channel %s could not be served", channel.id)
            _note_failure(ctx, channel, rows, Unavailable("This message could not be sent.", type(error).__name__))
            break
        with ctx.db.write() as conn:
            notifications.sent(conn, ids, channel.id, ctx.clock.now())
        done += len(rows)
    return done


def _note_failure(ctx: Context, channel: Channel, rows: Sequence[dict[str, Any]], error: PostProberError) -> None:
    now = ctx.clock.now()
    log.warning("channel %s: %s %s", channel.id, error, error.detail)
    pause = min(LONGEST_PAUSE, backoff(rows[0]["tries"], ctx.rng))
    if isinstance(error, Refused) and error.later is not None:
        pause = max(pause, error.later - now)
    too_old = now - rows[0]["created_at"] > GIVE_UP_AFTER
    since = channel.failing_since or now
    with ctx.db.write() as conn:
        ids = [row["id"] for row in rows]
        notifications.failed(conn, ids, channel.id, error.message[:300], None if too_old else now + pause, now)
        at_once = isinstance(error, VaultError | Gone)
        if now - since > SWITCH_OFF_AFTER or at_once:
            reason = error.message if at_once else f"It failed for a day: {error.message}"
            if notifications.switch_off(conn, channel.id, reason[:300]):
                alert_log.add(
                    conn,
                    user_id=channel.user_id,
                    post_id=None,
                    delivery_id=None,
                    type=AlertType.ERROR,
                    message=f"The channel “{channel.name}” was switched off. {reason}",
                    kind=AlertKind.CHANNEL,
                    subject=f"channel:{channel.id}",
                    dedupe_key=f"channel:{channel.id}:off:{rows[0]['id']}",
                    now=now,
                )


def scheduler_subject(space: int) -> str:
    return f"scheduler:{space}"


def scheduler_back(ctx: Context) -> None:
    """The scheduler runs (again): close what was told meanwhile."""
    now = ctx.clock.now()
    with ctx.db.write() as conn:
        for owner in users.owners(conn):
            subject = scheduler_subject(owner.id)
            if alert_log.has_open(conn, subject):
                alert_log.close(conn, subject, now)
                alert_log.add(
                    conn,
                    user_id=owner.id,
                    post_id=None,
                    delivery_id=None,
                    type=AlertType.SUCCESS,
                    message="The scheduler runs again.",
                    kind=AlertKind.RECOVERED,
                    now=now,
                    dedupe_key=f"heartbeat:back:{int(now.timestamp())}:{owner.id}",
                )


def attend(ctx: Context) -> None:
    """Tell again what nobody reads, and tell those who are named for that."""
    with ctx.db.read() as conn:
        people = users.with_wishes(conn)
    each(people, lambda user: _attend(ctx, user), log, "the alerts of a space are looked through")


def _attend(ctx: Context, user: User) -> None:
    wishes = Preferences(**(user.notify or {}))
    now = ctx.clock.now()
    again = timedelta(minutes=wishes.again_minutes)
    escalate = timedelta(minutes=wishes.escalate_minutes)
    with ctx.db.read() as conn:
        to_repeat = notifications.to_repeat(conn, user.id, now - again, wishes.again_times) if again else []
        to_escalate = notifications.to_escalate(conn, user.id, now - escalate) if escalate else []
    for alert in to_repeat:
        with ctx.db.write() as conn:
            tell(ctx, conn, user, alert, "again", f"{alert.dedupe_key}:again:{alert.told_times}")
    for alert in to_escalate:
        with ctx.db.write() as conn:
            if notifications.escalated(conn, alert.id, now):
                tell(ctx, conn, user, alert, "escalation", f"{alert.dedupe_key}:escalation")
