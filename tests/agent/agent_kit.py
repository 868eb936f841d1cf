"""Briefs, evidence and minds for the agent's tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from postprober.agent.brief import Brief, Picture, Target
from postprober.agent.evidence import Evidence, Try
from postprober.agent.language_model import Turn
from postprober.agent.model_answers import AdviceAnswer, AltTextAnswer, DiagnosisAnswer, ReviewAnswer
from postprober.agent.model_client import ModelClient
from postprober.clock import ManualClock
from postprober.domain.attempt import Act, Outcome
from postprober.domain.delivery import DeliveryState
from postprober.domain.diagnosis import Cause, Fix
from postprober.domain.platform import Platform
from postprober.domain.post import MediaFile, MediaKind
from postprober.http import HttpClient, Pools
from postprober.platforms.registry import LIMITS

NOW = ManualClock().now()
SHARES: list[str] = []  # lines for the end of `make test-agent`


def target(text: str | tuple[str, ...], platform: Platform = Platform("bluesky"), **more: Any) -> Target:
    return Target(1, platform, LIMITS[platform], (text,) if isinstance(text, str) else text, **more)


def brief(*texts: str, platform: Platform = Platform("bluesky"), pictures: tuple[Picture, ...] = ()) -> Brief:
    return Brief((target(tuple(texts), platform),), pictures, NOW)


def picture(name: str = "a.png", alt: str = "") -> Picture:
    return Picture(MediaFile(5, MediaKind.IMAGE, "image/png", 900, 800, 800, "0" * 64, "/none", alt), name)


def evidence(
    platform: Platform = Platform("x"),
    status: int | None = 400,
    reply: str = "",
    *,
    act: Act = Act.PUBLISH,
    outcome: Outcome = Outcome.REJECTED,
    message: str = "",
    **more: Any,
) -> Evidence:
    made: dict[str, Any] = {
        "state": DeliveryState.FAILED,
        "reason": message,
        "limits": LIMITS[platform],
        "texts": ("Hello",),
        **more,
    }
    return Evidence(platform, tries=(Try(7, act, outcome, status, reply, message),), **made)


@dataclass
class Purse:
    """A ledger in memory. `left`: tokens of today's budget."""

    left: int = 1_000_000
    rows: list[dict[str, Any]] = field(default_factory=list)

    def reserve(self, purpose: str, model: str, tokens: int, space: int | None = None) -> int | None:
        if tokens > self.left:
            return None
        self.rows.append({"purpose": purpose, "model": model, "most": tokens, "space": space})
        return len(self.rows) - 1

    def settle(self, row: int, input_tokens: int, output_tokens: int, outcome: str) -> None:
        self.rows[row].update(input=input_tokens, output=output_tokens, outcome=outcome)


def model(url: str, purse: Purse | None = None, **more: Any) -> ModelClient:
    http = more.pop("http", None) or HttpClient(Pools(allow_private=True, timeout=5.0))
    settings = {"name": "sandbox-model", "key": "sk-sandbox", "base_url": f"{url}/openai/v1", "timeout": 5.0, **more}
    return ModelClient(http, settings.pop("clock", ManualClock()), purse or Purse(), **settings)


@dataclass
class Scripted:
    """A mind that says what the test wants it to say."""

    reviewed: ReviewAnswer = field(
        default_factory=lambda: ReviewAnswer(verdict="appropriate", reasons=["Fine."], confidence=0.9)
    )
    rewrites: list[Any] = field(default_factory=list)
    diagnosed: DiagnosisAnswer = field(
        default_factory=lambda: DiagnosisAnswer(
            cause=Cause.UNKNOWN, fix=Fix.ASK_PERSON, confidence=0.9, explanation="Look."
        )
    )
    objections: tuple[str, ...] = ()
    sentence: str = "A red square."
    by: str = "model test"
    server: str = "a test"

    def deadline(self) -> float:
        return 0.0

    def review(self, brief: Brief, turn: Turn | None = None) -> ReviewAnswer:
        return self.reviewed

    def advise(self, brief: Brief, turn: Turn | None = None) -> AdviceAnswer:
        return AdviceAnswer(review=self.reviewed, rewrites=self.rewrites)

    def diagnose(self, evidence: Evidence, turn: Turn | None = None) -> DiagnosisAnswer:
        return self.diagnosed

    def moderated(self, texts: tuple[str, ...], turn: Turn | None = None) -> tuple[str, ...]:
        return self.objections

    def described(self, jpeg: bytes, brief: Brief, turn: Turn | None = None) -> AltTextAnswer:
        return AltTextAnswer(sentence=self.sentence)
