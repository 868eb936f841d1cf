"""Deals the cells to processes, counts, and judges."""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import queue
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.crash.cells import CRASH_POINTS, FAULTS, Verdict, run_cell
from tests.crash.kills import kill_at_random
from tests.crash.naive import run_naive
from tests.crash.world import TARGETS, Target, servers, template

LOOK = 1.0  # seconds between two looks whether it is over
SILENCE = 300.0  # seconds; a cell takes 60 at most

Cell = tuple[str, str, Target, int]


def matrix(platforms: list[Target], repeats: int) -> list[Cell]:
    """Every fault at every crash point on every platform, so many times."""
    return [(p, f, a, n) for n in range(repeats) for a in platforms for f in FAULTS for p in CRASH_POINTS]


def _job(cells: Any, naive: bool, results: Any) -> None:
    with tempfile.TemporaryDirectory(prefix="pp-crash-") as name:
        folder = Path(name)
        made = template(folder)
        with servers(folder) as (sandbox, picture):
            while (cell := cells.get()) is not None:
                point, fault, platform, turn = cell
                run = run_naive if naive else run_cell
                try:
                    verdict = run(folder, made, sandbox, picture, point, fault, platform, turn)
                except Exception as error:  # noqa: BLE001 (a broken cell is a failed cell, and the others go on)
                    where = f"{platform.name} / {fault} / {point}"
                    verdict = Verdict(where, end="broken", lost=[f"broken: {where}: {error!r}"])
                results.put(verdict)
    results.put(None)


def campaign(
    cells: list[Cell], jobs: int, *, naive: bool = False, over: Callable[[], bool] = lambda: False
) -> list[Verdict]:
    """Let `jobs` processes, each with a sandbox of its own, take one cell after another; none begins once it is `over`."""
    processes = multiprocessing.get_context("spawn")
    results, waiting = processes.Queue(), processes.Queue()
    for cell in [*cells, *[None] * jobs]:
        waiting.put(cell)
    began = time.monotonic()
    workers = [processes.Process(target=_job, args=(waiting, naive, results)) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    verdicts: list[Verdict] = []
    ended, heard, dealt = 0, began, False
    while ended < jobs:
        if over() and not dealt:
            _deal_no_more(waiting, jobs)
            dealt = True
        try:
            item = results.get(timeout=LOOK)
        except queue.Empty:
            if time.monotonic() - heard > SILENCE:
                raise
            continue
        heard = time.monotonic()
        if item is None:
            ended += 1
            continue
        verdicts.append(item)
        for line in item.wrong if not naive else []:
            print(f"  ! {line}", flush=True)
        if len(verdicts) % 100 == 0:
            print(f"  {len(verdicts)}/{len(cells)} after {time.monotonic() - began:.0f} s", flush=True)
    waiting.cancel_join_thread()  # what was not begun
    for worker in workers:
        worker.join()
    return verdicts


def _deal_no_more(waiting: Any, jobs: int) -> None:
    with contextlib.suppress(queue.Empty):
        while True:
            waiting.get(timeout=LOOK)
    for _ in range(jobs):
        waiting.put(None)


def _report(title: str, verdicts: list[Verdict]) -> None:
    print(f"{title}: {len(verdicts)} runs")
    for platform in sorted({v.cell.split(" / ")[0] for v in verdicts}):
        ends = Counter(v.end for v in verdicts if v.cell.startswith(f"{platform} /"))
        print(f"  {platform + ':':13} {dict(ends)}")
    print(f"  killed where meant: {sum(v.reached for v in verdicts)} (the others never come to that point)")
    for name in ("lost", "doubled", "contradicted", "hasty"):
        print(f"  {name + ':':13} {sum(bool(getattr(v, name)) for v in verdicts)}")


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description="Kill the worker everywhere.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--platform", choices=[t.name for t in TARGETS], action="append")
    parser.add_argument("--fault", action="append", choices=list(FAULTS))
    arguments = parser.parse_args()
    platforms = [Target.named(name) for name in arguments.platform or ()] or list(TARGETS)
    cells = [c for c in matrix(platforms, arguments.repeats) if not arguments.fault or c[1] in arguments.fault]
    verdicts = campaign(cells, arguments.jobs)
    _report("matrix", verdicts)
    failed = any(v.wrong for v in verdicts)

    # The control: what an engine without intents does in the same cells. If it never doubled, we could not see doubles.
    control = campaign(matrix(platforms, 1), arguments.jobs, naive=True)
    doubles = sum(v.visible > 1 for v in control) / max(1, len(control))
    print(f"naive control: {len(control)} runs, {doubles:.0%} doubled")
    if doubles < 0.20:
        print("  ! the control shows too few doubles, so this harness proves nothing")
        failed = True

    if arguments.kills:
        failed = kill_at_random(arguments.kills).bad or failed
    print("FAILED" if failed else "all held")
    return 1 if failed else 0
