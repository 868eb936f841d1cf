"""What the advisor asks of a model, apart from the model itself: its client library takes long to load, and without a key
nobody needs it."""

from __future__ import annotations

from typing import Protocol

from postprober.agent.brief import Brief
from postprober.agent.evidence import Evidence
from postprober.agent.model_answers import AdviceAnswer, DiagnosisAnswer, ReviewAnswer
from postprober.errors import PostProberError

KEY_REFUSED = "The model's server does not accept the key (POSTPROBER_AI_API_KEY)."


class NoAnswer(PostProberError):
    """The model has not answered; `message` says why, for a person. `asked`: the question may have reached the server, so
    it may have to be paid for."""

    def __init__(self, message: str, kind: str, detail: str = "", *, asked: bool = False) -> None:
        super().__init__(message, detail)
        self.kind = kind
        self.asked = asked


class LanguageModel(Protocol):
    """What the advisor asks of a model. Every question may raise NoAnswer. `deadline`: of `deadline()`, shared by the
    questions that a person waits for together; None: the question has the whole time limit for itself."""

    @property
    def by(self) -> str: ...

    @property
    def server(self) -> str:
        """Whose server it is, in words or as an address, for a person."""
        ...

    def deadline(self) -> float:
        """The monotonic time by which an answer to whatever is asked from now on has to be there."""
        ...

    def review(self, brief: Brief, deadline: float | None = None) -> ReviewAnswer: ...

    def advise(self, brief: Brief, deadline: float | None = None) -> AdviceAnswer: ...

    def diagnose(self, evidence: Evidence) -> DiagnosisAnswer: ...

    def moderated(self, texts: tuple[str, ...], deadline: float | None = None) -> tuple[str, ...]: ...
