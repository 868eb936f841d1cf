"""A sandbox for the whole run, emptied before every test, with a clock the tests can move."""

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx2
import pytest
from PIL import Image

from postprober.sandbox.control.client import Control
from postprober.sandbox.engine.world import World
from postprober.sandbox.serve import SandboxServer
from tests.sandbox.posters import MAKERS, Poster


@dataclass
class MovableClock:
    """The real clock plus what the test added."""

    added: float = field(default=0.0)

    def __call__(self) -> float:
        return time.time() + self.added

    def advance(self, seconds: float) -> None:
        self.added += seconds


@pytest.fixture(scope="session")
def shared_clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(scope="session")
def running(shared_clock: MovableClock) -> Iterator[SandboxServer]:
    with SandboxServer(World(clock=shared_clock)) as server:
        yield server


@pytest.fixture
def clock(shared_clock: MovableClock) -> MovableClock:
    return shared_clock


@pytest.fixture
def sandbox(running: SandboxServer, shared_clock: MovableClock) -> SandboxServer:
    running.control.reset()
    shared_clock.added = 0.0
    return running


@pytest.fixture
def control(sandbox: SandboxServer) -> Control:
    return sandbox.control


@pytest.fixture
def http(sandbox: SandboxServer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=sandbox.url, timeout=5.0, trust_env=False) as client:
        yield client


@pytest.fixture(params=sorted(MAKERS))
def poster(request: pytest.FixtureRequest, sandbox: SandboxServer, http: httpx2.Client) -> Poster:
    """An account on each platform in turn."""
    return MAKERS[request.param](sandbox, http, jpeg())


def jpeg(width: int = 64, height: int = 64) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (90, 140, 220)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def picture() -> bytes:
    return jpeg()
