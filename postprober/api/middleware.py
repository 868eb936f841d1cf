"""What surrounds every request: request id and log, host check, security headers, CORS, size limits.

Plain ASGI, so that bodies stay streams. WebSockets pass through the host check and the log only; they have their own origin check.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from postprober.api.origins import allowed_origins
from postprober.api.problems import problem
from postprober.api.rollout import ClosingConnections
from postprober.security import log_redaction
from postprober.security.proxies import client_address
from postprober.security.redaction import Redactor
from postprober.services.core import Core
from postprober.services.media.media import largest_of_all
from postprober.settings import Settings

MAX_BODY = 1024 * 1024  # bytes of JSON; the longest post of any platform is far below
MAX_UPLOAD = largest_of_all() + 64 * 1024  # a file and its multipart frame
UPLOADS = frozenset({"/api/media", "/api/media/resumable"})
HANDED_IN = "/api/media/uploads/"  # and the secret of one file
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})  # asked by address, whatever name that has
# What an API answer may do in a browser: nothing. The docs page loads Swagger UI from where FastAPI points to.
CSP = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
DOCS_CSP = (
    "default-src 'none'; script-src 'unsafe-inline' https://cdn.jsdelivr.net; style-src 'unsafe-inline' "
    "https://cdn.jsdelivr.net; img-src data: https://fastapi.tiangolo.com; connect-src 'self'; frame-ancestors 'none'"
)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")  # anything else could forge a line of the log
_EXPOSED = [
    "ETag",
    "Location",
    "Retry-After",
    "X-Request-Id",
    "Idempotency-Replayed",
    "Tus-Resumable",
    "Upload-Offset",
    "Upload-Length",
    "Upload-Expires",
]
_TAKEN = [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "X-Request-Id",
    "Tus-Resumable",
    "Upload-Length",
    "Upload-Offset",
    "Upload-Metadata",
    "Upload-Checksum",
]
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_log = logging.getLogger("postprober.requests")


def install(app: FastAPI, core: Core) -> None:
    """Put everything around `app`; the last one added is the outermost."""
    settings = core.settings
    app.add_middleware(
        CORSMiddleware,
        allow_origins=sorted(allowed_origins(settings)),
        allow_credentials=True,
        allow_methods=_METHODS,
        expose_headers=_EXPOSED,
        allow_headers=_TAKEN,
    )
    app.add_middleware(KnownHost, hosts=known_hosts(settings))
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders, https=settings.public_base.startswith("https://"))
    app.add_middleware(ClosingConnections, owner=app)
    app.add_middleware(RequestLog, core=core)


def known_hosts(settings: Settings) -> frozenset[str]:
    """Names under which the sidecar is reached; another name in `Host` is a rebinding page or a forged link."""
    urls = (settings.api_base, settings.public_base)
    return frozenset({"localhost", "127.0.0.1", "::1", *(urlsplit(url).hostname or "" for url in urls)} - {""})


class RequestLog:
    """Gives every request an id (the client's own when it is sane) and writes one line about it: no query values,
    no bodies, no tokens."""

    def __init__(self, app: ASGIApp, core: Core) -> None:
        self.app = app
        self.core = core

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        log_redaction.request_id.set(request_id)  # of this task and of the threads that it asks
        peer = scope["client"][0] if scope.get("client") else ""
        state = scope.setdefault("state", {})
        state["request_id"], state["wire"] = (
            request_id,
            send,
        )  # the wire: for live events, which need none of the layers
        state["address"] = client_address(
            self.core.settings.trusted_proxy_networks, peer, ",".join(headers.getlist("x-forwarded-for"))
        )
        status, size, started = 0, 0, self.core.clock.monotonic()

        def write() -> None:
            line = _line(scope, status, size, self.core.clock.monotonic() - started)
            # A fault of ours is a warning, and folded as such; who asks wrongly is none.
            level = logging.WARNING if line["status"] >= 500 else logging.INFO
            _log.log(level, _TEXT, *(line[name] for name in _SHOWN), extra={"fields": line})

        async def answer(message: Message) -> None:
            nonlocal status, size
            if message["type"] in _BEGINS:
                status = message.get("status", 101)
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
                if message["type"] == "websocket.accept":
                    write()  # at its beginning: it may last for days
            elif message["type"] == "websocket.close" and not status:
                status = 403  # refused without an answer of ours
            elif message["type"] in _BODIES:
                size += len(message.get("body", b""))
            return await send(message)

        try:
            return await self.app(scope, receive, answer)
        finally:
            if scope["type"] == "http" or status != 101:
                write()


_BEGINS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
_BODIES = frozenset({"http.response.body", "websocket.http.response.body"})


# One request as text; as JSON its parts stand by name.
_TEXT = "%s %s %s %s %s ms %s bytes, %s, user %s"
_SHOWN = ("method", "path", "query", "status", "ms", "bytes", "address", "user_id")


def _line(scope: Scope, status: int, size: int, seconds: float) -> dict[str, Any]:
    state = scope["state"]
    names = [name[:40] for name, _ in parse_qsl(scope["query_string"].decode("latin-1"), True)][:20]
    return {
        "event": "request" if scope["type"] == "http" else "websocket",
        "request_id": state["request_id"],
        "method": scope.get("method", "GET")[:10],
        "path": Redactor().excerpt(scope["path"]),
        "query": names,
        "status": status or 500,
        "ms": round(seconds * 1000, 1),
        "bytes": size,
        "address": state["address"],
        "user_id": state.get("user_id"),
    }


class SecurityHeaders:
    """Headers for browsers on every answer; what a route sets itself stays."""

    def __init__(self, app: ASGIApp, https: bool) -> None:
        self.app = app
        self.headers = {
            "Content-Security-Policy": CSP,
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-store",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        }
        if https:
            self.headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
                if scope["path"] == "/api/docs":
                    headers["Content-Security-Policy"] = DOCS_CSP
            await send(message)

        await self.app(scope, receive, answer if scope["type"] == "http" else send)


class KnownHost:
    """Refuses requests for a host name that is not ours (DNS rebinding, forged links)."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self.app = app
        self.hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] in PROBES or self._known(scope):
            return await self.app(scope, receive, send)
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 4400, "reason": "unknown host"})
        detail = "Set POSTPROBER_API_URL or POSTPROBER_PUBLIC_URL to this address."
        answer = problem(400, "unknown-host", "Unknown host", detail)
        return await answer(scope, receive, send)

    def _known(self, scope: Scope) -> bool:
        try:
            return urlsplit(f"//{Headers(scope=scope).get('host', '')}").hostname in self.hosts
        except ValueError:
            return False


class BodyLimit:
    """Answers 413 to a body that is too large: at once when it says so itself, else as soon as it is. Whatever the
    length header says, no more than the limit is ever handed on."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path = scope["path"].rstrip("/")
        limit = MAX_UPLOAD if path in UPLOADS or path.startswith(HANDED_IN) else MAX_BODY
        said = Headers(scope=scope).get("content-length", "")
        body = _Body(scope, receive, send, limit)
        if said.isascii() and said.isdigit() and (len(said) > 12 or int(said) > limit):
            return await body.refuse()
        try:
            return await self.app(scope, body.receive, body.send)
        except ClientDisconnect:
            return None  # refused, or gone by itself in the middle of a body: nobody waits for an answer


class _Body:
    """One request's body while it is read. `endless`: sent in chunks whose end was not seen yet."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        self._scope, self._receive, self._send, self._limit = scope, receive, send, limit
        self._seen = 0
        self._started = False
        self._endless = "transfer-encoding" in Headers(scope=scope)
        self.refused = False

    async def refuse(self) -> None:
        """413. The connection is closed: to use it again, the rest of the body would have to be read."""
        self.refused = True
        if not self._started:
            detail = f"The request is larger than {self._limit // 1024} KB, which is the limit here."
            answer = problem(413, "too-large", "Too large", detail, {"Connection": "close"})
            await answer(self._scope, self._receive, self._send)

    async def receive(self) -> Message:
        if self.refused:
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            self._endless = self._endless and message.get("more_body", False)
            if self._seen > self._limit:
                await self.refuse()
                return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        if self.refused:
            return
        if message["type"] == "http.response.start":
            self._started = True
            if self._endless:  # answered without reading it: the server must not read on for ever
                MutableHeaders(scope=message)["Connection"] = "close"
        await self._send(message)
