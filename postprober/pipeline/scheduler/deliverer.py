"""What the scheduler knows of those who carry out what is due: threads of its own, or workers in other processes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol


class Deliverer(Protocol):
    """All state is in the database: whatever this holds may be lost at any moment."""

    on_idle: Callable[[], None]  # called when a worker is free and nobody waits

    def poll_due(self) -> datetime | None:
        """Start or hand over everything that is due; returns when something is due next, None when nothing is planned."""
        ...

    def renew_leases(self) -> None: ...

    def busy(self) -> int:
        """How many deliveries are in hand here."""
        ...

    def take_nothing_new(self) -> None:
        """What is in hand goes on."""
        ...

    def stop(self) -> None:
        """Finish what is in hand, take nothing new."""
        ...
