"""Bluesky's sessions and errors: app passwords, the two JWTs, and what a refusal means (bluesky/facts.md, 1 and 6)."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import datetime

from postprober.clock import Clock, SystemClock
from postprober.domain.account import Credentials
from postprober.domain.moments import from_epoch
from postprober.errors import (
    OutcomeUnknown,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Suspended,
    Throttled,
    Unavailable,
)
from postprober.http import HttpClient, Reply
from postprober.platforms.common.replies import ambiguous, dig, is_ambiguous, retry_at, text_at, unmapped

_LINK_AGAIN = "reconnect the account with a new app password"
# Error name → sentence. Sources: the `errors` of the lexicons com.atproto.server.* and com.atproto.repo.*, and
# packages/pds/src/auth-verifier.ts of bluesky-social/atproto; see bluesky/facts.md, 6.
_RECONNECT: dict[str, str] = {
    "ExpiredToken": "The Bluesky session has ended.",
    "InvalidToken": f"Bluesky does not accept this session; {_LINK_AGAIN}.",
    "AuthenticationRequired": f"Bluesky does not accept the handle or the app password; {_LINK_AGAIN}.",
    "AuthMissing": f"There is no Bluesky session; {_LINK_AGAIN}.",
    "AuthFactorTokenRequired": "This is the main password with e-mail codes; make an app password and link with that.",
    "AccountTakedown": "Bluesky has suspended this account. Settle that with Bluesky first.",
    "AccountDeactivated": "This Bluesky account is deactivated. Activate it on Bluesky first.",
    "RepoDeactivated": "This Bluesky account is deactivated. Activate it on Bluesky first.",
    "RepoTakendown": "Bluesky has suspended this account. Settle that with Bluesky first.",
    "RepoSuspended": "Bluesky has suspended this account. Settle that with Bluesky first.",
}
_SUSPENDED = frozenset({"AccountTakedown", "AccountDeactivated", "RepoDeactivated", "RepoTakendown", "RepoSuspended"})
_REJECTED: dict[str, str] = {
    "InvalidRequest": "Bluesky refused this post",
    "InvalidRecord": "Bluesky refused this post",
    "InvalidMimeType": "Bluesky does not take this kind of file",
    "BlobTooLarge": "The file is too large for Bluesky",
    "PayloadTooLarge": "The file is too large for Bluesky",
}
_AGAIN: dict[str, str] = {  # nothing was published, and the same again may work
    "BlobNotFound": "Bluesky no longer has the uploaded file; it will be uploaded again.",
    "NotEnoughResources": "Bluesky is busy; try again later.",
}


def failure(reply: Reply, now: datetime, *, visible: bool = False, can_log_in: bool = False) -> PlatformError:
    """The error for a reply that is not 2xx. `visible`: it answers the act that makes the post appear; `can_log_in`:
    an app password is at hand, so a new session may cure a refused one."""
    status, body = reply.status, reply.json_or_none()
    code, said = text_at(body, "error"), text_at(body, "message")
    if status == 429 or code == "RateLimitExceeded":
        moment = retry_at(reply.headers, now)
        return Throttled("Bluesky asks to wait.", reply.excerpt, http_status=status, code=code, retry_at=moment)
    if visible and is_ambiguous(status):
        return ambiguous(reply)
    if code in _RECONNECT or status == 401:
        text = _RECONNECT.get(code, _RECONNECT["InvalidToken"])
        if code in _SUSPENDED:
            return Suspended(text, reply.excerpt, http_status=status, code=code)
        expired = code == "ExpiredToken" or can_log_in
        return ReconnectNeeded(text, reply.excerpt, http_status=status, code=code, expired=expired)
    if status < 500 and code in _REJECTED:
        text = f"{_REJECTED[code]}: {said[:200]}" if said else _REJECTED[code]
        return PostRejected(f"{text.rstrip('.')}.", reply.excerpt, http_status=status, code=code)
    if status < 500 and code in _AGAIN:
        return Unavailable(_AGAIN[code], reply.excerpt, http_status=status, code=code)
    if visible and code:
        text = f"Bluesky refused this post: {(said or code)[:200].rstrip('.')}."
        return PostRejected(text, reply.excerpt, http_status=status, code=code)
    return ambiguous(reply) if visible else unmapped("Bluesky", reply, code)


def login(http: HttpClient, pds: str, identifier: str, password: str, *, clock: Clock | None = None) -> Credentials:
    """A session for a handle (or e-mail, or DID) and an app password. Asking twice only makes two sessions.

    Raises ReconnectNeeded (refused), Throttled (30 in 5 minutes), Unavailable, UnexpectedReply.
    """
    clock = clock or SystemClock()
    try:
        reply = http.send(
            "POST",
            f"{pds}/xrpc/com.atproto.server.createSession",
            json={"identifier": identifier, "password": password},
        )
    except OutcomeUnknown as error:
        raise Unavailable("Bluesky did not answer the sign-in; try again.", error.detail) from error
    if not reply.ok:
        raise failure(reply, clock.now())
    secret = {"identifier": identifier, "password": password}
    return _session(reply, Credentials("", instance=pds, secret=secret))


def renew(http: HttpClient, pds: str, cred: Credentials, *, clock: Clock) -> Credentials:
    """A new pair: from the refresh token, and where that is refused from the app password.

    Raises ReconnectNeeded, Throttled, Unavailable (nothing was sent), OutcomeUnknown (cut, 5xx, unreadable).
    """
    identifier, password = cred.secret.get("identifier", ""), cred.secret.get("password", "")
    if cred.refresh_token:
        reply = http.send("POST", f"{pds}/xrpc/com.atproto.server.refreshSession", headers=bearer(cred.refresh_token))
        if reply.ok:
            return _session(reply, cred)
        if reply.status >= 500:
            raise OutcomeUnknown("Bluesky broke while renewing.", reply.excerpt, http_status=reply.status)
        error = failure(reply, clock.now())
        if not isinstance(error, ReconnectNeeded) or not (identifier and password):
            raise error
    if not (identifier and password):
        raise ReconnectNeeded(f"The Bluesky session has ended; {_LINK_AGAIN}.")
    # By the DID, which stays when the handle changes or goes to somebody else.
    fresh = login(http, pds, cred.remote_id or identifier, password, clock=clock)
    return replace(fresh, instance=cred.instance, secret=cred.secret, scopes=cred.scopes)


def bearer(token: str) -> dict[str, str]:
    """The header that proves who asks."""
    return {"Authorization": f"Bearer {token}"}


def _session(reply: Reply, old: Credentials) -> Credentials:
    body = reply.json_or_none()
    access, refresh = text_at(body, "accessJwt"), text_at(body, "refreshJwt")
    if not access or not refresh:
        raise OutcomeUnknown("Bluesky's answer held no session.", reply.excerpt, http_status=reply.status)
    return replace(
        old,
        access_token=access,
        refresh_token=refresh,
        expires_at=expiry(access),
        remote_id=text_at(body, "did") or old.remote_id,
        name=text_at(body, "handle") or old.name,
    )


def expiry(token: str) -> datetime | None:
    """When the JWT ends (its `exp`, unverified: only the server can check it), None when it does not say."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    return from_epoch(dig(payload, "exp"))
