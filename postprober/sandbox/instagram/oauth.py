"""Instagram Login: short-lived, long-lived and refreshed tokens. platforms/instagram/facts.md, 1."""

from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.engine.bearer import find_by_grant
from postprober.sandbox.engine.model import Token
from postprober.sandbox.engine.oauth import (
    CLIENT_SECRET,
    BadGrant,
    TokenDialect,
    consent_routes,
    redeem,
    right_secret,
)
from postprober.sandbox.engine.operation import ApiRefusal, Call, Operation, reply
from postprober.sandbox.engine.tokens import issue
from postprober.sandbox.engine.world import World
from postprober.sandbox.instagram.dialect import InstagramDialect, graph_error

_SHORT_SECONDS = 3600.0
_REFRESH_AGE = 86400.0


def _old_style(message: str) -> ApiRefusal:
    return ApiRefusal(400, {"error_type": "OAuthException", "code": 400, "error_message": message})


async def token(call: Call) -> Response:
    """A code becomes a token that lives for one hour."""
    form = await call.form()
    if not right_secret(call.world, "instagram", str(form.get("client_id", "")), str(form.get("client_secret", ""))):
        raise _old_style("Invalid platform app")
    if form.get("grant_type") != "authorization_code":
        raise _old_style("Invalid grant_type")
    try:
        account, scopes, chain = redeem(call.world, "instagram", form)
    except BadGrant as reason:
        message = {"redirect": "Error validating verification code. Please make sure your redirect_uri is identical"}
        default = "Matching code was not found or was already used"
        raise _old_style(message.get(str(reason), default)) from None
    access, _ = issue(call.world, account, scopes, chain=chain, access_seconds=_SHORT_SECONDS)
    granted = {"access_token": access.value, "user_id": account.id, "permissions": ",".join(scopes)}
    return reply({"data": [granted]})


def _live(call: Call) -> Token:
    token = call.token
    if token is None or call.account is None or token.revoked:
        raise graph_error(190, 467, "Error validating access token: Cannot parse access token")
    if token.expires_at is not None and token.expires_at <= call.at:
        raise InstagramDialect().refuse_token(call, "expired")
    return token


def _long_lived(call: Call, old: Token) -> Response:
    access, _ = issue(call.world, call.owner, old.scopes, chain=old.chain)
    body = {"access_token": access.value, "token_type": "bearer", "expires_in": int((access.expires_at or 0) - call.at)}
    return reply(body | {"permissions": ",".join(old.scopes)})


async def exchange(call: Call) -> Response:
    query = call.request.query_params
    if query.get("grant_type") != "ig_exchange_token" or query.get("client_secret") != CLIENT_SECRET:
        raise graph_error(101, None, "Error validating client secret.")
    return _long_lived(call, _live(call))


async def refresh(call: Call) -> Response:
    """The token must be a day old and not expired. It stays valid beside the new one."""
    if call.request.query_params.get("grant_type") != "ig_refresh_token":
        raise graph_error(100, None, "(#100) The parameter grant_type must be ig_refresh_token")
    old = _live(call)
    if call.at < old.issued_at + _REFRESH_AGE:
        raise graph_error(190, 467, "The access token can only be refreshed when it is at least 24 hours old.")
    return _long_lived(call, old)


def _find_refresher(dialect: InstagramDialect, call: Call) -> None:
    call.refreshing = True
    dialect.find_account(call)


def routes(world: World, dialect: InstagramDialect) -> list[BaseRoute]:
    def operation(handler: object, find: object) -> Operation:
        return Operation(world, TokenDialect(dialect, find), "token", handler, needs_token=False)  # type: ignore[arg-type]

    refresher = operation(refresh, lambda call: _find_refresher(dialect, call))
    return [
        *consent_routes(world, "instagram", "/instagram/oauth/authorize", needs_pkce=False),
        operation(token, find_by_grant).route("/instagram/oauth/access_token", "POST"),
        operation(exchange, dialect.find_account).route("/instagram/access_token", "GET"),
        refresher.route("/instagram/refresh_access_token", "GET"),
    ]
