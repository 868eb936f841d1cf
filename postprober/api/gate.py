"""How many uploads run at the same time: each takes disk, and a slow one takes it for long. On the event loop only, so
nothing needs a lock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from postprober.api.problems import Overloaded, TooManyAtOnce

RETRY_AFTER = 5  # seconds


class UploadGate:
    """`most` uploads in this process, and no more than half of them of one person."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.of_one = max(1, most // 2)
        self._running: Counter[int] = Counter()

    @contextmanager
    def held(self, user_id: int) -> Iterator[None]:
        """While one upload runs. Raises TooManyAtOnce (yours) or Overloaded (all)."""
        if self._running[user_id] >= self.of_one:
            text = f"{self.of_one} uploads of yours are running; wait until one has ended."
            raise TooManyAtOnce(text, RETRY_AFTER)
        if self._running.total() >= self.most:
            raise Overloaded("Too many uploads are running; try again in a moment.", RETRY_AFTER)
        self._running[user_id] += 1
        try:
            yield
        finally:
            self._running[user_id] -= 1
            if not self._running[user_id]:
                del self._running[user_id]
