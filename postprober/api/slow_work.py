"""Work that takes much for long: how many requests of it there are at the same time, and for whom. Counted on the event
loop only, so nothing needs a lock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from postprober.api.problems import Overloaded, TooManyAtOnce

T = TypeVar("T")
RETRY_AFTER = 5  # seconds
SLOW_THREADS = 2  # reports, tables and pictures made at the same time; each may take 400 MB or a processor
SLOW_OF_ONE = 4  # requests of one person that run or wait
SLOW_MOST = 64  # of everybody
DECODING_MOST = 128  # fetches of pictures that run or wait: platforms fetch up to 20 of a post at once


class Gate:
    """`most` requests in this process, and no more than `of_one` of one person. `what`: in the plural."""

    def __init__(self, most: int, of_one: int, what: str) -> None:
        self.most, self.of_one, self.what = most, of_one, what
        self._running: Counter[int] = Counter()

    @contextmanager
    def held(self, user_id: int) -> Iterator[None]:
        """While one request runs. Raises Overloaded (all places are taken, which counts first: ending one's own would not
        help) or TooManyAtOnce (yours)."""
        if self._running.total() >= self.most:
            raise Overloaded(f"Too many {self.what} are running; try again in a moment.", RETRY_AFTER)
        if self._running[user_id] >= self.of_one:
            text = f"{self.of_one} {self.what} of yours are running; wait until one has ended."
            raise TooManyAtOnce(text, RETRY_AFTER)
        self._running[user_id] += 1
        try:
            yield
        finally:
            self._running[user_id] -= 1
            if not self._running[user_id]:
                del self._running[user_id]


def upload_gate(most: int) -> Gate:
    """Each upload takes disk, and a slow one takes it for long: half of the places at most are one person's."""
    return Gate(most, max(1, most // 2), "uploads")


class SlowWork:
    """Work of seconds on threads of its own, so that quick requests never wait for a thread behind it."""

    def __init__(self, gate: Gate, threads: int = SLOW_THREADS) -> None:
        self.gate = gate
        self._threads = CapacityLimiter(threads)

    async def run(self, user_id: int, act: Callable[[], T]) -> T:
        """What `act` returns. Raises TooManyAtOnce or Overloaded before it begins, then what `act` raises."""
        with self.gate.held(user_id):
            return await to_thread.run_sync(act, limiter=self._threads)


def reports_and_tables() -> SlowWork:
    """For people: a few each."""
    return SlowWork(Gate(SLOW_MOST, SLOW_OF_ONE, "reports or tables"))


def pictures() -> SlowWork:
    """For platforms, which show a signed address and no name: all of them wait in one line."""
    return SlowWork(Gate(DECODING_MOST, DECODING_MOST, "pictures"))
