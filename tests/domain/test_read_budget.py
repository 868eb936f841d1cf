"""What a month allows to be read, what it is kept for, and what people are told of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from postprober.domain.engagement import POLL_AFTER
from postprober.domain.prices import Prices
from postprober.domain.read_budget import Purse, Used, cost_of_post, is_of_the_two, kept_for, outlook, purse

PRICES = Prices(post=0.015, post_with_link=0.2, alt_text=0.005, read=0.005)
FREE = Prices()
MIDDLE = datetime(2026, 11, 16, tzinfo=UTC)


def test_one_post_a_month_is_read_at_every_moment_of_the_plan() -> None:
    day, used = datetime(2026, 11, 1, tzinfo=UTC), 1
    for after in POLL_AFTER:
        now = min(day + after, datetime(2026, 11, 30, tzinfo=UTC))
        assert purse(Used(calls=used, posts=1), FREE, now, 1.0).allows(kept_for(after, 1.0)), after
        used += 1


def test_a_full_purse_reads_densely_and_an_emptier_one_what_tells_most() -> None:
    young, hour, day, odd = timedelta(minutes=5), timedelta(hours=1), timedelta(days=1), timedelta(days=5)
    assert kept_for(young, 1.0) > kept_for(odd, 1.0) > kept_for(hour, 1.0) > kept_for(day, 1.0) == 1
    assert kept_for(odd, 1.0, goal=True) == 1
    assert kept_for(day / 12, 1 / 12) == 1  # where time is shortened
    assert not Purse(0.9, None).allows(0)


def test_a_billed_reading_is_paid_of_a_fifth_of_what_posting_cost() -> None:
    posted = Used(posts=2, posted_micros=2 * cost_of_post("Words", 0, PRICES))
    assert posted.posted_micros == 30_000
    left = purse(posted, PRICES, MIDDLE, 1.0)
    assert left.readings == pytest.approx(1.2)
    assert left.allows(1, 1) and not left.less(1).allows(1, 1)
    assert purse(posted, PRICES, MIDDLE, 10.0).readings == pytest.approx(12)
    assert cost_of_post("See https://example.org", 2, PRICES) == 210_000


def test_at_nothing_nothing_is_read_but_the_two_looks_that_tell_a_loss() -> None:
    assert not purse(Used(posts=5, posted_micros=10**6), PRICES, MIDDLE, 0.0).allows(1)
    assert is_of_the_two(timedelta(hours=25), 1.0) and is_of_the_two(timedelta(days=30), 1.0)
    assert not is_of_the_two(timedelta(days=3), 1.0)


def test_people_are_told_what_is_used_allowed_and_expected() -> None:
    told = outlook(Used(calls=30, posts=10), FREE, MIDDLE, 1.0)
    assert (told.calls, told.calls_allowed) == (30, 75) and 55 <= told.calls_foreseen <= 60
    assert told.money is None
    more = outlook(Used(calls=70, micros=4_000, posts=10, posted_micros=150_000), PRICES, MIDDLE, 1.0)
    assert more.calls_foreseen == 75  # no further than it goes
    assert (more.money, more.money_allowed) == (0.004, 0.03)
