"""What the client saw: times, errors, accepted posts, events."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

LAG_EVERY = 0.05  # seconds


@dataclass(frozen=True)
class Accepted:
    """A post that the server said 201 to (or that was planned before the run)."""

    post_id: int
    text: str
    due: datetime | None
    during: bool


@dataclass
class Record:
    """`times`: seconds by route. `errors` must be empty; `waits` are answers that ask to come again (Retry-After)."""

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    accepted: list[Accepted] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)  # seconds from a transition to its event at a client
    heard: dict[int, set[int]] = field(
        default_factory=lambda: defaultdict(set)
    )  # post -> event ids, first socket of each
    since: dict[int, int] = field(default_factory=dict)  # post -> event id after which its owner listens
    lags: list[float] = field(default_factory=list)  # how late the client's own timers were
    open_sockets: int = 0
    measuring: bool = False
    began: float = 0.0
    ended: float = 0.0

    @contextmanager
    def timed(self, route: str) -> Iterator[None]:
        """Count one request, if it began while measuring."""
        counts, began = self.measuring, time.perf_counter()
        yield
        if counts:
            self.times[route].append(time.perf_counter() - began)

    def error(self, kind: str) -> None:
        self.errors[kind] += 1

    def open(self) -> None:
        self.measuring, self.began = True, time.monotonic()

    def close(self) -> None:
        self.measuring, self.ended = False, time.monotonic()

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    async def watch_own_lag(self) -> None:
        """A client that is itself too busy would blame the server."""
        while True:
            due = time.perf_counter() + LAG_EVERY
            await asyncio.sleep(LAG_EVERY)
            if self.measuring:
                self.lags.append(max(0.0, time.perf_counter() - due))
