"""The platforms' own descriptions that tests read: those that travel (tests/specs) and those that may not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SPECS = Path(__file__).parent / "specs"
ABSENT = (
    "{name} is not here, and its licence lets nobody copy it into the repository; set POSTPROBER_CONTRACTS to the folder "
    "that has it in `specs`, or to none to go without."
)


def elsewhere(name: str) -> Path:
    """A specification that does not travel. Where it is absent the test is skipped; in CI it fails, or nobody would notice
    that it has not run, unless POSTPROBER_CONTRACTS=none says that this CI has to go without."""
    told = os.environ.get("POSTPROBER_CONTRACTS", "")
    folder = Path(told) if told else Path(__file__).resolve().parents[2] / "shared" / "contracts"
    path = folder / "specs" / name
    if path.is_file():
        return path
    if os.environ.get("CI") == "true" and told != "none":
        pytest.fail(ABSENT.format(name=name), pytrace=False)
    pytest.skip(ABSENT.format(name=name))
