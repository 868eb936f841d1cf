"""Waits for a call no longer than it may take, whatever the call does meanwhile (a look-up of a name has no time limit of
its own)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")
MOST_LEFT = 16  # ours: calls under way in this process, those that were given up included


class TookTooLong(Exception):
    """It was given up. `begun`: whether it was under way."""

    def __init__(self, begun: bool) -> None:
        super().__init__("it took too long")
        self.begun = begun


_free = threading.BoundedSemaphore(MOST_LEFT)


def within(seconds: float, call: Callable[[], T]) -> T:
    """What `call` returns or raises, or TookTooLong after `seconds`, of which the wait for a free place is a part. What is
    given up comes to its end on a thread of its own, and nobody sees what it brings."""
    until = time.monotonic() + seconds
    if not _free.acquire(timeout=seconds):
        raise TookTooLong(begun=False)
    ended: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def work() -> None:
        try:
            ended.put((call(), None))
        except BaseException as error:  # noqa: BLE001 - raised by who waits
            ended.put((None, error))
        finally:
            _free.release()

    try:
        threading.Thread(target=work, name="model question", daemon=True).start()
    except RuntimeError:  # the system gives this process no more threads just now
        _free.release()
        raise TookTooLong(begun=False) from None
    try:
        made, failed = ended.get(timeout=max(0.0, until - time.monotonic()))
    except Empty:
        raise TookTooLong(begun=True) from None
    if failed is not None:
        raise failed
    return made  # type: ignore[return-value]
