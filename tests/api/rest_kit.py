"""People who call the REST API: signed in as the owner, the teammate, the stranger, or nobody."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Any

import httpx2
from fastapi.testclient import TestClient
from PIL import Image

from postprober.api.app import create_app
from postprober.clock import ManualClock
from postprober.domain.access import GRANTABLE
from postprober.services.core import Core
from postprober.services.people import api_tokens, sessions
from postprober.services.people.sessions import Caller
from postprober.storage import deliveries, users
from postprober.storage.database import Database
from postprober.storage.records import Delivery
from tests.conftest import PASSWORD
from tests.installed import Installation

BASE = "http://127.0.0.1:8000"
PEOPLE = ("owner", "teammate", "stranger")
PROBLEM = "application/problem+json"


@dataclass
class Rest:
    """The sidecar and its callers. `core` runs on a clock that the test moves."""

    core: Core
    clock: ManualClock
    installation: Installation
    client: TestClient
    tokens: dict[str, str]

    def ask(self, method: str, path: str, who: str = "owner", **options: Any) -> httpx2.Response:
        """One request; `who` "" is nobody."""
        headers = dict(options.pop("headers", {}))
        if who:
            headers["Authorization"] = f"Bearer {self.token(who)}"
        return self.client.request(method, path, headers=headers, **options)

    def token(self, who: str) -> str:
        """An API token with every permission that one can have (quicker than signing in: no password is checked)."""
        if who not in self.tokens:
            with self.core.db.read() as conn:
                user = users.by_email(conn, f"{who}@example.org")
            assert user is not None
            caller = Caller(user, GRANTABLE, "0", "login")
            self.tokens[who] = api_tokens.create(self.core, caller, name="test", scopes=sorted(GRANTABLE), days=1)[1]
        return self.tokens[who]

    def sign_in(self, who: str = "owner") -> None:
        """From now on it is the person who asks, not a token of theirs: no token approves anything."""
        self.tokens[who] = sessions.log_in(self.core, f"{who}@example.org", PASSWORD, "127.0.0.1").access

    def draft(self, who: str = "owner", **body: Any) -> dict[str, Any]:
        reply = self.ask("POST", "/api/posts", who, json={"content": "Hello", **body})
        assert reply.status_code == 201, reply.text
        made: dict[str, Any] = reply.json()
        return made

    def deliveries(self, post_id: int) -> list[Delivery]:
        with self.core.db.read() as conn:
            return deliveries.of_post(conn, post_id)

    def set_role(self, who: str, role: str) -> None:
        with self.core.db.write() as conn:
            conn.exec_driver_sql(f"UPDATE users SET role = '{role}' WHERE email = '{who}@example.org'")


def rest_on(installation: Installation) -> Rest:
    """The sidecar on the installation's own database."""
    clock = ManualClock(installation.core.clock.now())
    core = replace(installation.core, clock=clock)
    client = TestClient(create_app(core), base_url=BASE, follow_redirects=False, raise_server_exceptions=False)
    return Rest(core, clock, installation, client, {})


def rest_at(installation: Installation, database: Database, password_hash: str) -> Rest:
    """The sidecar on another, empty database with the same three people."""
    now = installation.core.clock.now()
    with database.write() as conn:
        for name in PEOPLE:
            users.add(conn, email=f"{name}@example.org", password_hash=password_hash, now=now, name=name)
    return rest_on(replace(installation, core=replace(installation.core, db=database)))


def is_problem(reply: httpx2.Response, status: int, kind: str = "") -> bool:
    """Whether `reply` is a problem with this status, and of this kind where one is given."""
    assert reply.status_code == status, f"{reply.status_code}: {reply.text[:500]}"
    assert reply.headers["content-type"] == PROBLEM
    body = reply.json()
    assert body["status"] == status and body["title"] and body["detail"] and "\n" not in body["detail"]
    assert body["request_id"] == reply.headers.get("x-request-id", body["request_id"])
    if kind:
        assert body["type"] == f"urn:postprober:problem:{kind}", body
    return True


def png(colour: str = "green") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (400, 400), colour).save(out, "PNG")
    return out.getvalue()
