"""Fixtures of the API tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from postprober.api.app import create_app
from postprober.storage import accounts
from postprober.storage import users as user_storage
from postprober.storage.database import Database
from tests.api.live_kit import Live
from tests.api.serving import serving
from tests.conftest import Installation


@pytest.fixture
def live(installation: Installation, database: Database, password_hash: str) -> Iterator[Live]:
    core = replace(installation.core, db=database)
    people, linked = {}, {}
    with database.write() as conn:
        for name, role in (("owner", "owner"), ("viewer", "viewer"), ("stranger", "owner")):
            people[name] = user_storage.add(
                conn,
                email=f"{name}@example.org",
                password_hash=password_hash,
                now=core.clock.now(),
                name=name,
                role=role,
            )
            linked[name] = accounts.add(
                conn, user_id=people[name], platform="x", account_name=name, remote_id=name, instance="", scopes=[],
                settings={}, now=core.clock.now(),
            )  # fmt: skip
    app = create_app(core)
    with serving(app) as url, ExitStack() as stack:
        yield Live(core, url.replace("http:", "ws:") + "/api/ws", people, linked, stack, app.state.hub)
