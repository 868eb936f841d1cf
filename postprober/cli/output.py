"""What the command line prints: results to stdout, words for a person about errors to stderr."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as ProgressBars

from postprober.clock import utc_iso
from postprober.domain.text import has_half_character
from postprober.errors import PostProberError

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


@contextmanager
def sending(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on the terminal for a file that is sent; nothing where nobody looks. Called with the bytes that have arrived, and
    with how many there are."""
    if not _errors.is_terminal:
        yield lambda _arrived, _length: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with ProgressBars(*columns, console=_errors, transient=True) as bars:
        task = bars.add_task(name, total=None)
        yield lambda arrived, length: bars.update(task, completed=arrived, total=length)


def fail(error: PostProberError) -> None:
    """One sentence."""
    _errors.print(str(error), style="red", markup=False, highlight=False)


def warn(sentence: str) -> None:
    """Something to know about what goes on all the same."""
    _errors.print(sentence, style="yellow", markup=False, highlight=False)
