"""When to try again, and reading nested JSON that may be anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postprober.errors import OutcomeUnknown, Unavailable
from postprober.platforms.common.replies import (
    MAX_WAIT,
    count_at,
    dig,
    invisible,
    is_ambiguous,
    is_number,
    list_at,
    next_utc_midnight,
    parse_time,
    retry_at,
    text_at,
)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=10)
EPOCH = int(LATER.timestamp())


@pytest.mark.parametrize(
    "headers",
    [
        {"retry-after": "600"},
        {"retry-after": "600.0"},
        {"retry-after": "Mon, 02 Mar 2026 09:10:00 GMT"},
        {"x-rate-limit-reset": str(EPOCH)},
        {"ratelimit-reset": str(EPOCH)},
        {"ratelimit-reset": "600"},
        {"x-rate-limit-reset": str(EPOCH * 1000)},
        {"x-ratelimit-reset": "2026-03-02T09:10:00.000000Z"},
        {"x-ratelimit-reset": "2026-03-02T10:10:00+01:00"},
        {"x-ratelimit-reset": "2026-03-02T09:10:00"},
        {"retry-after": "soon", "x-rate-limit-reset": str(EPOCH)},
    ],
)
def test_every_form_of_a_reset_is_understood(headers: dict[str, str]) -> None:
    assert retry_at(headers, NOW) == LATER


@pytest.mark.parametrize("headers", [{}, {"retry-after": ""}, {"retry-after": "soon"}, {"retry-after": "nan"}])
def test_no_reset_is_none(headers: dict[str, str]) -> None:
    assert retry_at(headers, NOW) is None


@pytest.mark.parametrize("value", ["0", "-5", str(EPOCH - 86_400), "Mon, 02 Mar 2020 09:10:00 GMT", "-inf"])
def test_a_reset_in_the_past_is_now(value: str) -> None:
    assert retry_at({"retry-after": value}, NOW) == NOW


@pytest.mark.parametrize("value", ["999999999", str(EPOCH + 10**9), "Mon, 02 Mar 2066 09:10:00 GMT", "inf", "1e300"])
def test_an_absurd_reset_is_cut_down_to_a_day(value: str) -> None:
    assert retry_at({"retry-after": value}, NOW) == NOW + MAX_WAIT


@given(st.text(max_size=30))
def test_whatever_a_header_says_the_wait_is_none_or_sane(value: str) -> None:
    moment = retry_at({"retry-after": value, "ratelimit-reset": value}, NOW)
    assert moment is None or NOW <= moment <= NOW + MAX_WAIT


def test_midnight_is_the_next_one_in_utc() -> None:
    assert next_utc_midnight(NOW) == datetime(2026, 3, 3, tzinfo=UTC)
    assert next_utc_midnight(datetime(2026, 3, 3, tzinfo=UTC)) == datetime(2026, 3, 4, tzinfo=UTC)


@pytest.mark.parametrize("value", ["", "2026", "yesterday, at noon", None, 7, "2026-13-01T00:00:00Z"])
def test_what_is_no_time_is_none(value: object) -> None:
    assert parse_time(value) is None


def test_digging_never_fails() -> None:
    body = {"a": [{"b": "x", "n": 3, "t": True, "neg": -1}]}
    assert text_at(body, "a", 0, "b") == "x"
    assert text_at(body, "a", 0, "n") == "3"
    assert text_at(body, "a", 0, "t") == ""
    assert count_at(body, "a", 0, "n") == 3
    assert count_at(body, "a", 0, "neg") is None
    assert count_at(body, "a", 0, "t") is None
    assert count_at([2**53 - 1], 0) == 2**53 - 1 and count_at([2**53], 0) is None
    assert dig(body, "a", 5, "b") is None
    assert dig(body, 0) is None
    assert dig(None, "a") is None
    assert list_at(body, "a", 0) == []


def test_an_unknown_outcome_of_what_nobody_sees_is_unavailable() -> None:
    def broken() -> None:
        raise OutcomeUnknown("cut", "detail")

    with pytest.raises(Unavailable) as caught:
        invisible(broken)
    assert caught.value.detail == "detail"
    assert invisible(lambda: 5) == 5


def test_statuses_that_prove_nothing() -> None:
    assert [
        s for s in (200, 301, 400, 401, 403, 404, 408, 409, 422, 425, 429, 500, 502, 504, 599) if is_ambiguous(s)
    ] == [
        301,
        408,
        409,
        425,
        500,
        502,
        504,
        599,
    ]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", True),
        ("9" * 25, True),
        ("", False),
        ("\u00b2", False),
        ("\u0663", False),
        ("-1", False),
        ("9" * 5000, False),
    ],
)
def test_a_platforms_number_is_one_that_can_be_read(text: str, number: bool) -> None:
    assert is_number(text) is number
    if number:
        assert int(text) >= 0
