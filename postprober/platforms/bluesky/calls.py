"""Calls of an account's server: by the session of an app password (a bearer token), or by tokens that are bound to a key.

A server that wants its nonce in each proof refuses the first one. That refusal did nothing, so what nobody sees is asked again at
once; the one visible act is never sent twice, so a fresh nonce is fetched before it, and if it is refused all the same,
nothing was published.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

from postprober.clock import Clock
from postprober.domain.account import Credentials
from postprober.errors import Unavailable
from postprober.http import HttpClient, Reply
from postprober.platforms.bluesky.session import bearer
from postprober.platforms.common import dpop
from postprober.platforms.common.bound_oauth import is_bound


def read(http: HttpClient, clock: Clock, cred: Credentials, url: str, params: Mapping[str, str] | None = None) -> Reply:
    """A GET as the account. Raises as `HttpClient.read`."""
    reply = http.read("GET", url, headers=_headers(clock, cred, "GET", url), params=params)
    if _wants_nonce(cred, url, reply):
        reply = http.read("GET", url, headers=_headers(clock, cred, "GET", url), params=params)
        dpop.NONCES.learn(url, reply)
    return reply


def send(
    http: HttpClient,
    clock: Clock,
    cred: Credentials,
    url: str,
    *,
    visible: bool = False,
    json: object = None,
    content: bytes | BinaryIO | None = None,
    mime: str = "",
    timeout: float | None = None,
) -> Reply:
    """A POST as the account. Raises as `HttpClient.send`; Unavailable where the server refused the visible act for its
    nonce."""
    if is_bound(cred) and (visible or content is not None) and not dpop.NONCES.is_fresh(url):
        read(http, clock, cred, _session_of(url))
    reply = _once(http, clock, cred, url, visible, json, content, mime, timeout)
    if not _wants_nonce(cred, url, reply):
        return reply
    if visible:
        text = "Bluesky asked for a new proof of our key; nothing was published, it will be tried again."
        raise Unavailable(text, reply.excerpt, http_status=reply.status, code=dpop.NONCE_REFUSED)
    if content is not None and not isinstance(content, bytes):
        content.seek(0)
    reply = _once(http, clock, cred, url, visible, json, content, mime, timeout)
    dpop.NONCES.learn(url, reply)
    return reply


def _once(
    http: HttpClient,
    clock: Clock,
    cred: Credentials,
    url: str,
    visible: bool,
    json: object,
    content: bytes | BinaryIO | None,
    mime: str,
    timeout: float | None,
) -> Reply:
    headers = {**_headers(clock, cred, "POST", url), **({"Content-Type": mime} if mime else {})}
    return http.send("POST", url, visible=visible, headers=headers, json=json, content=content, timeout=timeout)


def _headers(clock: Clock, cred: Credentials, method: str, url: str) -> dict[str, str]:
    if not is_bound(cred):
        return bearer(cred.access_token)
    nonce, token = dpop.NONCES.of(url), cred.access_token
    proof = dpop.proof(cred.secret["key"], method, url, clock.now(), nonce=nonce, access_token=token)
    return {"Authorization": f"DPoP {token}", "DPoP": proof}


def _wants_nonce(cred: Credentials, url: str, reply: Reply) -> bool:
    if not is_bound(cred):
        return False
    dpop.NONCES.learn(url, reply)
    return dpop.nonce_refused(reply)


def _session_of(url: str) -> str:
    """The cheapest thing that may be asked of the same server."""
    return f"{url.partition('/xrpc/')[0]}/xrpc/com.atproto.server.getSession"
