"""An OpenAI-compatible server's way of speaking. agent/facts.md, 4 and 5."""

from typing import Any

from postprober.sandbox.engine.faults import Fault
from postprober.sandbox.engine.operation import ApiRefusal, Call

KEY_PREFIX = "sk-"
BAD_KEY = "sk-invalid"


def problem(
    status: int, message: str, kind: str, code: str | None = None, headers: dict[str, str] | None = None
) -> ApiRefusal:
    """The error envelope: all four fields are required, two may be null."""
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return ApiRefusal(status, body, headers)


def out_of_quota() -> ApiRefusal:
    """429 like a rate limit, but waiting does not help."""
    message = "You exceeded your current quota, please check your plan and billing details."
    return problem(429, message, "insufficient_quota", "insufficient_quota")


class OpenAiDialect:
    """Accounts are not emulated: every key that looks like one may ask."""

    name = "openai"

    def find_account(self, call: Call, /) -> None:
        """Nobody is named in the log; keys are not kept."""

    def check_key(self, call: Call) -> None:
        """Raises Refusal for a missing or wrong key."""
        key = call.request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if not key.startswith(KEY_PREFIX) or key == BAD_KEY:
            raise self.refuse_token(call, "invalid")

    def refuse_token(self, call: Call, why: str, /) -> ApiRefusal:
        return problem(401, "Incorrect API key provided: sk-…", "invalid_request_error", "invalid_api_key")

    def server_error(self, status: int) -> ApiRefusal:
        if status == 503:
            return problem(503, "The engine is currently overloaded, please try again later", "server_error")
        return problem(status, "The server had an error while processing your request", "server_error")

    def rate_limited(self, call: Call, fault: Fault, /) -> ApiRefusal:
        seconds = fault.seconds(20)
        headers = {"retry-after": str(round(seconds)), "x-ratelimit-remaining-requests": "0"}
        return problem(429, "Rate limit reached for requests", "requests", "rate_limit_exceeded", headers)

    def bad_refresh(self) -> ApiRefusal:
        return problem(401, "There is nothing to refresh here", "invalid_request_error")

    def headers(self, call: Call, /) -> dict[str, str]:
        """Observed on the real service (community.openai.com 1268905)."""
        named: dict[str, Any] = {
            "x-request-id": f"req_{call.seq}",
            "openai-processing-ms": "12",
            "x-ratelimit-limit-requests": "500",
            "x-ratelimit-remaining-requests": "499",
            "x-ratelimit-reset-requests": "120ms",
        }
        return named
