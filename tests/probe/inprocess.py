"""The sandbox without sockets: requests of the HTTP client are answered in the caller's thread, on a clock of ours."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import httpx2

from postprober.sandbox.app import create_app
from postprober.sandbox.engine.world import World


class InProcess(httpx2.BaseTransport):
    """Answers from a world. A reply that never comes is a time-out, one that breaks off a broken connection."""

    def __init__(self, world: World) -> None:
        self.app = create_app(world)
        self._loop = asyncio.new_event_loop()
        self.requests = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests += 1
        return self._loop.run_until_complete(self._ask(request))

    def close(self) -> None:
        return None  # two clients share it; `end` closes the loop

    def end(self) -> None:
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _ask(self, request: httpx2.Request) -> httpx2.Response:
        body = request.read()
        said: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]
        status, headers, answer, ended = 0, [], b"", False

        async def receive() -> Any:
            return said.pop() if said else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            nonlocal status, headers, answer, ended
            if message["type"] == "http.response.start":
                status, headers = message["status"], message["headers"]
            else:
                answer += message.get("body", b"")
                ended = not message.get("more_body", False)

        url = request.url
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path.split(b"?")[0],
            "query_string": url.query,
            "headers": [(k.lower(), v) for k, v in request.headers.raw],
            "client": ("127.0.0.1", 1),
            "server": (url.host, url.port or 80),
            "root_path": "",
        }
        with suppress(ConnectionResetError):  # the sandbox cut the connection
            await self.app(scope, receive, send)
        if not status:
            raise httpx2.ReadTimeout("no reply", request=request)
        if not ended:
            raise httpx2.RemoteProtocolError("the reply broke off", request=request)
        return httpx2.Response(status, headers=headers, content=answer, request=request)
