"""The platforms' own clocks, read from the `Date` header of their replies.

A post's time is the platform's, so it is compared in the platform's time: what that was at any moment follows from the
last reply and the monotonic clock, whatever somebody does to the wall clock meanwhile.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from postprober.clock import Clock
from postprober.domain.identity import server_name
from postprober.http import Exchange
from postprober.storage.records import Account

Key = tuple[str, str]
_HALF_SECOND = timedelta(seconds=0.5)  # the header has whole seconds
_JUMP = 2.0  # seconds between wall and monotonic clock after which one of them was set, or the machine slept


def key_of(account: Account) -> Key:
    return account.platform.value, server_name(account.platform, account.instance)


@dataclass(frozen=True)
class _Seen:
    theirs: datetime
    ours: datetime
    monotonic: float


@dataclass
class PlatformTimes:
    """What this process knows of the platforms' clocks; thread safe."""

    clock: Clock
    _seen: dict[Key, _Seen] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def saw(self, key: Key, exchange: Exchange) -> None:
        """An exchange that has just ended."""
        if exchange.date is None:
            return
        half = timedelta(milliseconds=exchange.latency_ms / 2)
        theirs = exchange.date + _HALF_SECOND + half
        with self._lock:
            self._seen[key] = _Seen(theirs, self.clock.now(), self.clock.monotonic())

    def now(self, key: Key) -> datetime | None:
        """The platform's time at this moment; None when it is not known, or a clock was set since it was read."""
        with self._lock:
            seen = self._seen.get(key)
        if seen is None:
            return None
        passed = self.clock.monotonic() - seen.monotonic
        if abs((self.clock.now() - seen.ours).total_seconds() - passed) > _JUMP:
            return None
        return seen.theirs + timedelta(seconds=passed)

    def offset(self, key: Key) -> timedelta | None:
        """How far the platform's clock is ahead of ours."""
        theirs = self.now(key)
        return theirs - self.clock.now() if theirs is not None else None


@dataclass
class Patience:
    """How long this process still waits before it looks for a delivery, on the monotonic clock: a wall clock that jumps
    inside the settle time does not shorten it. After a restart only the time in the row is left."""

    clock: Clock
    _until: dict[int, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, delivery_id: int, time: timedelta) -> None:
        """Nothing is concluded about the delivery before `time` has passed."""
        now = self.clock.monotonic()
        with self._lock:
            self._until = {key: until for key, until in self._until.items() if until > now}
            self._until[delivery_id] = now + time.total_seconds()

    def left(self, delivery_id: int) -> timedelta:
        """What is left of it, zero when nothing is."""
        with self._lock:
            until = self._until.get(delivery_id)
        return timedelta(seconds=max(0.0, until - self.clock.monotonic())) if until is not None else timedelta(0)
