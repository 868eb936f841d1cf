"""What a held delivery means to a person, and what they may do about it: by its cause, never by one sentence for all."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from postprober.domain.delivery import TRAITS, DeliveryState, StateCause
from postprober.domain.withheld import Withheld, told


class Choice(StrEnum):
    """What a person may decide."""

    SEND = "send"
    LOOK = "look_again"
    POINT = "adopt"  # say where it is
    CANCEL = "cancel"


@dataclass(frozen=True)
class HeldWords:
    """`sentence`: what is the matter; `advice`: what to do, {platform} for its name; `send`, `cancel`: the buttons.
    `may_be_out`: it may be visible already, so that sending it could make a second post."""

    may_be_out: bool
    sentence: str
    advice: str
    choices: tuple[Choice, ...]
    send: str
    cancel: str


_ALL = (Choice.LOOK, Choice.POINT, Choice.SEND, Choice.CANCEL)
_LOOK = (
    "Check on {platform}. Publish it only if it is not there; otherwise it would appear twice. If you do nothing, we "
    "keep checking and link the post if it appears."
)


def _unsent(sentence: str, advice: str) -> HeldWords:
    return HeldWords(False, sentence, advice, (Choice.SEND, Choice.CANCEL), "Publish now", "Cancel it")


def _unsure(sentence: str, advice: str = _LOOK, choices: tuple[Choice, ...] = _ALL) -> HeldWords:
    return HeldWords(True, sentence, advice, choices, "Not on {platform}: publish it", "Cancel it")


WORDS: dict[StateCause, HeldWords] = {
    StateCause.LATE: _unsent("Later than you allow. Nothing was published.", "Publish it now, or cancel it."),
    StateCause.CRASHED: _unsent(
        "Quarantined after crashing the worker. Nothing is being sent.", "Publish it now, or cancel it."
    ),
    StateCause.UNKNOWN: _unsure("We cannot tell whether it was published."),
    StateCause.TIE: _unsure(
        "We cannot tell which of two posts with the same words was published.",
        "Check on {platform} how many of them are there, and decide for each. Publish this one only if its own post is "
        "missing.",
    ),
    StateCause.TAKEN: _unsure(
        "The post found for it belongs to another delivery.",
        "Check on {platform} how many posts with these words are there. Publish it only if one is missing.",
    ),
    StateCause.DUPLICATE: _unsure("The platform says it is already published, but we cannot find it."),
    StateCause.REMOVED: _unsure(
        "The platform says it was published and then deleted.",
        "Publish it again only if it was deleted by mistake. If you do nothing, nothing is sent.",
    ),
    StateCause.UNLINKED: _unsure(
        "The account was disconnected before we could check whether it was published.",
        "Reconnect the account and we check again, or check on {platform} and cancel it here.",
        (Choice.CANCEL,),
    ),
}


def words(cause: StateCause | str, *, unknown: bool) -> HeldWords:
    """For a held delivery. `unknown`: its outcome is; then it may be out, whatever the cause."""
    known = WORDS.get(StateCause(cause)) if cause else None
    if known is None:
        return (
            WORDS[StateCause.UNKNOWN]
            if unknown
            else _unsent(
                f"{TRAITS[DeliveryState.HELD].sentence} Nothing was published.", "Publish it now, or cancel it."
            )
        )
    if unknown and not known.may_be_out:
        return _unsure(known.sentence.removesuffix(" Nothing was published.").removesuffix(" Nothing is being sent."))
    return known


def sentence(state: DeliveryState, cause: StateCause | str, *, unknown: bool) -> str:
    """What a state means to a person."""
    if isinstance(cause, Withheld):
        return told(cause)
    return words(cause, unknown=unknown).sentence if state is DeliveryState.HELD else TRAITS[state].sentence
