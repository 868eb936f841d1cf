"""Who may steer the sandbox: programs and pages of this machine, not a page that a browser happens to show."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

STEERING = "/_sandbox"
OWN = frozenset({"127.0.0.1", "localhost", "::1", "testserver"})  # the last one: Starlette's client without a network


class Doorkeeper:
    """Refuses steering under another name (a page whose name was pointed here) and by pages of another origin."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(STEERING) and not _may(Headers(scope=scope)):
            refusal = JSONResponse({"error": "the sandbox is steered from this machine only"}, 403)
            await refusal(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _may(headers: Headers) -> bool:
    host, origin = headers.get("host", ""), headers.get("origin")
    try:
        own = urlsplit(f"//{host}").hostname in OWN
        page = origin is None or (urlsplit(origin).scheme == "http" and urlsplit(origin).netloc == host)
    except ValueError:
        return False
    site = headers.get("sec-fetch-site", "none")
    return own and page and site in ("none", "same-origin")
