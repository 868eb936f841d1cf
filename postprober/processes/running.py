"""What runs on a data folder: told by the lock that `up` holds, and by what it notes of its children."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from postprober.processes.watching import NOTE, STOP_LIMIT

LOCK = "up.lock"
STOPPED_WITHIN = STOP_LIMIT + 15.0  # seconds; by then every child has been killed that would not end


@dataclass(frozen=True)
class RunningChild:
    """`since`: of this life of it; `starts`: how often it was started."""

    name: str
    pid: int
    since: datetime
    starts: int
    alive: bool


@dataclass(frozen=True)
class Running:
    """`pid`: of the process that watches the others; `complete`: it has started all of them, and not only some so far."""

    pid: int
    children: tuple[RunningChild, ...]
    complete: bool = False

    @property
    def well(self) -> bool:
        return self.complete and all(child.alive for child in self.children)


def look(data_dir: Path) -> Running | None:
    """What `up` or `demo` has started on the folder; None when nothing runs there."""
    pid = _holder(data_dir / LOCK)
    if pid is None:
        return None
    try:
        told = json.loads((data_dir / NOTE).read_text())
        mine = told["pid"] == pid
        children = told["children"] if mine else {}
        return Running(
            pid,
            tuple(
                RunningChild(
                    name, one["pid"], datetime.fromtimestamp(one["since"], UTC), one["starts"], _lives(one["pid"])
                )
                for name, one in children.items()
            ),
            mine and bool(told["complete"]),
        )
    except (OSError, ValueError, KeyError, TypeError):  # it has not written it yet, or the disk is full
        return Running(pid, ())


def stop(data_dir: Path, limit: float = STOPPED_WITHIN) -> int | None:
    """End what runs on the folder, in order, and wait for it; its process, None when nothing ran. Raises TimeoutError when it
    still runs after `limit` seconds, PermissionError when it is somebody else's."""
    pid = _holder(data_dir / LOCK)
    if pid is None:
        return None
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    until, pause = time.monotonic() + limit, threading.Event()
    while _holder(data_dir / LOCK) == pid:
        if time.monotonic() > until:
            raise TimeoutError(f"process {pid} has not stopped within {limit:.0f} seconds")
        pause.wait(0.1)
    return pid


def _holder(lock: Path) -> int | None:
    """The process that holds the lock, None when nobody does."""
    try:
        with lock.open() as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                text = stream.read().strip()
                return int(text) if text.isdecimal() else None
            return None
    except FileNotFoundError:
        return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
