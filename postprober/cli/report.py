"""`report`: one post or a period, on the screen or as a file."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.text import Text

from postprober.cli import publish
from postprober.cli.output import console, say
from postprober.domain.actor import Actor
from postprober.errors import BadInput
from postprober.services.core import Core
from postprober.services.monitoring import monitoring
from postprober.services.reports import reports
from postprober.services.reports.reports import Made

TEXT = "text"


@dataclass(frozen=True)
class Wish:
    """What was asked for on the command line: a post, or a first and a last day."""

    post_id: int | None
    first: str
    last: str
    form: str
    out: Path | None
    as_json: bool


def run(core: Core, actor: Actor, wish: Wish) -> None:
    """Print or write it. Raises BadInput, NotFound, or Unavailable when a PDF cannot be printed here."""
    if (wish.post_id is None) == (not wish.first and not wish.last):
        raise BadInput("Name a post, or a period with --from and --to; not both.")
    if wish.form != TEXT and wish.form not in reports.FORMATS:
        raise BadInput(f"The format is one of: {TEXT}, {', '.join(reports.FORMATS)}.")
    if wish.as_json and (wish.form != TEXT or wish.post_id is None or wish.out is not None):
        raise BadInput("--json is for the report about a post, on the screen.")
    if wish.form == TEXT:
        _show(core, actor, wish)
        return
    if wish.out is None:
        raise BadInput("Name the file to write with --out.")
    write(wish.out, _made(core, actor, wish).content)
    say(f"Wrote {wish.out}.")


def _show(core: Core, actor: Actor, wish: Wish) -> None:
    if wish.out is None:
        _print(core, actor, wish)
        return
    with console.capture() as taken:
        _print(core, actor, wish)
    write(wish.out, Text.from_ansi(taken.get()).plain.encode())  # no colours in a file


def _print(core: Core, actor: Actor, wish: Wish) -> None:
    if wish.post_id is not None:
        publish.report(core, actor, monitoring.post_view(core, actor, wish.post_id), wish.as_json)
        return
    first, last = _days(wish)
    say(reports.text_of_period(core, actor, first, last).rstrip("\n"))


def _made(core: Core, actor: Actor, wish: Wish) -> Made:
    if wish.post_id is not None:
        return reports.of_post(core, actor, wish.post_id, wish.form)
    return reports.of_period(core, actor, *_days(wish), wish.form)


def _days(wish: Wish) -> tuple[date, date]:
    try:
        return date.fromisoformat(wish.first), date.fromisoformat(wish.last)
    except ValueError:
        raise BadInput("Give both --from and --to as days, such as 2026-03-01.") from None


def write(path: Path, content: bytes) -> None:
    """Whole or not at all: what was there stays when the disk is full."""
    hidden = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        hidden.write_bytes(content)
        hidden.replace(path)
    except OSError as error:
        hidden.unlink(missing_ok=True)
        raise BadInput(f"{path} cannot be written: {os.strerror(error.errno or 0)}.") from None
