"""Tells other processes over Redis that something was written, so that they look at once instead of all the time.

A wake-up carries nothing. One that is lost costs the listener its next regular look; without Redis everybody looks as
often as before.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import redis

CHANNEL = "postprober:written"
TIMEOUT = 0.2  # seconds; a write must not wait for a Redis that hangs
REST = 5.0  # seconds without a try after one that failed


class WakeSignal:
    """`wake` is called after each write, by many threads. One thread of its own tells Redis, once for all that rang
    meanwhile: a writer that waited for Redis itself spent a twelfth of its time on that."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)
        self._silent_until = 0.0
        self._rung = threading.Event()
        self._closed = False
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Never waits and never raises: the database has what was written."""
        if self._closed or self._rung.is_set() or time.monotonic() < self._silent_until:
            return
        self._rung.set()
        if self._thread is None:
            with self._starting:
                if self._thread is None:  # not before: whoever forks would lose it
                    self._thread = threading.Thread(target=self._run, name="wake-signal", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        while True:
            self._rung.wait()
            self._rung.clear()  # before telling: who wakes from now on is told of anew
            if self._closed:
                return
            try:
                self._client.publish(CHANNEL, b"")
            except redis.RedisError:
                self._silent_until = time.monotonic() + REST

    def close(self) -> None:
        """What rang a moment ago may not be told any more."""
        self._closed = True
        self._rung.set()
        if self._thread is not None:
            self._thread.join()
        self._client.close()


def answers(url: str) -> bool:
    """Whether Redis answers at once."""
    client = redis.Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
    finally:
        client.close()


class Listener:
    """One thread's ear. `hears`: whether wake-ups arrive at this moment."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._heard: Any = None
        self._next_try = 0.0

    @property
    def hears(self) -> bool:
        return self._heard is not None

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Until somebody wrote something, `stop` is set (noticed within `seconds`), or the time is over."""
        if self._heard is None:
            self._connect()
        if self._heard is None:
            stop.wait(seconds)
            return
        try:
            if self._heard.get_message(timeout=seconds) is not None:
                while self._heard.get_message(timeout=0) is not None:
                    pass  # one look is enough for all of them
        except (redis.RedisError, OSError):
            self.close()

    def _connect(self) -> None:
        if time.monotonic() < self._next_try:
            return
        self._next_try = time.monotonic() + REST
        client = redis.Redis.from_url(self._url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)
        ear = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        try:
            ear.subscribe(CHANNEL)
        except (redis.RedisError, OSError):
            client.close()
            return
        self._heard = ear

    def close(self) -> None:
        if self._heard is not None:
            ear, self._heard = self._heard, None
            ear.close()
