"""`postprober mcp`: the official client starts it and talks to it over standard input and output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from sqlalchemy import select

from postprober.storage.tables import sessions
from tests.mcp_tools.conftest import MODES, Agent, House

ROOT = Path(__file__).resolve().parents[2]
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}


def story_of(command: list[str], env: dict[str, str], mode: str, story: Any) -> Any:
    async def go() -> Any:
        wanted = {**os.environ, **env, "PYTHONPATH": str(ROOT)}
        started = StdioServerParameters(command=sys.executable, args=["-m", "postprober", *command], env=wanted)
        transport: Any = stdio_client(started)
        async with Client(transport, mode=mode, read_timeout_seconds=60) as client:
            return await story(Agent(client))

    return anyio.run(go)


@pytest.mark.parametrize("mode", MODES)
def test_a_server_elsewhere_with_a_token(house: House, mode: str, tmp_path: Path) -> None:
    async def story(agent: Agent) -> None:
        assert [one["account_id"] for one in (await agent.use("list_accounts"))["accounts"]] == [
            house.account.id,
            house.other.id,
        ]
        made = await agent.use("propose_post", texts=["From afar"], account_ids=[house.account.id])
        assert made["waits_for_a_person"] is True and made["post"]["proposed_by"] == "the agent"

    env = {"POSTPROBER_TOKEN": house.token(), "POSTPROBER_DATA_DIR": str(tmp_path / "nothing")}
    story_of(["--server", house.url, "mcp"], env, mode, story)
    assert not (tmp_path / "nothing").exists(), "no installation is needed where the agent is"


def test_this_installation_without_one(house: House) -> None:
    """It may propose and not publish, and its token ends with it."""

    async def story(agent: Agent) -> None:
        told = await agent.use("list_accounts")
        assert "posts:propose" in told["may"] and "posts:publish" not in told["may"]
        assert (await agent.use("next_slot"))["at"]

    settings = house.core.settings
    env = {
        "POSTPROBER_DATA_DIR": str(settings.data_dir),
        "POSTPROBER_API_URL": house.url,
        "POSTPROBER_SANDBOX_PORT": str(settings.sandbox_port),
    }
    story_of(["mcp", "--user", "owner@example.org"], env, "auto", story)
    with house.core.db.read() as conn:
        rows = conn.execute(select(sessions).where(sessions.c.kind == "api_token")).all()
    assert len(rows) == 1 and rows[0].revoked_at is not None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_token_ends_also_when_the_client_ends_its_server(house: House, number: signal.Signals) -> None:
    settings = house.core.settings
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "POSTPROBER_DATA_DIR": str(settings.data_dir),
        "POSTPROBER_API_URL": house.url,
        "POSTPROBER_SANDBOX_PORT": str(settings.sandbox_port),
    }
    ask = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
    command = [sys.executable, "-m", "postprober", "mcp", "--user", "owner@example.org"]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(ask) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1  # nothing else was printed before
        process.send_signal(number)
        assert process.wait(60) == 128 + number
        assert process.stdout.read() == ""
    with house.core.db.read() as conn:
        (row,) = conn.execute(select(sessions).where(sessions.c.kind == "api_token")).all()
    assert row.revoked_at is not None
