"""A model's server of our own that answers whatever a test says, because local servers answer oddly, and keeps what it was
asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any]  # status and body; a str goes out as it is, None hangs until the test ends


@dataclass
class Odd:
    """A model's server that says what it is told to say."""

    url: str
    chat: Answer
    moderation: Answer
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    before: Callable[[str, str], None] = lambda _path, _body: (
        None
    )  # called on the request's thread before it is answered
    lock: Any = field(default_factory=threading.Lock)

    def bodies(self) -> str:
        return "\n".join(body for _, body in self.asked)

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


def chat(verdict: str = "appropriate", **more: Any) -> Answer:
    content = json.dumps({"verdict": verdict, "reasons": ["Seen."], "confidence": 0.9, "thinking": "an extra field"})
    usage = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
    body = {"choices": [{"index": 0, "message": {"role": "assistant", "content": content}}], "usage": usage}
    return 200, {**body, **more}


def moderation(*hits: str, flagged: bool | None = None) -> Answer:
    result = {"flagged": bool(hits) if flagged is None else flagged, "categories": dict.fromkeys(hits, True)}
    return 200, {"id": "m", "model": "m", "results": [result]}


def advice(verdict: str = "appropriate", rewrites: Any = (), **more: Any) -> Answer:
    review = {"verdict": verdict, "reasons": ["Seen."], "confidence": 0.9}
    return said(json.dumps({"review": review, "rewrites": list(rewrites)}), **more)


def said(content: Any, **more: Any) -> Answer:
    """A completion with this content."""
    return 200, {"choices": [{"index": 0, "message": {"role": "assistant", "content": content}}], **more}


@contextmanager
def odd_server() -> Iterator[Odd]:
    end = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            with told.lock:
                told.asked.append((self.path, body))
                told.headers.append({name.lower(): value for name, value in self.headers.items()})
            told.before(self.path, body)
            status, reply = told.moderation if self.path.endswith("/moderations") else told.chat
            if reply is None:
                end.wait(30)
                return
            sent = (reply if isinstance(reply, str) else json.dumps(reply)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told = Odd(f"http://127.0.0.1:{server.server_address[1]}", chat(), moderation())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield told
    end.set()
    server.shutdown()
    server.server_close()
    thread.join(5)
