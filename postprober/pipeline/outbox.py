"""Sends what was written beside the state changes: at least once, with the same key each time."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from postprober.alerts import mail
from postprober.alerts.delivery import send
from postprober.domain.retry import backoff
from postprober.errors import Unavailable, VaultError
from postprober.pipeline.context import Context
from postprober.security.vault import Place
from postprober.storage import logs, mails
from postprober.storage.tables import channels

log = logging.getLogger("postprober.outbox")

GIVE_UP_AFTER = timedelta(days=3)


def send_due(ctx: Context) -> int:
    """Send due outbox rows; returns how many were done. A row is marked only after it was sent: a crash in between
    sends it again under the same key, it never loses it."""
    now = ctx.clock.now()
    with ctx.db.read() as conn:
        rows = logs.outbox_due(conn, now)
    done = 0
    for row in rows:
        if _post_letter(ctx, row) if row["kind"] == mails.KIND else _tell_channels(ctx, row):
            with ctx.db.write() as conn:
                logs.outbox_done(conn, row["id"], ctx.clock.now())
            done += 1
        else:
            with ctx.db.write() as conn:
                logs.outbox_again(conn, row["id"], _again(ctx, row["created_at"], row["tries"]))
    return done


def _tell_channels(ctx: Context, row: dict[str, Any]) -> bool:
    payload = row["payload"]
    return send(_channels(ctx, row["user_id"]), payload["type"], payload["message"], row["dedupe_key"])


def _post_letter(ctx: Context, row: dict[str, Any]) -> bool:
    """Whether the letter is out of our hands. One that nobody can send any more (its key or its server is gone) is
    given up after GIVE_UP_AFTER as every other row."""
    try:
        letter = ctx.letter_for(mails.read(ctx.vault, row))
        if letter is None:
            return True
        if ctx.mail is None:
            return False
        mail.send(ctx.mail, letter, key=row["dedupe_key"])
    except (VaultError, Unavailable) as error:
        log.warning("a mail could not be sent: %s %s", error, error.detail)
        return False
    return True


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
