"""Free ports on the loopback interface."""

from __future__ import annotations

import contextlib
import random
import socket

LOWEST, HIGHEST = 20_000, 32_000  # below the range from which the system takes outgoing ports


def free_port() -> int:
    """One on which nobody listens at this moment."""
    while True:
        port = random.randint(LOWEST, HIGHEST)
        with contextlib.closing(socket.socket()) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
