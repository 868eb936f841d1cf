"""Wake-ups over a real Redis: heard at once, harmless when lost, and nobody waits for a Redis that is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from postprober.wakeup import REST, Bell, Listener
from tests.scaled.house import RedisServer, wait_until

pytestmark = pytest.mark.slow

LONG = 20.0  # seconds; only a failing test waits so long


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    made = RedisServer(tmp_path)
    made.start()
    yield made
    made.stop()


def _waited(listener: Listener, seconds: float) -> float:
    begun = time.monotonic()
    listener.wait(seconds, threading.Event())
    return time.monotonic() - begun


def test_a_ring_ends_the_wait_and_many_rings_are_one(server: RedisServer) -> None:
    bell, listener = Bell(server.url), Listener(server.url)
    _waited(listener, 0.01)
    assert listener.hears
    for _ in range(50):
        bell.ring()
    assert _waited(listener, LONG) < 5
    assert _waited(listener, 0.2) >= 0.2, "all fifty were one"
    ringer = threading.Timer(0.1, bell.ring)
    ringer.start()
    assert 0.05 < _waited(listener, LONG) < 5
    ringer.join()
    bell.close()
    listener.close()


def test_without_redis_writers_go_on_at_once_and_listeners_look_as_often_as_before(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bell, listener = Bell(server.url), Listener(server.url)
    _waited(listener, 0.01)
    server.stop()
    begun = time.monotonic()
    for _ in range(1000):
        bell.ring()
    assert time.monotonic() - begun < 1
    _waited(listener, 0.05)
    assert not listener.hears
    assert 0.05 <= _waited(listener, 0.05) < 1
    server.start()
    monkeypatch.setattr("postprober.wakeup.REST", 0.0)
    bell._silent_until = listener._next_try = 0.0
    wait_until(lambda: _waited(listener, 0.01) >= 0 and listener.hears, 10)
    bell.ring()
    assert _waited(listener, LONG) < 5
    assert REST > 1, "in between, nobody tries all the time"
    bell.close()
    listener.close()
