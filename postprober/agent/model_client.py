"""The model: any OpenAI-compatible server, asked with structured outputs, a time limit and a daily budget.

It is asked for opinions. Whatever it answers is checked by `advisor`; whatever goes wrong is one sentence, and rules
answer instead.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import openai
from openai import OpenAI

from postprober.agent import questions, reading
from postprober.agent.brief import Brief
from postprober.agent.evidence import Evidence
from postprober.agent.language_model import NoAnswer, Turn
from postprober.agent.model_answers import AdviceAnswer, AltTextAnswer, DiagnosisAnswer, ModelAnswer, ReviewAnswer
from postprober.agent.model_failures import FAILURES, late, said
from postprober.agent.reading import MOST_TOKENS
from postprober.agent.waiting import TookTooLong, within
from postprober.clock import Clock
from postprober.http import HttpClient

__all__ = ["MOST_TOKENS", "OPENAI_URL", "PAUSES", "UNOFFERED", "ModelClient", "TokenBudget"]

log = logging.getLogger("postprober.model")

OPENAI_URL = "https://api.openai.com/v1"  # agent/facts.md, 1
MAX_ANSWER_TOKENS = 1500  # a review with ten rewrites is about 1,000
CHARS_PER_TOKEN = 3  # English has about 4; fewer is the cautious estimate for what is reserved
PICTURE_TOKENS = 3000  # ours, for one of 512 pixels: what models count differs, and more is the cautious estimate
# Ours: how long a model that cannot answer is left alone, so that no post waits for it again and again.
PAUSES = {"quota": 600.0, "key": 600.0, "rate": 60.0, "timeout": 30.0, "fault": 15.0}

# The statuses by which servers without a moderation endpoint say so. 404, 405 and 501 are about the address, so the
# question is not put again for a while; 400 and 422 may be about one text, so the next one is asked about again.
_NO_MODERATION = frozenset({400, 404, 405, 422, 501})
_NEVER_MODERATES = frozenset({404, 405, 501})
UNOFFERED = 3600.0  # seconds; ours: a server may be given what it lacks while we run
# All that a server needs. The library adds this machine's system, and what OPENAI_ORG_ID, OPENAI_PROJECT_ID and
# OPENAI_CUSTOM_HEADERS say, which may be about another server.
_HEADERS = frozenset({"authorization", "accept", "content-type"})
_NO_PICTURES = "The model does not read pictures."

T = TypeVar("T", bound=ModelAnswer)


class TokenBudget(Protocol):
    """Keeps the budgets. `reserve` is called before a question and `settle` after it, whatever came of it."""

    def reserve(self, purpose: str, model: str, tokens: int, space: int | None = None) -> int | None:
        """A row for a question of at most `tokens`; None when today's budget (of the space) does not allow it."""
        ...

    def settle(self, row: int, input_tokens: int, output_tokens: int, outcome: str) -> None: ...


@dataclass
class ModelClient:
    """One model behind one server. Thread safe. `key`: "" for servers that want none. `timeout`: seconds for all that is
    asked for one click."""

    http: HttpClient
    clock: Clock
    token_budget: TokenBudget
    name: str
    key: str = field(repr=False)
    base_url: str = ""
    timeout: float = 20.0

    def __post_init__(self) -> None:
        self._chat, self._moderation, self._sight = (_Silence(self.clock) for _ in range(3))
        # Monotonic times: from when on it is asked again for what it did not have.
        self._asks_moderation_from = self._asks_by_schema_from = self._shows_pictures_from = 0.0
        # Without a key no such header at all: a made-up one would be refused by a server that wants another.
        self._headers: Any = {} if self.key else {"Authorization": openai.Omit()}
        bound = self.http.bound(secrets=[self.key] if self.key else [])
        self._client = OpenAI(
            api_key=self.key or "none",
            base_url=self.base_url or OPENAI_URL,
            timeout=self.timeout,
            max_retries=0,
            http_client=bound.library_client(self.timeout, _HEADERS),
        )

    @property
    def by(self) -> str:
        return f"model {self.name}"

    @property
    def server(self) -> str:
        """The address that is asked, without anything secret in it."""
        return self.http.redactor.url(self.base_url or OPENAI_URL)

    def deadline(self) -> float:
        """`timeout` seconds from now, on the monotonic clock."""
        return self.clock.monotonic() + self.timeout

    def review(self, brief: Brief, turn: Turn | None = None) -> ReviewAnswer:
        """Whether the post is fit. Raises NoAnswer."""
        return self._ask("review", questions.REVIEW, _text(questions.of_post(brief)), ReviewAnswer, turn)

    def advise(self, brief: Brief, turn: Turn | None = None) -> AdviceAnswer:
        """Review and rewrites. Raises NoAnswer."""
        return self._ask("advise", questions.ADVISE, _text(questions.of_post(brief)), AdviceAnswer, turn)

    def diagnose(self, evidence: Evidence, turn: Turn | None = None) -> DiagnosisAnswer:
        """Cause and fix. Raises NoAnswer."""
        return self._ask("diagnose", questions.DIAGNOSE, _text(questions.of_case(evidence)), DiagnosisAnswer, turn)

    def described(self, jpeg: bytes, brief: Brief, turn: Turn | None = None) -> AltTextAnswer:
        """What the picture shows. Raises NoAnswer, for an hour without asking once the server has said that it reads no
        pictures."""
        if self.clock.monotonic() < self._shows_pictures_from:
            raise NoAnswer(_NO_PICTURES, "unseeing")
        picture = {"url": f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}", "detail": "low"}
        given: list[dict[str, Any]] = [
            {"type": "text", "text": _text(questions.of_picture(brief))},
            {"type": "image_url", "image_url": picture},
        ]
        try:
            return self._ask("alt text", questions.DESCRIBE, given, AltTextAnswer, turn, self._sight, PICTURE_TOKENS)
        except NoAnswer as error:
            if error.kind != "form":
                raise
            self._shows_pictures_from = self.clock.monotonic() + UNOFFERED
            raise NoAnswer(_NO_PICTURES, "unseeing", error.detail) from None

    def moderated(self, texts: tuple[str, ...], turn: Turn | None = None) -> tuple[str, ...]:
        """The names of what the moderation endpoint objects to; empty when it has nothing against it, or when this server
        refuses to moderate (many local servers answer 404, 405 or 400). Raises NoAnswer, also for an answer that does
        not judge every text and objects to nothing.
        """
        given = [text for text in texts if text]
        if not given or self.clock.monotonic() < self._asks_moderation_from:
            return ()

        def call(seconds: float) -> Any:
            try:
                return self._client.moderations.with_raw_response.create(
                    input=given, timeout=seconds, extra_headers=self._headers
                ).text
            except openai.APIStatusError as error:
                if error.status_code not in _NO_MODERATION:
                    raise
                if error.status_code in _NEVER_MODERATES:
                    self._asks_moderation_from = self.clock.monotonic() + UNOFFERED
                return None

        told = self._guarded(self._moderation, call, turn)
        body = reading.json_or_none(told)
        if reading.is_no_address(body):
            self._asks_moderation_from = self.clock.monotonic() + UNOFFERED
            told = None
        if told is None:
            log.info("the model's server does not moderate")
            return ()
        objections, complete = reading.moderation(body, len(given))
        if not objections and not complete:
            raise NoAnswer("The moderation service's answer could not be read.", "malformed", asked=True)
        return objections

    def _ask(
        self,
        purpose: str,
        task: str,
        given: str | list[dict[str, Any]],
        kind: type[T],
        turn: Turn | None,
        silence: _Silence | None = None,
        more_tokens: int = 0,
    ) -> T:
        """One question, paid for once. `given`: text, or text and a picture, which costs `more_tokens`."""
        text = given if isinstance(given, str) else given[0]["text"]
        most = (len(task) + len(text) + len(json.dumps(kind.model_json_schema()))) // CHARS_PER_TOKEN + more_tokens
        row = self.token_budget.reserve(purpose, self.name, most + MAX_ANSWER_TOKENS, turn.space if turn else None)
        if row is None:
            raise NoAnswer("Today's budget for the model is used up.", "budget")
        spent, outcome = (most, MAX_ANSWER_TOKENS), "lost"
        try:
            body = reading.json_or_none(self._completion(task, given, kind, turn, silence or self._chat))
            spent = reading.tokens(body) or spent
            parsed = reading.answer(body, kind)
            outcome = "answered"
            return parsed
        except NoAnswer as error:
            outcome = error.kind
            if not error.asked:
                spent = (0, 0)
            raise
        finally:
            self.token_budget.settle(row, *spent, outcome)

    def _completion(
        self, task: str, given: str | list[dict[str, Any]], kind: type[T], turn: Turn | None, silence: _Silence
    ) -> Any:
        """The reply's body. A server that does not understand the form is asked in words for it, and from then on for an
        hour at once."""

        def by_schema(seconds: float) -> Any:
            return self._client.chat.completions.with_raw_response.parse(
                model=self.name,
                messages=_messages(task, given),
                response_format=kind,
                max_completion_tokens=MAX_ANSWER_TOKENS,
                timeout=seconds,
                extra_headers=self._headers,
            ).text

        def in_words(seconds: float) -> Any:
            return self._client.chat.completions.with_raw_response.create(
                model=self.name,
                messages=_messages(questions.with_schema(task, kind.model_json_schema()), given),
                max_tokens=MAX_ANSWER_TOKENS,
                timeout=seconds,
                extra_headers=self._headers,
            ).text

        if self.clock.monotonic() < self._asks_by_schema_from:
            return self._guarded(silence, in_words, turn)
        try:
            return self._guarded(silence, by_schema, turn)
        except NoAnswer as error:
            if error.kind != "form":
                raise
        told = self._guarded(silence, in_words, turn)
        self._asks_by_schema_from = self.clock.monotonic() + UNOFFERED
        return told

    def _guarded(self, silence: _Silence, call: Callable[[float], Any], turn: Turn | None) -> Any:
        """One request, given the seconds that are left. Raises NoAnswer, at once while that endpoint is left alone, and
        when nobody wants the answer any more."""
        silence.check()
        seconds = self.timeout if turn is None else min(self.timeout, turn.until - self.clock.monotonic())
        if seconds <= 0:
            raise late(self.timeout, "no time was left", asked=False)
        if turn is not None and not turn.wanted():
            raise NoAnswer("The post was changed meanwhile.", "changed")
        try:
            return within(seconds, lambda: call(seconds))
        except TookTooLong as error:
            told = late(self.timeout, "given up", asked=error.begun)
        except FAILURES as error:
            told = said(error, self.timeout)
        silence.begin(told)
        raise told from None


class _Silence:
    """How long one endpoint that cannot answer is left alone, and why. Thread safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until = 0.0
        self._because = ("", "")

    def check(self) -> None:
        """Raises NoAnswer while it lasts."""
        with self._lock:
            if self._clock.monotonic() < self._until:
                raise NoAnswer(*self._because)

    def begin(self, told: NoAnswer) -> None:
        with self._lock:
            if told.kind in PAUSES:
                self._until = self._clock.monotonic() + PAUSES[told.kind]
                self._because = (told.message, told.kind)


def _text(facts: dict[str, Any]) -> str:
    return json.dumps(facts, ensure_ascii=False)


def _messages(task: str, given: str | list[dict[str, Any]]) -> Any:
    return [{"role": "system", "content": task}, {"role": "user", "content": given}]
