"""How much is read of posts as their owners: what a month allows, what was used, and which readings it is kept for. Pure.

Reading counts against limits that posting needs too, and some platforms bill it. So each account has an allowance, which
grows with the days of the month and with what it posts; what strangers see costs nothing and is looked at in any case.
Readings that tell most are paid for first: the fuller the purse, the denser the plan.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from postprober.domain.engagement import near
from postprober.domain.prices import Prices
from postprober.domain.text import find_urls

# Ours, at a setting of 1: enough for every reading of one post, and for less of each of many.
AT_FIRST = 40
A_DAY = 0.5
A_POST = 2
SHARE = 0.2  # of what posting costs, where the platform bills reading
MICROS = 1_000_000

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
# Ages in the order of what a reading tells there, and how full the purse must be for it (in readings).
_FIRST = (_DAY, 30 * _DAY)  # what later posts are compared with, and the last word
_KEEP: tuple[tuple[int, tuple[timedelta, ...]], ...] = (
    (1, (*_FIRST, 7 * _DAY)),
    (3, (_HOUR, 3 * _DAY, 14 * _DAY, 21 * _DAY)),
)
_ELSE, _YOUNG = 6, 12  # the other ages of the plan, and those under an hour


@dataclass(frozen=True)
class Used:
    """Of one account in one month. `micros` in millionths of the currency of the prices; `posts` that came out, and what
    they cost."""

    calls: int = 0
    micros: int = 0
    posts: int = 0
    posted_micros: int = 0


@dataclass(frozen=True)
class Purse:
    """What is left. `readings` None: reading is not billed; else how many posts can still be read."""

    calls: float
    readings: float | None

    def allows(self, keep: int, posts: int = 0) -> bool:
        """Whether there is enough for a call that reads `posts` posts which are billed, when `keep` should be there."""
        if self.calls < max(1, keep):
            return False
        return self.readings is None or self.readings >= max(keep, posts)

    def less(self, posts: int) -> Purse:
        return self if self.readings is None else Purse(self.calls, self.readings - posts)


@dataclass(frozen=True)
class Outlook:
    """For people: used so far, what the whole month allows and comes to if it goes on like this. Money is None where
    reading is not billed."""

    calls: int
    calls_allowed: int
    calls_foreseen: int
    money: float | None = None
    money_allowed: float | None = None
    money_foreseen: float | None = None


def purse(used: Used, prices: Prices, now: datetime, setting: float) -> Purse:
    """What the month has allowed so far, less what was used."""
    day = now.astimezone(UTC).day
    calls = _calls_allowed(used, day, setting) - used.calls
    if not prices.read:
        return Purse(calls, None)
    return Purse(calls, (used.posted_micros * SHARE * setting - used.micros) / micros(prices.read))


def outlook(used: Used, prices: Prices, now: datetime, setting: float) -> Outlook:
    today = now.astimezone(UTC)
    days = calendar.monthrange(today.year, today.month)[1]
    left = days / (today.day - 1 + (today.hour + 1) / 24)
    calls = _calls_allowed(used, days, setting)
    told = Outlook(used.calls, round(calls), min(round(used.calls * left), max(round(calls), used.calls)))
    if not prices.read:
        return told
    allowed = used.posted_micros * SHARE * setting / MICROS
    money = used.micros / MICROS
    return Outlook(
        told.calls,
        told.calls_allowed,
        told.calls_foreseen,
        money,
        allowed,
        min(money * left, max(allowed * left, money)),
    )


def _calls_allowed(used: Used, day: int, setting: float) -> float:
    return (AT_FIRST + A_DAY * day + A_POST * used.posts) * setting


def kept_for(age: timedelta, scale: float, *, goal: bool = False) -> int:
    """How many calls (or billed readings) should be there for a reading of a post of `age` (in real time)."""
    if goal:
        return 1
    for keep, ages in _KEEP:
        if any(near(age, at * scale, scale) for at in ages):
            return keep
    return _ELSE if age >= _HOUR * scale else _YOUNG


def is_of_the_two(age: timedelta, scale: float) -> bool:
    """Whether this is one of the two looks that every post gets whatever is left, where only its owner can look."""
    return any(near(age, at * scale, scale) for at in _FIRST)


def cost_of_post(text: str, described: int, prices: Prices) -> int:
    """What one part cost, in millionths: `described` pictures with an alternative text."""
    price = prices.post_with_link if find_urls(text) else prices.post
    return micros(price + described * prices.alt_text)


def micros(price: float) -> int:
    return round(price * MICROS)
