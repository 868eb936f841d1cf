"""The due poll and its workers: hands what is due to a pool of threads, and keeps their leases alive.

All state is in the database. This object only knows which deliveries its own threads are holding at this moment, so a
killed process loses nothing but its leases.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from postprober.domain.delivery import DUE_TO_RECONCILE
from postprober.errors import PostProberError
from postprober.pipeline.core.context import Context
from postprober.pipeline.publishing.publish import publish
from postprober.pipeline.publishing.reconcile import reconcile
from postprober.pipeline.verification.follow_up import follow
from postprober.storage import deliveries

log = logging.getLogger("postprober.worker_pool")

Act = Callable[[Context, int], None]
_AHEAD = 4  # how much is read ahead, in times the number of threads, to spare a query at every free thread


def _nothing() -> None:
    return None


class WorkerPool:
    """`workers` threads; a third of them at most follows published posts, so that proving never delays publishing."""

    def __init__(self, ctx: Context, workers: int) -> None:
        self._ctx = ctx
        self._workers = workers
        self._follow_limit = max(1, workers // 3)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="delivery")
        self._lock = threading.Lock()
        self._to_publish: deque[tuple[int, Act]] = deque()
        self._to_follow: deque[tuple[int, Act]] = deque()
        self._publishing: set[int] = set()
        self._following: set[int] = set()
        ctx.spare = lambda: not self._to_publish
        self.on_idle: Callable[[], None] = _nothing
        self._stopping = False

    def poll_due(self) -> datetime | None:
        """Start everything that is due and fits; returns when something is due next, None when nothing is planned."""
        now = self._ctx.clock.now()
        with self._ctx.db.read() as conn:
            first, second = deliveries.due(conn, now, publish=_AHEAD * self._workers, follow=_AHEAD * self._workers)
            upcoming = deliveries.next_due(conn, now)
        with self._lock:
            # What stands in line was read a moment ago; `take` decides in the end, so a stale entry only costs a look.
            self._to_publish = deque((i, reconcile if s in DUE_TO_RECONCILE else publish) for i, s in first)
            self._to_follow = deque((i, follow) for i in second)
        self._fill()
        return upcoming

    def _fill(self) -> bool:
        """Give the free threads work from the line; whether there was enough."""
        while True:
            with self._lock:
                if self._stopping or len(self._publishing) + len(self._following) >= self._workers:
                    return True
                if self._to_publish:
                    line, group = self._to_publish, self._publishing
                elif self._to_follow and len(self._following) < self._follow_limit:
                    line, group = self._to_follow, self._following
                else:
                    return False
                delivery_id, act = line.popleft()
                if delivery_id in self._publishing or delivery_id in self._following:
                    continue
                group.add(delivery_id)
            self._start(delivery_id, group, act)

    def renew_leases(self) -> None:
        self._ctx.keeper.renew()

    def busy(self) -> int:
        """How many deliveries are in hand."""
        with self._lock:
            return len(self._publishing) + len(self._following)

    def take_nothing_new(self) -> None:
        """What is in hand goes on."""
        with self._lock:
            self._stopping = True

    def stop(self) -> None:
        """Finish what is in hand, take nothing new."""
        self.take_nothing_new()
        self._pool.shutdown(wait=True)

    def _start(self, delivery_id: int, group: set[int], act: Act) -> None:
        try:
            future = self._pool.submit(act, self._ctx, delivery_id)
        except RuntimeError:  # stopped in this very moment
            with self._lock:
                group.discard(delivery_id)
            return
        future.add_done_callback(lambda done: self._done(delivery_id, group, done))

    def _done(self, delivery_id: int, group: set[int], future: Future[None]) -> None:
        with self._lock:
            group.discard(delivery_id)
        error = future.exception()
        if error is not None:
            # One bad row never stops the others: its lease runs out, recovery takes it back and counts the crash.
            detail = error.detail if isinstance(error, PostProberError) else ""
            log.error("delivery %s failed: %s %s", delivery_id, error, detail, exc_info=error)
        if not self._fill():
            self.on_idle()
