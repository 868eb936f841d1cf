"""Hands what is due to workers in other processes, instead of doing it on threads of its own (`worker_pool`).

The queue may lose everything at any moment, and may hold what is done long since. So a delivery that was handed over and
is still due is handed over once more: soon when the queue is empty, later in any case. While the queue does not answer,
or no worker says that it lives, the scheduler delivers by itself.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection

from postprober.domain.delivery import DUE_TO_RECONCILE
from postprober.errors import Unavailable
from postprober.pipeline.core.context import Context
from postprober.pipeline.scheduler.deliverer import Deliverer
from postprober.storage import deliveries, processes

log = logging.getLogger("postprober.dispatch")

PUBLISH, FOLLOW = "publish", "follow"
AHEAD = 400  # deliveries of each kind that are handed over at a time
PATIENCE = 3.0  # seconds after which a delivery in an empty queue counts as lost
LONGEST = 30.0  # seconds after which it is handed over again whatever the queue holds
WORKER_LIMIT = timedelta(seconds=10)  # without a heartbeat, which comes every 2 s; as long as a lease
COMPLAIN_EVERY = 30.0  # seconds between two lines in the log while the queue or the workers are away


class Queue(Protocol):
    """Where workers fetch from. Both raise Unavailable."""

    def send(self, queue: str, act: str, delivery_id: int) -> None: ...

    def length(self, queue: str) -> int: ...


def somebody_works(conn: Connection, now: datetime) -> bool:
    """Whether a worker has told of itself lately."""
    return processes.beating(conn, "worker", now - WORKER_LIMIT, now) > 0


class Dispatcher:
    """A `Deliverer`; `own` does the work while the queue is away or `anybody` says that nobody fetches."""

    def __init__(
        self,
        ctx: Context,
        queue: Queue,
        own: Deliverer,
        anybody: Callable[[Connection, datetime], bool] = somebody_works,
    ) -> None:
        self._ctx = ctx
        self._queue = queue
        self._own = own
        self._anybody = anybody
        # By kind: delivery id -> monotonic time of the last handing over.
        self._handed: dict[str, dict[int, float]] = {PUBLISH: {}, FOLLOW: {}}
        self._complained = -COMPLAIN_EVERY
        self._stopping = False
        # Two of the scheduler's jobs poll; both at once would forget for each other.
        self._ringing = threading.Lock()

    @property
    def on_idle(self) -> Callable[[], None]:
        return self._own.on_idle

    @on_idle.setter
    def on_idle(self, act: Callable[[], None]) -> None:
        self._own.on_idle = act

    def poll_due(self) -> datetime | None:
        """Hand over everything that is due; returns when something is due next, None when nothing is planned."""
        with self._ringing:
            return self._ring()

    def _ring(self) -> datetime | None:
        if self._stopping:
            return None
        now = self._ctx.clock.now()
        with self._ctx.db.read() as conn:
            first, second = deliveries.due(conn, now, publish=AHEAD, follow=AHEAD)
            upcoming = deliveries.next_due(conn, now)
            alone = not self._anybody(conn, now)
        if alone:
            self._complain("no worker is running (dramatiq postprober.worker)")
            return self._own.poll_due()
        try:
            self._hand(PUBLISH, [(i, "reconcile" if s in DUE_TO_RECONCILE else "publish") for i, s in first])
            self._hand(FOLLOW, [(i, "follow") for i in second])
        except Unavailable as error:
            self._complain(f"the queue is away: {error} {error.detail}")
            return self._own.poll_due()
        return upcoming

    def _hand(self, kind: str, due: list[tuple[int, str]]) -> None:
        handed, now = self._handed[kind], self._ctx.clock.monotonic()
        for done in handed.keys() - {delivery_id for delivery_id, _ in due}:
            del handed[done]
        late = [i for i, at in handed.items() if now - at > PATIENCE]
        empty = bool(late) and self._queue.length(kind) == 0
        for delivery_id in late:
            if empty or now - handed[delivery_id] > LONGEST:
                del handed[delivery_id]
        for delivery_id, act in due:
            if delivery_id not in handed:
                self._queue.send(kind, act, delivery_id)
                handed[delivery_id] = now

    def _complain(self, why: str) -> None:
        now = self._ctx.clock.monotonic()
        if now - self._complained >= COMPLAIN_EVERY:
            self._complained = now
            log.warning("the scheduler delivers by itself: %s", why)

    def renew_leases(self) -> None:
        self._own.renew_leases()

    def busy(self) -> int:
        return self._own.busy()

    def take_nothing_new(self) -> None:
        self._stopping = True
        self._own.take_nothing_new()

    def stop(self) -> None:
        self.take_nothing_new()
        self._own.stop()
