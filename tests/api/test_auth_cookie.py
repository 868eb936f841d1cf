"""The browser's session: who may use the cookie, and the way from the ticket to the app."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from postprober.api.app import create_app
from postprober.api.deps import COOKIE, TICKET
from postprober.services.core import Core
from postprober.services.people import users
from postprober.storage.database import Database
from tests.api.auth_kit import APP, cookie, user_named, with_people
from tests.api.test_sidecar import begin
from tests.conftest import Installation


@pytest.fixture
def core(installation: Installation, database: Database, password_hash: str) -> Core:
    return with_people(installation, database, password_hash)


@pytest.fixture
def client(core: Core) -> Iterator[TestClient]:
    with TestClient(create_app(core), base_url="http://127.0.0.1:8000", follow_redirects=False) as made:
        yield made


# The cookie, and who may use it


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (APP, 204),
        ({"Origin": "http://127.0.0.1:8000"}, 204),
        ({"Sec-Fetch-Site": "same-origin"}, 204),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:8501.evil.example"}, 403),
        ({"Origin": "http://127.0.0.1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({}, 403),
    ],
)
def test_only_our_own_pages_change_something_with_the_cookie(
    client: TestClient, core: Core, headers: dict[str, str], status: int
) -> None:
    held = cookie(core)
    assert client.post("/api/auth/logout", headers={**held, **headers}).status_code == status
    after = client.get("/api/auth/me", headers=held).status_code
    assert after == (401 if status == 204 else 200)


def test_a_bad_token_does_not_fall_back_to_the_cookie(client: TestClient, core: Core) -> None:
    for header in ("Bearer nonsense", "Bearer", "Basic abc", ""):
        reply = client.get("/api/auth/me", headers={**cookie(core), "Authorization": header})
        assert reply.status_code == 401, header


# The way from the ticket to the app


@pytest.mark.parametrize("path", ["/compose", "/monitor?post=3", "/"])
def test_a_ticket_leads_to_the_page_that_was_asked_for(client: TestClient, core: Core, path: str) -> None:
    ticket = users.issue_ticket(core, user_named(core, "owner"))
    reply = begin(client, ticket, next=path)
    assert reply.headers["location"].rstrip("/") == f"http://127.0.0.1:8501{path}".rstrip("/")


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "https://evil.example",
        "\\\\evil.example",
        "/\\evil.example",
        "@evil.example",
        "",
        "/a\r\nX: y",
    ],
)
def test_a_ticket_never_leads_to_a_foreign_place(client: TestClient, core: Core, path: str) -> None:
    ticket = users.issue_ticket(core, user_named(core, "owner"))
    reply = begin(client, ticket, next=path)
    assert reply.status_code == 422 and "location" not in reply.headers and "set-cookie" not in reply.headers
    assert begin(client, ticket).status_code == 303, "the ticket was not used up"


def test_another_site_signs_nobody_in_or_out(client: TestClient, core: Core) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site"}
    ticket, held = users.issue_ticket(core, user_named(core, "stranger")), cookie(core)
    reply = client.get("/api/session/begin", headers={**foreign, "Cookie": f"{TICKET}={ticket}"})
    assert reply.status_code == 403 and "set-cookie" not in reply.headers
    for headers in (foreign, {"Sec-Fetch-Site": "none"}, {}):
        assert "set-cookie" not in client.get("/api/session/end", headers={**headers, **held}).headers
        assert client.get("/api/auth/me", headers=held).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-site", "Referer": "http://127.0.0.1:8501/"}, 303),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Referer": "http://127.0.0.1:3000/"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Referer": "http://[x"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
    ],
)
def test_only_the_apps_own_page_brings_a_ticket(
    client: TestClient, core: Core, headers: dict[str, str], status: int
) -> None:
    """A page of another port of this machine may set cookies here; the ticket in them could be somebody else's."""
    ticket = users.issue_ticket(core, user_named(core, "stranger"))
    reply = client.get(
        "/api/session/begin", headers={**headers, "Cookie": f"{TICKET}={ticket}"}, follow_redirects=False
    )
    assert reply.status_code == status and ("set-cookie" in reply.headers) is (status == 303)


def test_over_https_no_sibling_domain_can_set_our_cookies(core: Core) -> None:
    public = {"app_url": "https://post.example.org", "public_url": "https://post.example.org"}
    https = replace(core, settings=core.settings.model_copy(update=public))
    with TestClient(create_app(https), base_url="https://post.example.org", follow_redirects=False) as client:
        ticket = users.issue_ticket(https, user_named(https, "owner"))
        assert client.get("/api/session/begin", headers={"Cookie": f"{TICKET}={ticket}"}).status_code == 403
        reply = client.get("/api/session/begin", headers={"Cookie": f"__Host-{TICKET}={ticket}"})
        (made,) = [one for one in reply.headers.get_list("set-cookie") if one.startswith(f"__Host-{COOKIE}=")]
        assert "Secure" in made and "Path=/;" in made and "Domain" not in made
        token = made.partition("=")[2].partition(";")[0]
        client.cookies.clear()
        assert client.get("/api/auth/me", headers={"Cookie": f"{COOKIE}={token}"}).status_code == 401
        assert client.get("/api/auth/me", headers={"Cookie": f"__Host-{COOKIE}={token}"}).status_code == 200


def test_a_link_with_somebody_elses_ticket_signs_nobody_in(client: TestClient, core: Core) -> None:
    """Signed in as the attacker, the victim would write and link accounts there. The ticket is worth something only in
    the browser in which the password was typed: no address can carry it."""
    ticket = users.issue_ticket(core, user_named(core, "stranger"))
    for name in ("ticket", TICKET):
        reply = client.get("/api/session/begin", params={name: ticket}, headers={"Sec-Fetch-Site": "none"})
        assert reply.status_code == 403 and "set-cookie" not in reply.headers
    assert begin(client, ticket).status_code == 303, "the control: in that browser it works"
