"""What the agent says about a post before it goes out: a review and suggestions, each with who said it and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal, Self

Verdict = Literal["appropriate", "flagged", "unsure"]
Kind = Literal["variant", "hook", "hashtags", "alt_text", "thread", "time"]
Decision = Literal["", "accepted", "refused"]
RULES = "rules"  # the `by` of everything that no model has said


@dataclass(frozen=True)
class Review:
    """Whether the post is fit for the account. `confidence` 0 to 1; `reasons` are sentences for a person."""

    verdict: Verdict
    reasons: tuple[str, ...]
    by: str
    confidence: float

    @property
    def passes(self) -> bool:
        """Nothing passes by default: only a clear word lets a post go on without a person."""
        return self.verdict == "appropriate"


@dataclass(frozen=True)
class Suggestion:
    """One proposal, accepted or refused on its own.

    `account_id` None: for the post as a whole. `before` and `after`: texts of all parts (`alt_text`: the one
    description; `time`: empty). `after` is empty when there is nothing to accept: then `reason` says what is missing.
    `at`: the proposed time (`time` only), ISO 8601. `by`: "rules" or "model NAME". `dropped`: what of the text the rules
    left out, sentence by sentence.
    """

    id: str
    account_id: int | None
    platform: str
    kind: Kind
    before: tuple[str, ...]
    after: tuple[str, ...]
    reason: str
    by: str
    confidence: float
    decision: Decision = ""
    media_id: int | None = None
    at: str | None = None
    dropped: tuple[str, ...] = ()

    @property
    def acceptable(self) -> bool:
        """Whether there is something that a click can put into the post."""
        return bool(self.after) or self.at is not None

    def in_time(self, now: datetime) -> bool:
        """Whether its time, if it is about one, is still to come."""
        return not self.at or datetime.fromisoformat(self.at) > now


@dataclass(frozen=True)
class Advice:
    """`note`: why rules answered instead of the model, "" when they did not have to. `made_at`: ISO 8601 in UTC.
    `pending`: the review stands and the suggestions are still being made. `incomplete`: a model that was to be asked has
    not answered, so it is asked again. `waits`: the post is in review for no other reason than that."""

    review: Review
    suggestions: tuple[Suggestion, ...]
    by: str
    note: str
    made_at: str
    pending: bool = False
    incomplete: bool = False
    waits: bool = False

    def find(self, suggestion_id: str) -> Suggestion | None:
        return next((s for s in self.suggestions if s.id == suggestion_id), None)

    def decided(self, suggestion_id: str, decision: Decision) -> Self:
        """The same with one suggestion accepted or refused."""
        return replace(
            self,
            suggestions=tuple(replace(s, decision=decision) if s.id == suggestion_id else s for s in self.suggestions),
        )

    def after(self, earlier: Self | None) -> Self:
        """This advice, with what a person has decided about earlier suggestions remembered: the same proposal is not
        made twice, and the decided ones stay in the list."""
        told = [s for s in (earlier.suggestions if earlier else ()) if s.decision]
        known = {s.id for s in told}
        return replace(self, suggestions=(*(s for s in self.suggestions if s.id not in known), *told))

    def to_json(self) -> dict[str, Any]:
        """As stored in `posts.ai_suggestions`; `status` and `items` are what the API shows."""
        return {
            "status": "pending" if self.pending else "ready",
            "review": asdict(self.review),
            "items": [asdict(s) for s in self.suggestions],
            "by": self.by,
            "note": self.note,
            "made_at": self.made_at,
            "incomplete": self.incomplete,
            "waits": self.waits,
        }

    @classmethod
    def from_json(cls, data: Any) -> Self | None:
        """None when nothing (or something older than the agent) is stored."""
        if not isinstance(data, Mapping) or not isinstance(data.get("review"), Mapping):
            return None
        review = Review(**{**data["review"], "reasons": tuple(data["review"]["reasons"])})
        items = tuple(
            Suggestion(**{**item, **{name: tuple(item.get(name, ())) for name in ("before", "after", "dropped")}})
            for item in data.get("items", ())
        )
        return cls(
            review,
            items,
            data["by"],
            data["note"],
            data["made_at"],
            data.get("status") == "pending",
            bool(data.get("incomplete")),
            bool(data.get("waits")),
        )


def cautious(reviews: Iterable[Review]) -> Review:
    """The most cautious of several reviews (at least one), with the reasons of all that are as cautious."""
    order: tuple[Verdict, ...] = ("flagged", "unsure", "appropriate")
    found = list(reviews)
    worst = min(found, key=lambda review: order.index(review.verdict))
    same = [review for review in found if review.verdict == worst.verdict]
    reasons = dict.fromkeys(reason for review in same for reason in review.reasons)
    names = dict.fromkeys(review.by for review in same)
    return Review(worst.verdict, tuple(reasons), " and ".join(names), max(review.confidence for review in same))
