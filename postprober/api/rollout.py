"""How a sidecar ends: first it says so to the balancer, then it takes nothing new, then it finishes what it has.

After SIGTERM `/readyz` answers 503 at once and every answer closes its connection, while requests are served as before
for POSTPROBER_DRAIN_SECONDS. Then the port is closed, WebSockets are told to come back (close code 1012), and requests
that were accepted have GRACE seconds to end. A second signal ends the first wait.
"""

from __future__ import annotations

import signal
import time
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

GRACE = 30  # seconds; units and manifests give 60 in all, which holds the longest DRAIN_SECONDS of 20, too


class ClosingConnections:
    """While the sidecar ends, a client's next request goes through the balancer anew, to one that stays."""

    def __init__(self, app: ASGIApp, owner: Starlette) -> None:
        self._app = app
        self._owner = owner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and is_ending(self._owner):
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, receive, closing if scope["type"] == "http" else send)


def is_ending(app: Starlette) -> bool:
    """Whether the process was asked to end."""
    return bool(getattr(app.state, "ending", False))


class Server(uvicorn.Server):
    """uvicorn that drains; `run` returns after a signal instead of raising it again."""

    def __init__(self, config: uvicorn.Config, app: Starlette, drain: float) -> None:
        super().__init__(config)
        self._app = app
        self._drain = drain
        self._until: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by the signal: begin to drain; the second time, and for Ctrl-C, be done with it."""
        self._app.state.ending = True
        if self._until is not None or sig == signal.SIGINT:
            self.should_exit = True
        else:
            self._until = time.monotonic() + self._drain

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if self._until is not None and time.monotonic() >= self._until:
            self.should_exit = True
        return await super().on_tick(counter)
