"""A sandbox for the agent's tests, emptied before each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from postprober.sandbox.serve import SandboxServer


@pytest.fixture(scope="session")
def running() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
def sandbox(running: SandboxServer) -> SandboxServer:
    running.control.reset()
    return running
