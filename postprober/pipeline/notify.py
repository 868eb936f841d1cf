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
from postprober.errors import PostProberError, VaultError
from postprober.pipeline.context import Context
from postprober.pipeline.courier import Courier
from postprober.storage import logs, notifications, users
from postprober.storage.notifications import Channel
from postprober.storage.records import User

log = logging.getLogger("postprober.notify")

GROUP = timedelta(seconds=2)  # what happens within it is told in one message; well under the 60 s a hold may take
MOST = 20  # alerts in one message
LEASE = timedelta(seconds=60)  # for one message; the slowest receiver has 20 s
GIVE_UP_AFTER = timedelta(days=3)
SWITCH_OFF_AFTER = timedelta(hours=24)  # of nothing but failures
LONGEST_PAUSE = timedelta(minutes=15)  # between tries, so that a receiver that is back hears of it soon


def courier_of(ctx: Context) -> Courier:
    return Courier(ctx.vault, ctx.http, ctx.clock, ctx.mail, ctx.allow_private, ctx.app_url)


def fan_out(ctx: Context, row: dict[str, Any], conn: Connection) -> None:
    """One notification for each channel that wants this outbox row's alert."""
    alert = notifications.alert_by_key(conn, row["dedupe_key"])
    if alert is not None:
        tell(ctx, conn, users.get(conn, alert["user_id"]), alert, "new", alert["dedupe_key"])


def tell(ctx: Context, conn: Connection, user: User, alert: dict[str, Any], why: str, key: str) -> None:
    """Write the notifications of one alert and note that its channels are told."""
    now = ctx.clock.now()
    wishes = Preferences(**(user.notify or {}))
    at = now + GROUP
    quiet = quiet_until(now, user.zone, wishes)
    if quiet is not None and not (wishes.urgent and alert["type"] == AlertType.ERROR):
        at = quiet
    rows = [
        {
            "alert_id": alert["id"], "channel_id": channel.id, "dedupe_key": f"{key}:{channel.id}"[:160], "why": why,
            "created_at": now, "next_at": at,
        }
        for channel in notifications.channels_of(conn, user.id, active=True)
        if wants(channel.kinds, alert["kind"]) and channel.escalation == (why == "escalation")
    ]  # fmt: skip
    notifications.add(conn, rows)
    if why != "escalation":
        notifications.told(conn, alert["id"], alert["told_times"], now)


def send_due(ctx: Context) -> int:
    """Send what is due on every channel; returns how many notifications were taken."""
    with ctx.db.read() as conn:
        waiting = notifications.due_channels(conn, ctx.clock.now())
    return sum(_send_channel(ctx, channel) for channel in waiting)


def _send_channel(ctx: Context, channel: Channel) -> int:
    done = 0
    while True:
        now = ctx.clock.now()
        with ctx.db.write() as conn:
            rows = notifications.claim(conn, channel.id, now, now + LEASE, 1 if channel.kind == "webhook" else MOST)
        if not rows:
            return done
        ids = [row["id"] for row in rows]
        try:
            courier_of(ctx).deliver(channel, rows)
        except PostProberError as error:
            _note_failure(ctx, channel, rows, error)
            return done
        with ctx.db.write() as conn:
            notifications.sent(conn, ids, channel.id, ctx.clock.now())
        done += len(rows)


def _note_failure(ctx: Context, channel: Channel, rows: Sequence[dict[str, Any]], error: PostProberError) -> None:
    now = ctx.clock.now()
    log.warning("channel %s: %s %s", channel.id, error, error.detail)
    pause = min(LONGEST_PAUSE, backoff(rows[0]["tries"], ctx.rng))
    too_old = now - rows[0]["created_at"] > GIVE_UP_AFTER
    since = channel.failing_since or now
    with ctx.db.write() as conn:
        ids = [row["id"] for row in rows]
        notifications.failed(conn, ids, channel.id, error.message[:300], None if too_old else now + pause, now)
        if now - since > SWITCH_OFF_AFTER or isinstance(error, VaultError):
            reason = f"It failed for a day: {error.message}" if not isinstance(error, VaultError) else error.message
            if notifications.switch_off(conn, channel.id, reason[:300]):
                logs.alert(
                    conn, user_id=channel.user_id, post_id=None, delivery_id=None, type=AlertType.ERROR,
                    message=f"The channel “{channel.name}” was switched off. {reason}", kind=AlertKind.CHANNEL,
                    subject=f"channel:{channel.id}", dedupe_key=f"channel:{channel.id}:off:{rows[0]['id']}", now=now,
                )  # fmt: skip


def scheduler_subject(user_id: int) -> str:
    return f"scheduler:{user_id}"


def scheduler_back(ctx: Context) -> None:
    """The scheduler runs (again): close what was told meanwhile."""
    now = ctx.clock.now()
    with ctx.db.write() as conn:
        for owner in users.owners(conn):
            subject = scheduler_subject(owner.id)
            if logs.has_open(conn, subject):
                logs.close(conn, subject, now)
                logs.alert(
                    conn, user_id=owner.id, post_id=None, delivery_id=None, type=AlertType.SUCCESS,
                    message="The scheduler runs again.", kind=AlertKind.RECOVERED, now=now,
                    dedupe_key=f"heartbeat:back:{int(now.timestamp())}:{owner.id}",
                )  # fmt: skip


def attend(ctx: Context) -> None:
    """Tell again what nobody reads, and tell those who are named for that."""
    now = ctx.clock.now()
    with ctx.db.read() as conn:
        open_ones = notifications.unattended(conn)
        people = {row["user_id"]: users.get(conn, row["user_id"]) for row in open_ones}
    for alert in open_ones:
        user = people[alert["user_id"]]
        wishes = Preferences(**(user.notify or {}))
        if wishes.again_minutes and alert["told_times"] <= wishes.again_times:
            _again(ctx, user, alert, now, timedelta(minutes=wishes.again_minutes))
        if wishes.escalate_minutes and alert["escalated_at"] is None:
            _escalate(ctx, user, alert, now, timedelta(minutes=wishes.escalate_minutes))


def _again(ctx: Context, user: User, alert: dict[str, Any], now: datetime, every: timedelta) -> None:
    if now - alert["told_at"] < every:
        return
    with ctx.db.write() as conn:
        tell(ctx, conn, user, alert, "again", f"{alert['dedupe_key']}:again:{alert['told_times']}")


def _escalate(ctx: Context, user: User, alert: dict[str, Any], now: datetime, after: timedelta) -> None:
    if now - alert["created_at"] < after:
        return
    with ctx.db.write() as conn:
        if notifications.escalated(conn, alert["id"], now):
            tell(ctx, conn, user, alert, "escalation", f"{alert['dedupe_key']}:escalation")
