"""Counts, inside a process that delivers, where the time of its threads goes. Only in metered runs: it costs some itself.

`BENCH_METER` names a folder; each process writes `<pid>.json` into it twice a second.
"""

from __future__ import annotations

import functools
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.default import DefaultDialect

from postprober.http import HttpClient
from postprober.storage.database import Database
from postprober.wakeup import WakeSignal

EVERY = 0.5  # seconds
_sums: Counter[str] = Counter()
_lock = threading.Lock()
_acting = threading.local()


def _add(name: str, seconds: float) -> None:
    """Of a thread that carries a delivery; what the scheduler does on the side is counted apart."""
    prefix = "" if getattr(_acting, "now", False) else "side_"
    with _lock:
        _sums[f"{prefix}{name}_s"] += seconds  # type: ignore[assignment]
        _sums[f"{prefix}{name}"] += 1


def _timed(name: str, act: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(act)
    def run(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return act(*args, **kwargs)
        finally:
            _add(name, time.perf_counter() - began)

    return run


def carrying(act: Callable[..., Any]) -> Callable[..., Any]:
    """`act` carries a delivery: all its time is counted."""

    @functools.wraps(act)
    def run(*args: Any, **kwargs: Any) -> Any:
        _acting.now, began = True, time.perf_counter()
        try:
            return act(*args, **kwargs)
        finally:
            _add("act", time.perf_counter() - began)
            _acting.now = False

    return run


def install() -> bool:
    """Begin to count when `BENCH_METER` is set; call it before the process builds its parts."""
    folder = os.environ.get("BENCH_METER")
    if not folder:
        return False
    HttpClient._once = _timed("http", HttpClient._once)  # type: ignore[method-assign]
    WakeSignal.wake = _timed("bell", WakeSignal.wake)  # type: ignore[method-assign]
    DefaultDialect.do_commit = _timed("commit", DefaultDialect.do_commit)  # type: ignore[method-assign]
    Database.write = _around("write", Database.write)  # type: ignore[method-assign]
    Database.read = _around("read", Database.read)  # type: ignore[method-assign]
    event.listen(Engine, "before_cursor_execute", _begin)
    event.listen(Engine, "after_cursor_execute", _end)
    threading.Thread(target=_write, args=(Path(folder) / f"{os.getpid()}.json",), daemon=True).start()
    return True


def _around(name: str, block: Callable[..., Any]) -> Callable[..., Any]:
    """The time to get into a transaction and out of it: connection, turn, commit."""

    @contextmanager
    def run(self: Database) -> Iterator[Connection]:
        began = time.perf_counter()
        with block(self) as connection:
            inside = time.perf_counter()
            try:
                yield connection
            finally:
                left = time.perf_counter()
        _add(name, inside - began + time.perf_counter() - left)

    return run


def _begin(conn: Connection, *_: Any) -> None:
    conn.info.setdefault("meter", []).append(time.perf_counter())


def _end(conn: Connection, *_: Any) -> None:
    _add("query", time.perf_counter() - conn.info["meter"].pop())


def _write(path: Path) -> None:
    while True:
        time.sleep(EVERY)
        with _lock:
            text = json.dumps(_sums)
        part = path.with_suffix(".part")
        part.write_text(text)
        part.replace(path)


def read(folder: Path) -> Counter[str]:
    """All processes together."""
    total: Counter[str] = Counter()
    for path in folder.glob("*.json"):
        total.update(json.loads(path.read_text()))
    return total
