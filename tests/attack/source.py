"""Bandit and semgrep over the product's source, each beside a control that it must not pass."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RULES = HERE / "rules"
SOURCES = ("postprober", "app.py", "pages", "scheduler.py")
# Bandit's own reader: https://bandit.readthedocs.io/en/latest/config.html#exclusions
_EXPLAINED = re.compile(r"# nosec (B\d{3})( B\d{3})* # \S")
# What bandit must find in the bad examples: SQL from strings, a shell, pickle, no certificate, a shell by os.system.
_BANDIT_MUST_FIND = frozenset({"B608", "B602", "B301", "B605"})
LIMIT = 300  # seconds for one run; on two busy cores the longest took 40


def bandit(tools: Path) -> list[str]:
    """What bandit finds of medium severity or above, as lines for a person; also exceptions without a reason."""
    found = [
        f"{one['filename']}:{one['line_number']} {one['test_id']} {one['issue_text']}"
        for one in _bandit(tools, *SOURCES)
    ]
    found += [f"{place} is excepted without a rule and a reason" for place in unexplained(ROOT)]
    missed = _BANDIT_MUST_FIND - {one["test_id"] for one in _bandit(tools, str(RULES / "house.py"))}
    if missed:
        found.append(f"control: bandit does not find {', '.join(sorted(missed))} in the bad examples")
    return found


def unexplained(root: Path) -> list[str]:
    """Places of `nosec` that do not say which rule and why."""
    places = []
    for path in _files(root):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(r"#\s*nosec\b", line) and not _EXPLAINED.search(line):
                places.append(f"{path.relative_to(root)}:{number}")
            if "nosemgrep" in line and not re.search(r"# nosemgrep: [a-z-]+ # \S", line):
                places.append(f"{path.relative_to(root)}:{number}")
    return places


def semgrep(tools: Path) -> list[str]:
    """What our rules find, as lines for a person; also rules that miss their bad example or find their good one."""
    found = [f"control: {line}" for line in rules_without_examples(RULES)]
    told = _semgrep(tools, "--test", "--config", str(RULES), str(RULES))
    if told.returncode != 0:
        found.append(f"control: a rule fails its own examples\n{told.stdout}{told.stderr}")
    told = _semgrep(tools, "--json", "--config", str(RULES / "house.yaml"), *SOURCES)
    if told.returncode not in (0, 1):
        return [*found, f"semgrep ended with {told.returncode}: {told.stderr[-2000:]}"]
    answer: dict[str, Any] = json.loads(told.stdout)
    found += [f"semgrep could not read: {error.get('message', error)}" for error in answer["errors"]]
    if len(answer["paths"]["scanned"]) < len(_files(ROOT)) * 0.9:  # empty files are not scanned
        found.append(f"semgrep read only {len(answer['paths']['scanned'])} of {len(_files(ROOT))} files")
    return found + [
        f"{one['path']}:{one['start']['line']} {one['check_id'].rsplit('.', 1)[-1]}: {one['extra']['message']}"
        for one in answer["results"]
    ]


def rules_without_examples(rules: Path) -> list[str]:
    """Rules that lack an example that they must find, or one that they must not."""
    ids = re.findall(r"^  - id: (\S+)$", (rules / "house.yaml").read_text(), re.MULTILINE)
    text = (rules / "house.py").read_text()
    bad = Counter(re.findall(r"# ruleid: (\S+)", text))
    good = Counter(re.findall(r"# ok: (\S+)", text))
    return [
        f"{name} has no {kind} example"
        for name in ids
        for kind, all_ in (("bad", bad), ("good", good))
        if not all_[name]
    ]


def _files(root: Path) -> list[Path]:
    found: list[Path] = []
    for source in SOURCES:
        path = root / source
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return found


def _bandit(tools: Path, *what: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [tools / "bandit", "--quiet", "--recursive", "--severity-level", "medium", "--format", "json", *what],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"bandit ended with {done.returncode}: {done.stderr[-2000:]}")
    answer = json.loads(done.stdout)
    if answer["errors"]:
        raise RuntimeError(f"bandit could not read {answer['errors']}")
    results: list[dict[str, Any]] = answer["results"]
    return results


def _semgrep(tools: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Our own rules only: nothing is fetched and nothing is told to anybody. Semgrep finds its core beside itself."""
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [tools / "semgrep", "scan", "--metrics", "off", "--disable-version-check", *arguments],
        cwd=ROOT,
        env={**os.environ, "PATH": path, "SEMGREP_SEND_METRICS": "off"},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
