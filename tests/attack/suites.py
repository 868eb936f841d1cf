"""Attacks that are tests already, run as attacks: each with the test that shows what the same would do without the
defence, or that the check can see it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 900  # seconds for one suite on a busy machine

# Pages of strangers that want to end the looks of a browser, to lie to them, or to reach what lies inside.
PAGES = (
    "tests/browser",
    "tests/pipeline/test_browser_checks.py::test_one_hostile_page_ends_no_look_but_its_own",
    "tests/pipeline/test_browser_checks.py::test_a_page_that_takes_the_process_down_is_left_after_some_tries",
)
# Receivers that take a connection and say nothing, answer nonsense, or trickle.
SILENT = (
    "tests/pipeline/test_notify.py::test_receivers_that_are_silent_delay_their_own_space_only",
    "tests/pipeline/test_notify.py::test_however_many_failing_channels_hang_those_that_work_are_served",
    "tests/security/test_http_errors.py",
)
# One token that asks for whatever takes long.
TOKEN = ("tests/api/test_slow_work.py", "tests/api/test_limits_of_requests.py", "tests/api/test_attacks_http.py")


def run(nodes: tuple[str, ...], fewest: int) -> list[str]:
    """The tests that failed, and a line when fewer ran than there are."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=400", *nodes],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    found = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    passed = re.search(r"(\d+) passed", done.stdout)
    count = int(passed[1]) if passed else 0
    print(f"  {count} attacks and controls passed, {len(found)} did not")
    if count + len(found) < fewest:
        found.append(f"only {count} of at least {fewest} ran: {done.stdout.strip()[-300:]}")
    return found


def pages() -> list[str]:
    return run(PAGES, 30)


def silent() -> list[str]:
    return run(SILENT, 10)


def token() -> list[str]:
    return run(TOKEN, 15)
