"""The one way out of the browser: a proxy on the loopback address that looks at every address before it is dialled.

A browser follows redirects, frames, scripts and sockets wherever a page sends it, so the place to stop it is the
network. Every connection of it comes here, as `CONNECT host:port` or as a request in absolute form (RFC 9112, 3.2.2 and
3.2.3). The host is resolved once, the address is checked, and that very address is dialled: a name that resolves to
something else a moment later gains nothing.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from postprober.security.urlguard import resolve

MAX_HEAD = 64 * 1024  # bytes of a request's or a reply's header section; Chromium itself refuses more than 256 kB
CONNECT_SECONDS = 10.0
_CHUNK = 64 * 1024
_HOP = (b"proxy-connection:", b"connection:", b"keep-alive:", b"proxy-authorization:")  # RFC 9110, 7.6.1

Allow = Callable[[str, int], bool]


class _Refused(Exception):
    """This request is not passed on."""


class EgressProxy:
    """`allow(host, port)`: private destinations that may be reached all the same. `public` False: nothing but those.

    Between `begin` and `end` it lets through `limit` bytes; outside of that, nothing.
    """

    def __init__(self, allow: Allow, *, public: bool = True) -> None:
        self._allow = allow
        self._public = public
        self._left = 0
        self._open = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="egress", daemon=True)
        self.port = 0
        self.refused = 0

    def start(self) -> int:
        """Listen on a free port of 127.0.0.1; returns it. Raises OSError."""
        self._thread.start()
        self._ready.wait()
        if not self.port:
            raise OSError("no port could be opened for the browser's connections")
        return self.port

    def begin(self, limit: int) -> None:
        """Let connections pass until `end`, `limit` bytes from outside altogether."""
        self._left, self._open = limit, True

    def end(self) -> None:
        """Let nothing pass any more, and break what is still connected."""
        self._open = False
        self._loop.call_soon_threadsafe(self._break)

    def stop(self) -> None:
        """End for good."""
        self._open = False
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _break(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, limit=MAX_HEAD))
            self.port = int(server.sockets[0].getsockname()[1])
            self._ready.set()
            self._loop.run_forever()
            server.close()
            self._break()
            self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
        except OSError:
            self.port = 0
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        try:
            if task is not None:
                self._tasks.add(task)
            await self._pass(reader, writer)
        except _Refused as refusal:
            self.refused += 1
            body = str(refusal).encode()
            writer.write(
                b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nConnection: close\r\n"
                + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
            )
        except (OSError, EOFError, TimeoutError, ValueError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # the connection is over, whichever side it was
        finally:
            if task is not None:
                self._tasks.discard(task)
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line, _, rest = head.partition(b"\r\n")
        method, target, _version = line.decode("latin-1").split(" ")
        tunnel = method == "CONNECT"
        parts = urlsplit(f"//{target}" if tunnel else target)
        host, port = parts.hostname or "", parts.port or (443 if tunnel else 80)
        if not tunnel and parts.scheme != "http":
            raise _Refused("Only http and https pass here.")
        there, back = await self._dial(host, port)
        try:
            if tunnel:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                back.write(f"{method} {path} HTTP/1.1\r\n".encode("latin-1") + _closing(rest))
            answer = self._relay(there, writer, counted=True) if tunnel else self._reply(there, writer)
            await _first_of(answer, self._relay(reader, back, counted=False))
        finally:
            back.close()

    async def _dial(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        named = bool(host) and self._allow(host, port)
        if not self._open or not host or not (named or self._public):
            raise _Refused("This destination is not reachable from the browser.")
        try:
            address = await asyncio.to_thread(resolve, host, port, allow_private=named)
        except OSError as error:
            raise _Refused("This destination is not reachable from the browser.") from error
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncio.open_connection(address, port, limit=MAX_HEAD)

    async def _reply(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A reply of plain HTTP, marked as the last of its connection: the next request may be for another host."""
        while True:
            head = await there.readuntil(b"\r\n\r\n")
            self._count(len(head))
            line, _, rest = head.partition(b"\r\n")
            final = not line.split(b" ")[1:2][0].startswith(b"1")
            writer.write(line + b"\r\n" + (_closing(rest) if final else rest))
            if final:
                break
        await self._relay(there, writer, counted=True)

    async def _relay(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, counted: bool) -> None:
        while chunk := await source.read(_CHUNK):
            if counted:
                self._count(len(chunk))
            sink.write(chunk)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()
        if not counted:
            await asyncio.Event().wait()  # the browser has said all; the answer may still come

    def _count(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise ConnectionAbortedError("the visit has read as much as it may")


async def _first_of(*works: Awaitable[None]) -> None:
    """Run them side by side until one ends or fails."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _closing(fields: bytes) -> bytes:
    """Header fields (up to the empty line) without those of one hop, and with `Connection: close`."""
    kept = [line for line in fields.split(b"\r\n") if line and not line.lower().startswith(_HOP)]
    return b"\r\n".join([*kept, b"Connection: close", b"", b""])
