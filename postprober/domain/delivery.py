"""The states of a delivery: which changes are allowed, and what each state means to a person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from postprober.domain.post import PostStatus


class DeliveryState(StrEnum):
    SCHEDULED = "scheduled"
    CLAIMED = "claimed"
    SUBMITTING = "submitting"
    PROCESSING = "processing"
    WAITING = "waiting"
    UNCONFIRMED = "unconfirmed"
    PUBLISHED = "published"
    VERIFIED = "verified"
    HELD = "held"
    GHOST = "ghost"
    FAILED = "failed"
    CANCELLED = "cancelled"


S = DeliveryState

# What may follow what. A lost worker's `claimed` goes back to `scheduled`; a lost `submitting` only to `unconfirmed`.
TRANSITIONS: dict[DeliveryState, frozenset[DeliveryState]] = {
    # held: too late to send without asking. unconfirmed: the database was restored, so it may have been sent already.
    S.SCHEDULED: frozenset({S.CLAIMED, S.CANCELLED, S.HELD, S.FAILED, S.UNCONFIRMED, S.PUBLISHED}),
    # unconfirmed: as above, each in its turn, because only one delivery may occupy an account.
    S.CLAIMED: frozenset(
        {S.SUBMITTING, S.PROCESSING, S.SCHEDULED, S.WAITING, S.FAILED, S.HELD, S.PUBLISHED, S.UNCONFIRMED}
    ),
    S.SUBMITTING: frozenset({S.PUBLISHED, S.CLAIMED, S.WAITING, S.FAILED, S.UNCONFIRMED}),
    S.PROCESSING: frozenset({S.CLAIMED, S.SCHEDULED, S.CANCELLED, S.FAILED, S.PUBLISHED, S.UNCONFIRMED}),
    S.WAITING: frozenset({S.CLAIMED, S.SCHEDULED, S.CANCELLED, S.FAILED, S.HELD, S.UNCONFIRMED, S.PUBLISHED}),
    S.UNCONFIRMED: frozenset({S.PUBLISHED, S.SCHEDULED, S.WAITING, S.HELD, S.FAILED}),
    S.PUBLISHED: frozenset({S.VERIFIED, S.GHOST}),
    S.VERIFIED: frozenset({S.GHOST}),
    S.HELD: frozenset({S.PUBLISHED, S.SCHEDULED, S.CANCELLED, S.FAILED, S.UNCONFIRMED}),
    S.GHOST: frozenset({S.VERIFIED, S.PUBLISHED}),
    S.FAILED: frozenset({S.SCHEDULED, S.CANCELLED, S.PUBLISHED}),
    S.CANCELLED: frozenset(),
}


@dataclass(frozen=True)
class StateTraits:
    """`terminal`: nothing moves it by itself; `delivered`: a post is (or was) out there; `needs_person`: somebody has
    to act; `colour`: of the UI's palette (grey, blue, orange, red, green); `sentence`: for a person."""

    terminal: bool
    delivered: bool
    needs_person: bool
    colour: str
    label: str
    sentence: str


TRAITS: dict[DeliveryState, StateTraits] = {
    S.SCHEDULED: StateTraits(False, False, False, "grey", "Scheduled", "Waits for its time."),
    S.CLAIMED: StateTraits(False, False, False, "blue", "Preparing", "Is being prepared; nothing is visible yet."),
    S.SUBMITTING: StateTraits(False, False, False, "blue", "Sending", "Is being sent at this moment."),
    S.PROCESSING: StateTraits(False, False, False, "blue", "Processing", "The platform is still processing it."),
    S.WAITING: StateTraits(False, False, False, "orange", "Waiting", "Waits before the next try."),
    S.UNCONFIRMED: StateTraits(
        False, False, False, "orange", "Checking", "The answer got lost; PostProber looks whether it is there."
    ),
    S.PUBLISHED: StateTraits(False, True, False, "blue", "Published", "The platform accepted it; proof is under way."),
    S.VERIFIED: StateTraits(True, True, False, "green", "Proved live", "It was seen live."),
    S.HELD: StateTraits(True, False, True, "red", "Held", "It cannot be told whether it is there; please decide."),
    S.GHOST: StateTraits(True, True, True, "red", "Not visible", "The platform accepted it; it is not sent again."),
    S.FAILED: StateTraits(True, False, True, "red", "Failed", "Nothing was published."),
    S.CANCELLED: StateTraits(True, False, False, "grey", "Cancelled", "Was cancelled before it was sent."),
}

# A delivery that occupies its account: no other publish may start there (DESIGN 3.1, point 1). `unconfirmed` counts,
# because a second post with the same text would make the first one impossible to recognise.
OCCUPIES_ACCOUNT = frozenset({S.CLAIMED, S.SUBMITTING, S.PROCESSING, S.UNCONFIRMED})

# States whose time has come when `next_at` has passed, by what is done then.
DUE_TO_PUBLISH = frozenset({S.SCHEDULED, S.WAITING, S.PROCESSING})
# A held delivery has a `next_at` only while its outcome is unknown: it is looked for now and then, never sent.
DUE_TO_RECONCILE = frozenset({S.UNCONFIRMED, S.HELD})
DUE_TO_FOLLOW = frozenset({S.PUBLISHED, S.VERIFIED, S.GHOST})
# A late reply may still be adopted from these (DESIGN 3.1, point 10).
ADOPTABLE = frozenset({S.SCHEDULED, S.CLAIMED, S.PROCESSING, S.WAITING, S.UNCONFIRMED, S.HELD, S.FAILED})


class Proof(StrEnum):
    """How sure we are that a post is live; each level includes those before it."""

    NONE = "none"
    ACCEPTED = "accepted"  # 2xx and an id
    EXISTS = "exists"  # its owner reads it back
    PUBLIC = "public"  # a logged-out reader sees it
    MATCHES = "matches"  # text, media and author are what was sent


PROOF_ORDER = tuple(Proof)


class Step(StrEnum):
    AUTHENTICATION = "authentication"
    POSTING = "posting"
    VERIFICATION = "verification"
    ENGAGEMENT = "engagement"


class StepStatus(StrEnum):
    PENDING = "pending"
    SUCCESS = "success"
    FAILED = "failed"
    WARNING = "warning"


# States that count alike for the status of the post: a change within one of these groups does not alter it.
_ALIKE = (
    frozenset({S.SCHEDULED, S.CLAIMED}),
    frozenset({S.SUBMITTING, S.PROCESSING, S.WAITING, S.UNCONFIRMED}),
    frozenset({S.PUBLISHED, S.VERIFIED}),
)


def alters_post(old: DeliveryState, new: DeliveryState) -> bool:
    """Whether a delivery's change from `old` to `new` can change its post's status."""
    return not any(old in group and new in group for group in _ALIKE)


def post_status(states: Iterable[DeliveryState]) -> PostStatus:
    """The status of a post from the states of its deliveries (at least one)."""
    found = list(states)
    live = [s for s in found if s is not S.CANCELLED]
    if not live:
        return PostStatus.CANCELLED
    if all(s in (S.SCHEDULED, S.CLAIMED) for s in live):
        return PostStatus.SCHEDULED
    if any(not TRAITS[s].terminal and s is not S.PUBLISHED for s in live):
        return PostStatus.POSTING
    good = sum(s in (S.VERIFIED, S.PUBLISHED) for s in live)
    if good == len(live):
        return PostStatus.POSTED
    return PostStatus.PARTIAL if good else PostStatus.FAILED
