"""How well a platform does: at one step, from what happened lately; and as a whole, from account checks and deliveries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile

from postprober.domain.attempt import Act, Outcome
from postprober.domain.delivery import Step
from postprober.domain.platform import Platform, described
from postprober.errors import (
    HERE,
    OutcomeUnknown,
    PlatformError,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)


class HealthVerdict(StrEnum):
    WELL = "well"
    DEGRADED = "degraded"
    FAILING = "failing"
    UNKNOWN = "unknown"


# Which step an attempt belongs to.
STEP_OF_ACT: dict[str, Step] = {
    Act.REFRESH: Step.AUTHENTICATION,
    Act.STAGE: Step.POSTING,
    Act.PUBLISH: Step.POSTING,
    Act.RECONCILE: Step.VERIFICATION,
    Act.VERIFY: Step.VERIFICATION,
    Act.ENGAGEMENT: Step.ENGAGEMENT,
}
# Tries that ended without what was wanted because of the platform or the way to it. A refused post is the post's fault,
# and "not there" is a good answer.
BAD_OUTCOMES = frozenset({Outcome.THROTTLED, Outcome.UNAVAILABLE, Outcome.UNKNOWN, Outcome.RECONNECT, Outcome.UNSURE})
FAILING_SHARE = 0.5  # our choice: half of all deliveries fail, so something is broken rather than unlucky
DEGRADED_SHARE = 0.1  # our choice: one try in ten needs a repeat


@dataclass(frozen=True)
class Health:
    """Of one platform at one step: deliveries by how the step stands with them, and tries, bad ones among them."""

    good: int = 0
    warned: int = 0
    failed: int = 0
    tries: int = 0
    bad_tries: int = 0

    @property
    def verdict(self) -> HealthVerdict:
        """Failing when half of the deliveries (or all of several tries) fail; degraded when some do or warn, or when
        one try in ten has to be repeated; unknown when nothing happened."""
        seen = self.good + self.warned + self.failed
        if not seen and not self.tries:
            return HealthVerdict.UNKNOWN
        if (seen and self.failed >= FAILING_SHARE * seen) or (self.tries > 1 and self.bad_tries == self.tries):
            return HealthVerdict.FAILING
        if self.failed or self.warned or (self.tries and self.bad_tries >= DEGRADED_SHARE * self.tries):
            return HealthVerdict.DEGRADED
        return HealthVerdict.WELL


# The platform as a whole ------------------------------------------------------------------------------------------


class HealthSign(StrEnum):
    """What one look at a platform, or one real delivery, says about it."""

    WELL = "well"
    SLOW = "slow"  # it answers rightly, but late
    THROTTLED = "throttled"  # it answers; this account has asked often enough
    REFUSED = "refused"  # it answers; this account's access is not accepted
    STRANGE = "strange"  # it answers in a form that we do not know
    AWAY = "away"  # it cannot be reached, or says itself that it is broken


GOOD = frozenset({HealthSign.WELL, HealthSign.SLOW})
# A refused token or a used-up quota says something about one account: the platform answered. Those signs neither help
# nor harm it. Only silence and 5xx stop posts: an answer that we cannot read may concern our reading only.
ABOUT_ACCOUNT = frozenset({HealthSign.THROTTLED, HealthSign.REFUSED})

# All ours, found by simulation (tests/domain/test_health_verdicts.py): with one look in five going wrong by chance, five wrong
# ones in a row come up once in 3,000 looks, and must then still span a minute.
WINDOW = 20  # newest signs that count
FAILING_RUN = 5  # wrong in a row
WELL_AGAIN = 2  # good in a row, before "failing" is taken back; the first one already lets posts go
DEGRADED_BAD = 3  # wrong among the window
CALM_RUN = 10  # good in a row, before "degraded" is taken back
READ = 200  # newest signs that are read: a run of wrong ones may be longer than the window
ENOUGH = 2  # signs before anything is said at all
SLOW_AFTER = timedelta(seconds=5)  # a read of a few hundred bytes
ALL_REFUSED = 3  # accounts whose access is refused while nobody's is accepted: then it is not about one account


@dataclass(frozen=True)
class HealthSample:
    """One sign. `at`: aware UTC."""

    at: datetime
    account_id: int
    sign: HealthSign


@dataclass(frozen=True)
class ServerHealth:
    """How a platform's server stands. `blocking`: nothing new is sent there now; `since`: of the verdict."""

    verdict: HealthVerdict
    blocking: bool
    since: datetime
    reason: str


def sign_of(error: PlatformError | None, took: timedelta) -> HealthSign | None:
    """What the end of one exchange says; None when it says nothing about the platform (a refused post, a fault here)."""
    if error is None:
        return HealthSign.SLOW if took >= SLOW_AFTER else HealthSign.WELL
    if isinstance(error, Throttled):
        return HealthSign.THROTTLED
    if isinstance(error, ReconnectNeeded):
        return HealthSign.REFUSED
    if error.code == HERE:
        return None
    if isinstance(error, (Unavailable, OutcomeUnknown)):
        answered = error.http_status is not None and error.http_status < 500
        return None if answered else HealthSign.AWAY
    return HealthSign.STRANGE if isinstance(error, UnexpectedReply) else None


def assess(
    seen: Iterable[HealthSample], before: ServerHealth | None, now: datetime, *, fresh: timedelta, span: timedelta
) -> ServerHealth:
    """The standing of one server.

    `seen`: in any order; those older than `fresh` do not count. `span`: how long the wrong run must have lasted, so
    that ten posts that meet the same broken second are one accident and not ten.
    """
    newest = sorted((one for one in seen if one.at > now - fresh), key=lambda one: one.at, reverse=True)
    telling = [one for one in newest if one.sign not in ABOUT_ACCOUNT]
    verdict, reason = _verdict(newest, telling, before.verdict if before else HealthVerdict.UNKNOWN, span)
    blocking = verdict is HealthVerdict.FAILING and (not telling or telling[0].sign not in GOOD)
    since = before.since if before is not None and before.verdict is verdict else now
    return ServerHealth(verdict, blocking, since, reason)


def _verdict(
    newest: Sequence[HealthSample], telling: Sequence[HealthSample], was: HealthVerdict, span: timedelta
) -> tuple[HealthVerdict, str]:
    good = _run(telling, good=True)
    wrong = list(takewhile(lambda one: one.sign is HealthSign.AWAY, telling))
    telling = telling[:WINDOW]
    bad = sum(one.sign not in GOOD for one in telling)
    slow = sum(one.sign is HealthSign.SLOW for one in telling)
    if not telling:
        return _about_accounts(newest)
    if was is HealthVerdict.FAILING and good < WELL_AGAIN:
        return HealthVerdict.FAILING, "It does not respond, or reports an outage."
    if len(wrong) >= FAILING_RUN and wrong[0].at - wrong[-1].at >= span:
        return HealthVerdict.FAILING, f"The last {len(wrong)} checks failed: it does not respond, or reports an outage."
    many = bad >= DEGRADED_BAD or (bad >= ENOUGH and 2 * bad >= len(telling))
    if many or (was is HealthVerdict.FAILING) or (was is HealthVerdict.DEGRADED and bad > 0 and good < CALM_RUN):
        return HealthVerdict.DEGRADED, f"{bad} of the last {len(telling)} checks failed."
    if len(telling) >= ENOUGH and 2 * slow > len(telling):
        return HealthVerdict.DEGRADED, f"Slow: {slow} of the last {len(telling)} checks took over 5 s."
    if len(telling) >= ENOUGH or was is HealthVerdict.WELL:
        return HealthVerdict.WELL, f"{len(telling) - bad} of the last {len(telling)} checks succeeded."
    return HealthVerdict.UNKNOWN, "Not enough checks yet."


def _about_accounts(newest: Sequence[HealthSample]) -> tuple[HealthVerdict, str]:
    """Nobody's access was accepted lately: of many accounts that is news about the platform, of one it is not."""
    refused = {one.account_id for one in newest if one.sign is HealthSign.REFUSED}
    if len(refused) >= ALL_REFUSED and len(refused) == len({one.account_id for one in newest}):
        return (
            HealthVerdict.DEGRADED,
            f"It refuses the access of all {len(refused)} accounts. Check this app's registration.",
        )
    return (
        HealthVerdict.UNKNOWN,
        "It responds, but no account could be read recently." if newest else "No recent checks.",
    )


def _run(seen: Sequence[HealthSample], *, good: bool) -> int:
    return sum(1 for _ in takewhile(lambda one: (one.sign in GOOD) is good, seen))


def account_verdict(signs: Sequence[HealthSign]) -> HealthVerdict:
    """Of one account's access, from its own signs, newest first: refused twice in a row is failing."""
    said = [sign for sign in signs if sign in GOOD or sign is HealthSign.REFUSED][:2]
    if not said:
        return HealthVerdict.UNKNOWN
    if said[0] in GOOD:
        return HealthVerdict.WELL
    return HealthVerdict.FAILING if len(said) == 2 and said[1] is HealthSign.REFUSED else HealthVerdict.DEGRADED


def pace(platform: Platform, every: timedelta) -> timedelta:
    """Time between two checks of one account."""
    return every * described(platform).slower


def freshness(platform: Platform, every: timedelta) -> timedelta:
    """How long a sign counts: three checks of one account."""
    return 3 * pace(platform, every)


class Unit(StrEnum):
    """What a limit counts; the first ones say most about the next post."""

    POSTS = "posts"  # in 24 hours
    SENDS = "sends"  # calls of the sort that publishes
    CALLS = "calls"
    SHARE = "share"  # percent of the app's calls in an hour


@dataclass(frozen=True)
class Quota:
    """What the platform said is left of one of its limits; `resets_at` aware UTC."""

    limit: int
    left: int
    resets_at: datetime
    unit: Unit = Unit.CALLS

    def spent(self, now: datetime) -> bool:
        """Whether the rest is for people's posts: a check leaves a tenth, and at least three calls."""
        return now < self.resets_at and self.left <= max(3, self.limit // 10)


def delay_look(failing_for: timedelta, shortest: timedelta, longest: timedelta) -> timedelta:
    """When a post that waits for a failing platform is looked at again: a quarter of the time it has been failing."""
    return min(longest, max(shortest, failing_for / 4))


def of_span(signs: Sequence[HealthSign]) -> HealthVerdict:
    """One mark of the history: what these signs, of one span of time, say together."""
    said = [sign for sign in signs if sign not in ABOUT_ACCOUNT]
    if not said:
        return HealthVerdict.UNKNOWN
    if 2 * sum(sign is HealthSign.AWAY for sign in said) >= len(said):
        return HealthVerdict.FAILING
    return HealthVerdict.WELL if all(sign is HealthSign.WELL for sign in said) else HealthVerdict.DEGRADED
