"""What becomes of deliveries whose account is disconnected: each state has its answer, and nothing waits for ever.

Nothing that waits is sent any more. What may be out already cannot be checked without access, so a person decides.
What is being sent at this moment ends first: its answer counts, and what follows from it is settled then.
"""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import Connection

from postprober.domain.delivery import DeliveryState, StateCause
from postprober.pipeline.core import transitions
from postprober.pipeline.core.context import Context
from postprober.storage import deliveries
from postprober.storage.loops import each
from postprober.storage.records import Account, Delivery

log = logging.getLogger("postprober.unlinked")
S = DeliveryState
REASON = "the account was disconnected"
_MOST = 100  # in one transaction


def is_stale(delivery: Delivery, account: Account) -> bool:
    """Whether it was on its way when its account was disconnected, and nobody has ordered it since: linking the account
    again sends nothing old."""
    gone = account.unlinked_at
    return gone is not None and delivery.created_at <= gone and delivery.due_at <= gone


def settle_all(ctx: Context) -> int:
    """Settle what reached a waiting state after its account was disconnected; returns how many."""
    with ctx.db.read() as conn:
        found = deliveries.unlinked(conn, _MOST)

    def one(delivery: Delivery) -> None:
        with ctx.db.write() as conn:
            settle(conn, delivery, ctx.clock.now(), ctx.worker)

    return each(found, one, log, "a delivery of a disconnected account is settled")


def settle(conn: Connection, delivery: Delivery, now: datetime, worker: str = "", by: str = "") -> None:
    """One delivery of a disconnected account. `by`: who disconnects it at this moment. Raises Conflict."""
    reason = f"{REASON} by {by}" if by else REASON
    columns = {"next_at": None, "lease_until": None, "fence": delivery.fence + 1}
    unknown = delivery.unknown_at is not None
    if delivery.state is S.UNCONFIRMED or (unknown and delivery.state in (S.SCHEDULED, S.CLAIMED, S.WAITING)):
        transitions.move(
            conn, delivery, S.HELD, reason=reason, now=now, worker=worker, cause=StateCause.UNLINKED, **columns
        )
    elif unknown and delivery.state is S.HELD:
        deliveries.touch(conn, delivery, now, cause=StateCause.UNLINKED, next_at=None, lease_until=None)
    elif unknown and delivery.state is S.PROCESSING:
        transitions.move(conn, delivery, S.UNCONFIRMED, reason=reason, now=now, worker=worker, **columns)
    elif delivery.state in (S.SCHEDULED, S.CLAIMED, S.WAITING, S.PROCESSING, S.HELD):
        transitions.move(conn, delivery, S.CANCELLED, reason=reason, now=now, worker=worker, **columns)
