"""The rules' review: is the post fit to go out? It says what it saw, and where.

Each rule has a file: `secrets`, `numbers`, `placeholders`, `templates`, `notes`, `links`, `dates`, `markup`, `doubled`, `hidden`,
`speech` (with `threats` and `fraud`); what says the same as an earlier post is found outside; `asides`, `fill_ins` and `wallets` are parts of `notes`, `placeholders` and
`secrets`. A rule that fires on harmless posts is switched off by people within a week, so each was measured
against posts of both kinds (`tests/agent/corpus`, `make test-agent`). Rules do not look for hate, and know nothing of
nuances: that is the model's part, and a person's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from postprober.agent.brief import Brief
from postprober.agent.review import (
    dates,
    doubled,
    hidden,
    links,
    markup,
    notes,
    numbers,
    placeholders,
    secrets,
    speech,
)
from postprober.agent.review.places import TextPlace, places
from postprober.agent.review.reading import Found, ReviewedText, shown
from postprober.domain.advice import RULES, Reason, Review, Verdict, intended_as

__all__ = ["MOST", "NOTHING_FOUND", "confidential", "flagged", "found_in", "review"]

MOST = 20  # ours: reasons of one post; who has more has read enough
NOTHING_FOUND = "The built-in rules found no issues."

_Rule = Callable[[ReviewedText], Iterator[Found]]
_CONFIDENTIAL: tuple[_Rule, ...] = (secrets.find, numbers.find)
_FLAGGING: tuple[_Rule, ...] = (*_CONFIDENTIAL, speech.find, links.find, hidden.find)  # no other rule flags
_RULES: tuple[_Rule, ...] = (
    *_FLAGGING,
    placeholders.find,
    notes.find,
    dates.find,
    markup.find,
    doubled.find,
)
_NOW = datetime(2000, 1, 1, tzinfo=UTC)  # where no date is looked at


def review(brief: Brief) -> Review:
    """Flagged with every reason, doubts beside them; unsure with every doubt; else appropriate. What a person has
    marked as intended on all accounts that it is for is no reason. Rules measure no confidence and say none."""
    if not any(text.strip() for text in (*brief.texts, *(p.file.alt for p in brief.pictures))) and not brief.pictures:
        told = Reason("empty", "There is nothing to review yet: the post is empty.", "", "")
        return Review("unsure", (told.message,), RULES, None, (told,))
    reasons: dict[tuple[str, str], tuple[Reason, bool]] = {}
    for place in places(brief):
        for one in found_in(place.text, brief.now, brief.language):
            if intended_as(one.kind, one.piece) not in place.intended:
                reasons.setdefault((one.kind, one.piece), (_reason(one, place), one.flagged))
    for target in brief.targets:
        if target.repeated:
            piece = shown(target.texts[0])
            if intended_as("repeat", piece) not in target.intended:
                place = TextPlace("", "the text", "text")
                one = Found("repeat", piece, target.repeated)
                reasons.setdefault(("repeat", piece), (_reason(one, place), False))
    found = sorted(reasons.values(), key=lambda pair: not pair[1])[:MOST]
    if not found:
        return Review("appropriate", (NOTHING_FOUND,), RULES, None)
    details = tuple(reason for reason, _ in found)
    verdict: Verdict = "flagged" if found[0][1] else "unsure"
    return Review(verdict, tuple(reason.message for reason in details), RULES, None, details)


def _reason(one: Found, place: TextPlace) -> Reason:
    return Reason(one.kind, f"In {place.name}: `{one.piece}` {one.says}.".replace("?.", "?"), one.piece, place.part)


def found_in(text: str, now: datetime, language: str = "") -> list[Found]:
    """Everything that the rules see in one text, each piece of a kind once."""
    reading = ReviewedText(text, now, language)
    return list({(one.kind, one.piece): one for rule in _RULES for one in rule(reading)}.values())


def flagged(texts: Iterable[str]) -> bool:
    """Whether a rule flags any of these texts: then none of them is shown to a model."""
    return any(one.flagged for text in texts for rule in _FLAGGING for one in rule(ReviewedText(text, _NOW)))


def confidential(text: str) -> bool:
    """Whether it seems to hold a secret, a card or account number, or the like."""
    return any(True for rule in _CONFIDENTIAL for _ in rule(ReviewedText(text, _NOW)))
