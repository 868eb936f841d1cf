"""Signing in by the AT Protocol's profile of OAuth (facts.md, 1): which server asks for the consent is found by asking, and whose
account it was for is looked up afterwards, because any server may claim anything.

A handle or DID names the account's document, that the account's server (PDS), and that the server that signs people in.
Our client there is a web address that describes it: this installation's own where it has https, else the form for
programs on one's own machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from postprober.domain.account import Credentials
from postprober.domain.addresses import split
from postprober.domain.platform import PlatformConfig
from postprober.errors import BadInput, PostProberError, Unavailable
from postprober.http import HttpClient, Reply
from postprober.platforms.common import dpop
from postprober.platforms.common.oauth_spec import OAuthSpec
from postprober.platforms.common.replies import dig, list_at, text_at
from postprober.platforms.common.spec import FoundServer

SCOPES = ("atproto", "transition:generic")
# An app password gives no scopes; a consent must give the second one, or nothing can be written.
PUBLISHES = frozenset({"transition:generic"})
Allowed = Callable[[str], str]
_PLC = re.compile(r"did:plc:[a-z2-7]{24}")  # https://atproto.com/specs/did
_WEB = re.compile(r"did:web:([a-z0-9-]+(?:\.[a-z0-9-]+)+)", re.IGNORECASE)
_HANDLE = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.IGNORECASE)
_NO_CONSENT = "has no consent page of this kind; check what was typed, or link with an app password"


def find(http: HttpClient, config: PlatformConfig, typed: str, allowed: Allowed) -> FoundServer:
    """The server that signs in whoever typed `typed`: a handle, a DID or a server's address, "" for the usual server. Raises
    BadInput or a PlatformError."""
    who = typed.strip().removeprefix("@")
    did = _did_of(http, config, who)
    server = _server_of(http, config, did, allowed) if did else allowed(who or config.api_url)
    return FoundServer(allowed(_issuer_of(http, server)), who if did else "", did)


def ask(http: HttpClient, config: PlatformConfig) -> OAuthSpec:
    """How the server `config.api_url` is spoken to, in its own words (RFC 8414). Raises BadInput where it does not do what the
    protocol asks for."""
    issuer = config.api_url
    found = _json(http.read("GET", f"{issuer}/.well-known/oauth-authorization-server"))
    if text_at(found, "issuer") != issuer:
        raise BadInput(f"{issuer} {_NO_CONSENT}.", field="instance")
    methods = ("none", "private_key_jwt")
    able = (
        dpop.ALGORITHM in _names(found, "dpop_signing_alg_values_supported"),
        "S256" in _names(found, "code_challenge_methods_supported"),
        SCOPES[0] in _names(found, "scopes_supported"),
        all(one in _names(found, "token_endpoint_auth_methods_supported") for one in methods),
        dig(found, "authorization_response_iss_parameter_supported") is True,
    )
    places = [text_at(found, f"{name}_endpoint") for name in ("authorization", "token", "pushed_authorization_request")]
    withdrawn = text_at(found, "revocation_endpoint")
    # Ours: no server sends people, codes or tokens to another one.
    named = (*places, *([withdrawn] if withdrawn else []))
    here = all(_is_clean(one) and _origin(one) == _origin(issuer) for one in named)
    if not (all(able) and all(places) and here):
        raise BadInput(
            f"{issuer} signs people in, in a way that PostProber does not know; use an app password.", field="instance"
        )
    return OAuthSpec(
        "Bluesky",
        places[0],
        places[1],
        SCOPES,
        pkce=True,
        auth_method="none",
        revoke_url=withdrawn,
        issuer=issuer,
        push_url=places[2],
        names_itself=True,
    )


def home(http: HttpClient, config: PlatformConfig, cred: Credentials, allowed: Allowed) -> Credentials:
    """`cred` with the server where the account is. The server that signed it in must be the one that its account's document leads
    to, or any server could link accounts of others. Raises BadInput or a PlatformError."""
    server = _server_of(http, config, cred.remote_id, allowed)
    if _issuer_of(http, server) != cred.secret["issuer"]:
        raise BadInput(
            "The account belongs to another server than the one that signed you in; nothing was linked.",
            f"{cred.remote_id} {server}",
            field="instance",
        )
    return replace(cred, instance=server)


def register(http: HttpClient, instance: str, callback: str) -> dict[str, str]:
    """Our client at any server: nothing is registered, its id says where it is described (or, on one's own machine, does so
    itself). Raises BadInput where people cannot be sent back."""
    parts = split(callback)
    if parts.scheme == "https":
        here = callback.replace("/callback/", "/client/", 1)
        return {"client_id": here, "client_secret": dpop.new_key(), "scopes": " ".join(SCOPES)}
    if parts.hostname in ("127.0.0.1", "::1"):
        query = urlencode({"redirect_uri": callback, "scope": " ".join(SCOPES)})
        return {"client_id": f"http://localhost?{query}", "client_secret": "", "scopes": " ".join(SCOPES)}
    raise BadInput(
        "Bluesky sends people back to addresses with https only, or to http://127.0.0.1. Set POSTPROBER_PUBLIC_URL, or link "
        "with an app password.",
        field="instance",
    )


def document(config: PlatformConfig, callback: str) -> dict[str, Any]:
    """What servers read at our client's address."""
    public = {**dpop.public_part(config.client_secret), "kid": dpop.thumbprint(config.client_secret), "use": "sig"}
    parts = split(callback)
    return {
        "client_id": config.client_id,
        "client_name": "PostProber",
        "client_uri": f"{parts.scheme}://{parts.netloc}",
        "application_type": "web",
        "redirect_uris": [callback],
        "scope": " ".join(SCOPES),
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "dpop_bound_access_tokens": True,
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": dpop.ALGORITHM,
        "jwks": {"keys": [{**public, "alg": dpop.ALGORITHM}]},
    }


def _did_of(http: HttpClient, config: PlatformConfig, who: str) -> str:
    """ "" where it is no handle that anybody has, so that it must be a server."""
    if who.startswith("did:"):
        return who
    if not _HANDLE.fullmatch(who):
        return ""
    url = f"{config.api_url}/xrpc/com.atproto.identity.resolveHandle"
    reply = http.read("GET", url, params={"handle": who.lower()})
    _need_answer(reply)
    return text_at(reply.json_or_none(), "did") if reply.ok else ""


def _server_of(http: HttpClient, config: PlatformConfig, did: str, allowed: Allowed) -> str:
    """The address of the account's server, by its document."""
    web = _WEB.fullmatch(did)
    if web:
        url = f"{allowed(f'https://{web[1]}')}/.well-known/did.json"
    elif _PLC.fullmatch(did):
        url = f"{_directory(config)}/{quote(did, safe=':')}"
    else:
        raise BadInput("This is no account of the AT Protocol; enter its handle.", did[:100], field="instance")
    found = _json(http.read("GET", url))
    services = [one for one in list_at(found, "service") if text_at(one, "id").endswith("#atproto_pds")]
    server = text_at(services[0], "serviceEndpoint") if services else ""
    if text_at(found, "id") != did or not server:
        raise BadInput("The account's document names no server; check the handle.", did, field="instance")
    return allowed(server)


def _directory(config: PlatformConfig) -> str:
    named = config.settings.get("plc_url") or "https://plc.directory"
    return (named if "://" in named else config.api_url + named).rstrip("/")


def _issuer_of(http: HttpClient, server: str) -> str:
    """Who signs people in for this server; itself where it names nobody, as a server without accounts does."""
    reply = http.read("GET", f"{server}/.well-known/oauth-protected-resource")
    _need_answer(reply)
    named = list_at(reply.json_or_none(), "authorization_servers") if reply.ok else []
    if len(named) > 1 or (reply.ok and not all(isinstance(one, str) for one in named)):
        raise BadInput(f"{server} {_NO_CONSENT}.", field="instance")
    return str(named[0]).rstrip("/") if named else server


def _json(reply: Reply) -> Any:
    """What a server says of itself. Raises Unavailable or BadInput."""
    _need_answer(reply)
    if not reply.ok:
        raise BadInput(f"This server {_NO_CONSENT}.", reply.excerpt, field="instance")
    try:
        return reply.json()
    except PostProberError as error:
        raise BadInput(f"This server {_NO_CONSENT}.", error.detail, field="instance") from error


def _need_answer(reply: Reply) -> None:
    """Raises Unavailable where the server says nothing now: silence is no word on who has a handle or signs people in."""
    if reply.status == 429 or reply.status >= 500:
        raise Unavailable("The server cannot sign anybody in now; try again.", reply.excerpt, http_status=reply.status)


def _names(found: Any, name: str) -> list[Any]:
    return list_at(found, name)


def _is_clean(url: str) -> bool:
    """Whether it is written as an address is: readers differ on what the rest leads to, and no browser or header takes it."""
    return url.isascii() and url.isprintable() and not set(url) & set(' "<>\\^`{|}#')


def _origin(url: str) -> tuple[str, str]:
    parts = split(url)
    return parts.scheme, parts.netloc
