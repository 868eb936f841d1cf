"""What the advisor asks of a model, apart from the model itself: its client library takes long to load, and without a key
nobody needs it."""

from __future__ import annotations

from typing import Protocol

from postprober.agent.brief import Brief
from postprober.agent.evidence import Evidence
from postprober.agent.schemas import AdviceAnswer, DiagnosisAnswer, ReviewAnswer
from postprober.errors import PostProberError


class NoAnswer(PostProberError):
    """The model has not answered; `message` says why, for a person."""

    def __init__(self, message: str, kind: str, detail: str = "") -> None:
        super().__init__(message, detail)
        self.kind = kind


class Mind(Protocol):
    """What the advisor asks of a model. Every method may raise NoAnswer."""

    @property
    def by(self) -> str: ...

    def review(self, brief: Brief) -> ReviewAnswer: ...

    def advise(self, brief: Brief) -> AdviceAnswer: ...

    def diagnose(self, evidence: Evidence) -> DiagnosisAnswer: ...

    def moderated(self, texts: tuple[str, ...]) -> tuple[str, ...]: ...
