"""What an attacker tries over HTTP: foreign pages and hosts, huge bodies, paths out of the folder, and
addresses that lead inside."""

from __future__ import annotations

import json
import logging
import socket
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from postprober.api import middleware
from postprober.api.app import create_app
from postprober.clock import ManualClock
from postprober.domain.platform import Platform
from postprober.errors import BadInput, PostProberError, Unavailable
from postprober.http import HttpClient, Pools
from postprober.services.accounts import accounts, linking
from postprober.services.core import Core
from postprober.services.people import sessions
from tests.api.serving import serving
from tests.conftest import PASSWORD, Installation
from tests.people import acting

SECRET_PATHS = ("secrets.json", "postprober.sqlite")


@pytest.fixture
def core(installation: Installation) -> Core:
    return replace(installation.core, clock=ManualClock(installation.core.clock.now()))


@pytest.fixture
def client(core: Core) -> Iterator[TestClient]:
    with TestClient(create_app(core), base_url="http://127.0.0.1:8000", follow_redirects=False) as made:
        yield made


# Pages and hosts


def test_only_named_origins_may_read_answers(client: TestClient, core: Core) -> None:
    mine = client.get("/healthz", headers={"Origin": "http://127.0.0.1:8501"})
    assert mine.headers["access-control-allow-origin"] == "http://127.0.0.1:8501"
    for origin in ("https://evil.example", "null", "http://127.0.0.1:8501.evil.example", "http://127.0.0.1:85011"):
        reply = client.get("/healthz", headers={"Origin": origin})
        assert "access-control-allow-origin" not in reply.headers, origin
        asks = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        assert "access-control-allow-origin" not in client.options("/api/auth/login", headers=asks).headers


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8000", "", "[::1", "a:b:c", "127.0.0.1@evil"],
)
def test_a_request_for_a_foreign_host_name_is_refused(client: TestClient, host: str) -> None:
    reply = client.get("/api/auth/me", headers={"Host": host})
    assert (reply.status_code, reply.headers["content-type"]) == (400, "application/problem+json")


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST"])
def test_this_machine_is_known_by_its_usual_names(client: TestClient, host: str) -> None:
    assert client.get("/api/auth/me", headers={"Host": host}).status_code == 401


def test_every_answer_carries_the_security_headers(client: TestClient) -> None:
    for path in ("/healthz", "/api/auth/me", "/api/nothing", "/api/openapi.json", "/api/media/public/x"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY" and headers["x-request-id"]
    docs = client.get("/api/docs").headers["content-security-policy"]
    assert "frame-ancestors 'none'" in docs and "default-src 'none'" in docs


def test_a_wrong_method_is_told_every_method_of_the_address(client: TestClient) -> None:
    """And the other methods of /connect are no requests for an account that is called so."""
    for path, methods in (
        ("/api/accounts/5", "DELETE, PUT"),
        ("/api/posts", "GET, POST"),
        ("/api/accounts/connect", "POST"),
    ):
        reply = client.request("PATCH", path)
        assert (reply.status_code, reply.headers["allow"]) == (405, methods), path
    assert client.put("/api/accounts/connect").status_code == 405


@pytest.mark.parametrize("given", ["abcdef-123456", "a" * 64])
def test_a_sane_request_id_comes_back(client: TestClient, given: str) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "short", "a" * 65, 'x" "user_id": 1, "', "äöüäöüäöü", "a b c d e f g"])
def test_a_strange_request_id_is_replaced(client: TestClient, given: str) -> None:
    answered = client.get("/healthz", headers={"X-Request-Id": given.encode()}).headers["x-request-id"]
    assert len(answered) == 32 and answered.isalnum()


def test_the_request_log_has_one_line_a_request_and_no_secret(
    client: TestClient, core: Core, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="postprober.requests")
    pair = sessions.log_in(core, "owner@example.org", PASSWORD, "")
    bearer = {"Authorization": f"Bearer {pair.access}"}
    client.post("/api/auth/login", json={"email": "owner@example.org", "password": PASSWORD})
    client.get("/api/session/begin", headers={"Cookie": "postprober_ticket=my-secret-ticket"})
    client.get("/oauth/x/callback", params={"code": "my-secret-code", "state": "my-secret-state"})
    client.get(f"/api/media/public/{pair.access}.jpg")
    client.get("/api/auth/me", headers={**bearer, "X-Request-Id": "request-0007"})
    lines = [record.fields for record in caplog.records if record.name == "postprober.requests"]  # type: ignore[attr-defined]
    assert [line["status"] for line in lines] == [200, 403, 303, 403, 200]
    assert lines[-1]["request_id"] == "request-0007" and isinstance(lines[-1]["user_id"], int)
    assert lines[2]["query"] == ["code", "state"] and lines[2]["path"] == "/oauth/x/callback"
    for secret in (PASSWORD, "my-secret", pair.access, pair.refresh):
        assert secret not in caplog.text and secret not in json.dumps(lines)


def test_a_problem_names_its_request_as_the_log_does(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="postprober.requests")
    reply = client.get("/api/auth/me", headers={"X-Request-Id": "request-0008"})
    assert reply.json()["request_id"] == reply.headers["x-request-id"] == "request-0008"
    made = client.get("/api/auth/me", headers={"X-Request-Id": "a b\tc"})
    assert made.json()["request_id"] == made.headers["x-request-id"] != "a b\tc"
    assert caplog.records[-1].fields["request_id"] == made.headers["x-request-id"]  # type: ignore[attr-defined]


def test_a_fault_of_ours_is_a_warning_in_the_request_log(
    client: TestClient, core: Core, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("SELECT", {}, OSError("away"))

    caplog.set_level(logging.INFO, logger="postprober.requests")
    assert client.get("/api/nothing").status_code == 404
    monkeypatch.setattr(core.db, "read", away)
    assert client.get("/readyz").status_code == 503
    levels = [record.levelname for record in caplog.records if record.name == "postprober.requests"]
    assert levels == ["INFO", "WARNING"]


# Bodies


def test_a_body_that_says_it_is_too_large_is_refused_unread(client: TestClient) -> None:
    for length in ("1048577", "99999999999999999999"):
        reply = client.post("/api/auth/login", content=b"{}", headers={"Content-Length": length})
        assert (reply.status_code, reply.headers["connection"]) == (413, "close")
        assert reply.headers["content-type"] == "application/problem+json"


def test_a_body_at_the_limit_is_read(client: TestClient) -> None:
    body = json.dumps({"email": "a@b", "password": "x"}).encode()
    reply = client.post(
        "/api/auth/login", content=body.ljust(middleware.MAX_BODY), headers={"Content-Type": "application/json"}
    )
    assert reply.status_code == 401
    reply = client.post(
        "/api/auth/login", content=body.ljust(middleware.MAX_BODY + 1), headers={"Content-Type": "application/json"}
    )
    assert reply.status_code == 413


class Stream:
    """A body of any size that is made while it is sent. `sent` counts bytes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.sent = 0

    def __iter__(self) -> Iterator[bytes]:
        block = b" " * 65_536
        while self.sent < self.size:
            self.sent += len(block)
            yield block


@pytest.mark.parametrize("path", ["/api/auth/login", "/api/auth/refresh", "/healthz"])
def test_a_gigabyte_in_chunks_is_cut_off_early_in_bounded_memory(core: Core, path: str) -> None:
    body = Stream(2**30)
    tracemalloc.start()
    try:
        with serving(create_app(core)) as url, httpx2.Client(trust_env=False, timeout=30) as sender:
            try:
                status = sender.post(
                    f"{url}{path}", content=iter(body), headers={"Content-Type": "application/json"}
                ).status_code
            except httpx2.TransportError:
                status = 413  # the server had closed before the client looked for an answer
            assert httpx2.get(f"{url}/healthz", trust_env=False).status_code == 200
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert status in (405, 413)
    assert body.sent < 64 * 2**20, "the connection was closed long before the end"
    assert peak < 64 * 2**20


def test_a_false_length_does_not_open_the_door(core: Core) -> None:
    """Content-Length and chunks together (request smuggling): never more than the limit is read."""
    with serving(create_app(core)) as url:
        port = int(url.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
            raw.sendall(
                b"POST /api/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n"
                b"Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
                b"2\r\n{}\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            )
            answer = raw.recv(65_536)
    assert answer.split(b" ", 2)[1] in (b"400", b"422")
    assert answer.count(b"HTTP/1.1") == 1, "nothing that was smuggled in was answered on the same breath"


# Paths


@pytest.mark.parametrize(
    "up", ["..", "%2e%2e", "..%2f..", "%2e%2e%2f%2e%2e", "..%5c..", "....//", "%c0%ae%c0%ae", "..;"]
)
@pytest.mark.parametrize("file", SECRET_PATHS)
def test_no_media_name_leads_out_of_its_folder(client: TestClient, core: Core, up: str, file: str) -> None:
    assert (core.settings.data_dir / file).exists()
    for path in (f"/api/media/public/{up}/{file}", f"/api/media/public/{up}%2f{file}", f"/api/media/{up}/{file}"):
        reply = client.get(httpx2.URL(f"http://127.0.0.1:8000{path}"))
        assert reply.status_code in (401, 403, 404, 405, 422), path
        assert b"secret_key" not in reply.content and b"SQLite" not in reply.content


# Addresses that lead inside


def live_pools() -> Pools:
    """As in live mode: private addresses are refused."""
    return Pools(allow_private=False, timeout=5)


@pytest.mark.parametrize(
    "instance",
    [
        "http://169.254.169.254",
        "https://169.254.169.254",
        "https://127.0.0.1",
        "https://[::1]",
        "https://localhost",
        "https://[::ffff:127.0.0.1]",
        "https://10.1.2.3",
        "https://user@mastodon.social",
        "file:///etc/passwd",
        "gopher://127.0.0.1",
        "https://metadata.internal",
        "ftp://mastodon.social",
        "https://",
    ],
)
def test_an_instance_inside_is_refused(core: Core, installation: Installation, instance: str) -> None:
    outside = replace(core, http=HttpClient(live_pools()))
    with pytest.raises(PostProberError):
        linking.start(outside, acting(outside, installation.owner), Platform("mastodon"), instance)
    assert accounts.listing(core, acting(core, installation.owner)) == []


@pytest.mark.parametrize("instance", ["https://mastodon.social", "https://9.9.9.9", "http://example.org"])
def test_in_sandbox_mode_nothing_outside_is_called_whatever_is_typed(
    core: Core, installation: Installation, instance: str
) -> None:
    with pytest.raises(BadInput, match="nothing leaves this machine"):
        linking.start(core, acting(core, installation.owner), Platform("mastodon"), instance)
    named = Pools(allow_private=True, inside=True, trusted_hosts=frozenset({urlsplit(instance).hostname or ""}))
    named.check_inside(urlsplit(instance).hostname or "")
    named.close()


INSIDE = [
    "http://169.254.169.254",
    "https://169.254.169.254/latest",
    "https://127.0.0.1",
    "https://[::1]",
    "https://localhost",
    "https://[::ffff:10.0.0.1]",
    "https://192.168.1.1",
    "https://user@bsky.social",
    "file:///etc/passwd",
    "https://pds.internal",
]


@pytest.mark.parametrize("platform", ["mastodon", "bluesky"])
@pytest.mark.parametrize("instance", INSIDE)
def test_no_address_in_a_call_of_the_api_leads_inside(
    core: Core, installation: Installation, platform: str, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every field of a request that takes an address: the server of a Mastodon and of a Bluesky account."""
    asked: list[str] = []
    outside = replace(core, http=HttpClient(live_pools()))
    token = sessions.log_in(core, "owner@example.org", PASSWORD, "").access
    body = {"platform": platform, "instance": instance}
    if platform == "bluesky":
        body |= {"identifier": "a.bsky.social", "password": "abcd-efgh-ijkl-mnop"}
    with TestClient(create_app(outside), base_url="http://127.0.0.1:8000") as client, monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", lambda host, *_a, **_k: asked.append(host) or [])
        reply = client.post("/api/accounts/connect", json=body, headers={"Authorization": f"Bearer {token}"})
    assert (reply.status_code, reply.json()["type"]) == (422, "urn:postprober:problem:bad-input")
    assert asked == [], "not even its name was looked up"


@pytest.mark.parametrize("platform", ["mastodon", "bluesky"])
def test_a_server_that_sends_us_inside_is_not_followed(core: Core, installation: Installation, platform: str) -> None:
    seen: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.url.host)
        return httpx2.Response(307, headers={"Location": "http://169.254.169.254/latest/meta-data/"})

    pools = Pools(allow_private=False, transport=httpx2.MockTransport(answer))
    token = sessions.log_in(core, "owner@example.org", PASSWORD, "").access
    body = {"platform": platform, "instance": "https://server.example"}
    if platform == "bluesky":
        body |= {"identifier": "a.bsky.social", "password": "abcd-efgh-ijkl-mnop"}
    with TestClient(create_app(replace(core, http=HttpClient(pools))), base_url="http://127.0.0.1:8000") as client:
        reply = client.post("/api/accounts/connect", json=body, headers={"Authorization": f"Bearer {token}"})
    pools.close()
    assert reply.status_code in (422, 409, 502) and set(seen) == {"server.example"}
    assert accounts.listing(core, acting(core, installation.owner)) == []


def listener() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen(1)
    made.settimeout(0.2)
    return made


def test_a_name_that_turns_inside_between_check_and_connection_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: the first answer is public, the next one is this machine."""
    inside = listener()
    answers = iter(["93.184.216.34", "127.0.0.1", "127.0.0.1", "127.0.0.1"])

    def resolve(host: str, port: int, *_a: object, **_k: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    socket.getaddrinfo("rebind.example", 443)  # whoever checks beforehand sees a public address
    with pytest.raises(Unavailable):
        HttpClient(live_pools()).read("GET", f"https://rebind.example:{inside.getsockname()[1]}/api/v1/instance")
    with pytest.raises(TimeoutError):
        inside.accept()
    inside.close()


def test_a_redirect_to_an_address_inside_is_not_followed() -> None:
    seen: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(str(request.url))
        return httpx2.Response(302, headers={"Location": "http://169.254.169.254/latest/meta-data/"})

    pools = Pools(allow_private=False, transport=httpx2.MockTransport(answer))
    reply = HttpClient(pools).read("GET", "https://mastodon.example/api/v1/instance")
    assert reply.status == 302 and seen == ["https://mastodon.example/api/v1/instance"]
    pools.close()


@pytest.mark.parametrize(
    "make", [lambda: "https://[::ffff:7f00:1]/", lambda: "https://0x7f000001/", lambda: "https://2130706433/"]
)
def test_odd_spellings_of_this_machine_reach_nothing(make: Callable[[], str]) -> None:
    with pytest.raises((BadInput, Unavailable)):
        HttpClient(live_pools()).read("GET", make())
