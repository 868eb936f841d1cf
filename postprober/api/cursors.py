"""Cursors of lists: opaque to the caller, an id to us."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Query

from postprober.errors import BadInput

T = TypeVar("T")
DEFAULT_LIMIT = 20
MAX_LIMIT = 100
MAX_CURSOR = 64

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many at most")]
Cursor = Annotated[
    str | None, Query(max_length=MAX_CURSOR, description="`next_cursor` of the page before; leave it out for the first")
]


def encode(kind: str, last_id: int) -> str:
    """The cursor behind `last_id` in the list called `kind`."""
    return base64.urlsafe_b64encode(f"{kind}:{last_id}".encode()).decode().rstrip("=")


def decode(kind: str, cursor: str | None) -> int | None:
    """The id in `cursor`, None for the first page. Raises BadInput, also for a cursor of another list."""
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    name, _, number = text.partition(":")
    if name != kind or not number.isdecimal() or not 0 < int(number) < 2**63:
        raise BadInput("This cursor is not one of this list; leave it out to begin at the first page.", field="cursor")
    return int(number)


def page(kind: str, rows: Sequence[T], limit: int, id_of: Callable[[T], int]) -> tuple[list[T], str | None]:
    """The first `limit` of `rows` and the cursor to the next page, None when there is none. `rows` holds one more than
    `limit` exactly when there is a next page."""
    shown = list(rows[:limit])
    return shown, after(kind, shown, len(rows) > limit, id_of)


def after(kind: str, shown: Sequence[T], more: bool, id_of: Callable[[T], int]) -> str | None:
    """The cursor to the page after `shown`, None when there is none."""
    return encode(kind, id_of(shown[-1])) if shown and more else None
