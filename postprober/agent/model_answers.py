"""What a model may answer: typed, closed, bounded. The JSON schemas go to the model's server as structured outputs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from postprober.domain.diagnosis import Cause, Fix

MOST_REASONS = 5
MOST_REWRITES = 10
MOST_PARTS = 25
_Sentence = Annotated[str, Field(max_length=2000)]


class ModelAnswer(BaseModel):
    """Unknown fields are left out: local servers add some of their own (and the schema that they are sent forbids them)."""

    model_config = ConfigDict(extra="ignore")


class ReviewAnswer(ModelAnswer):
    """Whether the post is fit for the account."""

    verdict: Literal["appropriate", "flagged", "unsure"]
    reasons: list[_Sentence]
    confidence: float


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


class DiagnosisAnswer(ModelAnswer):
    """One cause and one fix of the closed sets."""

    cause: Cause
    fix: Fix
    confidence: float
    explanation: _Sentence


def bounded(confidence: float) -> float:
    """A confidence as we mean it: 0 to 1; nonsense (NaN) is none."""
    return min(1.0, max(0.0, confidence)) if confidence == confidence else 0.0
