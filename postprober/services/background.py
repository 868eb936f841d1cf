"""Slow work that somebody may want to wait for a moment, and nobody for long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

AT_ONCE = 4  # ours: readings of strangers' pages at the same time in a process, each of which may hold 11 MB
MOST_WAITING = 64  # ours: a page of a person asks for one; an import for as many as it has rows, one after the other


class Background:
    """A few threads, which begin with the first work. What is asked for again while it is being done is done once. Thread
    safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[None]] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False

    def start(self, key: str, work: Callable[[], None]) -> Future[None] | None:
        """The work under this key, begun now or earlier; None where too much waits, or the process ends."""
        with self._lock:
            if (known := self._under_way.get(key)) is not None:
                return known
            if self._closed or len(self._under_way) >= MOST_WAITING:
                return None
            self._pool = self._pool or ThreadPoolExecutor(AT_ONCE, thread_name_prefix="background")
            begun = self._under_way[key] = self._pool.submit(work)
        begun.add_done_callback(lambda _: self._done(key))
        return begun

    def _done(self, key: str) -> None:
        with self._lock:
            self._under_way.pop(key, None)

    def close(self) -> None:
        """Begin nothing more; what has begun ends by itself."""
        with self._lock:
            self._closed = True
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)
