"""A small web site with one hole of each kind, for the scanners to find: a scanner that misses them proves nothing.

It listens on loopback, and only while the control runs. What its holes lead to is made up: one table, one file.
"""

from __future__ import annotations

import contextlib
import html
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlsplit

_PASSWD = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
_HOME = """<html><body><h1>Shop</h1><a href="/item?id=1">One</a> <a href="/say?word=hello">Say</a>
<a href="/go?to=/item">Go</a> <a href="/file?name=help.txt">Help</a></body></html>"""


@contextlib.contextmanager
def vulnerable() -> Iterator[str]:
    """Its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="vulnerable")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
        pages = {"/": lambda _: _HOME, "/item": _item, "/say": _say, "/file": _file}
        if parts.path == "/go":
            self.send_response(302)
            self.send_header("Location", quote(asked.get("to", "/"), safe=":/?&=%#"))  # anywhere
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        page = pages.get(parts.path)
        body = (page(asked) if page else "<p>nothing here</p>").encode("utf-8", "replace")
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def _item(asked: dict[str, str]) -> str:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE items (id INTEGER, name TEXT)")
    connection.executemany("INSERT INTO items VALUES (?, ?)", [(1, "one"), (2, "two")])
    try:
        rows = connection.execute(f"SELECT name FROM items WHERE id = {asked.get('id', '1')}").fetchall()
    except sqlite3.Error as error:
        return f"<p>sqlite3.OperationalError: {html.escape(str(error))}</p>"
    finally:
        connection.close()
    return "<ul>" + "".join(f"<li>{html.escape(str(row[0]))}</li>" for row in rows) + "</ul>"


def _say(asked: dict[str, str]) -> str:
    return f"<html><body><p>You say {asked.get('word', '')}</p></body></html>"


def _file(asked: dict[str, str]) -> str:
    """As if it opened the file: its one foreign file is made up."""
    name = asked.get("name", "")
    return (
        _PASSWD
        if name.split("\0")[0].endswith("etc/passwd")
        else "help yourself"
        if name == "help.txt"
        else "no such file"
    )
