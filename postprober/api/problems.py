"""Problems as RFC 9457 `application/problem+json`: one plain sentence for the caller, never the detail for the log."""

from __future__ import annotations

import logging
from dataclasses import asdict
from http import HTTPStatus
from math import ceil
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import InterfaceError, OperationalError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import Match

from postprober.clock import Clock
from postprober.errors import (
    HERE,
    BadInput,
    Conflict,
    Forbidden,
    NotFound,
    NotInstalled,
    NotSignedIn,
    PlatformError,
    PostProberError,
    ReconnectNeeded,
    SecondFactorNeeded,
    Stale,
    Suspended,
    Throttled,
    TooManyTries,
    Unavailable,
    VaultError,
)
from postprober.security import log_redaction
from postprober.services.posts.gate import ReviewNeeded
from postprober.services.posts.posts import PreflightFailed

MEDIA_TYPE = "application/problem+json"  # RFC 9457, 3
_log = logging.getLogger(__name__)


class Precondition(PostProberError):
    """The request must say which version it means (RFC 6585, 3)."""


class Busy(Conflict):
    """The same request is being worked on; ask again after `retry_after` whole seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooManyAtOnce(PostProberError):
    """The caller does too much at the same time; ask again after `retry_after` whole seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Overloaded(TooManyAtOnce):
    """All callers together do too much at the same time."""


# The first that fits counts, so the special ones stand before the general ones.
_KINDS: tuple[tuple[type[PostProberError], int, str, str], ...] = (
    (PreflightFailed, 422, "preflight-failed", "A platform would refuse this post"),
    (BadInput, 422, "bad-input", "Unusable input"),
    (NotFound, 404, "not-found", "Not found"),
    (NotSignedIn, 401, "not-signed-in", "Not signed in"),
    (TooManyTries, 429, "too-many-tries", "Too many tries"),
    (SecondFactorNeeded, 401, "second-factor-needed", "A two-factor code is required"),
    (Overloaded, 503, "overloaded", "Too busy"),
    (TooManyAtOnce, 429, "too-many-at-once", "Too many at once"),
    (Forbidden, 403, "forbidden", "Forbidden"),
    (Stale, 412, "stale", "Version conflict"),
    (Precondition, 428, "precondition-required", "Say which version you mean"),
    (ReviewNeeded, 409, "review-needed", "Held for review"),
    (Busy, 409, "busy", "The same request is being worked on"),
    (Conflict, 409, "conflict", "Conflict"),
    (NotInstalled, 503, "not-installed", "Not installed here"),
    (VaultError, 503, "key-missing", "A stored secret cannot be read"),
    (Suspended, 409, "account-suspended", "Account suspended by the platform"),
    (ReconnectNeeded, 409, "reconnect-needed", "Reconnect the account"),
    (Throttled, 429, "platform-throttled", "Rate limited by the platform"),
    (PlatformError, 502, "platform-error", "Platform request failed"),
)
_PREFIX = "urn:postprober:problem:"


class FieldError(BaseModel):
    """`loc`: where, from outside in."""

    loc: list[str | int] = Field(examples=[["body", "content"]])
    message: str = Field(examples=["Field required"])


class Problem(BaseModel):
    """RFC 9457. `type` names the kind; `detail` is one sentence that says what to do."""

    type: str = Field(examples=["urn:postprober:problem:not-found"])
    title: str = Field(examples=["Not found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no post 12."])
    request_id: str | None = Field(None, description="Of this request, as in X-Request-Id and in the log")
    errors: list[FieldError] | None = Field(None, description="Only where fields of the request are wrong")
    violations: list[dict[str, Any]] | None = Field(None, description="Only for preflight-failed: reasons by account")
    reasons: list[str] | None = Field(None, description="Only for review-needed: what the review objects to")
    digest: str | None = Field(
        None, description="Only for review-needed: send it back as `approved` to approve the words"
    )


# Statuses that HTTP itself does not know: 460 of the tus protocol.
_PHRASES = {460: "Checksum mismatch"}


def _phrase(status: int) -> str:
    return _PHRASES.get(status) or HTTPStatus(status).phrase


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route may answer besides success, for its OpenAPI entry; 400, 500 and 503 can happen to all of them."""
    return {
        status: {
            "description": _phrase(status),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": _example(status)}},
        }
        for status in sorted({*statuses, 400, 500, 503})
    }


def install(app: FastAPI) -> None:
    """Every error of `app` becomes a problem, and its OpenAPI file knows what that is."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        schema = described()
        _describe(schema)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
    app.add_exception_handler(PostProberError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _plain)
    for lost in (OperationalError, InterfaceError, PendingRollbackError, PoolTimeout):
        app.add_exception_handler(lost, _no_database)
    app.add_exception_handler(Exception, _unknown)


def _describe(schema: dict[str, Any]) -> None:
    """The framework's own 422 has another form; whatever takes a body may find it too large (`middleware`)."""
    known = schema["components"]["schemas"]
    form = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    known.update({**form.pop("$defs"), "Problem": form})
    for operation in (operation for path in schema["paths"].values() for operation in path.values()):
        answers = operation["responses"]
        told = {413} if "requestBody" in operation else set()
        told |= {422} if "422" in answers else set()
        answers.update({str(status): entry for status, entry in responses(*told).items() if status in told})
    for name in ("HTTPValidationError", "ValidationError"):
        known.pop(name, None)


def problem(
    status: int, kind: str, title: str, detail: str, headers: dict[str, str] | None = None, **more: Any
) -> JSONResponse:
    """One problem as an answer."""
    body: dict[str, Any] = {"type": _PREFIX + kind if kind else "about:blank", "title": title, "status": status}
    body["detail"] = detail
    if asked := log_redaction.request_id.get():
        body["request_id"] = asked
    return JSONResponse({**body, **more}, status, headers, MEDIA_TYPE)


def _ours(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, VaultError):
        _log.error("a stored secret cannot be read: %s", error)
    if isinstance(error, Unavailable) and error.code == HERE:
        return _not_now(error.message)
    for cls, status, kind, title in _KINDS:
        if isinstance(error, cls):
            return problem(
                status, kind, title, str(error), _headers(error, request.app.state.core.clock), **_more(error)
            )
    _log.error("unexpected %s: %s", type(error).__name__, error)
    return _unknown(request, error)


def _headers(error: PostProberError, clock: Clock) -> dict[str, str]:
    if isinstance(error, NotSignedIn):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, (TooManyTries, Busy, TooManyAtOnce)):
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, Throttled) and error.retry_at is not None:
        return {"Retry-After": str(max(1, ceil((error.retry_at - clock.now()).total_seconds())))}
    return {}


def _more(error: PostProberError) -> dict[str, Any]:
    if isinstance(error, PreflightFailed):
        return {"violations": [_violations(error, account_id) for account_id in error.results]}
    if isinstance(error, ReviewNeeded):
        return {"reasons": list(error.reasons), "digest": error.digest}
    if isinstance(error, BadInput) and error.field:
        return {"errors": [{"loc": [error.field], "message": str(error)}]}
    return {}


def _violations(error: PreflightFailed, account_id: int) -> dict[str, Any]:
    result = error.results[account_id]
    return {
        "account_id": account_id,
        "account": error.names[account_id],
        "platform": result.platform,
        "length": result.length,
        "limit": result.limit,
        "violations": [asdict(v) for v in result.violations],
    }


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    """What was sent is not repeated: it may hold a password. Nor is what stands among the names where a value may be one of
    several kinds, because that is made of our functions."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 (registered for nothing else; tells mypy)
    found = [
        {"loc": [one for one in e["loc"] if "[" not in str(one)], "message": _sentence(str(e["msg"]))}
        for e in error.errors()
    ]
    where = ".".join(str(piece) for piece in found[0]["loc"]) if found else "request"
    detail = f"Correct {where}: {found[0]['message']}" if found else "Correct the request."
    return problem(422, "bad-input", "Unusable input", detail, errors=found)


def _sentence(text: str) -> str:
    return text.removeprefix("Value error, ")


def _plain(request: Request, error: Exception) -> JSONResponse:
    """What the framework refuses by itself: unknown paths, wrong methods, bodies that cannot be parsed."""
    assert isinstance(error, HTTPException)  # noqa: S101 (registered for nothing else; tells mypy)
    phrase = HTTPStatus(error.status_code).phrase
    sentence = _FRAMEWORK.get(error.status_code, str(error.detail))
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed(request)
    return problem(error.status_code, "", phrase, sentence, headers)


def _allowed(request: Request) -> str:
    """Every method of this address (RFC 9110, 10.2.1); the framework names those of the first route that fits."""
    found: set[str] = set()
    for route in request.app.state.routes:
        match, _ = route.matches(request.scope)
        found |= (getattr(route, "methods", None) or set()) if match is not Match.NONE else set()
    return ", ".join(sorted(found))


def _no_database(_request: Request, error: Exception) -> JSONResponse:
    _log.error("the database does not answer: %s", error)
    return _not_now("The database does not answer; try again in a moment.")


def _not_now(detail: str) -> JSONResponse:
    """This machine cannot do it at the moment."""
    return problem(503, "unavailable", "Unavailable", detail, {"Retry-After": "5"})


def _unknown(_request: Request, _error: Exception) -> JSONResponse:
    return problem(500, "internal", "Internal error", "Something went wrong here; the log has the details.")


_FRAMEWORK = {
    404: "There is nothing at this address; /api/docs lists all there is.",
    405: "This address does not take this method; the header Allow says which it takes.",
}


def _example(status: int) -> dict[str, Any]:
    title, kind = next(((t, k) for _, s, k, t in _KINDS if s == status), (_phrase(status), ""))
    type_ = _PREFIX + kind if kind else "about:blank"
    return {"type": type_, "title": title, "status": status, "detail": _SENTENCES.get(status, title)}


_SENTENCES = {
    400: "There was an error parsing the body",
    401: "Sign in first.",
    403: "This needs the permission posts:publish, which this sign-in or token does not have.",
    404: "There is no post 12.",
    408: "The upload took too long; try again.",
    409: "This post was submitted already: it is scheduled.",
    412: "This post has version 3 by now; read it again before you change it.",
    413: "The body is too large.",
    422: "Correct body.content: Field required",
    428: "Send If-Match with the ETag that you read.",
    429: "Too many tries; wait a minute.",
    500: "Something went wrong here; the log has the details.",
    502: "The platform could not be reached.",
    503: "The database does not answer; try again in a moment.",
}
__all__ = [
    "Busy",
    "FieldError",
    "Overloaded",
    "Precondition",
    "Problem",
    "TooManyAtOnce",
    "install",
    "problem",
    "responses",
]
