"""Whatever a stranger writes for a moment, it is one or None."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from postprober.domain.moments import from_epoch, parse_http_date, parse_time, seconds_after

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NUMBERS = st.integers() | st.floats() | st.integers(-(10**400), 10**400)
ANYTHING = NUMBERS | st.none() | st.booleans() | st.text(max_size=30) | st.lists(st.integers(), max_size=2)
ZONES = st.integers(-2400, 2400).map(lambda n: f"{n // 100:+03d}:{abs(n) % 100:02d}")
ISO = st.builds(lambda moment, zone: moment.isoformat() + zone, st.datetimes(), ZONES | st.just(""))
HTTP = st.builds(lambda moment, zone: f"{moment:%a, %d %b %Y %H:%M:%S} {zone}", st.datetimes(), ZONES | st.just("GMT"))


def sane(moment: datetime | None) -> bool:
    """Fit for arithmetic and for every zone."""
    return moment is None or (moment.tzinfo is UTC and 1 < moment.year < 9999)


def test_what_is_a_moment_is_read() -> None:
    assert parse_time("2026-03-02T10:00:00+01:00") == parse_time("2026-03-02T09:00:00") == NOW
    assert parse_http_date("Mon, 02 Mar 2026 09:00:00 GMT") == parse_http_date("Mon, 02 Mar 2026 10:00:00 +0100") == NOW
    assert from_epoch(NOW.timestamp()) == from_epoch(int(NOW.timestamp() * 1000), per_second=1000) == NOW
    assert seconds_after(NOW, 60) == NOW + timedelta(minutes=1)


@given(ANYTHING | ISO)
@example("0001-01-01T00:00:00Z")
@example("0001-01-01T00:00:00+23:59")
@example("9999-12-31T23:59:59-23:59")
def test_any_text_for_a_time_is_a_sane_moment_or_none(value: object) -> None:
    assert sane(parse_time(value))


@given(st.text(max_size=40) | HTTP)
@example("Fri, 31 Dec 9999 23:59:59 -2300")
def test_any_date_of_a_header_is_a_sane_moment_or_none(value: str) -> None:
    assert sane(parse_http_date(value))


@given(ANYTHING)
@example(10**400)
@example(float("nan"))
@example(float("inf"))
@example(True)
def test_any_number_is_a_sane_moment_or_none(value: object) -> None:
    assert sane(from_epoch(value)) and sane(from_epoch(value, per_second=1000)) and sane(seconds_after(NOW, value))


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_what_programs_write_for_unset_is_no_moment(value: str) -> None:
    assert parse_time(value) is None
