"""What the advisor asks of a model, apart from the model itself: its client library takes long to load, and without one
that is set up nobody needs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from postprober.agent.brief import Brief
from postprober.agent.evidence import Evidence
from postprober.agent.model_answers import AdviceAnswer, AltTextAnswer, DiagnosisAnswer, ReviewAnswer
from postprober.errors import PostProberError

KEY_REFUSED = "The model's server does not accept the key (POSTPROBER_AI_API_KEY)."


class NoAnswer(PostProberError):
    """The model has not answered; `message` says why, for a person. `asked`: the question may have reached the server, so
    it may have to be paid for."""

    def __init__(self, message: str, kind: str, detail: str = "", *, asked: bool = False) -> None:
        super().__init__(message, detail)
        self.kind = kind
        self.asked = asked


def always() -> bool:
    """An answer is of use whatever happens meanwhile."""
    return True


@dataclass(frozen=True)
class Turn:
    """What the questions of one click share. `until`: monotonic time by which every answer has to be there. `space`: whose
    budget pays; None: the installation's alone. `wanted`: whether an answer is still of use; asked before each question,
    so that what is about a text that has changed is given up."""

    until: float
    space: int | None = None
    wanted: Callable[[], bool] = always


class LanguageModel(Protocol):
    """What the advisor asks of a model. Every question may raise NoAnswer. `turn` None: the question has the whole time
    limit for itself, and is no space's."""

    @property
    def by(self) -> str: ...

    @property
    def server(self) -> str:
        """Whose server it is, in words or as an address, for a person."""
        ...

    def deadline(self) -> float:
        """The monotonic time by which an answer to whatever is asked from now on has to be there."""
        ...

    def review(self, brief: Brief, turn: Turn | None = None) -> ReviewAnswer: ...

    def advise(self, brief: Brief, turn: Turn | None = None) -> AdviceAnswer: ...

    def diagnose(self, evidence: Evidence, turn: Turn | None = None) -> DiagnosisAnswer: ...

    def moderated(self, texts: tuple[str, ...], turn: Turn | None = None) -> tuple[str, ...]: ...

    def described(self, jpeg: bytes, brief: Brief, turn: Turn | None = None) -> AltTextAnswer:
        """One sentence about a picture, in the language of the brief."""
        ...


class ModelUse(Protocol):
    """Whether a space has agreed to ask the model."""

    def refusal(self, space: int | None) -> str:
        """Why the model is not asked for `space`, as a sentence for a person; "" when it may be."""
        ...

    def pictures(self, space: int | None) -> bool:
        """Whether it may be shown small copies of the space's pictures."""
        ...
