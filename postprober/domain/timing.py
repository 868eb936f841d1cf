"""How long things may take. Live values are cautious; the sandbox uses short ones so that a person can watch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


def _s(*seconds: float) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=value) for value in seconds)


@dataclass(frozen=True)
class Timing:
    """`lease`: life of a worker's claim; renewed at a third of it; also how soon a killed worker's work moves on.
    `lease_margin`: no byte leaves when less of the lease than this is left.
    `reread`: pause between the two readings that prove absence.
    `unsure_retries`: further readings, after the first unsure one, before a delivery is held.
    `verify_after`: looks after publishing, counted from it; the last one decides about a ghost.
    `ghost_recheck`: how often a ghost is looked at again. `engagement_scale`: shortens the polling plan.
    `watch_…`: a published post is looked at again after a quarter of its age, `shortest` to `longest` later, until it is
    `for` old; `engagement_scale` shortens these too.
    `repair_scale`: shortens the waits that the agent orders.
    `account_check_every`: how often each account is checked (zero: never); `account_check_soon`: how soon it is checked again when
    something was wrong. `delay_looks`: the shortest and the longest pause of a post that waits for a failing platform.
    """

    lease: timedelta = timedelta(seconds=10)
    lease_margin: timedelta = timedelta(seconds=2)
    reread: timedelta = timedelta(seconds=5)
    unsure_retries: tuple[timedelta, ...] = _s(5, 10, 15, 15)
    verify_after: tuple[timedelta, ...] = _s(0, 2, 5, 10, 20, 40, 60, 120, 300, 600)
    ghost_recheck: timedelta = timedelta(minutes=15)
    engagement_scale: float = 1.0
    processing_poll: timedelta = timedelta(seconds=5)
    processing_limit: timedelta = timedelta(minutes=30)
    watch_shortest: timedelta = timedelta(minutes=10)
    watch_longest: timedelta = timedelta(hours=6)
    watch_for: timedelta = timedelta(days=30)
    http_timeout: float = 30.0
    repair_scale: float = 1.0
    account_check_every: timedelta = timedelta(minutes=15)
    account_check_soon: timedelta = timedelta(minutes=1)
    delay_looks: tuple[timedelta, timedelta] = (timedelta(minutes=2), timedelta(minutes=15))


LIVE_TIMING = Timing()
SANDBOX_TIMING = Timing(
    reread=timedelta(seconds=2),
    unsure_retries=_s(2, 3, 5, 5),
    verify_after=_s(0, 1, 2, 4, 8, 15),
    ghost_recheck=timedelta(seconds=30),
    engagement_scale=1 / 12,
    processing_poll=timedelta(seconds=0.5),
    http_timeout=8.0,
    repair_scale=1 / 600,
    account_check_every=timedelta(seconds=20),
    account_check_soon=timedelta(seconds=2),
    delay_looks=(timedelta(seconds=2), timedelta(seconds=15)),
)
