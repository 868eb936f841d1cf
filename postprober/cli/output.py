"""What the command line prints: results to stdout, words for a person about errors to stderr."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from typing import Any

from rich.console import Console

from postprober.clock import utc_iso
from postprober.domain.text import has_half_character
from postprober.errors import PostProberError
from postprober.security import log_redaction

console = Console(soft_wrap=True)
_errors = Console(stderr=True, soft_wrap=True)


def _plain(value: object) -> object:
    return utc_iso(value) if isinstance(value, datetime) else str(value)


def emit(value: Any) -> None:
    """One JSON value on one line."""
    text = json.dumps(value, ensure_ascii=False, default=_plain)
    if has_half_character(text):
        text = json.dumps(value, default=_plain)
    console.file.write(text + "\n")
    console.file.flush()


def say(text: str) -> None:
    """Plain words; nothing in `text` is read as markup. Half characters, which no terminal shows, become question marks."""
    console.print(text.encode("utf-8", "replace").decode(), markup=False, highlight=False)
    console.file.flush()


def fail(error: PostProberError) -> None:
    """One sentence."""
    _errors.print(str(error), style="red", markup=False, highlight=False)


def warn(sentence: str) -> None:
    """Something to know about what goes on all the same."""
    _errors.print(sentence, style="yellow", markup=False, highlight=False)


def log_to_stderr() -> None:
    """The log of a process; the libraries speak up only when something is wrong."""
    log_redaction.to_stream()
    for noisy in ("apscheduler", "httpx2", "alembic", "apprise"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
