"""Carries on what was written beside the state changes: alerts go to the channels, letters to the mail server."""

from __future__ import annotations

import logging
from datetime import datetime

from postprober.alerts import mail
from postprober.domain.retry import backoff
from postprober.errors import Unavailable, VaultError
from postprober.pipeline.core.context import Context
from postprober.pipeline.notifications.notify import GIVE_UP_AFTER, fan_out
from postprober.storage import mails, outbox_queue
from postprober.storage.loops import each
from postprober.storage.records import OutboxRecord

log = logging.getLogger("postprober.outbox")


def send_due(ctx: Context) -> int:
    """Carry on due outbox rows; returns how many were done. A row is marked in the transaction that hands it on, or only
    after it was sent: a crash in between repeats it under the same key, it never loses it."""
    now = ctx.clock.now()
    with ctx.db.read() as conn:
        rows = outbox_queue.due(conn, now)

    def later(row: OutboxRecord, _error: Exception | None = None) -> None:
        with ctx.db.write() as conn:
            outbox_queue.again(conn, row.id, _again(ctx, row.created_at, row.tries))

    def one(row: OutboxRecord) -> bool:
        carried = _carry(ctx, row)
        if not carried:
            later(row)
        return carried

    return each(rows, one, log, "a message is handed on", later)


def _carry(ctx: Context, row: OutboxRecord) -> bool:
    """Whether the row is done; it is marked then."""
    email = row.kind == mails.KIND
    if email and not _post_email(ctx, row):
        return False
    with ctx.db.write() as conn:
        if not email:
            fan_out(ctx, row, conn)
        outbox_queue.done(conn, row.id, ctx.clock.now())
    return True


def _post_email(ctx: Context, row: OutboxRecord) -> bool:
    """Whether the e-mail is out of our hands. One that nobody can send any more (its key or its server is gone) is
    given up after GIVE_UP_AFTER as every other row."""
    try:
        email = ctx.email_for(mails.read(ctx.vault, row))
        if email is None:
            return True
        if ctx.mail is None:
            return False
        mail.send(ctx.mail, email, key=row.dedupe_key)
    except (VaultError, Unavailable) as error:
        log.warning("a mail could not be sent: %s %s", error, error.detail)
        return False
    return True


def _again(ctx: Context, created: datetime, tries: int) -> datetime | None:
    now = ctx.clock.now()
    return None if now - created > GIVE_UP_AFTER else now + backoff(tries + 1, ctx.rng)
