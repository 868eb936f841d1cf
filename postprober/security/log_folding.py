"""A fault that lasts is said once and counted: no process fills the disk with the same line.

Warnings and errors that differ in numbers only are alike. Of those alike the first are written, one after another as long as
they say something new; the rest is counted, and told once a window. Above all that, a budget bounds what any mixture of faults
may write.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from dataclasses import dataclass
from typing import TextIO

WINDOW = 60.0  # seconds, unless POSTPROBER_LOG_FOLD_SECONDS says otherwise
FIRST = 5  # lines of one kind in a window that say something new
BUDGET = 50_000  # bytes of warnings and errors in a window; half a megabyte in ten minutes
KINDS = 500  # that are remembered at a time
_NUMBER = re.compile(r"[0-9a-f]{12,}|\d+")


@dataclass
class _Kind:
    """Since when it is counted, what was written of it, and how many were not. `last`: the newest of those."""

    begun: float
    text: str
    written: int = 1
    more: int = 0
    last: logging.LogRecord | None = None
    last_at: float = 0.0


class FoldingHandler(logging.StreamHandler[TextIO]):
    """`window` 0 writes everything."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.window = WINDOW
        self._kinds: dict[tuple[str, int, str, str], _Kind] = {}
        self._timer: threading.Timer | None = None
        self._spent, self._spent_since = 0, 0.0
        self._over = 0
        self._over_like: logging.LogRecord | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Called under the handler's lock."""
        if record.levelno < logging.WARNING or not self.window:
            super().emit(record)
            return
        now, text = time.monotonic(), record.getMessage()
        error = type(record.exc_info[1]).__name__ if record.exc_info else ""
        key = (record.name, record.levelno, _NUMBER.sub("#", str(record.msg)), error)
        kind = self._kinds.get(key)
        if kind is not None and now - kind.begun >= self.window:
            self._tell(kind)
            kind = None
        if kind is None:
            if len(self._kinds) >= KINDS:
                self._tell_all()
            self._kinds[key] = _Kind(now, text)
            self._write(record, now)
        elif text != kind.text and kind.written < FIRST:
            kind.text, kind.written = text, kind.written + 1
            self._write(record, now)
        else:
            kind.more, kind.last, kind.last_at = kind.more + 1, record, now
            self._tell_later()

    def _write(self, record: logging.LogRecord, now: float) -> None:
        """Within the budget of this window; what is over it is counted."""
        self._begin_anew(now)
        length = len(self.format(record)) + 1
        if self._spent + length > BUDGET:
            self._over, self._over_like = self._over + 1, record
            self._tell_later()
            return
        self._spent += length
        super().emit(record)

    def _begin_anew(self, now: float) -> None:
        """A new window, when the last one is over, with a line about what it left out."""
        if now - self._spent_since < self.window:
            return
        left_out, self._over = self._over, 0
        self._spent, self._spent_since = 0, now
        if left_out and self._over_like is not None:
            text = "%s warnings and errors of the last %.0f s were left out; there were too many"
            super().emit(_like(self._over_like, text, left_out, self.window))

    def _tell(self, kind: _Kind) -> None:
        """What was counted of it. Its newest line stands for the others, without its traceback."""
        if kind.last is not None:
            text = "repeated %s times in %.0f s, the last time: %s"
            told = _like(kind.last, text, kind.more, kind.last_at - kind.begun, kind.last.getMessage())
            kind.more, kind.last = 0, None
            self._write(told, time.monotonic())

    def _tell_all(self) -> None:
        for kind in self._kinds.values():
            self._tell(kind)
        self._kinds.clear()

    def _tell_later(self) -> None:
        """The fault may end before another line of its kind comes."""
        if self._timer is None or not self._timer.is_alive():  # a fork has no timer of its parent's
            self._timer = threading.Timer(self.window, self._time_is_over)
            self._timer.daemon = True
            self._timer.start()

    def _time_is_over(self) -> None:
        with self._guarded():
            self._timer = None
            now = time.monotonic()
            for key, kind in list(self._kinds.items()):
                if now - kind.begun >= self.window:
                    self._tell(kind)
                    del self._kinds[key]
            self._begin_anew(now)
            if self._over or any(kind.more for kind in self._kinds.values()):
                self._tell_later()

    def _guarded(self) -> threading.RLock:
        """The handler's lock, as a block."""
        if self.lock is None:
            self.createLock()
        return self.lock  # type: ignore[return-value]

    def close(self) -> None:
        """What was counted is told before the end."""
        if self._timer is not None:
            self._timer.cancel()
        try:
            with self._guarded():
                self._tell_all()
        except ValueError:  # its stream is closed already
            self._kinds.clear()
        super().close()


def _like(record: logging.LogRecord, text: str, *told: object) -> logging.LogRecord:
    """A record that stands for many: it has no request or delivery of its own."""
    made = logging.LogRecord(record.name, record.levelno, record.pathname, record.lineno, text, told, None)
    made.folded = True
    return made
