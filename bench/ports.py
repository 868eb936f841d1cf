"""Free ports on the loopback interface, each given to one process of the whole machine.

A port that is looked up, set free and bound later by another process can be taken in between. So every process that asks
takes a range of its own first, by a file lock that goes with it, and gives no port of it twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import socket
import tempfile
from functools import cache
from pathlib import Path

LOWEST, HIGHEST = 12_000, 20_000  # below what sandboxes listen on, and what the system takes for outgoing connections
RANGE = 250  # ports of a process


def free_port() -> int:
    """One on which nobody listens, and that no other process is given while this one lives."""
    for port in _range():
        with contextlib.closing(socket.socket()) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("this process has had all of its ports")


def free_ports(count: int) -> list[int]:
    """As many, all different."""
    return [free_port() for _ in range(count)]


def _range() -> itertools.cycle[int]:
    return _own(os.getpid())


@cache
def _own(_pid: int) -> itertools.cycle[int]:
    """Of a forked child its own."""
    starts = range(LOWEST, HIGHEST - RANGE, RANGE)
    for start in starts:
        lock = (Path(tempfile.gettempdir()) / f"pp-ports-{start}").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        _KEPT.append(lock)
        return itertools.cycle(range(start, start + RANGE))
    raise RuntimeError("all ranges of ports are taken")


_KEPT: list[object] = []  # locks, held as long as the process lives
