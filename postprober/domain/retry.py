"""When to try again."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

BASE = timedelta(seconds=5)
CAP = timedelta(minutes=30)
JITTER = 0.2
MAX_TRIES = 8  # sends of one part before a person is asked, whoever ordered them; about ten minutes with the pauses
MAX_CRASHES = 3  # a delivery that takes its worker down three times is quarantined
LONGEST_WAIT = timedelta(hours=24)  # no platform states a longer window; beyond it a reset is nonsense


def one_more(tries: int) -> int:
    """The tries that a delivery counts with when somebody, a person or the agent, orders another send: what was used up
    of the budget stays used up, and at least one send is left."""
    return min(tries, MAX_TRIES - 1)


def backoff(tries: int, rng: random.Random) -> timedelta:
    """Delay before try number `tries + 1` (`tries` >= 1 real attempts so far): exponential, capped, ±20 % jitter so
    that accounts that failed together do not return together."""
    delay = min(CAP, BASE * float(2 ** min(max(tries - 1, 0), 20)))
    return delay * (1 + JITTER * (2 * rng.random() - 1))


def throttle_until(retry_at: datetime | None, tries: int, now: datetime, rng: random.Random) -> datetime:
    """When to try after a rate limit. Never before the reset the platform named, plus up to 5 s so that many accounts
    do not all hit the first second of a new window; without a reset, back off; a reset beyond 24 h is cut to 24 h."""
    if retry_at is None:
        return now + max(timedelta(seconds=60), backoff(tries, rng))
    return max(now, min(retry_at, now + LONGEST_WAIT)) + timedelta(seconds=1 + 4 * rng.random())
