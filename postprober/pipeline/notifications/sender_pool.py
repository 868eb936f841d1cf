"""Sends notifications side by side: one slot for each space, so that a receiver that is silent delays its own space only.

A channel that has failed goes to threads of its own: however many of them hang until their time is over, those that work
are served.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor

from postprober.pipeline.core.context import Context
from postprober.pipeline.notifications import notify
from postprober.storage import notifications
from postprober.storage.notifications import Channel

log = logging.getLogger("postprober.notify")

THREADS = 8
FAILING_THREADS = 4
TURN = 5.0  # seconds after which a space begins nothing more until its next turn

Slot = tuple[int, bool]


class SenderPool:
    """`tick` begins what is due and returns at once."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._pools = {
            False: ThreadPoolExecutor(THREADS, thread_name_prefix="notify"),
            True: ThreadPoolExecutor(FAILING_THREADS, thread_name_prefix="notify-failing"),
        }
        self._busy: set[Slot] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def tick(self) -> list[Future[int]]:
        """Give every space with something to send, and nothing in hand, a turn."""
        with self._ctx.db.read() as conn:
            waiting = notifications.due_channels(conn, self._ctx.clock.now())
        slots: dict[Slot, list[Channel]] = defaultdict(list)
        for channel in waiting:
            slots[channel.user_id, channel.failing_since is not None].append(channel)
        begun: list[Future[int]] = []
        if self._closed.is_set():
            return begun
        for slot, channels in slots.items():
            with self._lock:
                if slot in self._busy:
                    continue
                self._busy.add(slot)
            try:
                begun.append(self._pools[slot[1]].submit(self._turn, slot, channels))
            except RuntimeError:  # closed a moment ago
                self._free(slot)
        return begun

    def busy(self) -> int:
        """How many turns are in hand."""
        with self._lock:
            return len(self._busy)

    def close(self) -> None:
        """Begin nothing more; what is in hand goes on."""
        self._closed.set()
        for pool in self._pools.values():
            pool.shutdown(wait=False)

    def _turn(self, slot: Slot, channels: list[Channel]) -> int:
        until = self._ctx.clock.monotonic() + TURN
        try:
            return sum(notify.send_channel(self._ctx, channel, until) for channel in channels)
        except Exception:
            log.exception("a turn of space %s broke off", slot[0])  # nobody reads the future
            return 0
        finally:
            self._free(slot)

    def _free(self, slot: Slot) -> None:
        with self._lock:
            self._busy.discard(slot)
