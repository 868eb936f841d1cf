"""Sends what was written beside the state changes: at least once, with the same key each time."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from postprober.alerts.delivery import send
from postprober.domain.retry import backoff
from postprober.errors import VaultError
from postprober.pipeline.context import Context
from postprober.security.vault import Place
from postprober.storage import logs
from postprober.storage.tables import channels

GIVE_UP_AFTER = timedelta(days=3)


def send_due(ctx: Context) -> int:
    """Send due outbox rows; returns how many were done. A row is marked only after it was sent: a crash in between
    sends it again under the same key, it never loses it."""
    now = ctx.clock.now()
    with ctx.db.read() as conn:
        rows = logs.outbox_due(conn, now)
    done = 0
    for row in rows:
        payload = row["payload"]
        if send(_channels(ctx, row["user_id"]), payload["type"], payload["message"], row["dedupe_key"]):
            with ctx.db.write() as conn:
                logs.outbox_done(conn, row["id"], ctx.clock.now())
            done += 1
        else:
            with ctx.db.write() as conn:
                logs.outbox_again(conn, row["id"], _again(ctx, row["created_at"], row["tries"]))
    return done


def _channels(ctx: Context, user_id: int) -> list[str]:
    with ctx.db.read() as conn:
        rows = conn.execute(select(channels).where(channels.c.user_id == user_id, channels.c.is_active)).all()
    urls = []
    for row in rows:
        try:
            urls.append(ctx.vault.open(row.url, Place("channels", "url", str(row.id))))
        except VaultError:
            continue  # the in-app alert is there; a channel that cannot be read must not hold up the others
    return urls


def _again(ctx: Context, created: datetime, tries: int) -> datetime | None:
    now = ctx.clock.now()
    return None if now - created > GIVE_UP_AFTER else now + backoff(tries + 1, ctx.rng)
