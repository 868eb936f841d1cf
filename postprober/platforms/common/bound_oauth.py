"""Signing in where tokens are bound to a key: pushed requests (RFC 9126), PKCE, DPoP (RFC 9449).

The steps are those of `oauth`; the request is handed in first, and every request to the token endpoint carries a proof. Our
client there proves itself by its own key, `client_secret`, as a JWT (RFC 7523), or, without one, not at all.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode

from postprober.clock import Clock
from postprober.domain.account import Credentials
from postprober.domain.moments import parse_http_date
from postprober.domain.platform import PlatformConfig
from postprober.errors import BadInput, ReconnectNeeded, Unavailable, UnexpectedReply
from postprober.http import HttpClient, Reply
from postprober.platforms.common import dpop
from postprober.platforms.common.oauth import VERIFIER_BYTES, AuthorizeRequest
from postprober.platforms.common.oauth_replies import PlainReply, TokenStep, credentials_in, judge, refusal
from postprober.platforms.common.oauth_spec import OAuthSpec

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"  # RFC 7523, 2.2
ASSERTION_SECONDS = 60  # ours; RFC 7523 wants it short
# The reference server takes none that is older than a minute, and none from the future, not by a second: a clock of ours that
# is a little ahead would look like a wrong client, and end each account at its next renewal.
BACKDATED_SECONDS = 15
MOST_NAME = 2000  # characters of a request's name; it goes into the address of a page
# RFC 6749, 5.2, and RFC 7591, 3.2.2, for what could not be read at a client's address
_CLIENT_REFUSED = frozenset(
    {"invalid_client", "invalid_client_metadata", "invalid_redirect_uri", "unauthorized_client"}
)
_PROOF_REFUSED = frozenset({"invalid_client", "invalid_dpop_proof"})


def start(
    http: HttpClient,
    config: PlatformConfig,
    redirect_uri: str,
    state: str,
    spec: OAuthSpec,
    clock: Clock,
    *,
    hint: str = "",
) -> AuthorizeRequest:
    """Hand the request in; the consent page for it. `hint`: who wants to sign in, as they typed it. Raises BadInput where the
    server does not accept our client, or a PlatformError."""
    key = dpop.new_key()
    verifier = secrets.token_urlsafe(VERIFIER_BYTES)
    digest = hashlib.sha256(verifier.encode()).digest()
    form = {
        "response_type": "code",
        "redirect_uri": redirect_uri,
        "scope": spec.scope_separator.join(spec.scopes),
        "state": state,
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
        **({"login_hint": hint} if hint else {}),
    }
    reply = _post(http, spec.push_url, form, key, _Client(config.client_id, config.client_secret, spec.issuer), clock)
    body = reply.json_or_none()
    if not reply.ok:
        raise _not_taken(reply, config.client_id, spec, clock)
    name = body.get("request_uri") if isinstance(body, dict) else None
    if not isinstance(name, str) or not (name.isascii() and name.isprintable() and 0 < len(name) <= MOST_NAME):
        raise UnexpectedReply(f"{spec.name} did not take the sign-in.", reply.excerpt, http_status=reply.status)
    query = urlencode({"client_id": config.client_id, "request_uri": name})
    joined = "&" if "?" in spec.authorize_url else "?"  # RFC 6749, 3.1: what stands there already stays
    return AuthorizeRequest(f"{spec.authorize_url}{joined}{query}", verifier, key)


def exchange(
    http: HttpClient,
    config: PlatformConfig,
    redirect_uri: str,
    code: str,
    code_verifier: str,
    key: str,
    *,
    spec: OAuthSpec,
    clock: Clock,
) -> Credentials:
    """Tokens for a code, bound to `key`. What is needed to renew and to withdraw them stays with them; `remote_id` is who the
    server says that the account is, which nobody has checked yet. Raises as `oauth.exchange`."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": code_verifier,
    }
    client = _Client(config.client_id, config.client_secret, spec.issuer)
    reply = _post(http, spec.token_url, form, key, client, clock)
    secret = {
        "key": key,
        "client_id": config.client_id,
        "client_key": config.client_secret,
        "issuer": spec.issuer,
        "token_url": spec.token_url,
        "revoke_url": spec.revoke_url,
    }
    return _bound(reply, spec, clock, TokenStep.EXCHANGE, Credentials("", secret=secret))


def refresh(http: HttpClient, cred: Credentials, name: str, clock: Clock) -> Credentials:
    """A new pair for the refresh token, which is spent by it. `name`: of the platform. Raises as `oauth.refresh_tokens`."""
    if not cred.refresh_token:
        raise ReconnectNeeded(f"{name} gave no refresh token; reconnect the account.")
    spec = _spec_of(cred, name)
    form = {"grant_type": "refresh_token", "refresh_token": cred.refresh_token}
    reply = _post(http, spec.token_url, form, cred.secret["key"], _client_of(cred), clock)
    fresh = _bound(reply, spec, clock, TokenStep.REFRESH, cred)
    if cred.remote_id and fresh.remote_id != cred.remote_id:
        raise ReconnectNeeded(f"{name} renewed the access of another account; reconnect this one.")
    return fresh


def revoke(http: HttpClient, cred: Credentials, name: str, clock: Clock) -> bool:
    """Withdraw the tokens (RFC 7009); False where the server offers no way or refuses."""
    spec = _spec_of(cred, name)
    if not spec.revoke_url:
        return False
    form = {"token": cred.refresh_token or cred.access_token}
    return _post(http, spec.revoke_url, form, cred.secret["key"], _client_of(cred), clock).ok


def is_bound(cred: Credentials) -> bool:
    """Whether the tokens are bound to a key of ours."""
    return "key" in cred.secret


def _spec_of(cred: Credentials, name: str) -> OAuthSpec:
    return OAuthSpec(
        name,
        "",
        cred.secret["token_url"],
        (),
        pkce=True,
        revoke_url=cred.secret["revoke_url"],
        issuer=cred.secret["issuer"],
    )


class _Client:
    """Who we are at one server."""

    def __init__(self, client_id: str, key: str, issuer: str) -> None:
        self.client_id, self._key, self._issuer = client_id, key, issuer

    def proved(self, clock: Clock) -> dict[str, str]:
        """The fields that say and prove it."""
        if not self._key:
            return {"client_id": self.client_id}
        now = int(clock.now().timestamp())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self._issuer,
            "jti": secrets.token_urlsafe(16),
            "iat": now - BACKDATED_SECONDS,
            "exp": now + ASSERTION_SECONDS,
        }
        signed = dpop.signed(self._key, {"kid": dpop.thumbprint(self._key)}, claims)
        return {"client_id": self.client_id, "client_assertion_type": ASSERTION, "client_assertion": signed}


def _client_of(cred: Credentials) -> _Client:
    return _Client(cred.secret["client_id"], cred.secret.get("client_key", ""), cred.secret["issuer"])


def _post(http: HttpClient, url: str, form: Mapping[str, str], key: str, client: _Client, clock: Clock) -> Reply:
    """One form with its proof; once more where the server only wanted its nonce, because then it has done nothing."""
    for last in (False, True):
        proof = dpop.proof(key, "POST", url, clock.now(), nonce=dpop.NONCES.of(url))
        data = {**form, **client.proved(clock)}
        reply = http.send("POST", url, headers={"DPoP": proof, "Accept": "application/json"}, data=data)
        dpop.NONCES.learn(url, reply)
        if last or not dpop.nonce_refused(reply):
            break
    return reply


def _bound(reply: Reply, spec: OAuthSpec, clock: Clock, act: str, old: Credentials) -> Credentials:
    if dpop.nonce_refused(reply):  # twice
        raise Unavailable(f"{spec.name} wants another nonce each time; try again.", http_status=reply.status)
    _need_right_clock(reply, spec, clock)
    token = judge(_plain(reply), spec, clock, act, reply.excerpt).json()
    if str(token.get("token_type", "")).lower() != "dpop":
        raise UnexpectedReply(f"{spec.name} gave a token that is bound to no key.", http_status=reply.status)
    cred = credentials_in(token, old, clock.now())
    return replace(cred, remote_id=str(token.get("sub") or ""))


def _not_taken(reply: Reply, client_id: str, spec: OAuthSpec, clock: Clock) -> Exception:
    """Nobody has signed in yet, so nothing is there to reconnect."""
    body = reply.json_or_none()
    code = str(body.get("error") or "") if isinstance(body, dict) else ""
    if reply.status == 429 or reply.status >= 500:
        return refusal(_plain(reply), spec, clock, TokenStep.EXCHANGE, code, reply.excerpt)
    _need_right_clock(reply, spec, clock)
    if code in _CLIENT_REFUSED:
        text = (
            f"{spec.name} does not accept this installation. Its server has to read {client_id.partition('?')[0]} from the "
            "internet by https, under a name and no IP address, and this machine's clock must be right; correct that, then start "
            "the sign-in again."
        )
        return BadInput(text, reply.excerpt, field="platform")
    text = f"{spec.name} did not take the sign-in; check what was typed, then start it again."
    return UnexpectedReply(text, reply.excerpt, http_status=reply.status, code=code)


def _need_right_clock(reply: Reply, spec: OAuthSpec, clock: Clock) -> None:
    """Raises Unavailable where proofs are refused and the server's clock is another one than ours: they say when they were made, and
    linking again would change nothing."""
    body = reply.json_or_none()
    if reply.ok or not isinstance(body, dict) or body.get("error") not in _PROOF_REFUSED:
        return
    theirs = parse_http_date(reply.headers.get("date", ""))
    away = abs((theirs - clock.now()).total_seconds()) if theirs is not None else 0.0
    if away > BACKDATED_SECONDS:
        text = (
            f"The clock of this machine is {away:,.0f} seconds away from {spec.name}'s; set it right, then it goes on."
        )
        raise Unavailable(text, reply.excerpt, http_status=reply.status, code=str(body["error"]))


def _plain(reply: Reply) -> PlainReply:
    return PlainReply(reply.status, reply.json_or_none(), reply.headers)
