"""`/mcp`: the tools for agents, over streamable HTTP. Who has no good token does not reach them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from postprober import extras
from postprober.api.auth import bearer_token
from postprober.api.problems import problem
from postprober.services.core import Core
from postprober.services.people import sessions

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

PATHS = ("/mcp", "/mcp/")
# Without state there is nothing to listen for with GET, or to end with DELETE: a stream that never says anything would
# only hold its connection, and with it the sidecar when that stops.
METHODS = frozenset({"POST"})


class McpDoor:
    """The ASGI application behind `/mcp`. Stateless: any sidecar may answer any request."""

    def __init__(self, app: ASGIApp, core: Core) -> None:
        self._app = app
        self._core = core
        self._manager: StreamableHTTPSessionManager | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve as long as the application lives; without the library there is nothing to serve."""
        if not extras.has("mcp"):
            yield
            return
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

        from postprober.mcp.calling import Within
        from postprober.mcp.server import Context, build

        def api_of(ctx: Context) -> Within:
            request: Any = ctx.request
            return Within(self._app, request.headers["authorization"])

        manager = StreamableHTTPSessionManager(build(api_of), json_response=True, stateless=True)
        async with manager.run():
            self._manager = manager
            yield
        self._manager = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = None
        if scope["method"] not in METHODS:
            answer = problem(405, "", "Method Not Allowed", "Send POST here.", {"Allow": ", ".join(sorted(METHODS))})
        elif self._manager is None:
            answer = problem(503, "not-installed", "Not installed here", extras.sentence("mcp"))
        elif not await run_in_threadpool(self._known, scope):
            detail = "Send an API token of PostProber: Authorization: Bearer pp_…"
            answer = problem(401, "not-signed-in", "Not signed in", detail, {"WWW-Authenticate": "Bearer"})
        if answer is not None:
            await answer(scope, receive, send)
        elif self._manager is not None:
            await self._manager.handle_request(scope, receive, send)

    def _known(self, scope: Scope) -> bool:
        """Of programs only: a browser's cookie opens nothing here."""
        token = bearer_token(Headers(scope=scope).get("authorization", ""))
        caller = sessions.by_bearer(self._core, token) if token else None
        if caller is not None:
            scope.setdefault("state", {})["user_id"] = caller.user.id
        return caller is not None
