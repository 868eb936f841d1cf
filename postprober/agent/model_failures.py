"""What went wrong at a model's server, in one sentence for a person."""

from __future__ import annotations

import openai

from postprober.agent.language_model import KEY_REFUSED, NoAnswer
from postprober.agent.reading import UNREADABLE
from postprober.errors import BadInput, OutcomeUnknown, PlatformError

# The client's own errors; ours, which come through its transport; and what its parser raises on a reply of another form.
FAILURES = (openai.OpenAIError, PlatformError, BadInput, ValueError, AttributeError, TypeError, KeyError)

# The statuses by which servers say that they do not know a field of the question, such as `response_format`.
_NOT_UNDERSTOOD = frozenset({400, 415, 422, 501})
# Codes of the same statuses that are about the question itself (agent/facts.md, 4).
_OF_THE_TEXT = frozenset({"context_length_exceeded", "content_policy_violation", "content_filter"})


def late(timeout: float, detail: str = "", *, asked: bool = True) -> NoAnswer:
    """No answer in time."""
    return NoAnswer(f"The model did not answer within {timeout:g} seconds.", "timeout", detail, asked=asked)


def said(error: Exception, timeout: float) -> NoAnswer:
    """The sentence for `error`; its kind is `form` where another form of the question may be understood. 429 is two
    things: too fast, or nothing left to pay with (agent/facts.md, 4)."""
    detail, lost = type(error).__name__, _lost(error)
    if isinstance(error, openai.RateLimitError):
        if "insufficient_quota" in (error.code, error.type):
            return NoAnswer("The model's account has no credit left.", "quota", detail)
        return NoAnswer("The model's server asks for fewer questions.", "rate", detail)
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return NoAnswer(KEY_REFUSED, "key", detail)
    if isinstance(error, openai.NotFoundError):
        return NoAnswer("The model's server does not know this model (POSTPROBER_AI_MODEL).", "missing", detail)
    if isinstance(error, openai.APITimeoutError) or (lost is not None and lost.code == "timeout"):
        return late(timeout, detail)
    if lost is not None:
        return NoAnswer("The connection broke before the model's answer was complete.", "fault", detail, asked=True)
    if isinstance(error, openai.APIConnectionError | PlatformError | BadInput):
        return NoAnswer("The model's server could not be reached.", "fault", detail)
    if isinstance(error, openai.APIStatusError) and error.status_code in _NOT_UNDERSTOOD:
        kind = "refused" if error.code in _OF_THE_TEXT else "form"
        return NoAnswer("The model's server did not understand the question.", kind, detail)
    if isinstance(error, openai.APIStatusError) and error.status_code >= 500:
        return NoAnswer("The model's server has a fault.", "fault", detail)
    if isinstance(error, openai.APIStatusError):
        return NoAnswer("The model's server did not understand the question.", "refused", detail)
    return NoAnswer(UNREADABLE, "malformed", detail, asked=True)


def _lost(error: BaseException) -> OutcomeUnknown | None:
    """Why an answer is missing although the question left; None when that is not so."""
    return next((e for e in (error, error.__cause__) if isinstance(e, OutcomeUnknown)), None)
