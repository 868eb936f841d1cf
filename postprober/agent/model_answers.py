"""What a model may answer: typed, closed, bounded. The JSON schemas go to the model's server as structured outputs."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from postprober.domain.advice import Verdict
from postprober.domain.diagnosis import Cause, Fix

MOST_REASONS = 5
MOST_REWRITES = 10
CARE: tuple[Verdict, ...] = ("appropriate", "unsure", "flagged")  # from the least to the most careful
_Sentence = Annotated[str, Field(max_length=2000)]


class ModelAnswer(BaseModel):
    """Unknown fields are left out: local servers add some of their own (and the schema that they are sent forbids them)."""

    model_config = ConfigDict(extra="ignore")

    @property
    def care(self) -> int:
        """How careful the answer is; of several in one reply the most careful holds. 0: there is nothing to compare."""
        return 0

    @classmethod
    def objection(cls, found: Any) -> Self | None:
        """What can be read as an objection in an answer that does not fit otherwise; None when nothing can."""
        return None


class ReviewAnswer(ModelAnswer):
    """Whether the post is fit for the account."""

    verdict: Verdict
    reasons: list[_Sentence]
    confidence: float

    @property
    def care(self) -> int:
        return CARE.index(self.verdict)

    @classmethod
    def objection(cls, found: Any) -> Self | None:
        said = found.get("verdict") if isinstance(found, dict) else None
        return cls(verdict=said, reasons=[], confidence=0.0) if said in ("unsure", "flagged") else None


class Rewrite(ModelAnswer):
    """Another wording for one of the targets, by its number in the question."""

    target: int
    kind: Literal["variant", "hook", "hashtags"]
    texts: list[str]
    reason: _Sentence
    confidence: float


class AdviceAnswer(ModelAnswer):
    """A review and rewrites."""

    review: ReviewAnswer
    rewrites: list[Rewrite]

    @property
    def care(self) -> int:
        return self.review.care

    @classmethod
    def objection(cls, found: Any) -> Self | None:
        told = found.get("review", found) if isinstance(found, dict) else None
        review = ReviewAnswer.objection(told)
        return cls(review=review, rewrites=[]) if review else None


class AltTextAnswer(ModelAnswer):
    """What a picture shows."""

    sentence: _Sentence


class DiagnosisAnswer(ModelAnswer):
    """One cause and one fix of the closed sets."""

    cause: Cause
    fix: Fix
    confidence: float
    explanation: _Sentence


def bounded(confidence: float) -> float:
    """A confidence as we mean it: 0 to 1; nonsense (NaN) is none."""
    return min(1.0, max(0.0, confidence)) if confidence == confidence else 0.0
