"""What bounds each way of delivering: measured by counters and the kernel's accounts, not guessed."""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.engines import Engines

if TYPE_CHECKING:
    from bench.pipeline import Run

_SYNCS = "SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal'"
_SYNC_MS = "SELECT sum(fsync_time) FROM pg_stat_io WHERE object = 'wal'"


class Disk:
    """How often PostgreSQL waited for the disk, and for how long (ms), since this was made."""

    def __init__(self, which: Engines | None) -> None:
        self._which = which
        if which:
            which.set("track_wal_io_timing", "on")
        self._before = self._now()

    def _now(self) -> tuple[float, float]:
        return (self._which.ask(_SYNCS), self._which.ask(_SYNC_MS)) if self._which else (0.0, 0.0)

    def since(self) -> tuple[float, float]:
        now = self._now()
        return now[0] - self._before[0], now[1] - self._before[1]


@dataclass(frozen=True)
class Bound:
    """`run` was not metered; `sums` are of one more round that was. `syncs`: PostgreSQL's waits for the disk and their
    milliseconds."""

    name: str
    run: Run
    count: int
    sums: Counter[str] = field(default_factory=Counter)
    syncs: tuple[float, float] = (0.0, 0.0)


def print_bounds(found: Sequence[Bound]) -> None:
    cores = os.cpu_count() or 1
    print(f"what bounds each ({bare_sync() * 1000:.2f} ms is a bare fdatasync of 4 kB here, median)")
    for one in found:
        used = sum(one.run.cpu.values())
        busy = used / (one.count / one.run.rate) / cores
        parts = "  ".join(f"{name} {seconds / one.count * 1000:.1f}" for name, seconds in sorted(one.run.cpu.items()))
        print(f"  {one.name}: {busy:.0%} of {cores} cores; CPU ms per delivery {used / one.count * 1000:.1f}: {parts}")
        if one.sums:
            _print_metered(one)


def _print_metered(one: Bound) -> None:
    """Per delivery. A thread's time is in the database, in HTTP, or else: computing, and waiting for the interpreter."""
    sums, count = one.sums, one.count
    mine = {name: sums[name] / count for name in ("query", "write", "read", "http")}
    commits = (sums["commit"] + sums["side_commit"]) / count
    queries = (sums["query"] + sums["side_query"]) / count
    print(
        f"    per delivery: {mine['http']:.1f} HTTP calls, {mine['query']:.1f} queries (with the scheduler's {queries:.1f}), "
        f"{mine['write']:.1f} writing and {mine['read']:.1f} reading transactions, {commits:.1f} commits"
    )
    all_commits = sums["commit"] + sums["side_commit"]
    took = (sums["commit_s"] + sums["side_commit_s"]) / max(1, all_commits)
    line = f"    a commit takes {took * 1000:.2f} ms"
    if one.syncs[0]:
        per_sync = one.syncs[1] / one.syncs[0]
        line += f"; {one.syncs[0] / count:.1f} waits for the disk per delivery, {per_sync:.2f} ms each"
    print(line)
    act = sums["act_s"] or 1.0
    database = sums["query_s"] + sums["write_s"] + sums["read_s"] - sums["bell_s"]
    rest = act - database - sums["http_s"] - sums["bell_s"]
    print(
        f"    of {act / count * 1000:.0f} ms thread time: database {database / act:.0%} (turns and commits "
        f"{(sums['write_s'] - sums['bell_s']) / act:.0%}), HTTP {sums['http_s'] / act:.0%}, wake-ups over Redis "
        f"{sums['bell_s'] / act:.0%}, the rest (computing, waiting for the interpreter) {rest / act:.0%}"
    )


def bare_sync(rounds: int = 200) -> float:
    """Seconds, the median: what every commit has to wait for at least."""
    times = []
    with tempfile.NamedTemporaryFile(prefix="pp-bench-") as file:
        for _ in range(rounds):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return sorted(times)[rounds // 2]
