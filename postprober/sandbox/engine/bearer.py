"""Finding the account behind a token."""

from urllib.parse import parse_qs

from postprober.sandbox.engine.operation import Call


def bearer(call: Call) -> str:
    """The token of the Authorization header, or ""."""
    scheme, _, value = call.request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def find_bearer(call: Call, value: str | None = None, kind: str = "access") -> None:
    """Set the call's token and account when the token is one of this platform's, even a dead one."""
    token = call.world.tokens.get(bearer(call) if value is None else value)
    if token is None or token.platform != call.platform or token.kind != kind:
        return
    call.token = token
    call.account = call.world.account(token.platform, token.account)


def form_value(call: Call, name: str) -> str:
    """A field of an urlencoded or JSON body, or of the query; "" when absent. Reads no multipart."""
    if call.request.headers.get("content-type", "").startswith("application/json"):
        parsed = call.json()
        return str(parsed.get(name) or "") if isinstance(parsed, dict) else ""
    values = parse_qs(call.body.decode("utf-8", "replace")).get(name)
    return values[0] if values else call.request.query_params.get(name, "")


def find_by_grant(call: Call) -> None:
    """The account of a token request: that of its refresh token or code."""
    call.refreshing = form_value(call, "grant_type") == "refresh_token"
    token = call.world.tokens.get(form_value(call, "refresh_token"))
    code = call.world.doc("code", form_value(call, "code"))
    name = token.account if token else code["account"] if code else ""
    call.account = call.world.account(call.platform, name)
