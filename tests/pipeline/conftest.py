"""`stage`: see tests.pipeline.stage. `ctx`: one worker on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from postprober.clock import ManualClock
from postprober.pipeline.core.context import Context
from postprober.storage.database import Database
from tests.pipeline.fake import FakePlatform
from tests.pipeline.stage import Stage


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Iterator[Stage]:
    clock = ManualClock()
    made = Stage(database, clock, FakePlatform(clock), tmp_path)
    yield made
    made.pools.close()


@pytest.fixture
def ctx(stage: Stage) -> Context:
    return stage.worker()
