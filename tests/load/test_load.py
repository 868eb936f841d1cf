"""The load client on a small scale: everything that it reports comes about, and nothing goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
USERS, SECONDS = 20, 10


@pytest.mark.timeout(300)
def test_twenty_people_for_ten_seconds_lose_and_double_nothing(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    # With a second between two acts every kind of act comes up.
    command = [
        sys.executable,
        "-m",
        "bench.load",
        "--users",
        str(USERS),
        "--minutes",
        str(SECONDS / 60),
        "--think",
        "1",
        "--sign-ins",
        "5",
        "--posts",
        "600",
        "--json",
        str(out),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())
    assert found["errors"] == {} and found["events_missed"] == 0
    assert found["lost"] == found["doubled"] == found["contradicted"] == found["unasked"] == []
    assert found["sockets_held"] == found["sockets_wanted"] == 100
    assert found["requests"] > USERS and found["accepted"] > 10 and found["ended"]["verified"] > 0
    assert found["planned"] > 0 and found["events"] > 0 and found["events_due"] > 0
    assert {"sandbox", "sidecar", "scheduler", "client"} == set(found["cpu"]) == set(found["memory"])
