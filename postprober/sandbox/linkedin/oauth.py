"""LinkedIn OAuth: no PKCE, the secret in the body, refresh tokens for partners only. platforms/linkedin/facts.md, 1."""

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.engine.model import Token
from postprober.sandbox.engine.oauth import (
    BadGrant,
    consent_routes,
    redeem,
    refuse_grant,
    right_secret,
    token_operation,
)
from postprober.sandbox.engine.operation import Call, reply
from postprober.sandbox.engine.tokens import issue
from postprober.sandbox.engine.world import World
from postprober.sandbox.linkedin.dialect import LinkedInDialect

_MISMATCH = (
    "Unable to retrieve access token: appid/redirect uri/code verifier does not match authorization code. "
    "Or authorization code expired. Or external member binding exists"
)


async def _form(call: Call) -> dict[str, Any]:
    form = await call.form()
    if not right_secret(call.world, "linkedin", str(form.get("client_id", "")), str(form.get("client_secret", ""))):
        raise refuse_grant(401, "invalid_client", "Client authentication failed")
    return form


async def token(call: Call) -> Response:
    form = await _form(call)
    if form.get("grant_type") == "authorization_code":
        try:
            account, scopes, chain = redeem(call.world, "linkedin", form)
        except BadGrant as reason:
            if str(reason) == "code":
                raise refuse_grant(401, "invalid_request", "authorization code not found") from None
            raise refuse_grant(400, "invalid_redirect_uri", _MISMATCH) from None
        return _pair(call, *issue(call.world, account, scopes, chain=chain))
    if form.get("grant_type") == "refresh_token":
        return _refresh(call, str(form.get("refresh_token", "")))
    raise refuse_grant(400, "invalid_request", 'A required parameter "grant_type" is missing or invalid')


def _refresh(call: Call, value: str) -> Response:
    """The refresh token stays the same and its lifetime does not start again."""
    old = call.world.tokens.get(value)
    alive = old is not None and old.kind == "refresh" and old.platform == "linkedin" and not old.revoked
    if old is None or not alive or call.account is None or (old.expires_at or 0) <= call.at:
        raise LinkedInDialect().bad_refresh()
    access, extra = issue(call.world, call.account, old.scopes, chain=old.chain)
    if extra is not None:
        extra.revoked = True
        call.world.save_token(extra)
    call.account.refresh_token = old.value
    call.world.save_account(call.account)
    return _pair(call, access, old)


def _pair(call: Call, access: Token, refresh: Token | None) -> Response:
    body: dict[str, Any] = {
        "access_token": access.value,
        "expires_in": round((access.expires_at or 0) - call.at),
        "scope": ",".join(access.scopes),
        "token_type": "Bearer",
    }
    if refresh:
        body |= {
            "refresh_token": refresh.value,
            "refresh_token_expires_in": round((refresh.expires_at or 0) - call.at),
        }
    return reply(body)


async def revoke(call: Call) -> Response:
    form = await _form(call)
    found = call.world.tokens.get(str(form.get("token", "")))
    if found is not None and found.platform == "linkedin":
        found.revoked = True
        call.world.save_token(found)
    return reply({})


async def introspect(call: Call) -> Response:
    """active | expired | revoked"""
    form = await _form(call)
    found = call.world.tokens.get(str(form.get("token", "")))
    if found is None or found.platform != "linkedin":
        return reply({"active": False, "status": "revoked"})
    expired = found.expires_at is not None and found.expires_at <= call.at
    status = "revoked" if found.revoked else "expired" if expired else "active"
    body = {
        "active": status == "active",
        "client_id": form["client_id"],
        "created_at": int(found.issued_at),
        "authorized_at": int(found.issued_at),
        "expires_at": int(found.expires_at or 0),
        "status": status,
        "scope": ",".join(found.scopes),
        "auth_type": "3L",
    }
    return reply(body)


def routes(world: World, dialect: LinkedInDialect) -> list[BaseRoute]:
    base = "/linkedin/oauth/v2"
    return [
        *consent_routes(world, "linkedin", f"{base}/authorization", needs_pkce=False),
        token_operation(world, dialect, token).route(f"{base}/accessToken", "POST"),
        token_operation(world, dialect, revoke).route(f"{base}/revoke", "POST"),
        token_operation(world, dialect, introspect).route(f"{base}/introspectToken", "POST"),
    ]
