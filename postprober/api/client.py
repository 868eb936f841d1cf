"""One client's end of a WebSocket: what is sent to it, and how far it may fall behind."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from postprober.services.people.sessions import Caller

if TYPE_CHECKING:
    from postprober.api.live import Member

MAX_QUEUE = 256  # frames that a client may be behind; then it has to resume
REPLAY_QUEUE = 128  # a replay fills the queue only so far, so that live events still fit
SLOW = 4408  # close codes 4000 to 4999 are free for applications (RFC 6455, 7.4.2)
SLOW_REASON = "too slow: connect again and join with last_id"


class Client:
    """One WebSocket. `send` is the server's own ASGI send; it raises OSError when the client has gone (ASGI 2.4).

    A frame that the server takes at once is sent at once: waking a task for it costs as much as the sending, for each
    of hundreds of clients. Only where the server wants to wait, because the client does not read, does the sender task
    take over, and what comes meanwhile is queued.
    """

    def __init__(self, caller: Caller, send: Callable[[dict[str, Any]], Coroutine[Any, Any, None]]) -> None:
        self.caller = caller
        self.rooms: dict[str, Member] = {}
        self.ended: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        self._send = send
        self._frames: deque[str] = deque()
        self._begun: _Begun | None = None  # a frame whose sending waits
        self._busy = False  # the sender task has something to do
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()

    def push(self, text: str) -> None:
        """Send or queue a frame; a client that is too far behind is let go."""
        if self.ended.done():
            return
        if not self._busy:
            self._begin(text)
        elif len(self._frames) >= MAX_QUEUE:
            self.end(SLOW, SLOW_REASON)
        else:
            self._frames.append(text)

    def _begin(self, text: str) -> None:
        """Run the sending to its end, or to its first wait."""
        sending = self._hand_over(text)
        try:
            self._begun = _Begun(sending, sending.send(None))
        except StopIteration:
            return
        except OSError:
            self._frames.append(text)  # the sender task will meet the same and end the connection
        self._busy = True
        self._filled.set()

    async def _hand_over(self, text: str) -> None:
        """Raises OSError when the client has gone, also where the server is closing its connection and says it as a fault
        of the program (uvicorn, after a ping without answer or a frame that is none)."""
        try:
            await self._send({"type": "websocket.send", "text": text})
        except RuntimeError as error:
            raise ConnectionAbortedError(str(error)) from error

    async def offer(self, text: str) -> None:
        """Queue a frame when there is room."""
        while len(self._frames) >= REPLAY_QUEUE and not self.ended.done():
            self._drained.clear()
            await self._drained.wait()
        self.push(text)

    def end(self, code: int, reason: str) -> None:
        """Ask the connection to close; nothing more is sent."""
        if not self.ended.done():
            self.ended.set_result((code, reason))
            self._frames.clear()
            self._drained.set()

    async def run_sender(self) -> None:
        """Send what could not be sent at once, until cancelled."""
        try:
            while True:
                await self._filled.wait()
                self._filled.clear()
                if self._begun is not None:
                    await self._begun
                    self._begun = None
                while self._frames:
                    await self._hand_over(self._frames.popleft())
                    if len(self._frames) < REPLAY_QUEUE:
                        self._drained.set()
                self._busy = False
        finally:
            if self._begun is not None:
                self._begun.sending.close()


@dataclass
class _Begun:
    """A coroutine that was run to its first wait, and the future that it waits for; awaiting it goes on from there."""

    sending: Coroutine[Any, Any, None]
    waits_for: Any

    def __await__(self) -> Generator[Any, Any, None]:
        yield self.waits_for
        yield from self.sending.__await__()
