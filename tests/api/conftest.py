"""Fixtures of the API tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from fastapi import routing

from postprober.api.app import create_app
from postprober.storage import accounts
from postprober.storage import users as user_storage
from postprober.storage.database import Database
from tests.api.live_kit import Live
from tests.api.serving import serving
from tests.conftest import Installation


@pytest.fixture(scope="session", autouse=True)
def _routes_read_once() -> Iterator[None]:
    """All sidecars of the tests are included in the same way, so what FastAPI reads out of a route's signature at the
    first request, 0.1 s of CPU for all of them, serves for each. A version without this inner part of it is only slower."""
    included: Any = getattr(routing, "_IncludedRouter", None)
    build = getattr(included, "_build_effective_context", None)
    if build is None:
        yield
        return
    read: dict[int, list[tuple[Any, Any, Any]]] = {}

    def context(self: Any, route: Any) -> Any:
        how = replace(self.include_context, dependency_overrides_provider=None)  # the app; no test overrides anything
        known = read.setdefault(id(route), [])
        for same, earlier, made in known:
            if same is route and earlier == how:
                return made
        made = build(self, route)
        known.append((route, how, made))
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(included, "_build_effective_context", context)
        yield


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
                conn,
                space=people[name],
                platform="x",
                account_name=name,
                remote_id=name,
                instance="",
                scopes=[],
                settings={},
                now=core.clock.now(),
            )
    app = create_app(core)
    with serving(app) as url, ExitStack() as stack:
        yield Live(core, url.replace("http:", "ws:") + "/api/ws", people, linked, stack, app.state.hub)
