"""The web as a hostile page sees it: a server it was opened from, and a canary inside that it must never reach."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

Answer = Callable[[BaseHTTPRequestHandler], None]


class Canary:
    """Listens on one port of 127.0.0.1 and, where there is IPv6, ::1, for TCP and UDP. Every connection and every packet
    is a hit; `paths` are what was asked for, by the last piece of the path."""

    def __init__(self) -> None:
        self.hits = 0
        self.packets = 0
        self.paths: set[str] = set()
        self.first = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self.first.getsockname()[1])
        self._sockets = [self.first]
        if socket.has_ipv6:
            with suppress(OSError):  # no IPv6 on this machine
                self._sockets.append(socket.create_server(("::1", self.port), family=socket.AF_INET6, backlog=64))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self._threads = [threading.Thread(target=self._accept, args=(one,), daemon=True) for one in self._sockets]
        self._threads.append(threading.Thread(target=self._packets, daemon=True))
        for thread in self._threads:
            thread.start()

    @property
    def has_ipv6(self) -> bool:
        return len(self._sockets) > 1

    def close(self) -> None:
        for one in [*self._sockets, self.udp]:
            with suppress(OSError):  # it never was connected
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(5)

    def _packets(self) -> None:
        while True:
            try:
                said, _ = self.udp.recvfrom(2048)
            except OSError:
                return
            if not said:
                return
            self.packets += 1

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            self.hits += 1
            threading.Thread(target=self._answer, args=(sock,), daemon=True).start()

    def _answer(self, sock: socket.socket) -> None:
        with sock:
            sock.settimeout(5)
            try:
                said = sock.recv(4096)
                found = re.match(rb"[A-Z]+ \S*/([\w-]+)\S* HTTP", said)
                if found:
                    self.paths.add(found[1].decode())
                sock.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nAccess-Control-Allow-Origin: *\r\n"
                    b"Content-Length: 6\r\nConnection: close\r\n\r\nsecret"
                )
            except OSError:
                pass  # it hung up


class Site:
    """The public server: `pages[path]` answers; what is not there is 404."""

    def __init__(self) -> None:
        self.pages: dict[str, Answer] = {}
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.query = parse_qs(urlsplit(self.path).query)
                answer = site.pages.get(urlsplit(self.path).path)
                if answer is None:
                    reply(self, 404, "")
                    return
                try:
                    answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            do_POST = do_GET

            def log_message(self, format: str, *args: object) -> None:
                return None

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                return None  # the browser was killed with the connection open

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def page(self, path: str, html: str, kind: str = "text/html", **headers: str) -> str:
        """Serve `html` at `path`; returns its address."""
        self.pages[path] = lambda handler: reply(handler, 200, html, kind, **headers)
        return self.url + path

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def reply(handler: BaseHTTPRequestHandler, status: int, body: str, kind: str = "text/html", **headers: str) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body.encode())))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body.encode())


@contextmanager
def site_and_canary() -> Iterator[tuple[Site, Canary]]:
    site, canary = Site(), Canary()
    try:
        yield site, canary
    finally:
        site.close()
        canary.close()
