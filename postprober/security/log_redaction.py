"""The log of every process: one record, one line, as text or JSON, without secrets, and without what rows held.

What others sent may hold line breaks and terminal commands, and nobody may forge a line. `log_folding` keeps a fault from
filling the disk.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from postprober.security.log_folding import FoldingHandler
from postprober.security.redaction import Redactor

LogFormat = Literal["text", "json"]
# Whose work it is that something is logged of; "" and 0 for nobody's.
request_id: ContextVar[str] = ContextVar("request_id", default="")
delivery_id: ContextVar[int] = ContextVar("delivery_id", default=0)

LONGEST = 2000  # characters of one message
LONGEST_CAUSE = 300  # of what an exception says of itself
FRAMES = 12  # of a traceback, the innermost
CAUSES = 4  # exceptions that led to one another
# Libraries that speak up only when something is wrong.
_QUIET = ("apscheduler", "httpx2", "alembic", "apprise")
# C0, DEL, C1, and the line and paragraph separators that some viewers break at.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {0x2028: "\\u2028", 0x2029: "\\u2029"}
_CONTROL |= {10: "\\n", 13: "\\r", 9: "\\t"}
_redactor = Redactor()


def _message(record: logging.LogRecord) -> str:
    return _redactor.excerpt(record.getMessage(), LONGEST)


def _when(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _work(record: logging.LogRecord) -> dict[str, Any]:
    """None of what stands for many records (`log_folding`)."""
    if getattr(record, "folded", False):
        return {}
    found: dict[str, Any] = {"request_id": request_id.get(), "delivery_id": delivery_id.get()}
    return {name: value for name, value in found.items() if value}


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and those that it came of, the newest first."""
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen and len(seen) < CAUSES:
        seen.append(following)
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)


def _traced(error: BaseException) -> list[str]:
    """Where it was raised, and the first line of what it says: a database's further lines hold the values of rows."""
    lines: list[str] = []
    for one in _chain(error):
        said = (str(one).splitlines() or [""])[0]
        lines.append(f"{type(one).__name__}: {_redactor.excerpt(said, LONGEST_CAUSE)}")
        for frame in traceback.extract_tb(one.__traceback__)[-FRAMES:]:
            lines.append(f"  {frame.filename}:{frame.lineno} in {frame.name}")
    return lines


def _error_of(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None


class OneLine(logging.Formatter):
    """Text: time, level, process, logger, whose work it is, message. A traceback follows, every line of it indented."""

    def __init__(self, process: str = "") -> None:
        super().__init__()
        self.process = process

    def format(self, record: logging.LogRecord) -> str:
        work = " ".join(f"{name.removesuffix('_id')}={value}" for name, value in _work(record).items())
        parts = [
            _when(record),
            record.levelname,
            self.process,
            record.name,
            f"[{work}]" if work else "",
            _message(record),
        ]
        lines = [" ".join(part for part in parts if part).translate(_CONTROL)]
        if (error := _error_of(record)) is not None:
            lines += [f"    {line.translate(_CONTROL)}" for line in _traced(error)]
        return "\n".join(lines)


class JsonLine(logging.Formatter):
    """One JSON object a line; what a record carries in `fields` stands among the others."""

    def __init__(self, process: str = "") -> None:
        super().__init__()
        self.process = process

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "time": _when(record),
            "level": record.levelname,
            "process": self.process,
            "pid": record.process,
            "logger": record.name,
            "message": _message(record),
            **_work(record),
            **getattr(record, "fields", {}),
        }
        if (error := _error_of(record)) is not None:
            told["exception"] = _traced(error)
        return json.dumps(told)  # ASCII: no viewer breaks a line inside


def to_stream(process: str, stream: TextIO | None = None) -> None:
    """The root logger of the process called `process` writes to `stream` (standard error) alone. What the settings say comes
    with `shape`, once they are read; a process that `up` starts has them in its environment from the first line on."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    handler = FoldingHandler(stream or sys.stderr)
    as_json = os.environ.get("POSTPROBER_LOG_FORMAT", "").lower() == "json"
    handler.setFormatter(JsonLine(process) if as_json else OneLine(process))
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    for noisy in _QUIET:
        logging.getLogger(noisy).setLevel(logging.ERROR)


def shape(form: LogFormat, fold_seconds: int) -> None:
    """As the settings say, once they are read. Does nothing in a process that has no log of ours."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, FoldingHandler) and isinstance(handler.formatter, (OneLine, JsonLine)):
            kind = JsonLine if form == "json" else OneLine
            handler.setFormatter(kind(handler.formatter.process))
            handler.window = float(fold_seconds)
