"""A sandbox for the agent's tests, emptied before each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from postprober.sandbox.serve import SandboxServer
from tests.agent.agent_kit import SHARES
from tests.agent.odd_kit import Odd, odd_server
from tests.platforms.adapter_kit import scripted

__all__ = ["scripted"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What `make test-agent` is for: the shares."""
    for line in SHARES:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def running() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
def sandbox(running: SandboxServer) -> SandboxServer:
    running.control.reset()
    return running


@pytest.fixture
def odd() -> Iterator[Odd]:
    """A model's server that says what the test tells it to say."""
    with odd_server() as server:
        yield server
