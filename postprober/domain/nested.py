"""Values inside decoded JSON that a stranger wrote: of whatever form it is, reading never raises."""

from __future__ import annotations

MOST_DIGITS = 25  # ours: of a number that names something; 64 bits have 20
MOST = 2**53 - 1  # the largest whole number that JSON carries safely (RFC 8259, 6); the database ends at 2**63


def dig(value: object, *path: str | int) -> object:
    """The value at `path` inside decoded JSON, None as soon as something on the way is missing or of another kind."""
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def text_at(value: object, *path: str | int) -> str:
    """The text (or number as text) at `path`, "" when there is none."""
    found = dig(value, *path)
    if isinstance(found, str):
        return found
    return str(found) if isinstance(found, int) and not isinstance(found, bool) else ""


def is_number(text: str) -> bool:
    """Whether it is a platform's number: Python takes more signs for digits than it can read, and reads no number without end."""
    return text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS


def count_at(value: object, *path: str | int) -> int | None:
    """The count at `path`; None (not zero) when there is none, or more than MOST."""
    found = dig(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= MOST else None


def list_at(value: object, *path: str | int) -> list[object]:
    """The list at `path`, empty when there is none."""
    found = dig(value, *path)
    return found if isinstance(found, list) else []
