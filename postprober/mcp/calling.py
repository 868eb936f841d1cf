"""How a tool reaches the API: over HTTP, or within the sidecar, which serves both."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol
from urllib.parse import urlencode

import anyio

from postprober.client import RestClient, calls
from postprober.client.calls import RestCall

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

_log = logging.getLogger(__name__)


class Api(Protocol):
    """Whoever makes calls for one caller."""

    async def do(self, call: RestCall) -> Any:
        """The answer. Raises ApiRefused, or another PostProberError."""
        ...


class OverHttp:
    """A server anywhere. The client is for one call at a time."""

    def __init__(self, client: RestClient) -> None:
        self._client = client
        self._turn = anyio.Lock()

    async def do(self, call: RestCall) -> Any:
        async with self._turn:
            return await anyio.to_thread.run_sync(self._client.do, call)


class Within:
    """The application in this process, asked like any other client asks it, by the caller's own token."""

    def __init__(self, app: App, authorization: str) -> None:
        self._app = app
        self._authorization = authorization

    async def do(self, call: RestCall) -> Any:
        body = b"" if call.body is None else json.dumps(call.body).encode()
        headers = {
            "host": "127.0.0.1",
            "authorization": self._authorization,
            "content-length": str(len(body)),
            **({"content-type": "application/json"} if body else {}),
            **({"idempotency-key": call.once} if call.once else {}),
            **{name.lower(): value for name, value in call.headers.items()},
        }
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": call.method,
            "scheme": "http",
            "path": call.path,
            "raw_path": call.path.encode(),
            "query_string": urlencode(dict(call.params)).encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
            "client": ("127.0.0.1", 0),
            "server": ("127.0.0.1", 0),
            "state": {},
        }
        status, parts, asked = 500, [b""], False

        async def receive() -> Message:
            nonlocal asked
            if asked:  # whoever asks again waits for the end of the connection, which is that of this call
                await anyio.sleep_forever()
            asked = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        try:
            await self._app(scope, receive, send)
        except Exception:  # noqa: BLE001 (it has answered 500 already; whoever serves it logs the rest)
            _log.exception("a call of a tool broke: %s %s", call.method, call.path)
        return calls.answer(status, b"".join(parts))
