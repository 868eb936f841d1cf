"""What every experiment is given and gives back."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ENOUGH = threading.Event()  # somebody wants the experiment to end; what it has found by then counts
MEMORY = Path("/dev/shm")  # the speed of the disk is not what is measured


@dataclass
class Turns:
    """As many rounds as were asked for, fewer when the time is over or ENOUGH is set. `done`: how many there were; `seed`: which of the
    possible ones, where an experiment chooses."""

    asked: int
    seconds: float = 0.0  # 0: as long as it takes
    seed: int = 1
    done: int = 0
    began: float = field(default_factory=time.monotonic)

    def __iter__(self) -> Iterator[int]:
        while self.done < self.asked and not self.over:
            yield self.done
            self.done += 1

    @property
    def over(self) -> bool:
        return ENOUGH.is_set() or (bool(self.seconds) and time.monotonic() - self.began > self.seconds)

    def batches(self, size: int) -> Iterator[range]:
        """Rounds that share one stage: ranges of at most `size` numbers."""
        while self.done < self.asked and not self.over:
            numbers = range(self.done, min(self.asked, self.done + size))
            yield numbers
            self.done = numbers.stop


@dataclass(frozen=True)
class Found:
    """`failures`: a sentence for each; must be empty. `control`: what the careless variant was; `control_failures` of
    `control_done` rounds were wrong with it, and must not be 0. `done`: where it is not the number of rounds."""

    failures: list[str]
    control: str
    control_failures: int
    control_done: int
    note: str = ""
    done: int | None = None

    @property
    def good(self) -> bool:
        return not self.failures and self.control_failures > 0


Experiment = Callable[[Turns], Found]


def some(asked: int, most: int = 20) -> Turns:
    """Rounds for a control: enough to see it fail."""
    return Turns(max(1, min(asked, most)))


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A folder in memory that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"pp-{name}-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)
