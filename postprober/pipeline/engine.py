"""The bell and its workers: hands what is due to a pool of threads, and keeps their leases alive.

All state is in the database. This object only knows which deliveries its own threads are holding at this moment, so a
killed process loses nothing but its leases.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from postprober.domain.delivery import DUE_TO_RECONCILE
from postprober.errors import PostProberError
from postprober.pipeline.context import Context
from postprober.pipeline.engagement import follow
from postprober.pipeline.posting import publish
from postprober.pipeline.reconcile import reconcile
from postprober.storage import deliveries

log = logging.getLogger("postprober.engine")


def _nothing() -> None:
    return None


class Engine:
    """`workers` threads; a third of them at most follows published posts, so that proving never delays publishing."""

    def __init__(self, ctx: Context, workers: int) -> None:
        self._ctx = ctx
        self._workers = workers
        self._follow_limit = max(1, workers // 3)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="delivery")
        self._lock = threading.Lock()
        self._publishing: set[int] = set()
        self._following: set[int] = set()
        self.on_idle: Callable[[], None] = _nothing
        self._stopping = False

    def ring(self) -> datetime | None:
        """Start everything that is due and fits; returns when something is due next, None when nothing is planned."""
        with self._lock:
            if self._stopping:
                return None
            free = self._workers - len(self._publishing) - len(self._following)
            spare = min(free, self._follow_limit - len(self._following))
            busy = self._publishing | self._following
        now = self._ctx.clock.now()
        with self._ctx.db.read() as conn:
            first, second = deliveries.due(
                conn, now, publish=free + len(busy), follow=spare + len(busy) if spare > 0 else 0
            )
            upcoming = deliveries.next_due(conn, now)
        for delivery_id, state in [(i, state) for i, state in first if i not in busy][:free]:
            self._start(delivery_id, self._publishing, reconcile if state in DUE_TO_RECONCILE else publish)
            free -= 1
        for delivery_id in [i for i in second if i not in busy][: max(0, min(spare, free))]:
            self._start(delivery_id, self._following, follow)
        return upcoming

    def renew_leases(self) -> None:
        self._ctx.keeper.renew()

    def busy(self) -> int:
        """How many deliveries are in hand."""
        with self._lock:
            return len(self._publishing) + len(self._following)

    def stop(self) -> None:
        """Finish what is in hand, take nothing new."""
        with self._lock:
            self._stopping = True
        self._pool.shutdown(wait=True)

    def _start(self, delivery_id: int, group: set[int], act: Callable[[Context, int], None]) -> None:
        with self._lock:
            if self._stopping:
                return
            group.add(delivery_id)
        future = self._pool.submit(act, self._ctx, delivery_id)
        future.add_done_callback(lambda done: self._done(delivery_id, group, done))

    def _done(self, delivery_id: int, group: set[int], future: Future[None]) -> None:
        with self._lock:
            group.discard(delivery_id)
        error = future.exception()
        if error is not None:
            # One bad row never stops the others: its lease runs out, recovery takes it back and counts the crash.
            detail = error.detail if isinstance(error, PostProberError) else ""
            log.error("delivery %s failed: %s %s", delivery_id, error, detail, exc_info=error)
        self.on_idle()
