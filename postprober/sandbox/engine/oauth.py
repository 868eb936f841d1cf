"""What platforms with a consent page share: consent, one-time codes, PKCE, the client's credentials."""

import base64
import hashlib
import html
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from postprober.sandbox.engine.bearer import find_by_grant
from postprober.sandbox.engine.emulator import emulator
from postprober.sandbox.engine.html import shell
from postprober.sandbox.engine.model import Account, Token
from postprober.sandbox.engine.operation import ApiRefusal, Call, Dialect, Handler, Operation
from postprober.sandbox.engine.world import World

CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-secret"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_CARRIED = (
    "request_uri",
    "client_id",
    "redirect_uri",
    "state",
    "scope",
    "code_challenge",
    "code_challenge_method",
    "response_type",
)


class BadGrant(Exception):
    """A code cannot be redeemed; the message names the reason: code | client | redirect | verifier."""


def known_client(world: World, platform: str, client_id: str) -> bool:
    return world.doc("app", client_id) is not None if emulator(platform).registers_apps else client_id == CLIENT_ID


def right_secret(world: World, platform: str, client_id: str, secret: str) -> bool:
    if not emulator(platform).registers_apps:
        return client_id == CLIENT_ID and secrets.compare_digest(secret, CLIENT_SECRET)
    app = world.doc("app", client_id)
    return app is not None and secrets.compare_digest(secret, app["client_secret"])


def basic_credentials(call: Call) -> tuple[str, str] | None:
    """(client id, secret) of HTTP Basic, or None when the request has none."""
    scheme, _, value = call.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return client_id, secret


def redeem(world: World, platform: str, form: dict[str, Any]) -> tuple[Account, list[str], str]:
    """Use up a code: (account, scopes, token chain). Raises BadGrant. Using a code twice kills its tokens."""
    key = str(form.get("code", "")).removesuffix("#_")
    code = world.doc("code", key)
    if code is None or code["platform"] != platform:
        raise BadGrant("code")
    if code["used"]:
        world.kill_chain(code["chain"])
        raise BadGrant("code")
    world.put_doc("code", key, code | {"used": True})
    if world.now() > code["issued_at"] + emulator(platform).code_seconds:
        raise BadGrant("code")
    if code["client_id"] != form.get("client_id"):
        raise BadGrant("client")
    if code["redirect_uri"] != form.get("redirect_uri"):
        raise BadGrant("redirect")
    if code["challenge"] and not _verified(code, str(form.get("code_verifier", ""))):
        raise BadGrant("verifier")
    account = world.account(platform, code["account"])
    if account is None:
        raise BadGrant("code")
    return account, code["scopes"], code["chain"]


def _verified(code: dict[str, Any], verifier: str) -> bool:
    if code["method"] == "plain":
        return secrets.compare_digest(verifier, code["challenge"])
    digest = hashlib.sha256(verifier.encode()).digest()
    return secrets.compare_digest(base64.urlsafe_b64encode(digest).decode().rstrip("="), code["challenge"])


def live_refresh(world: World, platform: str, value: str) -> Token | None:
    """The refresh token when it can still be used. A second use ends its chain."""
    token = world.tokens.get(value)
    if token is None or token.kind != "refresh" or token.platform != platform or token.revoked:
        return None
    if token.used_at is not None:
        world.kill_chain(token.chain)
        return None
    return token if token.expires_at is None or token.expires_at > world.now() else None


class TokenDialect:
    """The platform's dialect with the account found by what is exchanged instead of by a bearer token."""

    def __init__(self, dialect: Dialect, find: Callable[[Call], None] = find_by_grant) -> None:
        self.name = dialect.name
        self.refuse_token = dialect.refuse_token
        self.server_error = dialect.server_error
        self.rate_limited = dialect.rate_limited
        self.bad_refresh = dialect.bad_refresh
        self._find = find

    def find_account(self, call: Call) -> None:
        self._find(call)

    def headers(self, _call: Call) -> dict[str, str]:
        return {"cache-control": "no-store"}


def token_operation(world: World, dialect: Dialect, handler: Handler) -> Operation:
    return Operation(world, TokenDialect(dialect), "token", handler, needs_token=False)


def _fault_in(world: World, platform: str, query: dict[str, str], needs_pkce: bool) -> str:
    """What is wrong with an authorization request, as a sentence; "" when nothing is."""
    redirect = urlsplit(query.get("redirect_uri", ""))
    if not known_client(world, platform, query.get("client_id", "")):
        return "This client_id is not known here."
    if redirect.scheme not in ("http", "https") or redirect.hostname not in _LOOPBACK:
        return "The redirect_uri must lead to this machine (127.0.0.1, localhost)."
    app = world.doc("app", query["client_id"]) if emulator(platform).registers_apps else None
    if app and query["redirect_uri"] not in app["redirect_uris"]:
        return "The redirect_uri is not one of those the app was registered with."
    if query.get("response_type") != "code":
        return "The response_type must be code."
    if needs_pkce and not query.get("code_challenge"):
        return "A code_challenge is required: this platform wants PKCE."
    if query.get("code_challenge_method", "plain") not in ("plain", "S256"):
        return "The code_challenge_method must be S256 or plain."
    if len(query.get("state", "")) > 500:
        return "The state must not be longer than 500 characters."
    return ""


def consent_page(world: World, platform: str, query: dict[str, str]) -> str:
    """The page that asks for a checked request; `account` in it is chosen beforehand."""
    look = emulator(platform).look
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{html.escape(query[name])}">' for name in _CARRIED if name in query
    )
    known = world.accounts_of(platform)
    chosen = query.get("account") or (known[0].name if known else "")
    choices = "".join(
        f'<p><label><input type="radio" name="account" value="{html.escape(a.name)}"{" checked" * (a.name == chosen)}> '
        f"{html.escape(a.name)}</label></p>"
        for a in known
    )
    nobody = "<p>There is no account yet. Add one on the sandbox’s start page.</p>"
    allow = '<button name="decision" value="allow">Allow</button> ' if choices else ""
    main = (
        f"<article><h1>Let PostProber use your account?</h1><p>It asks for: {html.escape(query.get('scope', ''))}</p>"
        f'<form method="post" action="/{platform}/_consent">{hidden}{choices or nobody}'
        f'{allow}<button name="decision" value="deny">Deny</button></form></article>'
    )
    return shell(look, f"<title>{html.escape(look.title)}: allow access</title>", main)


def decide(world: World, platform: str, form: dict[str, str], bound_to: str = "") -> Response:
    """What the person chose. `bound_to`: the thumbprint of the key to which the tokens will be bound; such servers say who they
    are."""
    answer: dict[str, str] = {name: form[name] for name in ("state", "iss") if name in form}
    account = world.account(platform, form.get("account", ""))
    if form.get("decision") != "allow" or account is None:
        answer |= {"error": "access_denied", "error_description": "The user denied the request"}
        answer |= emulator(platform).denied
        return _redirect(form, answer)
    code = secrets.token_urlsafe(32)
    scopes = form.get("scope", "").replace(",", " ").split()
    body = {
        "platform": platform,
        "account": account.name,
        "client_id": form["client_id"],
        "redirect_uri": form["redirect_uri"],
        "scopes": scopes or account.scopes,
        "challenge": form.get("code_challenge", ""),
        "method": form.get("code_challenge_method", "plain"),
        "chain": secrets.token_hex(8),
        "bound_to": bound_to,
        "issued_at": world.now(),
        "used": False,
    }
    world.put_doc("code", code, body)
    return _redirect(form, {"code": code} | answer, emulator(platform).code_tail)


def _redirect(form: dict[str, str], answer: dict[str, str], tail: str = "") -> Response:
    joint = "&" if "?" in form["redirect_uri"] else "?"
    return RedirectResponse(f"{form['redirect_uri']}{joint}{urlencode(answer)}{tail}", 302)


def consent_routes(world: World, platform: str, path: str, *, needs_pkce: bool) -> list[BaseRoute]:
    """The authorization page at `path` and the form behind it."""

    def refuse(reason: str) -> Response:
        page = shell(emulator(platform).look, "<title>Something went wrong</title>", f"<h1>{html.escape(reason)}</h1>")
        return HTMLResponse(page, 400)

    async def ask(request: Request) -> Response:
        query = dict(request.query_params)
        reason = _fault_in(world, platform, query, needs_pkce)
        return refuse(reason) if reason else HTMLResponse(consent_page(world, platform, query))

    async def chosen(request: Request) -> Response:
        fields = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
        form = {name: values[0] for name, values in fields.items()}
        reason = _fault_in(world, platform, form, needs_pkce)
        return refuse(reason) if reason else decide(world, platform, form)

    return [Route(path, ask, methods=["GET"]), Route(f"/{platform}/_consent", chosen, methods=["POST"])]


def refuse_grant(status: int, error: str, description: str) -> ApiRefusal:
    return ApiRefusal(status, {"error": error, "error_description": description})
