"""A sidecar on a real port, and the official client of the protocol for whoever asks it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult

from postprober.api.app import create_app
from postprober.domain.access import GRANTABLE
from postprober.services.core import Core
from postprober.services.people import api_tokens
from postprober.services.people.sessions import Caller
from postprober.storage import deliveries, users
from postprober.storage.records import Account, Delivery
from tests.api.serving import serving
from tests.installed import Installation

AGENT = ("accounts:read", "media:read", "media:write", "monitoring:read", "posts:draft", "posts:propose", "posts:read")
MODES = ("auto", "legacy")  # the stateless revision of 2026, and the handshakes of 2025


@dataclass
class Agent:
    """What a model would do, step by step."""

    client: Client

    async def raw(self, tool: str, **wanted: Any) -> CallToolResult:
        return await self.client.call_tool(tool, wanted)

    async def use(self, tool: str, **wanted: Any) -> dict[str, Any]:
        """The answer of a tool that must work."""
        result = await self.raw(tool, **wanted)
        assert not result.is_error, text_of(result)
        assert isinstance(result.structured_content, dict)
        assert json.loads(text_of(result)) == result.structured_content
        return result.structured_content

    async def refused(self, tool: str, **wanted: Any) -> str:
        """The one sentence of a tool that must not."""
        result = await self.raw(tool, **wanted)
        assert result.is_error, result
        assert "\n" not in text_of(result)
        return text_of(result)


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    return str(content.text)  # type: ignore[union-attr]


@dataclass
class House:
    """The installation as its sidecar shows it."""

    installation: Installation
    url: str
    account: Account
    other: Account

    @property
    def core(self) -> Core:
        return self.installation.core

    def token(self, *scopes: str, email: str = "owner", **limits: Any) -> str:
        with self.core.db.read() as conn:
            owner = users.by_email(conn, f"{email}@example.org")
        assert owner is not None
        caller = Caller(owner, GRANTABLE, "0", "login")
        return api_tokens.create(self.core, caller, name="the agent", scopes=scopes or AGENT, days=1, **limits)[1]

    @asynccontextmanager
    async def agent(self, token: str, mode: str = "auto", path: str = "/mcp") -> AsyncIterator[Agent]:
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(headers=headers, timeout=60, trust_env=False) as http:
            transport: Any = streamable_http_client(self.url + path, http_client=http)
            async with Client(transport, mode=mode) as client:
                yield Agent(client)

    def run(self, token: str, story: Callable[[Agent], Any], mode: str = "auto", path: str = "/mcp") -> Any:
        """One agent's story, from its connection to its end."""

        async def go() -> Any:
            made: AbstractAsyncContextManager[Agent] = self.agent(token, mode, path)
            async with made as agent:
                return await story(agent)

        return anyio.run(go)

    def deliveries(self, post_id: int) -> list[Delivery]:
        with self.core.db.read() as conn:
            return deliveries.of_post(conn, post_id)


@pytest.fixture
def house(installation: Installation) -> Iterator[House]:
    account, other = installation.link("bluesky"), installation.link("mastodon")
    with serving(create_app(installation.core)) as url:
        yield House(installation, url, account, other)
