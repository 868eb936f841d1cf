"""Signing in: OAuth 2 authorization code, with PKCE where the platform has it, and refresh with rotation.

Authlib builds the URLs, the PKCE pair, the client authentication and reads the token replies; its requests run through
our own guarded client. What a reply means in our words is decided here, in `_judge`, before Authlib sees it.

Steps: `start` → the person consents → `check_callback` → `exchange`. Storing `state` and `code_verifier` for single use
is the caller's work.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from authlib.integrations.httpx_client import OAuth2Client  # type: ignore[import-untyped,unused-ignore]

from postprober.clock import Clock, SystemClock
from postprober.domain.account import Credentials
from postprober.domain.moments import seconds_after
from postprober.domain.platform import PlatformConfig
from postprober.errors import (
    BadInput,
    OutcomeUnknown,
    PlatformError,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.http import HttpClient
from postprober.platforms.common.oauth_spec import OAuthSpec
from postprober.platforms.common.replies import retry_at

VERIFIER_BYTES = 48  # 64 characters; RFC 7636 section 4.1 asks for 43 to 128


@dataclass(frozen=True)
class AuthorizeRequest:
    """Where to send the person, and the secret to keep until the code comes back ("" without PKCE)."""

    url: str
    code_verifier: str


def new_state() -> str:
    """An unguessable value for one sign-in (RFC 6749 section 10.12); 43 characters; the shortest limit of a platform is 500."""
    return secrets.token_urlsafe(32)


def start(config: PlatformConfig, redirect_uri: str, state: str, spec: OAuthSpec) -> AuthorizeRequest:
    """The consent page for one sign-in. Raises BadInput without a client id."""
    _need_client(config, spec)
    verifier = secrets.token_urlsafe(VERIFIER_BYTES) if spec.pkce else ""
    with OAuth2Client(
        config.client_id,
        redirect_uri=redirect_uri,
        scope=spec.scope_separator.join(spec.scopes),
        code_challenge_method="S256" if spec.pkce else None,
        trust_env=False,
    ) as client:
        url, _ = client.create_authorization_url(spec.authorize_url, state=state, code_verifier=verifier or None)
    return AuthorizeRequest(str(url), verifier)


def check_callback(spec: OAuthSpec, params: Mapping[str, str], state: str) -> str:
    """The code out of the callback's query `params`, after checking `state` and `iss`. Raises BadInput."""
    if not state or not hmac.compare_digest(params.get("state", "").encode(), state.encode()):
        raise BadInput("This sign-in was not started here or is over; start it again.", field="state")
    iss = params.get("iss", "")
    if iss and iss != (spec.issuer or _origin(spec.authorize_url)):
        raise BadInput(f"The answer came from another server than {spec.name}; start the sign-in again.", field="iss")
    if params.get("error") == "access_denied":
        raise BadInput(
            f"You did not allow the access on {spec.name}; start the sign-in again to link it.", field="error"
        )
    code = params.get("code", "").removesuffix("#_")  # which some append for browsers
    if params.get("error") or not code:
        raise BadInput(
            f"{spec.name} did not finish the sign-in; start it again.", str(params.get("error")), field="error"
        )
    return code


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


def _need_client(config: PlatformConfig, spec: OAuthSpec) -> None:
    if not config.client_id:
        setting = f"POSTPROBER_{config.platform.value.upper()}_CLIENT_ID"
        raise BadInput(f"There is no client id for {spec.name}; set {setting}.", field="client_id")


def at_instance(config: PlatformConfig, instance: str, app: Mapping[str, str]) -> PlatformConfig:
    """`config` for one server and the app registered there (`PlatformSpec.register_app`)."""
    return replace(
        config,
        api_url=instance,
        auth_url=instance,
        client_id=app["client_id"],
        client_secret=app["client_secret"],
        settings={**config.settings, "scopes": app.get("scopes", "")},
    )


def exchange(
    http: HttpClient,
    config: PlatformConfig,
    redirect_uri: str,
    code: str,
    code_verifier: str = "",
    *,
    spec: OAuthSpec,
    clock: Clock | None = None,
) -> Credentials:
    """Tokens for a code. The code is spent whatever happens: after any error the person signs in again.

    Raises ReconnectNeeded (refused), Throttled, Unavailable (5xx, unreachable), OutcomeUnknown (cut), UnexpectedReply.
    """
    clock = clock or SystemClock()
    extra = {"code_verifier": code_verifier} if code_verifier else {}
    with _client(http, config, spec, clock, _Act.EXCHANGE) as client:
        token = client.fetch_token(
            spec.token_url, grant_type="authorization_code", code=code, redirect_uri=redirect_uri, **extra
        )
    cred = _credentials(token, Credentials(""), clock.now())
    if spec.per_server:
        secret = {"client_id": config.client_id, "client_secret": config.client_secret}
        cred = replace(cred, instance=config.api_url, secret=secret)
    return _long_lived(http, config, spec, cred, clock) if spec.long_lived_url else cred


def _long_lived(
    http: HttpClient, config: PlatformConfig, spec: OAuthSpec, cred: Credentials, clock: Clock
) -> Credentials:
    """The second step where there is one. Asking twice does no harm, so it is a read."""
    reply = http.read(
        "GET",
        spec.long_lived_url,
        params={
            "grant_type": "ig_exchange_token",
            "client_secret": config.client_secret,
            "access_token": cred.access_token,
        },
    )
    judged = _judge(
        _Plain(reply.status, reply.json_or_none(), reply.headers), spec, clock, _Act.EXCHANGE, reply.excerpt
    )
    return _credentials(judged.json(), cred, clock.now())


def refresh_tokens(
    http: HttpClient,
    config: PlatformConfig,
    cred: Credentials,
    spec: OAuthSpec,
    *,
    clock: Clock | None = None,
) -> Credentials:
    """A new pair for the refresh token, which is spent by it where tokens rotate: store the result before using it.

    Raises ReconnectNeeded (refused, or there is no refresh token), Throttled, Unavailable (nothing was sent),
    OutcomeUnknown (cut, 5xx or unreadable: the platform may have rotated), UnexpectedReply.
    """
    clock = clock or SystemClock()
    if not cred.refresh_token:
        raise ReconnectNeeded(f"{spec.name} gave no refresh token; reconnect the account.")
    with _client(http, config, spec, clock, _Act.REFRESH) as client:
        token = client.refresh_token(spec.token_url, refresh_token=cred.refresh_token)
    return _credentials(token, cred, clock.now())


def revoke_tokens(http: HttpClient, config: PlatformConfig, cred: Credentials, spec: OAuthSpec) -> bool:
    """Withdraw the token (RFC 7009); False where the platform offers no way or refuses. Raises Unavailable or
    OutcomeUnknown when it cannot be reached."""
    if not spec.revoke_url or not config.client_id:
        return False
    with _client(http, config, spec, SystemClock(), _Act.EXCHANGE) as client:
        reply = client.revoke_token(spec.revoke_url, token=cred.refresh_token or cred.access_token)
    return 200 <= int(reply.status_code) < 300


class _Act:
    """What a failed reply leaves behind: a code may be asked for again, a rotated refresh token may be lost."""

    EXCHANGE = "exchange"
    REFRESH = "refresh"


class _TokenReply(Protocol):
    """The part of an HTTP reply that Authlib and `_judge` look at."""

    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def json(self) -> Any: ...


@dataclass(frozen=True)
class _Plain:
    status_code: int
    body: Any
    headers: Mapping[str, str]

    def json(self) -> Any:
        return self.body


def _client(http: HttpClient, config: PlatformConfig, spec: OAuthSpec, clock: Clock, act: str) -> Any:
    """Authlib's client over our transport; `Any`, because Authlib has no types."""
    client = OAuth2Client(
        config.client_id,
        config.client_secret or None,
        token_endpoint_auth_method=spec.auth_method,
        revocation_endpoint_auth_method=spec.auth_method,
        transport=http.transport(),
        trust_env=False,
    )

    def judge(response: Any) -> _TokenReply:
        return _judge(response, spec, clock, act, http.redactor.excerpt(response.text))

    client.register_compliance_hook("access_token_response", judge)
    client.register_compliance_hook("refresh_token_response", judge)
    return client


# RFC 6749 section 5.2, and what platforms answer beside it. The cure of all of them is a person.
_REFUSALS = frozenset({"invalid_grant", "invalid_token", "access_denied", "invalid_scope", "expired_token"})
_CLIENT_FAULTS = frozenset({"invalid_client", "unauthorized_client"})
# A spent refresh token as invalid_request, with texts about a token that is or was invalid, expired or revoked
# (NAME/facts.md, 1).
_SPENT = re.compile(r"invalid_request.*\btoken\b.*\b(?:invalid|expired|revoked)\b", re.IGNORECASE | re.DOTALL)


def _judge(reply: _TokenReply, spec: OAuthSpec, clock: Clock, act: str, excerpt: str) -> _TokenReply:
    """The reply with a token in it, or our error."""
    status, body = reply.status_code, _body(reply)
    if 200 <= status < 300:
        flat = _flat(body)
        if isinstance(flat.get("access_token"), str) and flat["access_token"]:
            return _Plain(status, {**flat, "expires_in": _seconds(flat.get("expires_in"))}, reply.headers)
        raise OutcomeUnknown(f"{spec.name}'s answer held no token; reconnect the account.", excerpt, http_status=status)
    code = str(body.get("error") or body.get("error_type") or "") if isinstance(body, dict) else ""
    raise _refusal(reply, spec, clock, act, code, excerpt)


def _refusal(reply: _TokenReply, spec: OAuthSpec, clock: Clock, act: str, code: str, excerpt: str) -> PlatformError:
    status = reply.status_code
    if status == 429:
        moment = retry_at(reply.headers, clock.now())
        return Throttled(f"{spec.name} asks to wait.", excerpt, http_status=status, code=code, retry_at=moment)
    if status >= 500 and act == _Act.REFRESH:
        return OutcomeUnknown(f"{spec.name} broke while renewing the token.", excerpt, http_status=status, code=code)
    if status >= 500:
        return Unavailable(
            f"{spec.name} cannot sign anybody in now; try again.", excerpt, http_status=status, code=code
        )
    if code in _CLIENT_FAULTS:
        text = f"{spec.name} does not accept this installation's client id or secret; correct them, then link again."
        return ReconnectNeeded(text, excerpt, http_status=status, code=code)
    # A code that is refused as invalid_request is spent or late: whatever it is, signing in again helps.
    refused_code = act == _Act.EXCHANGE and code == "invalid_request"
    if code in _REFUSALS or code == "OAuthException" or refused_code or _SPENT.search(excerpt):
        text = f"{spec.name} no longer accepts this sign-in; reconnect the account."
        return ReconnectNeeded(text, excerpt, http_status=status, code=code)
    return UnexpectedReply(
        f"{spec.name} answered the sign-in in an unknown way.", excerpt, http_status=status, code=code
    )


def _body(reply: _TokenReply) -> Any:
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


def _credentials(token: Mapping[str, Any], old: Credentials, now: datetime) -> Credentials:
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
