"""What an operator's counters and histograms are called, and how one process adds to them until they are stored.

Names and units follow Prometheus (https://prometheus.io/docs/practices/naming/). Label values come from fixed sets: platforms,
acts, outcomes, states, classes of errors. No id, address or text of anybody is ever one.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from math import inf

Labels = tuple[str, ...]
Entry = tuple[str, Labels]  # what one number belongs to: the name of a sample, and its labels' values
BUCKET, SUM = "_bucket", "_sum"  # what a histogram's samples are called behind its name


@dataclass(frozen=True)
class Meter:
    """`name`: without `_total`; `bounds`: upper ones of a histogram's buckets, none for a counter."""

    name: str
    text: str
    labels: Labels
    bounds: tuple[float, ...] = ()


ATTEMPTS = Meter("postprober_attempts", "Attempts that ended, by what they did", ("platform", "act", "outcome"))
OUTCOMES = Meter("postprober_outcomes", "Deliveries that came to this state", ("platform", "state"))
FAILURES = Meter("postprober_failures", "What held deliveries up or ended them", ("platform", "cause"))
LATENESS = Meter(
    "postprober_lateness_seconds",
    "From the time a post was planned for to its first byte",
    ("platform",),
    (1, 2, 5, 10, 30, 60, 300, 900, 3600, 21600),
)
QUEUE_WAIT = Meter(
    "postprober_queue_wait_seconds",
    "From being due to being claimed by a worker",
    ("platform",),
    (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
CALLS = Meter(
    "postprober_platform_call_seconds",
    "How long calls of platforms took, by the kind of answer",
    ("platform", "answer"),
    (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
METERS = (ATTEMPTS, OUTCOMES, FAILURES, LATENESS, QUEUE_WAIT, CALLS)


def answer_of(status: int | None) -> str:
    """The kind of an HTTP answer: its class, `429` by itself, `none` where no answer came."""
    if status is None:
        return "none"
    return "429" if status == 429 else f"{status // 100}xx"


class Tally:
    """What this process has counted and not stored yet. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: dict[Entry, float] = defaultdict(float)

    def count(self, meter: Meter, *labels: str) -> None:
        """One more."""
        self._add({(meter.name, labels): 1.0})

    def observe(self, meter: Meter, value: float, *labels: str) -> None:
        """One value of a histogram; each is counted in one bucket only, and read cumulated."""
        place = bisect_left(meter.bounds, value)
        bound = meter.bounds[place] if place < len(meter.bounds) else inf
        self._add(
            {(meter.name + BUCKET, (*labels, bound_text(bound))): 1.0, (meter.name + SUM, labels): max(0.0, value)}
        )

    def _add(self, amounts: dict[Entry, float]) -> None:
        with self._lock:
            for entry, amount in amounts.items():
                self._counted[entry] += amount

    def pending(self) -> dict[Entry, float]:
        """What is to be stored now. It stays here until `stored` says that it is."""
        with self._lock:
            return dict(self._counted)

    def stored(self, amounts: dict[Entry, float]) -> None:
        """These have been committed; what was counted meanwhile stays."""
        with self._lock:
            for entry, amount in amounts.items():
                self._counted[entry] -= amount
                if self._counted[entry] <= 0:
                    del self._counted[entry]


def bound_text(bound: float) -> str:
    """As Prometheus writes the label `le`."""
    return "+Inf" if bound == inf else repr(float(bound))
