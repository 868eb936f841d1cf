"""What the agent says about a post before it goes out: a review and suggestions, each with who said it and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal, Self

Verdict = Literal["appropriate", "flagged", "unsure"]
Kind = Literal["variant", "hook", "hashtags", "alt_text", "thread", "time"]
Decision = Literal["", "accepted", "refused"]
RULES = "rules"  # the `by` of everything that no model has said


NEVER_INTENDED = frozenset({"secret", "card", "national_number", "empty"})  # nobody may mark these as meant


def intended_as(kind: str, piece: str) -> str:
    """The key under which a person's "this is intended" is kept: the kind of a reason and the piece, whatever its
    capitals and blanks."""
    said = f"{kind}:{' '.join(piece.casefold().split())}"
    return sha256(said.encode("utf-8", "replace")).hexdigest()[:16]


@dataclass(frozen=True)
class Reason:
    """Why rules hold a post. `kind`: a stable key (`secret`, `placeholder`, `link` …); `message`: one sentence that names
    the piece and its place; `piece`: what it is about, masked where it is secret; `part`: where it stands (`text`,
    `part 2`, `account 12`, `account 12 part 2`, `alt text 1`, `link card`, "" for the whole)."""

    kind: str
    message: str
    piece: str
    part: str

    @property
    def can_be_intended(self) -> bool:
        """Whether a person may mark it as meant, so that it raises no doubt again on these accounts."""
        return self.kind not in NEVER_INTENDED and bool(self.piece)


@dataclass(frozen=True)
class Review:
    """Whether the post is fit for the account. `reasons` are sentences for a person, `details` the same for programs where
    rules gave them. `confidence` 0 to 1 of a model; None for rules, which measure none."""

    verdict: Verdict
    reasons: tuple[str, ...]
    by: str
    confidence: float | None
    details: tuple[Reason, ...] = ()

    @property
    def passes(self) -> bool:
        """Nothing passes by default: only a clear word lets a post go on without a person."""
        return self.verdict == "appropriate"


@dataclass(frozen=True)
class Suggestion:
    """One suggestion, accepted or refused on its own.

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
        """This advice, with what a person has decided about earlier suggestions remembered: the same suggestion is not
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
        review = _stored_review(data["review"])
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


def _stored_review(told: Mapping[str, Any]) -> Review:
    """Versions before this one stored no `details`, and a confidence of rules that nobody had measured."""
    by = told["by"]
    confidence = None if by == RULES else told.get("confidence")
    details = tuple(Reason(**one) for one in told.get("details", ()))
    return Review(told["verdict"], tuple(told["reasons"]), by, confidence, details)


def cautious(reviews: Iterable[Review]) -> Review:
    """The most cautious of several reviews (at least one). Its reasons come first, and doubts of others are kept beside
    them: a person who mends a post wants to know all of it."""
    order: tuple[Verdict, ...] = ("flagged", "unsure", "appropriate")
    found = sorted(reviews, key=lambda review: order.index(review.verdict))
    worst = found[0]
    told = [review for review in found if review.verdict == worst.verdict or review.verdict != "appropriate"]
    reasons = dict.fromkeys(reason for review in told for reason in review.reasons)
    details = dict.fromkeys(detail for review in told for detail in review.details)
    names = dict.fromkeys(review.by for review in found if review.verdict == worst.verdict)
    known = [review.confidence for review in found if review.verdict == worst.verdict and review.confidence is not None]
    return Review(worst.verdict, tuple(reasons), " and ".join(names), max(known, default=None), tuple(details))
