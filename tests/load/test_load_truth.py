"""The load's comparison finds what it is there to find."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from bench.load.record import Accepted
from bench.load.truth import Row, judge
from postprober.domain.delivery import DeliveryState

S = DeliveryState
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BEFORE, AHEAD = NOW - timedelta(minutes=1), NOW + timedelta(minutes=1)
ACCEPTED = [Accepted(1, "Load 0-1 hello", None, True), Accepted(2, "Load 0-2 hello", AHEAD, True)]
ROWS = [Row(1, S.VERIFIED, BEFORE), Row(2, S.SCHEDULED, AHEAD)]
SHOWN = ["Load 0-1 hello https://t.co/other"]


def wrong(rows: Sequence[Row], shown: Sequence[str]) -> tuple[int, int, int, int]:
    found = judge(ACCEPTED, rows, shown, NOW)
    assert found.good is False
    return len(found.lost), len(found.doubled), len(found.contradicted), len(found.unasked)


def test_what_was_proved_and_what_is_still_planned_is_good() -> None:
    found = judge(ACCEPTED, ROWS, SHOWN, NOW)
    assert found.good and (found.accepted, found.planned, found.ended) == (2, 1, {"verified": 1})


def test_a_post_that_the_database_does_not_have_is_lost() -> None:
    assert wrong(ROWS[1:], []) == (1, 0, 0, 0)


def test_a_post_that_is_said_to_be_proved_and_that_nobody_sees_is_lost() -> None:
    assert wrong(ROWS, []) == (1, 0, 0, 0)


def test_a_post_that_stays_in_the_middle_or_misses_its_time_is_lost() -> None:
    assert wrong([Row(1, S.SUBMITTING, BEFORE), ROWS[1]], SHOWN) == (1, 0, 0, 0)
    assert wrong([ROWS[0], Row(2, S.SCHEDULED, BEFORE)], SHOWN) == (1, 0, 0, 0)


def test_a_post_that_is_there_twice_is_doubled() -> None:
    assert wrong(ROWS, SHOWN * 2) == (0, 1, 0, 0)


def test_a_post_that_is_there_though_it_failed_or_is_only_planned_contradicts() -> None:
    assert wrong([Row(1, S.FAILED, BEFORE), ROWS[1]], SHOWN) == (0, 0, 1, 0)
    assert wrong(ROWS, [*SHOWN, "Load 0-2 hello"]) == (0, 0, 1, 0)


def test_a_post_that_nobody_asked_for_is_seen() -> None:
    assert wrong(ROWS, [*SHOWN, "Load 9-9 who wrote this?"]) == (0, 0, 0, 1)
