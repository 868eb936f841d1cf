"""What somebody finds who carries on: the files for editors, hooks and the forge say what is so."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
TARGETS = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text())) | {".venv/.installed-test"}
# Written by others, and compared byte by byte.
NOT_OURS = ("tests/specs/",)


def _tracked() -> list[Path]:
    told = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if told.returncode != 0:
        pytest.skip("not a checkout of git")
    return [ROOT / name for name in told.stdout.split("\0") if name and not name.startswith(NOT_OURS)]


def _targets(command: str) -> list[str]:
    return [word for word in shlex.split(command)[1:] if "=" not in word] if command.startswith("make ") else []


def test_the_dev_container_installs_what_the_makefile_does() -> None:
    told = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert _targets(told["postCreateCommand"]) == [".venv/.installed-test"]
    assert set(map(str, told["forwardPorts"])) == set(told["portsAttributes"])


def test_the_hooks_before_a_commit_are_those_of_make_lint() -> None:
    told = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    tools = {Path(hook["entry"].split()[0]).name for repo in told["repos"] for hook in repo["hooks"]}
    recipe = (ROOT / "Makefile").read_text().split("\nlint:")[1].split("\n\n")[0]
    assert tools == set(re.findall(r"\$\(VENV\)/bin/(\S+)", recipe))


def test_the_forge_runs_what_a_person_runs() -> None:
    told = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    (job,) = told["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert job["env"] == {"POSTPROBER_CONTRACTS": "none"} and job["container"].startswith("python:3.11")
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    called = [target for line in script.read_text().splitlines() for target in _targets(line.strip())]
    assert set(called) <= TARGETS and {"lint", "test", "test-slow", "test-scaled"} <= set(called)


def test_the_first_change_in_ten_minutes_can_be_typed() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    block = text.split("## The first change in ten minutes")[1].split("```")[1]
    for line in block.strip().splitlines()[1:]:  # the first clones
        command = line.split("#")[0].strip()
        assert set(_targets(command)) <= TARGETS, command
        for word in shlex.split(command):
            if word.startswith("tests/"):
                assert (ROOT / word).is_file(), word
    for name in re.findall(r"`(\.[a-z][\w./-]+)`", text):
        assert (ROOT / name).exists() or name == ".env", name


def test_files_keep_to_the_editorconfig() -> None:
    for path in _tracked():
        raw = path.read_bytes() if path.is_file() else b""
        if not raw or b"\0" in raw:
            continue
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            continue
        where = path.relative_to(ROOT)
        assert text.endswith("\n"), f"{where}: no line end at the end"
        assert "\r" not in text or path.suffix in (".csv",), f"{where}: a carriage return"
        assert [n for n, line in enumerate(text.split("\n"), 1) if line != line.rstrip(" \t")] == [], f"{where}: blanks"
