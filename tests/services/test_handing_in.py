"""Files that come from an address, or to one of their own."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from postprober.clock import ManualClock
from postprober.domain.access import GRANTABLE
from postprober.errors import BadInput, Conflict, NotFound
from postprober.http import HttpClient, Pools, Reply
from postprober.services.core import Core
from postprober.services.media import handing_in, media
from postprober.services.people import api_tokens, sessions
from postprober.services.people.sessions import Caller
from postprober.storage import users
from tests.api.rest_kit import png
from tests.installed import Installation
from tests.people import acting


@pytest.fixture
def web() -> Iterator[str]:
    """A web server on this machine with a picture, a page, an empty file and an address that leads elsewhere."""
    found = {"/cat.png": (200, png()), "/page": (200, b"<html></html>"), "/empty": (200, b""), "/gone": (404, b"no")}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = found.get(self.path, (302, b""))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/cat.png")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_file_is_taken_from_an_address(installation: Installation, web: str) -> None:
    core, owner = installation.core, acting(installation.core, installation.owner)
    found = media.get(core, owner, handing_in.from_address(core, owner, f"{web}/cat.png", "A cat"))
    assert (found.name, found.kind, found.alt) == ("cat.png", "image", "A cat")
    for path, said in (("page", "file"), ("empty", "no file"), ("gone", "404"), ("elsewhere", "leads to another")):
        with pytest.raises(BadInput, match=said):
            handing_in.from_address(core, owner, f"{web}/{path}")


@pytest.mark.parametrize(
    "url",
    ["{web}/cat.png", "http://169.254.169.254/latest", "http://[::1]/a", "http://localhost:1/a", "file:///etc/passwd"],
)
def test_nothing_inside_this_network_is_reached(installation: Installation, web: str, url: str) -> None:
    """As it is where the platforms are real; in the sandbox, where all is on this machine, the first one works."""
    pools = Pools(allow_private=False)
    core = replace(installation.core, http=HttpClient(pools))
    with pytest.raises(BadInput):
        handing_in.from_address(core, acting(core, installation.owner), url.format(web=web))
    pools.close()


def _clocked(installation: Installation) -> tuple[Core, ManualClock]:
    clock = ManualClock(installation.core.clock.now())
    return replace(installation.core, clock=clock), clock


def test_an_announced_file_comes_once_to_its_own_address(installation: Installation) -> None:
    core, clock = _clocked(installation)
    owner, stranger = acting(core, installation.owner), acting(core, installation.stranger)
    made = handing_in.announce(core, owner, "cat.png", "A cat")
    with pytest.raises(Conflict, match="Nothing has arrived"):
        handing_in.handed_in(core, owner, made.secret)
    caller = sessions.by_upload(core, made.secret)
    assert caller is not None and caller.scopes == {"media:write"} and sessions.by_bearer(core, made.secret) is None
    with pytest.raises(BadInput, match="empty"):
        handing_in.take_in(core, caller, io.BytesIO(b""))
    first = handing_in.take_in(core, caller, io.BytesIO(png()))
    assert handing_in.take_in(core, caller, io.BytesIO(png("red"))) == first, "the first file stays"
    assert handing_in.handed_in(core, owner, made.secret) == first
    with pytest.raises(NotFound):
        handing_in.handed_in(core, stranger, made.secret)
    clock.advance(timedelta(minutes=31).total_seconds())
    assert sessions.by_upload(core, made.secret) is None and sessions.by_upload(core, "up_nothing") is None
    with pytest.raises(NotFound):
        handing_in.handed_in(core, owner, made.secret)


def test_only_so_many_files_are_waited_for(installation: Installation) -> None:
    core, _ = _clocked(installation)
    owner = acting(core, installation.owner)
    for number in range(handing_in.MOST_OPEN):
        handing_in.announce(core, owner, f"{number}.png")
    with pytest.raises(Conflict, match="announced already"):
        handing_in.announce(core, owner, "one more.png")


def test_files_that_came_are_waited_for_no_more(installation: Installation) -> None:
    """Whoever sends what they announce may go on."""
    core, _ = _clocked(installation)
    owner = acting(core, installation.owner)
    for number in range(handing_in.MOST_OPEN):
        made = handing_in.announce(core, owner, f"{number}.png")
    caller = sessions.by_upload(core, made.secret)
    assert caller is not None
    handing_in.take_in(core, caller, io.BytesIO(png()))
    handing_in.announce(core, owner, "one more.png")
    with pytest.raises(Conflict, match="announced already"):
        handing_in.announce(core, owner, "and one more.png")


def test_addresses_whose_time_is_over_are_forgotten(installation: Installation) -> None:
    core, clock = _clocked(installation)
    owner = acting(core, installation.owner)
    for _ in range(3):
        handing_in.announce(core, owner, "cat.png")
        clock.advance(timedelta(days=2).total_seconds())
    with core.db.read() as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM sessions WHERE kind = 'upload'").scalar_one() == 1


def test_an_address_ends_with_the_token_that_asked_for_it(installation: Installation) -> None:
    core, _ = _clocked(installation)
    with core.db.read() as conn:
        owner = users.get(conn, installation.owner)
    caller = Caller(owner, GRANTABLE, "0", "login")
    token, secret = api_tokens.create(core, caller, name="agent", scopes=["media:write"], days=1)
    came = sessions.by_bearer(core, secret)
    assert came is not None
    made = handing_in.announce(core, came.actor, "cat.png")
    assert sessions.by_upload(core, made.secret) is not None
    api_tokens.remove(core, acting(core, owner), token.id)
    assert sessions.by_upload(core, made.secret) is None


@pytest.mark.parametrize(
    "ending", ["a%00b.png", "%0d%0aSet-Cookie.png", "%3Cscript%3E.png", "%E2%80%AEgnp.exe", "%2e%2e%2f"]
)
def test_the_name_in_an_address_is_made_harmless(installation: Installation, ending: str) -> None:
    core = installation.core

    class Pool(HttpClient):
        def read(self, *_args: object, **_named: object) -> Reply:
            return Reply(200, {}, png(), "r")

    pools = Pools(allow_private=True)
    odd = replace(core, http=Pool(pools))
    owner = acting(core, installation.owner)
    name = media.get(core, owner, handing_in.from_address(odd, owner, f"https://example.org/{ending}")).name
    assert name and all(sign.isascii() and (sign.isalnum() or sign in "_ .()+-") for sign in name)
    pools.close()
