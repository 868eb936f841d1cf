"""X OAuth 2.0 with PKCE. platforms/x/facts.md, 1 and 6."""

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.engine.model import Token
from postprober.sandbox.engine.oauth import (
    CLIENT_ID,
    BadGrant,
    basic_credentials,
    consent_routes,
    live_refresh,
    redeem,
    refuse_grant,
    right_secret,
    token_operation,
)
from postprober.sandbox.engine.operation import Call, reply
from postprober.sandbox.engine.tokens import issue
from postprober.sandbox.engine.world import World
from postprober.sandbox.x.dialect import XDialect, oauth_error


async def _form(call: Call) -> dict[str, Any]:
    """The form with the client checked: HTTP Basic for confidential clients, client_id alone for public ones."""
    form = await call.form()
    credentials = basic_credentials(call)
    if credentials:
        if not right_secret(call.world, "x", *credentials):
            raise refuse_grant(401, "unauthorized_client", "Missing valid authorization header")
        form.setdefault("client_id", credentials[0])
    if form.get("client_id") != CLIENT_ID:
        raise refuse_grant(401, "unauthorized_client", "Missing valid authorization header")
    return form


async def token(call: Call) -> Response:
    """Exchange a code, or refresh: the refresh token rotates with every use."""
    form = await _form(call)
    if form.get("grant_type") == "authorization_code":
        try:
            account, scopes, chain = redeem(call.world, "x", form)
        except BadGrant as reason:
            part = {"code": "authorization code", "verifier": "code verifier"}.get(str(reason), str(reason))
            raise oauth_error(f"Value passed for the {part} was invalid.") from None
        return _pair(*issue(call.world, account, scopes, chain=chain))
    if form.get("grant_type") == "refresh_token":
        old = live_refresh(call.world, "x", str(form.get("refresh_token", "")))
        if old is None:
            raise oauth_error("Value passed for the token was invalid.")
        old.used_at = call.at
        call.world.save_token(old)
        return _pair(*issue(call.world, call.owner, old.scopes, chain=old.chain))
    raise oauth_error("Value passed for the grant type was invalid.", "unsupported_grant_type")


def _pair(access: Token, refresh: Token | None) -> Response:
    body = {
        "token_type": "bearer",
        "expires_in": round((access.expires_at or 0) - access.issued_at),
        "access_token": access.value,
        "scope": " ".join(access.scopes),
    }
    return reply(body | ({"refresh_token": refresh.value} if refresh else {}))


async def revoke(call: Call) -> Response:
    form = await _form(call)
    found = call.world.tokens.get(str(form.get("token", "")))
    if found is not None and found.platform == "x":
        found.revoked = True
        call.world.save_token(found)
    return reply({"revoked": True})


def routes(world: World, dialect: XDialect) -> list[BaseRoute]:
    return [
        *consent_routes(world, "x", "/x/i/oauth2/authorize", needs_pkce=True),
        token_operation(world, dialect, token).route("/x/2/oauth2/token", "POST"),
        token_operation(world, dialect, revoke).route("/x/2/oauth2/revoke", "POST"),
    ]
