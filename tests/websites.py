"""A web site of a stranger on this machine, as odd as a test wants it."""

from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image

Answer = Callable[[BaseHTTPRequestHandler], None]


def png(width: int = 1200, height: int = 630, colour: str = "#3757d6") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "PNG")
    return out.getvalue()


def page(head: str, body: str = "") -> bytes:
    return f"<!doctype html><html><head>{head}</head><body>{body}</body></html>".encode()


def og(**tags: str) -> str:
    return "".join(f'<meta property="og:{name}" content="{value}">' for name, value in tags.items())


@dataclass
class Site:
    """`pages`: path to what is answered: (content type, bytes), or whatever a function makes of the request; `rest`: what makes
    something of all others. `asked`: how
    often each path was; `connections`: how often anybody connected, whatever was asked then."""

    url: str = ""
    pages: dict[str, tuple[str, bytes] | Answer] = field(default_factory=dict)
    rest: Answer | None = None
    asked: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def html(self, path: str, head: str, body: str = "") -> str:
        """A page; returns its address."""
        self.pages[path] = ("text/html; charset=utf-8", page(head, body))
        return self.url + path

    def picture(self, path: str, content: bytes = b"", kind: str = "image/png") -> str:
        self.pages[path] = (kind, content or png())
        return self.url + path

    def redirect(self, path: str, target: str, status: int = 302) -> str:
        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(status)
            request.send_header("Location", target)
            request.send_header("Content-Length", "0")
            request.end_headers()

        self.pages[path] = answer
        return self.url + path


@contextmanager
def website() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked[self.path] += 1
            found = site.pages.get(self.path) or site.rest
            if callable(found):
                found(self)
                return
            kind, content = found or ("text/plain", b"nothing here")
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Quiet."""

        def handle(self) -> None:
            with suppress(ConnectionError, TimeoutError):  # who asked has heard enough
                super().handle()

    class Server(ThreadingHTTPServer):
        def verify_request(self, *_: object) -> bool:
            site.connections += 1
            return True

        def handle_error(self, *_: object) -> None:
            """What somebody says who wants TLS."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        site.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
