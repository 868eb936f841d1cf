"""Bluesky's consent: the AT Protocol's profile of OAuth. platforms/bluesky/facts.md, 1; https://atproto.com/specs/oauth."""

import secrets
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from postprober.sandbox.bluesky.accounts import account_called, handle_of
from postprober.sandbox.bluesky.dialect import BlueskyDialect, xrpc_error
from postprober.sandbox.bluesky.proofs import BadProof, client_of, current_nonce, proved_by, refused
from postprober.sandbox.engine.model import Account
from postprober.sandbox.engine.oauth import (
    BadGrant,
    consent_page,
    decide,
    live_refresh,
    redeem,
    refuse_grant,
    token_operation,
)
from postprober.sandbox.engine.operation import Call, Operation, reply
from postprober.sandbox.engine.tokens import issue
from postprober.sandbox.engine.world import World

PUSHED_SECONDS = 300.0  # RFC 9126: "relatively short"; the reference server says 299
ACCESS_SECONDS = 3600.0  # platforms/bluesky/facts.md, 1
PUBLIC_DAYS, CONFIDENTIAL_DAYS = 14, 90
SCOPES = ("atproto", "transition:generic")


def _issuer(call: Call) -> str:
    return f"{call.base}/bluesky"


async def resource(call: Call) -> Response:
    """RFC 9728 metadata: who signs people in here."""
    here = _issuer(call)
    return reply({"resource": here, "authorization_servers": [here], "bearer_methods_supported": ["header"]})


async def server(call: Call) -> Response:
    """RFC 8414 metadata."""
    here = _issuer(call)
    body = {
        "issuer": here,
        "authorization_endpoint": f"{here}/oauth/authorize",
        "token_endpoint": f"{here}/oauth/token",
        "pushed_authorization_request_endpoint": f"{here}/oauth/par",
        "revocation_endpoint": f"{here}/oauth/revoke",
        "require_pushed_authorization_requests": True,
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": True,
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
        "dpop_signing_alg_values_supported": ["ES256"],
    }
    return reply(body)


async def directory(call: Call) -> Response:
    """What plc.directory would say of an account here."""
    did = call.request.path_params["did"]
    account = call.world.account_by_id("bluesky", did)
    if account is None:
        raise xrpc_error(404, "NotFound", f"DID not registered: {did}")
    service = {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": _issuer(call)}
    return reply({"id": did, "alsoKnownAs": [f"at://{handle_of(account)}"], "service": [service]})


async def push(call: Call) -> Response:
    """A request is handed in before anybody is sent here (RFC 9126)."""
    form = await call.form()
    key = _key(call)
    client = await client_of(call, form)
    wrong = _fault_in(form, client)
    if wrong:
        raise refuse_grant(400, "invalid_request", wrong)
    name = f"urn:ietf:params:oauth:request_uri:req-{secrets.token_hex(16)}"
    kept = {k: str(v) for k, v in form.items() if not k.startswith("client_assertion")}
    call.world.put_doc("pushed", name, {**kept, "iss": _issuer(call), "key": key, "at": call.at})
    return reply({"request_uri": name, "expires_in": int(PUSHED_SECONDS) - 1}, 201)


def _fault_in(form: dict[str, object], client: dict[str, object]) -> str:
    allowed = client["redirect_uris"]
    if form.get("redirect_uri") not in (allowed if isinstance(allowed, list) else []):
        return "The redirect_uri is not one of the client's."
    scopes = str(form.get("scope", "")).split()
    if "atproto" not in scopes or not set(scopes) <= set(str(client["scope"]).split()):
        return "The scope must have atproto, and nothing that the client does not name."
    if form.get("response_type") != "code" or not form.get("state"):
        return "response_type code and a state are required."
    if form.get("code_challenge_method") != "S256" or not form.get("code_challenge"):
        return "A code_challenge by S256 is required."
    return ""


async def token(call: Call) -> Response:
    """A code or a refresh token for bound tokens."""
    form = await call.form()
    key = _key(call)
    client = await client_of(call, form)
    days = PUBLIC_DAYS if client["token_endpoint_auth_method"] == "none" else CONFIDENTIAL_DAYS
    if form.get("grant_type") == "authorization_code":
        code = call.world.doc("code", str(form.get("code", "")))
        if code is not None and code.get("bound_to") != key:
            raise refuse_grant(400, "invalid_dpop_proof", "The proof is by another key than the request's.")
        try:
            account, scopes, chain = redeem(call.world, "bluesky", form)
        except BadGrant:
            raise refuse_grant(400, "invalid_grant", "Invalid code") from None
        call.world.put_doc("bound", chain, {"key": key, "client_id": client["client_id"]})
        return _tokens(call, account, scopes, chain, days)
    if form.get("grant_type") != "refresh_token":
        raise refuse_grant(400, "unsupported_grant_type", "Grant type not supported")
    old = live_refresh(call.world, "bluesky", str(form.get("refresh_token", "")))
    bound = call.world.doc("bound", old.chain) if old else None
    if old is None or bound is None or bound["client_id"] != client["client_id"]:
        raise refuse_grant(400, "invalid_grant", "Invalid refresh token")
    if bound["key"] != key:
        raise refuse_grant(400, "invalid_dpop_proof", "The proof is by another key than the tokens'.")
    owner = call.world.account("bluesky", old.account)
    if owner is None:
        raise refuse_grant(400, "invalid_grant", "Invalid refresh token")
    old.used_at = call.at
    call.world.save_token(old)
    return _tokens(call, owner, old.scopes, old.chain, days)


def _tokens(call: Call, account: Account, scopes: list[str], chain: str, days: int) -> Response:
    ends = call.world.now() + days * 86400.0
    access, fresh = issue(call.world, account, scopes, chain=chain, access_seconds=ACCESS_SECONDS, refresh_until=ends)
    body = {
        "access_token": access.value,
        "refresh_token": fresh.value if fresh else "",
        "token_type": "DPoP",
        "expires_in": int(ACCESS_SECONDS) - 1,
        "scope": " ".join(scopes),
        "sub": account.id,
    }
    answer = reply(body)
    answer.headers["dpop-nonce"] = current_nonce(call.world)
    return answer


async def revoke(call: Call) -> Response:
    form = await call.form()
    client = await client_of(call, form)
    found = call.world.tokens.get(str(form.get("token", "")))
    bound = call.world.doc("bound", found.chain) if found else None
    if found is not None and bound is not None and bound["client_id"] == client["client_id"]:
        call.world.kill_chain(found.chain)
    return reply({})


def _key(call: Call) -> str:
    try:
        return proved_by(call)
    except BadProof as error:
        raise refused(call, error) from None


def routes(world: World, dialect: BlueskyDialect) -> list[BaseRoute]:
    def open_to_all(handler: object) -> Operation:
        return Operation(world, dialect, "app", handler, needs_token=False)  # type: ignore[arg-type]

    def pushed(name: str) -> dict[str, str] | None:
        found = world.doc("pushed", name)
        alive = found is not None and world.now() <= found["at"] + PUSHED_SECONDS
        return {k: v for k, v in found.items() if isinstance(v, str)} if found is not None and alive else None

    async def ask(request: Request) -> Response:
        query = request.query_params
        found = pushed(query.get("request_uri", ""))
        if found is None or found["client_id"] != query.get("client_id"):
            return HTMLResponse("<h1>This request is not known, or too old.</h1>", 400)
        named = account_called(world, found.get("login_hint", ""))
        shown = {name: found[name] for name in ("client_id", "scope")} | {"request_uri": query["request_uri"]}
        return HTMLResponse(consent_page(world, "bluesky", shown | ({"account": named.name} if named else {})))

    async def chosen(request: Request) -> Response:
        fields = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
        form = {name: values[0] for name, values in fields.items()}
        found = pushed(form.get("request_uri", ""))
        if found is None:
            return HTMLResponse("<h1>This request is not known, or too old.</h1>", 400)
        world.put_doc("pushed", form["request_uri"], {"at": 0.0})  # it can be decided once
        person = {name: form[name] for name in ("account", "decision") if name in form}
        return decide(world, "bluesky", found | person, found["key"])

    return [
        open_to_all(resource).route("/bluesky/.well-known/oauth-protected-resource", "GET"),
        open_to_all(server).route("/bluesky/.well-known/oauth-authorization-server", "GET"),
        open_to_all(directory).route("/bluesky/_plc/{did:str}", "GET"),
        open_to_all(push).route("/bluesky/oauth/par", "POST"),
        Route("/bluesky/oauth/authorize", ask, methods=["GET"]),
        Route("/bluesky/_consent", chosen, methods=["POST"]),
        token_operation(world, dialect, token).route("/bluesky/oauth/token", "POST"),
        token_operation(world, dialect, revoke).route("/bluesky/oauth/revoke", "POST"),
    ]
