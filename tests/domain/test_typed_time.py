"""Dates and hours as people write them: understood in one way, or refused."""

from __future__ import annotations

import contextlib
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postprober.domain.typed_time import NoHour, UnclearOrder, order_in, parse
from postprober.errors import BadInput

HALF_PAST_NINE = datetime(2027, 3, 2, 9, 30)


@pytest.mark.parametrize(
    "text",
    [
        "2027-03-02 09:30", "2027-03-02 9:30", "2027-03-02T09:30", "2027-03-02T09:30:00.000", "2027/3/2 9:30",
        "02.03.2027 09:30", "2.3.27, 9.30 Uhr", "02.03.2027 um 9:30 Uhr", "9:30 Uhr, 2. März 2027", "Di., 02.03.2027 09:30",
        "2 March 2027 09:30", "March 2, 2027 9:30 AM", "Tuesday, March 2nd, 2027 at 9:30 am", "Mar 2 2027, 9:30a.m.",
        "2 mars 2027 à 9h30", "mardi 2 mars 2027 09h30", "2 de marzo de 2027 9:30", "20270302T0930", "09:30 2027-03-02",
        "2027-03-02\u00a09:30\u202fAM",
    ],
)  # fmt: skip  # table: ways of one language stand together
def test_the_ways_of_writing_a_moment(text: str) -> None:
    assert parse(text) == HALF_PAST_NINE


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("2027-03-02T09:30Z", 0),
        ("2027-03-02 9:30 +01:00", 60),
        ("02.03.2027 09:30 UTC", 0),
        ("2027-03-02 09:30 -0530", -330),
    ],
)
def test_an_offset_is_kept(text: str, offset: int) -> None:
    found = parse(text).utcoffset()
    assert found is not None and found.total_seconds() == offset * 60


def test_twelve_o_clock_is_told_apart() -> None:
    assert [parse(f"2027-03-02 {hour}").hour for hour in ("12 am", "12 pm", "1 pm", "11 pm")] == [0, 12, 13, 23]


@pytest.mark.parametrize("text", ["2027-03-02", "02.03.2027", "2 March 2027", "20270302", "2027-03-02 9", "2027-W09-2"])
def test_a_date_alone_is_no_moment(text: str) -> None:
    with pytest.raises(NoHour, match="names no hour; write it like 2027-03-02 09:00"):
        parse(text)


@pytest.mark.parametrize("text", ["03/02/2027 09:00", "03-02-2027 09:00", "3/2/27 9 am"])
def test_a_date_that_could_be_two_is_asked_about(text: str) -> None:
    with pytest.raises(UnclearOrder, match="could be 3 February or 2 March"):
        parse(text)
    assert parse(text, "day") == datetime(2027, 2, 3, 9) and parse(text, "month") == datetime(2027, 3, 2, 9)


@pytest.mark.parametrize(
    "text",
    [
        "tomorrow",
        "31.02.2027 09:00",
        "2027-03-02 25:00",
        "2027-03-02 13:00 pm",
        "2027-03-02 09:00 CET",
        "02/30/2027 09:00",
        "9:30",
        "2027-03-02 09:00 10:00",
        "2027-03-02 09:00+99:00",
        "\x00",
        "2027-03-02 ٩:٣٠x",
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse(text)


def test_one_clear_date_says_how_its_writer_writes_the_others() -> None:
    assert order_in(["03/02/2027 09:00", "13/02/2027 09:00"]) == "day"
    assert order_in(["03/02/2027 09:00", "02/13/2027 09:00"]) == "month"
    assert order_in(["13/02/2027 09:00", "02/13/2027 09:00", "03/02/2027"]) == ""
    assert order_in(["03/02/2027", "03/03/2027", "13.02.2027", "x"]) == ""


@settings(deadline=None)
@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).map(lambda at: at.replace(second=0, microsecond=0)))
def test_every_moment_is_read_back_from_every_way_of_writing_it(at: datetime) -> None:
    for form in ("%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M", "%-d.%-m.%y %-H.%M Uhr", "%B %-d, %Y %-I:%M %p", "%Y/%m/%d %Hh%M"):
        assert parse(at.strftime(form)) == at, form
    assert parse(at.strftime("%m/%d/%Y %I:%M %p"), "month") == at
    assert parse(at.strftime("%d/%m/%Y %H:%M"), "day") == at


@settings(deadline=None)
@given(st.text(max_size=30))
def test_nothing_typed_breaks_it(text: str) -> None:
    with contextlib.suppress(BadInput):
        assert isinstance(parse(text), datetime)
