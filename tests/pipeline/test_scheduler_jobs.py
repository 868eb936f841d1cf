"""One failing job of the scheduler: it pauses, says the same thing once, ends no other, and says when it works again."""

from __future__ import annotations

import logging
from itertools import pairwise

import pytest
from sqlalchemy.exc import OperationalError

from postprober.pipeline.scheduler import scheduler


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(scheduler.time, "monotonic", made.monotonic)
    return made


@pytest.mark.parametrize(
    "error",
    [
        OperationalError(
            "INSERT INTO posts VALUES (?)", {"content": "SECRET TEXT"}, OSError("database or disk is full")
        ),
        KeyError("a mistake of ours"),
    ],
)
def test_ten_minutes_of_one_fault_are_a_few_lines(
    clock: Clock, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    calls: list[float] = []

    def job() -> None:
        calls.append(clock.now)
        if clock.now < 700:
            raise error

    guarded = scheduler._guarded("due-poll", job)
    with caplog.at_level(logging.INFO, logger="postprober.scheduler"):
        while clock.now < 703:
            guarded()
            clock.now += scheduler.TICK
    failures = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert 10 <= len(failures) <= 11, "once a minute"
    assert len(calls) < 330, "with a pause of two seconds, not at each of 2,400 ticks"
    assert caplog.records[-1].message.startswith("due-poll works again after")
    assert "SECRET TEXT" not in caplog.text and len(caplog.text) < 60_000


def test_another_fault_is_said_at_once(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    errors = iter([OSError("one"), OSError("one"), OSError("two")])

    def job() -> None:
        raise next(errors)

    guarded = scheduler._guarded("due-poll", job)
    for _ in range(3):
        guarded()
        clock.now += scheduler.LONGEST_PAUSE
    assert [r.message.rpartition(": ")[2] for r in caplog.records] == ["one", "two"]


def test_an_outage_of_a_night_ends_like_a_short_one(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """More failures than the powers of two that a float can hold."""
    morning = clock.now + 8 * 3600
    calls: list[float] = []

    def job() -> None:
        calls.append(clock.now)
        if clock.now < morning:
            raise OSError("database is away")

    guarded = scheduler._guarded("due-poll", job)
    with caplog.at_level(logging.INFO, logger="postprober.scheduler"):
        while clock.now < morning + scheduler.LONGEST_PAUSE:
            guarded()
            clock.now += scheduler.TICK
    pauses = [later - earlier for earlier, later in pairwise(calls)]
    assert len(calls) > 1_100 and max(pauses) == scheduler.LONGEST_PAUSE
    assert caplog.records[-1].message.startswith("due-poll works again after")
