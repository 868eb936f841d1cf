"""`docs/api.md` is true: it names every route, every metric and every kind of problem, and its examples run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from postprober.api import problems
from postprober.storage import logs
from tests.api.rest_kit import png, rest_on
from tests.api.serving import serving
from tests.installed import Installation

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
_BLOCK = re.compile(r"^```(sh|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = "=== end of example"


def blocks() -> list[tuple[str, str]]:
    """(kind, text) of every example, in order."""
    return _BLOCK.findall(PAGE.read_text())


def test_every_route_is_on_the_page_and_every_route_on_the_page_is_there(installation: Installation) -> None:
    schema = rest_on(installation).client.get("/api/openapi.json").json()
    there = {f"{method.upper()} {path}" for path, methods in schema["paths"].items() for method in methods}
    named = set(re.findall(r"`((?:GET|POST|PUT|DELETE|PATCH) /[^`?]*)`", PAGE.read_text()))
    assert named == there


def test_every_metric_and_every_kind_of_problem_is_on_the_page(installation: Installation) -> None:
    text = PAGE.read_text()
    found = set(re.findall(r"^# TYPE (\S+)", rest_on(installation).client.get("/metrics").text, re.MULTILINE))
    names = {name for name in found if not name.endswith("_created")} | {"postprober_scheduler_heartbeat_age_seconds"}
    assert {name for name in names if f"`{name}" not in text} == set()
    kinds = {kind for _, _, kind, _ in problems._KINDS} | {"internal", "unavailable"}
    assert {kind for kind in kinds if f"`{kind}`" not in text} == set()


_TOLD = ("status", "state", "proof", "kind", "mime", "label", "version", "explanation")  # the page means these words


def shape(value: Any, name: str = "") -> Any:
    """The keys of an answer, and the values that do not depend on who asks; of a list its first item."""
    if isinstance(value, dict):
        return {key: shape(item, key) for key, item in value.items() if key != "counts"}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [shape(value[0])]
    return value if name in _TOLD or str(value).startswith("urn:") else ...


def script(url: str, inst: Installation) -> str:
    """All examples as one bash script; the placeholders are filled in, and a mark ends each answer."""
    made = inst.made("bluesky")
    values = {
        "API": url, "EMAIL": "owner@example.org", "PASSWORD": inst.password, "HANDLE": made["id"],
        "APP_PASSWORD": made["password"],
    }  # fmt: skip
    text = "\n".join(f"{code}\necho; echo '{_MARK}'" for kind, code in blocks() if kind == "sh")
    for name, value in values.items():
        line = f"{name}='{value}'".replace("\\", r"\\")
        text, count = re.subn(rf"^{name}=.*$", line, text, flags=re.MULTILINE)
        assert count == 1, name
    return f"set -euo pipefail\n{text}"


def _expected() -> list[str]:
    """For each shell example the answer that the page shows after it, "" where it shows none."""
    found: list[str] = []
    for kind, code in blocks():
        if kind == "sh":
            found.append("")
        else:
            found[-1] = code
    return found


def test_every_example_runs_and_answers_what_the_page_says(installation: Installation, tmp_path: Path) -> None:
    if not shutil.which("curl") or not shutil.which("bash"):
        pytest.skip("curl or bash is not installed")
    rest = rest_on(installation)
    (tmp_path / "cat.png").write_bytes(png())
    with rest.core.db.write() as conn:
        logs.alert(
            conn, user_id=installation.owner, post_id=None, delivery_id=None, type="error", message="m",
            dedupe_key="k", now=rest.core.clock.now(),
        )  # fmt: skip
    with serving(rest.client.app) as url:  # type: ignore[arg-type]
        done = subprocess.run(
            ["bash", "-c", script(url, installation)], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 0, done.stderr + done.stdout[-2000:]
    answers = done.stdout.split(_MARK)
    examples = [code for kind, code in blocks() if kind == "sh"]
    assert len(answers) == len(examples) + 1
    checked = 0
    for code, answer, told in zip(examples, answers, _expected(), strict=False):
        if not told:
            assert "urn:postprober:problem" not in answer, (code, answer)
            continue
        last = answer.strip().splitlines()[-1]
        assert shape(json.loads(last)) == shape(json.loads(told)), (code, last)
        checked += 1
    assert checked >= 10
