"""How well a platform does at one step, from what happened lately."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from postprober.domain.attempt import Act, Outcome
from postprober.domain.delivery import Step


class Verdict(StrEnum):
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
    def verdict(self) -> Verdict:
        """Failing when half of the deliveries (or all of several tries) fail; degraded when some do or warn, or when
        one try in ten has to be repeated; unknown when nothing happened."""
        seen = self.good + self.warned + self.failed
        if not seen and not self.tries:
            return Verdict.UNKNOWN
        if (seen and self.failed >= FAILING_SHARE * seen) or (self.tries > 1 and self.bad_tries == self.tries):
            return Verdict.FAILING
        if self.failed or self.warned or (self.tries and self.bad_tries >= DEGRADED_SHARE * self.tries):
            return Verdict.DEGRADED
        return Verdict.WELL
