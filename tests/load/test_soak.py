"""What the long run calls growth."""

from __future__ import annotations

import random

import pytest

from bench.soak import EVERY, MOST, Series


def series(length: int, value: float, rise: float, noise: float, warm: float = 0.0) -> Series:
    """Readings once a minute: `rise` an hour, with noise, and `warm` more at first than later is added by the 20th."""
    made, chance = Series(), random.Random(7)
    for number in range(length):
        at = number * EVERY
        now = value + warm * min(1.0, number / 20) + rise * at / 3600 + chance.uniform(-noise, noise)
        made.add(at, {"MB": now, "threads": now, "files": now})
    return made


@pytest.mark.parametrize("measure", MOST)
def test_what_grows_is_told_from_what_only_moves(measure: str) -> None:
    most = MOST[measure]
    flat = series(120, 200.0, 0.0, most).line(measure, 48 * EVERY)
    leak = series(120, 200.0, 2 * most, most).line(measure, 48 * EVERY)
    assert not flat.grows(measure)
    assert leak.grows(measure)
    assert leak.rise == pytest.approx(2 * most, rel=0.5)


def test_what_fills_at_first_is_not_growth() -> None:
    made = series(120, 100.0, 0.0, 1.0, warm=80.0)
    assert made.line("MB", 0.0).first < 110
    assert not made.line("MB", 48 * EVERY).grows("MB")


def test_one_peak_tilts_nothing() -> None:
    made = series(60, 100.0, 0.0, 0.5)
    made.values["MB"][-4] += 500.0
    assert not made.line("MB", 24 * EVERY).grows("MB")


def test_two_readings_are_no_line() -> None:
    with pytest.raises(ValueError, match="three"):
        series(2, 1.0, 0.0, 0.0).line("MB", 0.0)
