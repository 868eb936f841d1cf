"""Slow work that somebody may want to wait for a moment, and nobody for long."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

AT_ONCE = 4  # ours: readings of strangers' pages at the same time in a process, each of which may hold 11 MB
MOST_WAITING = 64  # ours: a page of a person asks for one; an import for as many as it has rows, one after the other
MOST_OF_ONE = 16  # ours: of one space, so that its slow pages leave room for those of others

_Work = tuple[Future[None], Callable[[], None]]


class Background:
    """A few threads, which begin with the first work, and serve the owners of what waits in turns. What is asked for again while
    it is being done is done once. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[None]] = {}
        self._held: Counter[int] = Counter()  # owner -> how much of its is under way
        self._turns: dict[int, deque[_Work]] = {}  # owner -> what waits; the first owner is next
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False

    def start(self, key: str, work: Callable[[], None], owner: int = 0) -> Future[None] | None:
        """The work under this key, begun now or earlier; None where too much waits, of this owner or in all, or the process
        ends."""
        with self._lock:
            if (known := self._under_way.get(key)) is not None:
                return known
            full = len(self._under_way) >= MOST_WAITING or self._held[owner] >= MOST_OF_ONE
            if self._closed or full:
                return None
            self._pool = self._pool or ThreadPoolExecutor(AT_ONCE, thread_name_prefix="background")
            begun = self._under_way[key] = Future()
            self._held[owner] += 1
            self._turns.setdefault(owner, deque()).append((begun, work))
            self._pool.submit(self._next)
        begun.add_done_callback(lambda _: self._done(key, owner))
        return begun

    def _next(self) -> None:
        """Do what is next: there is one call of this for each work."""
        with self._lock:
            if not self._turns:
                return  # the process ends
            owner = next(iter(self._turns))
            waiting = self._turns.pop(owner)
            begun, work = waiting.popleft()
            if waiting:
                self._turns[owner] = waiting  # behind the others
        if not begun.set_running_or_notify_cancel():
            return
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - whoever waits for it is told
            begun.set_exception(error)
        else:
            begun.set_result(None)

    def _done(self, key: str, owner: int) -> None:
        with self._lock:
            self._under_way.pop(key, None)
            self._held[owner] -= 1
            if not self._held[owner]:
                del self._held[owner]

    def close(self) -> None:
        """Begin nothing more; what has begun ends by itself."""
        with self._lock:
            self._closed = True
            left = [begun for waiting in self._turns.values() for begun, _ in waiting]
            self._turns.clear()
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)
        for begun in left:
            begun.cancel()
