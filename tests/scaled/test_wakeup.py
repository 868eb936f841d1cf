"""Wake-ups over a real Redis: heard at once, harmless when lost, and nobody waits for a Redis that is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from postprober.wakeup import REST, Listener, WakeSignal
from tests.scaled.house import RedisServer, wait_until

pytestmark = pytest.mark.slow

LONG = 60.0  # seconds; only a failing test waits so long


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


def test_a_ring_ends_the_wait_and_many_rings_are_few(server: RedisServer) -> None:
    bell, listener = WakeSignal(server.url), Listener(server.url)
    _waited(listener, 0.01)
    assert listener.hears
    for _ in range(50):
        bell.wake()
    assert _waited(listener, LONG) < 20
    heard = 1
    while _waited(listener, 0.2) < 0.2:
        heard += 1
    assert heard <= 5, "fifty were few"
    ringer = threading.Timer(0.1, bell.wake)
    ringer.start()
    assert 0.05 < _waited(listener, LONG) < 20
    ringer.join()
    bell.close()
    listener.close()


def test_without_redis_writers_go_on_at_once_and_listeners_look_as_often_as_before(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bell, listener = WakeSignal(server.url), Listener(server.url)
    _waited(listener, 0.01)
    server.stop()
    begun = time.monotonic()
    for _ in range(1000):
        bell.wake()
    assert time.monotonic() - begun < 20, "with one try each it would be a quarter of an hour"
    _waited(listener, 0.05)
    assert not listener.hears
    assert 0.05 <= _waited(listener, 0.05) < 20
    server.start()
    monkeypatch.setattr("postprober.wakeup.REST", 0.0)
    bell._silent_until = listener._next_try = 0.0
    wait_until(lambda: _waited(listener, 0.01) >= 0 and listener.hears, 10)
    bell.wake()
    assert _waited(listener, LONG) < 20
    assert REST > 1, "in between, nobody tries all the time"
    bell.close()
    listener.close()


class _SlowRedis:
    """Answers when it is let."""

    def __init__(self) -> None:
        self.asked, self.may_answer, self.told = threading.Event(), threading.Event(), 0

    def publish(self, _channel: str, _message: bytes) -> None:
        self.told += 1
        self.asked.set()
        assert self.may_answer.wait(LONG)

    def close(self) -> None:
        pass


def test_writers_do_not_wait_for_redis_and_what_rang_meanwhile_is_told_once() -> None:
    bell, slow = WakeSignal("redis://127.0.0.1:1/0"), _SlowRedis()
    bell._client = slow  # type: ignore[assignment]
    bell.wake()
    assert slow.asked.wait(LONG)
    slow.asked.clear()
    for _ in range(1000):
        bell.wake()  # would not come back if it waited
    assert slow.told == 1
    slow.may_answer.set()
    assert slow.asked.wait(LONG), "what rang while the first was told is told too"
    bell.close()
    assert slow.told == 2
