"""A date and a time of day as people and spreadsheets write them. Pure.

Nothing is guessed: a date without an hour, and a numeric date whose day and month could be exchanged, are refused with
a sentence unless somebody says which it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Literal

from postprober.errors import BadInput

Order = Literal["", "day", "month"]  # which of the two comes first in 03/02/2027; "": nobody has said

EXAMPLE = "2027-03-02 09:00"
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar jän jänner janvier janv enero ene",
            "february feb februar février févr fév febrero",
            "march mar märz mär mrz mars marzo",
            "april apr avril avr abril abr",
            "may mai mayo",
            "june jun juni juin junio",
            "july jul juli juillet juil julio",
            "august aug août aout agosto ago",
            "september sep sept septembre septiembre",
            "october oct oktober okt octobre octubre",
            "november nov novembre noviembre",
            "december dec dezember dez décembre déc diciembre dic",
        ),
        1,
    )
    for name in names.split()
}
_WEEKDAYS = (
    "monday mon tuesday tue tues wednesday wed thursday thu thur thurs friday fri saturday sat sunday sun "
    "montag mo dienstag di mittwoch mi donnerstag do freitag fr samstag sa sonnabend sonntag so "
    "lundi lun mardi mercredi mer jeudi jeu vendredi ven samedi sam dimanche dim"
)
_WEEKDAY = re.compile(rf"^(?:{'|'.join(sorted(_WEEKDAYS.split(), key=len, reverse=True))})\b\.?,?\s*", re.IGNORECASE)
_ISO = re.compile(r"(?<!\d)(?P<y>\d{4})([-/.])(?P<m>\d{1,2})\2(?P<d>\d{1,2})(?!\d)")
_NUMERIC = re.compile(r"(?<!\d)(?P<a>\d{1,2})(?P<sep>[-/.])(?P<b>\d{1,2})(?P=sep)(?P<y>\d{4}|\d{2})(?!\d)")
_NAME = r"(?P<name>[^\W\d_]{3,10})\.?"
_DAY_NAME = re.compile(
    rf"(?<!\d)(?P<d>\d{{1,2}})(?:\.|st|nd|rd|th|er)?\s*(?:of\s+|de\s+)?{_NAME},?\s+(?:de\s+)?(?P<y>\d{{4}})(?!\d)"
)
_NAME_DAY = re.compile(rf"(?<!\w){_NAME}\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y>\d{{4}})(?!\d)")
_ZONE = r"(?P<zone>Z|(?:UTC|GMT)?[+-]\d{2}:?\d{2}|UTC|GMT)?"
_CLOCK = re.compile(
    r"(?P<h>\d{1,2})(?:(?:[:.]|\s?h\s?)(?P<m>\d{2})(?::(?P<s>\d{2})(?:[.,]\d{1,6})?)?)?\s?"
    rf"(?P<half>[ap]\.?m\.?)?(?P<word>uhr|o'clock|h)?\s?{_ZONE}",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"^(?:T|,|\s|at\b|um\b|à\b|a las\b)+|(?:,|\s|at|um|à|a las)+$", re.IGNORECASE)


class NoHour(BadInput):
    """A date, and no time of day."""


class UnclearOrder(BadInput):
    """A date that could be two."""


def parse(text: str, order: Order = "") -> datetime:
    """`text` as a moment, aware only if it has an offset. Raises NoHour, UnclearOrder or BadInput, each with a sentence
    that says what to write."""
    exact = _iso(text.strip())
    if exact is not None:
        return exact
    tidy = _WEEKDAY.sub("", re.sub(r"\s+", " ", text.replace("\u202f", " ").replace("\xa0", " ")).strip())
    found = _date_in(tidy, order, text)
    if found is None:
        raise _unreadable(text)
    day, start, end = found
    rest = _BETWEEN.sub("", (tidy[:start] + " " + tidy[end:]).strip())
    if not rest:
        raise _no_hour(text, day)
    clock = _CLOCK.fullmatch(_BETWEEN.sub("", rest))
    if clock is None:
        raise _unreadable(text)
    return datetime.combine(day, _time_of(clock, text, day), _offset(clock["zone"]))


def order_in(texts: Iterable[str]) -> Order:
    """What the unmistakable dates of one writer (13/02/2027) say about the others; "" when they say nothing, or both."""
    found: set[Order] = set()
    for text in texts:
        match = _NUMERIC.search(text)
        if match and match["sep"] != "." and int(match["a"]) != int(match["b"]):
            if 12 < int(match["a"]) <= 31 and int(match["b"]) <= 12:
                found.add("day")
            elif 12 < int(match["b"]) <= 31 and int(match["a"]) <= 12:
                found.add("month")
    return found.pop() if len(found) == 1 else ""


def _iso(text: str) -> datetime | None:
    """ISO 8601, which is what programs write; None for anything else."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        pass
    else:
        raise _no_hour(text, day)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _no_hour(text: str, day: date) -> NoHour:
    return NoHour(f"{text!r} names no hour; write it like {day.isoformat()} 09:00.", field="time")


def _unreadable(text: str) -> BadInput:
    return BadInput(f"{text!r} is not a time; write it like {EXAMPLE} or 2027-03-02T09:00+01:00.", field="time")


def _date_in(tidy: str, order: Order, text: str) -> tuple[date, int, int] | None:
    """The date in `tidy` and where it stands."""
    if match := _ISO.search(tidy):
        return _date(int(match["y"]), int(match["m"]), int(match["d"]), text), match.start(), match.end()
    if match := _NUMERIC.search(tidy):
        year = int(match["y"]) + (2000 if len(match["y"]) == 2 else 0)
        return _ordered(match, year, order, text), match.start(), match.end()
    for pattern in (_DAY_NAME, _NAME_DAY):
        for match in pattern.finditer(tidy):
            month = _MONTHS.get(match["name"].casefold())
            if month:
                return _date(int(match["y"]), month, int(match["d"]), text), match.start(), match.end()
    return None


def _ordered(match: re.Match[str], year: int, order: Order, text: str) -> date:
    """Dots always have the day first, and so has whatever can be read in one way only."""
    a, b = int(match["a"]), int(match["b"])
    if match["sep"] == "." or a > 12 or a == b:
        return _date(year, b, a, text)
    if b > 12:
        return _date(year, a, b, text)
    if not order:
        day_first, month_first = _date(year, b, a, text), _date(year, a, b, text)
        raise UnclearOrder(
            f"{text!r} could be {day_first:%-d %B} or {month_first:%-d %B}: say whether the day or the month comes "
            f"first, or write {day_first.isoformat()}.",
            field="time",
        )
    return _date(year, b, a, text) if order == "day" else _date(year, a, b, text)


def _date(year: int, month: int, day: int, text: str) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise BadInput(f"{text!r} is not a time: there is no such day; correct the date.", field="time") from None


def _time_of(clock: re.Match[str], text: str, day: date) -> time:
    hour, minute, second = int(clock["h"]), int(clock["m"] or 0), int(clock["s"] or 0)
    if clock["half"]:
        if not 1 <= hour <= 12:
            raise _unreadable(text)
        hour = hour % 12 + (12 if clock["half"][0].lower() == "p" else 0)
    elif clock["m"] is None and not clock["word"]:
        raise _no_hour(text, day)
    try:
        return time(hour, minute, second)
    except ValueError:
        raise BadInput(
            f"{text!r} is not a time: there is no such hour; write it like {EXAMPLE}.", field="time"
        ) from None


def _offset(zone: str | None) -> tzinfo | None:
    if not zone:
        return None
    digits = re.sub(r"[^+\-\d]", "", zone)
    if not digits:
        return UTC
    minutes = int(digits[1:3]) * 60 + int(digits[3:5])
    if minutes >= 24 * 60:
        raise BadInput(f"{zone!r} is no offset from UTC; write it like +01:00.", field="time")
    return timezone(timedelta(minutes=-minutes if digits[0] == "-" else minutes))
