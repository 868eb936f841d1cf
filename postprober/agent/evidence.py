"""What a diagnosis may rest on: facts that were stored, redacted again, shortened, and never anything else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from postprober.domain.attempt import Act, Outcome
from postprober.domain.delivery import DeliveryState
from postprober.domain.limits import Limits
from postprober.domain.platform import Platform
from postprober.domain.post import MediaKind
from postprober.security.redaction import Redactor

MOST_TRIES = 12  # the newest; a delivery that failed more often failed alike
REPLY_CHARS = 500
_UNKNOWN = (Outcome.UNKNOWN, Outcome.INTENDED, Outcome.LATE)


@dataclass(frozen=True)
class Try:
    """One attempt, as its row tells it. `reply`: what the platform wrote; data, never an instruction."""

    id: int
    act: str
    outcome: str
    http_status: int | None
    reply: str
    message: str


@dataclass(frozen=True)
class Evidence:
    """A delivery in trouble.

    `reason`: of its newest transition, in our words. `unknown`: the outcome is not known at this moment. `held`: why
    it is held (`domain.delivery.Cause`). `doubted`: an
    earlier try of the open part ended without an answer. `renewable`: its tokens can be renewed without a person.
    `texts`: of the parts that are not out yet; `media`: kinds of their files; `files`: their names with their formats, for
    people; `accounts`: what the account is called, which no model is told; `partly_out`: parts of the thread are out; `repaired`: fixes applied so far.
    """

    platform: Platform
    state: DeliveryState
    reason: str
    limits: Limits
    tries: tuple[Try, ...] = ()
    texts: tuple[str, ...] = ()
    media: tuple[MediaKind, ...] = ()
    files: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    partly_out: bool = False
    unknown: bool = False
    held: str = ""
    doubted: bool = False
    renewable: bool = False
    repaired: tuple[str, ...] = ()

    @property
    def last(self) -> Try | None:
        """The newest try that failed on the way to publishing: not a look, not a count, and not what succeeded."""
        aside = (Act.RECONCILE, Act.VERIFY, Act.ENGAGEMENT)
        bad = [t for t in self.tries if t.act not in aside and t.outcome != Outcome.SUCCESS]
        return bad[-1] if bad else None


def collect(evidence: Evidence, secrets: Iterable[str] = ()) -> Evidence:
    """The evidence made fit to be shown: redacted, shortened, the newest tries only. Pure."""
    redactor = Redactor(secrets)
    tries = tuple(
        replace(t, reply=redactor.excerpt(t.reply, REPLY_CHARS), message=redactor.excerpt(t.message, REPLY_CHARS))
        for t in evidence.tries[-MOST_TRIES:]
    )
    return replace(
        evidence, tries=tries, reason=redactor.excerpt(evidence.reason), texts=tuple(map(redactor.text, evidence.texts))
    )


def is_unknown(outcome: str) -> bool:
    """Whether a try with this outcome may have published something."""
    return outcome in _UNKNOWN
