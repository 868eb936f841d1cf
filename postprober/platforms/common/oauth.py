"""Signing in: OAuth 2 authorization code, with PKCE where the platform has it, and refresh with rotation.

Authlib builds the URLs, the PKCE pair, the client authentication and reads the token replies; its requests run through
our own guarded client. What a reply means in our words is decided here, in `judge`, before Authlib sees it.

Steps: `start` → the person consents → `check_callback` → `exchange`. Storing `state` and `code_verifier` for single use
is the caller's work.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from authlib.integrations.httpx_client import OAuth2Client  # type: ignore[import-untyped,unused-ignore]

from postprober.clock import Clock, SystemClock
from postprober.domain.account import Credentials
from postprober.domain.platform import PlatformConfig
from postprober.errors import BadInput, ReconnectNeeded
from postprober.http import HttpClient
from postprober.platforms.common.oauth_replies import PlainReply, TokenReply, TokenStep, credentials_in, judge
from postprober.platforms.common.oauth_spec import OAuthSpec

VERIFIER_BYTES = 48  # 64 characters; RFC 7636 section 4.1 asks for 43 to 128


@dataclass(frozen=True)
class AuthorizeRequest:
    """Where to send the person, and the secrets to keep until the code comes back: `code_verifier` ("" without PKCE) and the
    `key` to which the tokens will be bound ("" where they are not)."""

    url: str
    code_verifier: str
    key: str = field(default="", repr=False)


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
    if (iss or spec.names_itself) and iss != (spec.issuer or _origin(spec.authorize_url)):
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
    with _client(http, config, spec, clock, TokenStep.EXCHANGE) as client:
        token = client.fetch_token(
            spec.token_url, grant_type="authorization_code", code=code, redirect_uri=redirect_uri, **extra
        )
    cred = credentials_in(token, Credentials(""), clock.now())
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
    judged = judge(
        PlainReply(reply.status, reply.json_or_none(), reply.headers), spec, clock, TokenStep.EXCHANGE, reply.excerpt
    )
    return credentials_in(judged.json(), cred, clock.now())


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
    with _client(http, config, spec, clock, TokenStep.REFRESH) as client:
        token = client.refresh_token(spec.token_url, refresh_token=cred.refresh_token)
    return credentials_in(token, cred, clock.now())


def revoke_tokens(http: HttpClient, config: PlatformConfig, cred: Credentials, spec: OAuthSpec) -> bool:
    """Withdraw the token (RFC 7009); False where the platform offers no way or refuses. Raises Unavailable or
    OutcomeUnknown when it cannot be reached."""
    if not spec.revoke_url or not config.client_id:
        return False
    with _client(http, config, spec, SystemClock(), TokenStep.EXCHANGE) as client:
        reply = client.revoke_token(spec.revoke_url, token=cred.refresh_token or cred.access_token)
    return 200 <= int(reply.status_code) < 300


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

    def judged(response: Any) -> TokenReply:
        return judge(response, spec, clock, act, http.redactor.excerpt(response.text))

    client.register_compliance_hook("access_token_response", judged)
    client.register_compliance_hook("refresh_token_response", judged)
    return client
