"""A process that is told to end by a signal hears it, whatever it is doing."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from postprober.processes.stopping import Stopping

ROOT = Path(__file__).resolve().parents[1]
# A signal comes every 100 microseconds, mostly in the middle of `wait` or `is_set`.
PLAY = """
import signal, time
from postprober.processes.stopping import Stopping
told = Stopping()
signal.signal(signal.SIGALRM, lambda *_: told.set())
signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
end = time.monotonic() + 1.5
while time.monotonic() < end:
    told.wait(0.0), told.is_set()
signal.signal(signal.SIGALRM, signal.SIG_IGN)
print("went on", told.wait(0.0))
"""
# What an event does whose lock is held when the signal comes, as `Event.wait` holds it for a moment.
CONTROL = """
import signal, threading
told = threading.Event()
signal.signal(signal.SIGALRM, lambda *_: told.set())
with told._cond:
    signal.raise_signal(signal.SIGALRM)
    print("went on", flush=True)
"""
LIMIT = 60.0  # seconds
STILL = 5.0  # after which the control counts as standing still


def _play(code: str, seconds: float) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=True).stdout


def test_a_signal_in_the_middle_of_waiting_stops_nobody_for_ever() -> None:
    assert _play(PLAY, LIMIT) == "went on True\n"
    with pytest.raises(subprocess.TimeoutExpired) as stood:
        _play(CONTROL, STILL)
    assert not stood.value.stdout


def test_it_is_heard_by_who_waits_and_by_who_asks_later() -> None:
    told = Stopping()
    assert not told.is_set() and not told.wait(0.01)
    threading.Timer(0.05, told.set).start()
    assert told.wait(LIMIT) and told.is_set() and told.wait(0.0) and told.wait()
    told.set()
    assert told.wait(0.0)
