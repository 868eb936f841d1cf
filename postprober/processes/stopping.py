"""The word that a process is to end, given by a signal."""

from __future__ import annotations

from queue import Empty, SimpleQueue


class Stopping:
    """What `threading.Event` is to threads, for a signal handler: that one runs in the middle of whatever the main thread does, and if
    this is `Event.wait`, it holds the lock that `Event.set` would wait for, for ever. The queue may be put to in the middle of
    itself (https://docs.python.org/3/library/queue.html#queue.SimpleQueue.put)."""

    def __init__(self) -> None:
        self._is_set = False
        self._told: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Safe in a signal handler, and more than once."""
        self._is_set = True
        self._told.put(None)

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it was set, within so many seconds; None: wait for it. For one thread at a time."""
        try:
            self._told.get(timeout=seconds)
        except Empty:
            return False
        self._told.put(None)
        return True
