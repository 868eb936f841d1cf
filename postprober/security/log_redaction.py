"""Log lines that nobody can forge: what others sent may hold line breaks and terminal commands."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
# C0, DEL, C1, and the line and paragraph separators that some viewers break at.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {0x2028: "\\u2028", 0x2029: "\\u2029"}
_CONTROL |= {10: "\\n", 13: "\\r", 9: "\\t"}


class OneLine(logging.Formatter):
    """One record, one line; a traceback follows it, every line of it indented."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return super().formatMessage(record).translate(_CONTROL)

    def formatException(self, ei: object) -> str:
        return _indented(super().formatException(ei))  # type: ignore[arg-type]

    def formatStack(self, stack_info: str) -> str:
        return _indented(super().formatStack(stack_info))


def _indented(text: str) -> str:
    return "\n".join(f"    {line.translate(_CONTROL)}" for line in text.split("\n"))


def to_stream(stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """The root logger writes to `stream` (standard error), unless somebody has set it up already."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(OneLine(FORMAT))
    logging.basicConfig(level=level, handlers=[handler])
