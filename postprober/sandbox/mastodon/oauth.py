"""Mastodon's apps, consent and tokens. platforms/mastodon/facts.md, 1; https://docs.joinmastodon.org/methods/oauth."""

import secrets

from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.engine.bearer import form_value
from postprober.sandbox.engine.oauth import (
    BadGrant,
    basic_credentials,
    consent_routes,
    redeem,
    refuse_grant,
    right_secret,
    token_operation,
)
from postprober.sandbox.engine.operation import Call, Operation, reply
from postprober.sandbox.engine.tokens import issue
from postprober.sandbox.engine.world import World
from postprober.sandbox.mastodon.dialect import MastodonDialect, base_of, unprocessable
from postprober.sandbox.mastodon.kinds import kind_of

_PROFILE_SINCE = 2
_INVALID_GRANT = (
    "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used in the "
    "authorization request, or was issued to another client."
)
_INVALID_CLIENT = (
    "Client authentication failed due to unknown client, no client authentication included, "
    "or unsupported authentication method."
)


async def register(call: Call) -> Response:
    """An app with its own client id and secret."""
    form = await call.form()
    uris = form.get("redirect_uris") or ""
    uris = [str(u) for u in uris] if isinstance(uris, list) else str(uris).split()
    if not form.get("client_name") or not uris:
        raise unprocessable("Application name can't be blank, Redirect URI can't be blank")
    scopes = str(form.get("scopes") or "read").split()
    if not set(scopes) <= _known_scopes(call):
        raise unprocessable("Scopes doesn't match configured on the server.")
    app = {
        "id": str(call.world.ids.make("mastodon", call.at)),
        "name": str(form["client_name"]),
        "website": form.get("website"),
        "scopes": scopes,
        "redirect_uris": uris,
        "redirect_uri": "\n".join(uris),
        "client_id": secrets.token_urlsafe(32),
        "client_secret": secrets.token_urlsafe(32),
        "client_secret_expires_at": 0,
    }
    call.world.put_doc("app", str(app["client_id"]), app)
    return reply(app)


def _known_scopes(call: Call) -> set[str]:
    """What this server knows; `profile` since 4.3, whose API is of version 2."""
    kind = kind_of(call.world)
    if kind is not None and kind.name in (
        "akkoma",
        "pixelfed",
    ):  # they look at scopes when somebody consents, not before
        return {*call_scopes(call)}
    known = {"read", "write", "read:accounts", "read:search", "read:statuses", "write:media", "write:statuses"}
    return known | ({"profile"} if int(call.world.settings["mastodon_api_version"]) >= _PROFILE_SINCE else set())


def call_scopes(call: Call) -> list[str]:
    """The scopes that an app asks for, whatever they are."""
    return form_value(call, "scopes").split()


async def token(call: Call) -> Response:
    """Exchange a code. Tokens do not expire."""
    form = await call.form()
    credentials = basic_credentials(call) or (str(form.get("client_id", "")), str(form.get("client_secret", "")))
    form["client_id"] = credentials[0]
    if not right_secret(call.world, "mastodon", *credentials):
        raise refuse_grant(401, "invalid_client", _INVALID_CLIENT)
    if form.get("grant_type") != "authorization_code":
        raise refuse_grant(400, "unsupported_grant_type", "The authorization grant type is not supported.")
    try:
        account, scopes, chain = redeem(call.world, "mastodon", form)
    except BadGrant:
        raise refuse_grant(400, "invalid_grant", _INVALID_GRANT) from None
    access, _ = issue(call.world, account, scopes, chain=chain)
    body = {"access_token": access.value, "token_type": "Bearer", "scope": " ".join(scopes), "created_at": int(call.at)}
    return reply(body)


async def revoke(call: Call) -> Response:
    form = await call.form()
    if not right_secret(call.world, "mastodon", str(form.get("client_id", "")), str(form.get("client_secret", ""))):
        error = "You are not authorized to revoke this token"
        raise refuse_grant(403, "unauthorized_client", error)
    found = call.world.tokens.get(str(form.get("token", "")))
    if found is not None and found.platform == "mastodon":
        found.revoked = True
        call.world.save_token(found)
    return reply({})


async def discovery(call: Call) -> Response:
    """RFC 8414 metadata."""
    base = base_of(call)
    body = {
        "issuer": f"{base}/",
        "authorization_endpoint": f"{base}/oauth/authorize",
        "token_endpoint": f"{base}/oauth/token",
        "revocation_endpoint": f"{base}/oauth/revoke",
        "app_registration_endpoint": f"{base}/api/v1/apps",
        "scopes_supported": sorted(_known_scopes(call)),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
    }
    return reply(body)


def routes(world: World, dialect: MastodonDialect) -> list[BaseRoute]:
    def open_to_all(handler: object) -> Operation:
        return Operation(world, dialect, "app", handler, needs_token=False)  # type: ignore[arg-type]

    return [
        open_to_all(register).route("/mastodon/api/v1/apps", "POST"),
        open_to_all(discovery).route("/mastodon/.well-known/oauth-authorization-server", "GET"),
        *consent_routes(world, "mastodon", "/mastodon/oauth/authorize", needs_pkce=False),
        token_operation(world, dialect, token).route("/mastodon/oauth/token", "POST"),
        token_operation(world, dialect, revoke).route("/mastodon/oauth/revoke", "POST"),
    ]
