"""What the tests of signing in share."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
from fastapi.testclient import TestClient

from postprober.api.deps import COOKIE
from postprober.clock import ManualClock
from postprober.services.core import Core
from postprober.services.people import users
from postprober.storage import users as user_storage
from postprober.storage.database import Database
from tests.conftest import PASSWORD, Installation

APP = {"Origin": "http://127.0.0.1:8501"}


def with_people(installation: Installation, database: Database, password_hash: str) -> Core:
    """The installation on either database, with three people and a viewer."""
    made = replace(installation.core, db=database, clock=ManualClock(installation.core.clock.now()))
    with database.write() as conn:
        for name, role in (("owner", "owner"), ("teammate", "editor"), ("stranger", "owner"), ("viewer", "viewer")):
            user_storage.add(
                conn,
                email=f"{name}@example.org",
                password_hash=password_hash,
                now=made.clock.now(),
                name=name,
                role=role,
            )
    return made


def log_in(client: TestClient, name: str = "owner", password: str = PASSWORD) -> httpx2.Response:
    return client.post("/api/auth/login", json={"email": f"{name}@example.org", "password": password})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def me(client: TestClient, token: str) -> int:
    return client.get("/api/auth/me", headers=bearer(token)).status_code


def user_named(core: Core, name: str) -> Any:
    with core.db.read() as conn:
        return user_storage.by_email(conn, f"{name}@example.org")


def cookie(core: Core, name: str = "owner") -> dict[str, str]:
    return {"Cookie": f"{COOKIE}={users.redeem_ticket(core, users.issue_ticket(core, user_named(core, name)))}"}


def advance(core: Core, life: timedelta) -> None:
    assert isinstance(core.clock, ManualClock)
    core.clock.advance(life.total_seconds())
