"""Small real servers on loopback that receive what PostProber sends to the world."""

from __future__ import annotations

import asyncio
import email
import json
import socket
import threading
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from bench.ports import free_ports


@dataclass
class PostOffice:
    """An SMTP server. `emails`: what arrived, `raw`: as it came over the line; `refuse`: answer every message with a temporary error. aiosmtpd's own
    controller leaves connections open behind it, so the loop is run here."""

    refuse: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    emails: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._open: list[asyncio.Transport] = []
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="post-office")
        self._thread.start()
        assert self._ready.wait(10)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        if self.refuse:
            return "451 Try again later"
        content = bytes(envelope.content or b"")
        self.raw.append(content)
        self.emails.append(email.message_from_bytes(content, policy=policy.default))  # type: ignore[arg-type]
        return "250 OK"

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        self.port = free_ports(1)[0]
        listening = socket.create_server(("127.0.0.1", self.port))
        server = self._loop.run_until_complete(self._loop.create_server(self._protocol, sock=listening))
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        for transport in self._open:
            transport.abort()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _protocol(self) -> SMTP:
        office = self

        class Remembered(SMTP):
            def connection_made(self, transport: Any) -> None:
                office._open.append(transport)
                super().connection_made(transport)

        return Remembered(self, hostname="127.0.0.1", loop=self._loop, **self.options)


def text_of(letter: EmailMessage) -> str:
    """The plain text of a mail."""
    body = letter.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


@dataclass(frozen=True)
class Call:
    """One request that arrived. Header names are lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """An HTTP server for webhooks and ntfy. `status`: what it answers; `hang`: it reads the request and does not answer
    until `release`; `away`: it does not listen. `calls`: what it took, that is, answered with success."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.hang = False
        self.release = threading.Event()
        self.calls: list[Call] = []
        self.refused: list[Call] = []
        self.port = free_ports(1)[0]
        self._server: ThreadingHTTPServer | None = None
        self.listen()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def listen(self) -> None:
        """(Again.)"""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                headers = {key.lower(): value for key, value in self.headers.items()}
                call = Call(self.path, headers, self.rfile.read(length))
                if outer.hang:
                    outer.refused.append(call)
                    outer.release.wait(60)
                    self.close_connection = True
                    return
                (outer.calls if outer.status < 300 else outer.refused).append(call)
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="receiver")
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self.release.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = None
