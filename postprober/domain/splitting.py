"""A text too long for one post, as the parts of a thread."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from postprober.domain.limits import Limits
from postprober.domain.text import split_thread, utf8_length

LONGEST_MARK = " (99/99)"  # room kept in every part when parts are numbered; a thread has at most 25


def split(text: str, limits: Limits, *, numbered: bool = False) -> tuple[str, ...]:
    """`text` in parts that each fit `limits`, cut at sentences where it can be. One part when it fits as it is.

    `numbered`: each part of a real thread ends in ` (2/5)`. Pure.
    """
    count = measure(limits)
    if count(text) <= limits.max_length:
        return (text,)
    room = limits.max_length - (len(LONGEST_MARK) if numbered else 0)
    parts = split_thread(text, count, room)
    if not numbered or len(parts) < 2:
        return tuple(parts)
    return tuple(f"{part} ({index}/{len(parts)})" for index, part in enumerate(parts, 1))


def measure(limits: Limits) -> Callable[[str], int]:
    """The platform's count; where bytes are limited too, whichever is nearer to its limit, in the count's unit."""
    count, most = limits.counter(), limits.max_bytes
    if most is None:
        return count
    return lambda text: max(count(text), ceil(utf8_length(text) * limits.max_length / most))
