"""What an authorization server's answers mean: a token, or an error of ours that is named by its cure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from postprober.clock import Clock
from postprober.domain.account import Credentials
from postprober.domain.moments import seconds_after
from postprober.errors import (
    OutcomeUnknown,
    PlatformError,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.platforms.common.oauth_spec import OAuthSpec
from postprober.platforms.common.replies import retry_at


class TokenStep:
    """What a failed reply leaves behind: a code may be asked for again, a rotated refresh token may be lost."""

    EXCHANGE = "exchange"
    REFRESH = "refresh"


class TokenReply(Protocol):
    """The part of an HTTP reply that Authlib and `judge` look at."""

    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def json(self) -> Any: ...


@dataclass(frozen=True)
class PlainReply:
    """A reply of our own client, as `judge` reads it."""

    status_code: int
    body: Any
    headers: Mapping[str, str]

    def json(self) -> Any:
        return self.body


# RFC 6749 section 5.2, and what platforms answer beside it. The cure of all of them is a person.
_REFUSALS = frozenset({"invalid_grant", "invalid_token", "access_denied", "invalid_scope", "expired_token"})
_CLIENT_FAULTS = frozenset({"invalid_client", "unauthorized_client"})
# A spent refresh token as invalid_request, with texts about a token that is or was invalid, expired or revoked
# (NAME/facts.md, 1).
_SPENT = re.compile(r"invalid_request.*\btoken\b.*\b(?:invalid|expired|revoked)\b", re.IGNORECASE | re.DOTALL)


def judge(reply: TokenReply, spec: OAuthSpec, clock: Clock, act: str, excerpt: str) -> TokenReply:
    """The reply with a token in it, or our error."""
    status, body = reply.status_code, _body(reply)
    if 200 <= status < 300:
        flat = _flat(body)
        if isinstance(flat.get("access_token"), str) and flat["access_token"]:
            return PlainReply(status, {**flat, "expires_in": _seconds(flat.get("expires_in"))}, reply.headers)
        raise OutcomeUnknown(f"{spec.name}'s answer held no token; reconnect the account.", excerpt, http_status=status)
    code = str(body.get("error") or body.get("error_type") or "") if isinstance(body, dict) else ""
    raise refusal(reply, spec, clock, act, code, excerpt)


def refusal(reply: TokenReply, spec: OAuthSpec, clock: Clock, act: str, code: str, excerpt: str) -> PlatformError:
    """The error for an answer that is no token; `code`: its `error`."""
    status = reply.status_code
    if status == 429:
        moment = retry_at(reply.headers, clock.now())
        return Throttled(f"{spec.name} asks to wait.", excerpt, http_status=status, code=code, retry_at=moment)
    if status >= 500 and act == TokenStep.REFRESH:
        return OutcomeUnknown(f"{spec.name} broke while renewing the token.", excerpt, http_status=status, code=code)
    if status >= 500:
        return Unavailable(
            f"{spec.name} cannot sign anybody in now; try again.", excerpt, http_status=status, code=code
        )
    if code in _CLIENT_FAULTS:
        text = f"{spec.name} does not accept this installation's client id or secret; correct them, then link again."
        return ReconnectNeeded(text, excerpt, http_status=status, code=code)
    # A code that is refused as invalid_request is spent or late: whatever it is, signing in again helps.
    refused_code = act == TokenStep.EXCHANGE and code == "invalid_request"
    if code in _REFUSALS or code == "OAuthException" or refused_code or _SPENT.search(excerpt):
        text = f"{spec.name} no longer accepts this sign-in; reconnect the account."
        return ReconnectNeeded(text, excerpt, http_status=status, code=code)
    return UnexpectedReply(
        f"{spec.name} answered the sign-in in an unknown way.", excerpt, http_status=status, code=code
    )


def _body(reply: TokenReply) -> Any:
    try:
        return reply.json()
    except ValueError:
        return None


def _flat(body: Any) -> dict[str, Any]:
    """The token object; some wrap it in `data[0]`."""
    if isinstance(body, dict):
        inner = body.get("data")
        if isinstance(inner, list) and inner and isinstance(inner[0], dict):
            return inner[0]
        return body
    return {}


def credentials_in(token: Mapping[str, Any], old: Credentials, now: datetime) -> Credentials:
    """The tokens of a judged answer; what it does not say stays as in `old`."""
    scope = token.get("scope") or token.get("permissions") or ""
    names = scope if isinstance(scope, list) else str(scope).replace(",", " ").split()
    return replace(
        old,
        access_token=str(token["access_token"]),
        refresh_token=str(token.get("refresh_token") or old.refresh_token),
        expires_at=seconds_after(now, token.get("expires_in")),  # None: the platform did not say
        remote_id=str(token.get("user_id") or old.remote_id),
        scopes=tuple(str(name) for name in names) or old.scopes,
    )


def _seconds(life: object) -> int | None:
    """A token's life as a whole number, None when the platform gave none or nonsense (Authlib would raise)."""
    try:
        seconds = int(float(str(life)))
    except (ValueError, OverflowError):
        return None
    return seconds if seconds > 0 else None
