"""Runs the experiments, prints a line for each, and keeps the table in docs/trust.md."""

from __future__ import annotations

import argparse
import logging
import math
import os
import platform
import random
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from tests.trust import table
from tests.trust.base import ENOUGH, Experiment, Found, Turns
from tests.trust.invariants import ALL, Invariant

ROOT = Path(__file__).parents[2]
OF_THE_MATRIX = {"I2", "I3", "I4"}  # they come out of the same runs
TABLE = ROOT / "docs" / "trust.md"


@dataclass(frozen=True)
class Line:
    """One experiment's end. `broken`: why it could not be carried out, "" when it could."""

    invariant: Invariant
    done: int
    seconds: float
    found: Found | None
    broken: str = ""

    @property
    def good(self) -> bool:
        return self.found is not None and self.found.good

    def text(self) -> str:
        head = f"{self.invariant.id:4} {self.done}/{self.invariant.asked} in {self.seconds:.0f} s: "
        if self.found is None:
            return f"{head}not carried out: {self.broken}"
        found = self.found
        verdict = "held" if found.good else "FAILED"
        return (
            f"{head}{verdict}, {len(found.failures)} failures; control ({found.control}): "
            f"{found.control_failures} of {found.control_done}{'; ' + found.note if found.note else ''}"
        )


def carry_out(invariant: Invariant, scale: float, seconds: float, seed: int) -> Line:
    """One experiment. What it raises is its failure, and the others go on."""
    turns = Turns(max(1, math.ceil(invariant.asked * scale)), seconds, seed)
    try:
        module, _, name = invariant.where.partition(":")
        experiment: Experiment = getattr(import_module(f"tests.trust.{module}"), name)
        found = experiment(turns)
    except Exception as error:  # noqa: BLE001 (a broken experiment is a failed one, and the others go on)
        traceback.print_exc()
        return Line(invariant, turns.done, time.monotonic() - turns.began, None, f"{type(error).__name__}: {error}")
    done = turns.done if found.done is None else found.done
    return Line(invariant, done, time.monotonic() - turns.began, found)


def row_of(line: Line, scale: float, seconds: float) -> table.Row:
    """The table's row. A count that was not reached says why."""
    one, found = line.invariant, line.found
    why = "" if found is None else found.note
    if line.done < one.asked:
        short = seconds and (scale == 1 or line.seconds >= seconds)  # I3 and I4 are counted in I2's time
        cut = f"stopped after {seconds:g} s" if short else f"run with SCALE={scale:g}"
        cut = f"stopped when asked, after {line.seconds:.0f} s" if ENOUGH.is_set() else cut
        why = f"{cut}{'; ' + why if why else ''}"
    if found is None:
        why = f"not carried out: {line.broken}"
    return table.Row(
        id=one.id,
        invariant=one.says,
        experiment=one.how,
        count=f"{line.done:,} / {one.asked:,}",
        failures=str(len(found.failures)) if found else "not known",
        control=f"{found.control}: {found.control_failures} of {found.control_done}" if found else "not run",
        seconds=f"{line.seconds:.0f}",
        when=f"{datetime.now(UTC):%Y-%m-%d}, {_commit()}",
        machine=_machine(),
        note=why,
    )


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "no commit"


def _machine() -> str:
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "") if hasattr(os, "uname") else ""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {system or platform.system()}"


def _chosen(text: str) -> list[Invariant]:
    names = [name.strip().upper() for name in text.split(",") if name.strip()]
    known = {one.id: one for one in ALL}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"There is no {', '.join(unknown)}; choose of {', '.join(known)}.")
    return [known[name] for name in names] or list(ALL)


def main(arguments: list[str] | None = None, say: Callable[[str], None] = print) -> int:
    """Returns the exit code: 1 when an invariant did not hold, or a control saw nothing."""
    parser = argparse.ArgumentParser(prog="python -m tests.trust", description=__doc__)
    parser.add_argument("--only", default="", help="I5,I6: these only")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the counts that were asked for")
    parser.add_argument("--seconds", type=float, default=0.0, help="for each invariant at most; 0: as long as it takes")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="of what I1 to I4 choose; by chance")
    parser.add_argument("--table", type=Path, default=TABLE, help="where the table is kept")
    asked = parser.parse_args(arguments)
    logging.disable(logging.ERROR)  # the faults are meant
    # Not SIGTERM or SIGINT: what the experiments fork would take that for a wish of its own.
    signal.signal(signal.SIGUSR1, lambda *_: ENOUGH.set())
    bad: list[Line] = []
    carried: set[str] = set()
    for invariant in _chosen(asked.only):
        if ENOUGH.is_set() and not (invariant.id in OF_THE_MATRIX and carried & OF_THE_MATRIX):
            continue
        carried.add(invariant.id)
        line = carry_out(invariant, asked.scale, asked.seconds, asked.seed)
        say(line.text())
        _say_failures(line, say)
        bad += [] if line.good else [line]
        sys.stdout.flush()
        table.merge(asked.table, row_of(line, asked.scale, asked.seconds))
    for line in bad:  # once more: whoever reads only the end has to see what it was
        say(line.text())
        _say_failures(line, say)
    say("NOT ALL HELD" if bad else "all held")
    return 1 if bad else 0


def _say_failures(line: Line, say: Callable[[str], None]) -> None:
    for failure in (line.found.failures if line.found else [])[:20]:
        say(f"     ! {failure}")
