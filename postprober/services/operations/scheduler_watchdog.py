"""Notices from another process that the scheduler does not run, and tells people, because the scheduler cannot."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from postprober.domain.alert import AlertKind, AlertType
from postprober.domain.delivery import DeliveryState
from postprober.pipeline.notifications import notify, outbox
from postprober.services.core import Core
from postprober.services.pipeline_context import context_of
from postprober.storage import alert_log, processes, users
from postprober.storage.tables import deliveries

EVERY = timedelta(seconds=15)
LOST_AFTER = timedelta(seconds=60)  # thirty heartbeats


def look(core: Core) -> bool:
    """Whether the scheduler is lost: it has gone without a word, or it was stopped and something is due since. Then
    every owner is told, once, and what is to be sent outside is sent from here."""
    now = core.clock.now()
    with core.db.read() as conn:
        since = _lost_since(conn, now)
        owners = users.owners(conn)
        told = any(alert_log.has_open(conn, notify.scheduler_subject(owner.id)) for owner in owners)
    if since is None:
        # It may only have stalled, and then it never starts again, which is when it closes this itself.
        if told:
            notify.scheduler_back(context_of(core, worker="scheduler-watchdog"))
        return False
    with core.db.write() as conn:
        for owner in owners:
            alert_log.add(
                conn,
                user_id=owner.id,
                post_id=None,
                delivery_id=None,
                type=AlertType.ERROR,
                message="Scheduler not running: nothing is published or verified until it is started again.",
                kind=AlertKind.HEARTBEAT,
                subject=notify.scheduler_subject(owner.id),
                dedupe_key=f"heartbeat:{since:%Y%m%dT%H%M%S}:{owner.id}",
                now=now,
            )
    ctx = context_of(core, worker="scheduler-watchdog")
    outbox.send_due(ctx)
    notify.send_due(ctx)
    return True


def _lost_since(conn: Connection, now: datetime) -> datetime | None:
    beat = processes.newest_beat(conn, "scheduler", now)
    if beat is not None:
        return beat if now - beat > LOST_AFTER else None
    # It said goodbye: that is no alarm before something waits for it in vain.
    waiting = select(deliveries.c.next_at).where(
        deliveries.c.state == DeliveryState.SCHEDULED, deliveries.c.next_at < now - LOST_AFTER
    )
    found: datetime | None = conn.execute(waiting.order_by(deliveries.c.next_at).limit(1)).scalar()
    return found
