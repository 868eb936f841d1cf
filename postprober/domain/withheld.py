"""Accepted by the platform, and not public by the platform's own word: why, and what a person can do about it.

That is neither a ghost (nobody knows why it is not seen) nor a failure (it is there, and its account reads it)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Withheld(StrEnum):
    """Why a post is there and strangers do not see it."""

    NOT_YET = "not_yet"  # the platform publishes it at a later time
    REVIEW = "in_review"  # it waits for somebody's approval at the platform
    UNPUBLISHED = "unpublished"  # it was made a draft again
    PRIVATE = "private"  # only some accounts may read it
    PASSWORD = "password"
    MEMBERS = "members"  # it went to a place that only members see
    CLOSED = "closed"  # strangers see nothing of the whole place


@dataclass(frozen=True)
class WithheldWords:
    """`sentence`: what is the matter, `cure`: what to do, each a sentence; `tells`: a person is sent an alert. None is sent
    where the account was linked to such a place: then it is so with every post and no news."""

    sentence: str
    cure: str
    tells: bool = True


WORDS: dict[Withheld, WithheldWords] = {
    Withheld.NOT_YET: WithheldWords(
        "The platform accepted it and publishes it later.", "Wait until then, or publish it at the platform now."
    ),
    Withheld.REVIEW: WithheldWords(
        "The platform accepted it, and it waits there for approval.", "Have it approved at the platform."
    ),
    Withheld.UNPUBLISHED: WithheldWords(
        "It is a draft at the platform, so the public does not see it.", "Publish it at the platform, or leave it."
    ),
    Withheld.PRIVATE: WithheldWords(
        "It is private at the platform, so the public does not see it.", "Make it public at the platform, or leave it."
    ),
    Withheld.PASSWORD: WithheldWords(
        "It is protected by a password, so the public does not see it.",
        "Remove the password at the platform, or leave it.",
    ),
    Withheld.MEMBERS: WithheldWords(
        "The platform shows it to members only.", "Make the place public if everybody should see it.", tells=False
    ),
    Withheld.CLOSED: WithheldWords(
        "The platform shows strangers none of the place where it was published.",
        "Open the place to visitors if everybody should see it.",
    ),
}


def told(cause: Withheld) -> str:
    """Cause and cure."""
    return f"{WORDS[cause].sentence} {WORDS[cause].cure}"
