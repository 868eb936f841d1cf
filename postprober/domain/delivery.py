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
    PARTIAL = "partial"  # the beginning of a thread is out, the rest is not


S = DeliveryState

# What may follow what. A lost worker's `claimed` goes back to `scheduled`; a lost `submitting` only to `unconfirmed`.
# `partial` stands for `failed` and `cancelled` wherever a part of a thread is out by then.
TRANSITIONS: dict[DeliveryState, frozenset[DeliveryState]] = {
    # held: too late to send without asking. unconfirmed: the database was restored, so it may have been sent already.
    S.SCHEDULED: frozenset({S.CLAIMED, S.CANCELLED, S.HELD, S.FAILED, S.UNCONFIRMED, S.PUBLISHED, S.PARTIAL}),
    # unconfirmed: as above, each in its turn, because only one delivery may occupy an account. cancelled: the account
    # was disconnected; its worker can no longer write the intent.
    S.CLAIMED: frozenset(
        {
            S.SUBMITTING,
            S.PROCESSING,
            S.SCHEDULED,
            S.WAITING,
            S.FAILED,
            S.HELD,
            S.PUBLISHED,
            S.UNCONFIRMED,
            S.CANCELLED,
            S.PARTIAL,
        }
    ),
    # held: the platform's answer names a post that another delivery has.
    S.SUBMITTING: frozenset({S.PUBLISHED, S.CLAIMED, S.WAITING, S.FAILED, S.UNCONFIRMED, S.HELD, S.PARTIAL}),
    S.PROCESSING: frozenset({S.CLAIMED, S.SCHEDULED, S.CANCELLED, S.FAILED, S.PUBLISHED, S.UNCONFIRMED, S.PARTIAL}),
    S.WAITING: frozenset(
        {S.CLAIMED, S.SCHEDULED, S.CANCELLED, S.FAILED, S.HELD, S.UNCONFIRMED, S.PUBLISHED, S.PARTIAL}
    ),
    S.UNCONFIRMED: frozenset({S.PUBLISHED, S.SCHEDULED, S.WAITING, S.HELD, S.FAILED, S.PARTIAL}),
    S.PUBLISHED: frozenset({S.VERIFIED, S.GHOST}),
    S.VERIFIED: frozenset({S.GHOST, S.PUBLISHED}),  # published: it was made private, or is a draft again
    S.HELD: frozenset({S.PUBLISHED, S.SCHEDULED, S.CANCELLED, S.FAILED, S.UNCONFIRMED, S.PARTIAL}),
    S.GHOST: frozenset({S.VERIFIED, S.PUBLISHED}),
    S.FAILED: frozenset({S.SCHEDULED, S.CANCELLED, S.PUBLISHED}),
    S.CANCELLED: frozenset(),
    S.PARTIAL: frozenset({S.SCHEDULED, S.PUBLISHED}),
}


@dataclass(frozen=True)
class StateTraits:
    """`at_rest`: nothing moves it by itself; `delivered`: a post is (or was) out there; `needs_person`: somebody has
    to act; `colour`: of the UI's palette (grey, blue, orange, red, green); `sentence`: for a person."""

    at_rest: bool
    delivered: bool
    needs_person: bool
    colour: str
    label: str
    sentence: str


TRAITS: dict[DeliveryState, StateTraits] = {
    S.SCHEDULED: StateTraits(False, False, False, "grey", "Scheduled", "Waiting for the scheduled time."),
    S.CLAIMED: StateTraits(False, False, False, "blue", "Preparing", "Preparing. Nothing is visible yet."),
    S.SUBMITTING: StateTraits(False, False, False, "blue", "Sending", "Sending now."),
    S.PROCESSING: StateTraits(False, False, False, "blue", "Processing", "The platform is still processing it."),
    S.WAITING: StateTraits(False, False, False, "orange", "Waiting", "Waiting for the next attempt."),
    S.UNCONFIRMED: StateTraits(
        False, False, False, "orange", "Checking", "The response was lost. We are checking whether it was published."
    ),
    S.PUBLISHED: StateTraits(
        False, True, False, "blue", "Published", "The platform accepted it. Verification is in progress."
    ),
    S.VERIFIED: StateTraits(True, True, False, "green", "Verified", "Verified as published."),
    S.HELD: StateTraits(True, False, True, "red", "Held", "Held for your decision."),  # its cause says more
    S.GHOST: StateTraits(True, True, True, "red", "Not visible", "The platform accepted it. It is not sent again."),
    S.FAILED: StateTraits(True, False, True, "red", "Failed", "Nothing was published."),
    S.CANCELLED: StateTraits(True, False, False, "grey", "Cancelled", "Nothing was published."),
    S.PARTIAL: StateTraits(
        True, True, True, "red", "Partially published", "Only the first parts of the thread are published."
    ),
}


class StateCause(StrEnum):
    """Why a delivery is held, or what it waits for, where that decides what a person reads and may do."""

    UNKNOWN = "unknown"  # the outcome is unknown and looking could not settle it
    TIE = "tie"  # more than one delivery or more than one post carries these words
    TAKEN = "taken"  # the platform names a post that belongs to another delivery
    DUPLICATE = "duplicate"  # the platform says that the text is there already, but it cannot be found
    REMOVED = "removed"  # the platform says that it was published, and deleted since
    UNLINKED = "unlinked"  # the account was disconnected while the outcome was unknown
    LATE = "late"  # nothing was published (a send may have been proved absent): it is later than allowed
    CRASHED = "crashed"  # it took its worker down again and again
    PLATFORM = "platform"  # waits for a platform that is failing


# A delivery that occupies its account: no other publish may start there. `unconfirmed` counts,
# because a second post with the same text would make the first one impossible to recognise.
OCCUPIES_ACCOUNT = frozenset({S.CLAIMED, S.SUBMITTING, S.PROCESSING, S.UNCONFIRMED})

# States whose time has come when `next_at` has passed, by what is done then.
DUE_TO_PUBLISH = frozenset({S.SCHEDULED, S.WAITING, S.PROCESSING})
# A held delivery has a `next_at` only while its outcome is unknown: it is looked for now and then, never sent.
DUE_TO_RECONCILE = frozenset({S.UNCONFIRMED, S.HELD})
DUE_TO_FOLLOW = frozenset({S.PUBLISHED, S.VERIFIED, S.GHOST, S.PARTIAL})
# A late reply may still be adopted from these: none of them has another send under way.
ADOPTABLE = frozenset({S.SCHEDULED, S.CLAIMED, S.PROCESSING, S.WAITING, S.UNCONFIRMED, S.HELD, S.FAILED, S.PARTIAL})
# Ended without being completely out: a person or a repair may send what is missing.
UNFINISHED = frozenset({S.FAILED, S.PARTIAL})


def end_of(state: DeliveryState, anything_out: bool) -> DeliveryState:
    """The state that an end really is: nothing of which a part is out has failed or was cancelled."""
    return S.PARTIAL if anything_out and state in (S.FAILED, S.CANCELLED) else state


class Proof(StrEnum):
    """How sure we are that a post is live; each level includes those before it, `not_public` aside."""

    NONE = "none"
    ACCEPTED = "accepted"  # 2xx and an id
    NOT_PUBLIC = "not_public"  # accepted, and the platform says why strangers do not see it (`domain.withheld`)
    EXISTS = "exists"  # its owner reads it back
    WITNESSED = "witnessed"  # another linked account reads it, where no stranger can look
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
    if any(not TRAITS[s].at_rest and s is not S.PUBLISHED for s in live):
        return PostStatus.POSTING
    good = sum(s in (S.VERIFIED, S.PUBLISHED) for s in live)
    if good == len(live):
        return PostStatus.POSTED
    return PostStatus.PARTIAL if good or S.PARTIAL in live else PostStatus.FAILED
