"""The sandbox without sockets: requests of the HTTP client are answered in the caller's thread, on a clock of ours."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpcore2
import httpx2
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from postprober.sandbox.app import create_app
from postprober.sandbox.engine.world import World


class InProcess(httpx2.BaseTransport):
    """Answers from a world. A reply that never comes is a time-out, one that breaks off a broken connection."""

    def __init__(self, world: World) -> None:
        self.app = create_app(world)
        self._loop = asyncio.new_event_loop()
        self._lock = threading.RLock()  # several servers are spoken to at once, and the loop is one
        self.requests = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        with self._lock:
            self.requests += 1
            if request.headers.get("upgrade", "").lower() == "websocket":
                return Talk(self, request).answer
            return self._loop.run_until_complete(self._ask(request))

    def turn(self, work: Any) -> Any:
        with self._lock:
            return self._loop.run_until_complete(work)

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

        scope = {"type": "http", "method": request.method, **scope_of(request)}
        with suppress(ConnectionResetError):  # the sandbox cut the connection
            await self.app(scope, receive, send)
        if not status:
            raise httpx2.ReadTimeout("no reply", request=request)
        if not ended:
            raise httpx2.RemoteProtocolError("the reply broke off", request=request)
        return httpx2.Response(status, headers=headers, content=answer, request=request)


def scope_of(request: httpx2.Request) -> dict[str, Any]:
    url = request.url
    return {
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": url.scheme,
        "path": url.path,
        "raw_path": url.raw_path.split(b"?")[0],
        "query_string": url.query,
        "headers": [(k.lower(), v) for k, v in request.headers.raw],
        "client": ("127.0.0.1", 1),
        "server": (url.host, url.port or 80),
        "root_path": "",
    }


class Talk(httpcore2.NetworkStream):
    """A WebSocket to the sandbox: frames on our side, messages on its."""

    def __init__(self, transport: InProcess, request: httpx2.Request) -> None:
        self._transport, self._out, self._waits = transport, b"", False
        self._frames = ServerProtocol(state=State.OPEN)
        self._in: asyncio.Queue[Any] = asyncio.Queue()
        self._accepted = False
        scope = {"type": "websocket", "subprotocols": [], **scope_of(request)}
        self._in.put_nowait({"type": "websocket.connect"})
        self._task = transport.turn(self._begun(scope))
        transport.turn(self._quiet())
        status, headers = 403, Headers()
        if self._accepted:
            told = ServerProtocol().accept(Request(request.url.path, Headers(request.headers.multi_items())))
            status, headers = told.status_code, told.headers
        more = {"network_stream": self} if status == 101 else {}
        self.answer = httpx2.Response(
            status, headers=list(headers.raw_items()), stream=_Nothing(self), request=request, extensions=more
        )

    async def _begun(self, scope: Any) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(self._transport.app(scope, self._receive, self._send))

    async def _receive(self) -> Any:
        self._waits = True
        try:
            return await self._in.get()
        finally:
            self._waits = False

    async def _send(self, message: Any) -> None:
        if message["type"] == "websocket.accept":
            self._accepted = True
        elif message["type"] == "websocket.send":
            self._frames.send_text(message["text"].encode())
            self._out += b"".join(self._frames.data_to_send())

    async def _quiet(self) -> None:
        """Until the sandbox waits for us, or has ended."""
        while not self._task.done() and not (self._waits and self._in.empty()):
            await asyncio.sleep(0)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data, self._out = self._out[:max_bytes], self._out[max_bytes:]
        if not data and self._task.done():
            raise httpcore2.ReadError("the connection was cut")
        if not data:
            raise httpcore2.ReadTimeout("nothing came")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._frames.receive_data(buffer)
        for event in self._frames.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._in.put_nowait({"type": "websocket.receive", "text": event.data.decode()})
        self._transport.turn(self._quiet())

    def close(self) -> None:
        if not self._task.done():
            self._in.put_nowait({"type": "websocket.disconnect", "code": 1000})
            self._transport.turn(self._task)

    def get_extra_info(self, info: str) -> Any:
        return None


class _Nothing(httpx2.SyncByteStream):
    """The body of an answer that turns the connection over; closing it closes that."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def close(self) -> None:
        self._talk.close()
