"""`python -m bench.listeners <port> <clients> <events> <token> <post id>`: many WebSocket clients in one process.

Plain asyncio instead of a client library, so that the load costs less than what it measures. Prints "ready" when all
have joined, then one JSON line: event number -> monotonic times of receipt.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455, 1.3; any 16 bytes will do
AT_ONCE = 50


def masked(opcode: int, body: bytes) -> bytes:
    """A short client frame, masked with zeros."""
    return bytes([0x80 | opcode, 0x80 | len(body), 0, 0, 0, 0]) + body


class Listener(asyncio.Protocol):
    def __init__(self, request: bytes, join: bytes, receipts: dict[int, list[float]]) -> None:
        self.request, self.join, self.receipts = request, join, receipts
        self.joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer = b""
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.joined.done():
            self.joined.set_exception(ConnectionError("closed before it had joined"))

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        self.buffer += data
        if not self.open:
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head:
                raise ConnectionError(head.decode())
            self.open, self.buffer = True, rest
            self.transport.write(masked(1, self.join))
        while (frame := self._frame()) is not None:
            opcode, body = frame
            if opcode == 9:
                self.transport.write(masked(10, body))
            elif b'"joined"' in body:
                self.joined.set_result(None)
            elif b"monitoring_update" in body:
                self.receipts.setdefault(int(body.split(b'"reason": "', 1)[1].split(b'"', 1)[0]), []).append(now)

    def _frame(self) -> tuple[int, bytes] | None:
        if len(self.buffer) < 2:
            return None
        size, start = self.buffer[1], 2
        if size == 126:
            if len(self.buffer) < 4:
                return None
            size, start = int.from_bytes(self.buffer[2:4], "big"), 4
        if len(self.buffer) < start + size:
            return None
        opcode, body = self.buffer[0] & 15, self.buffer[start : start + size]
        self.buffer = self.buffer[start + size :]
        return opcode, body


async def main(port: int, clients: int, events: int, token: str, post_id: int) -> None:
    request = (
        f"GET /api/ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()
    join = json.dumps({"event": "join_monitoring", "data": {"post_id": post_id}}).encode()
    receipts: dict[int, list[float]] = {}
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with gate:
            _, listener = await loop.create_connection(lambda: Listener(request, join, receipts), "127.0.0.1", port)
            await listener.joined

    await asyncio.gather(*(one() for _ in range(clients)))
    print("ready", flush=True)
    end = time.monotonic() + 120
    while sum(map(len, receipts.values())) < clients * events and time.monotonic() < end:
        await asyncio.sleep(0.05)
    print(json.dumps(receipts), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5])))
