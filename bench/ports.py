"""Free ports on the loopback interface, each given to one process of the whole machine.

A port that is looked up, set free and bound later by another process can be taken in between. So every process that asks
takes a range of its own first, by a mark that goes with it, and gives no port of it twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import socket
import sys
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
    for start in range(LOWEST, HIGHEST - RANGE, RANGE):
        mark = _mark(f"pp-ports-{start}")
        if mark is not None:
            _KEPT.append(mark)
            return itertools.cycle(range(start, start + RANGE))
    raise RuntimeError("all ranges of ports are taken")


def _mark(name: str) -> object | None:
    """What only one process of the machine can have at a time; None while another one has it. On Linux a socket in the
    abstract namespace, which is one for all, whatever folder for temporary files a process was told."""
    if sys.platform == "linux":
        held = socket.socket(socket.AF_UNIX)
        try:
            held.bind(f"\0{name}")
        except OSError:
            held.close()
            return None
        return held
    lock = (Path(tempfile.gettempdir()) / name).open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


_KEPT: list[object] = []  # marks, held as long as the process lives
