"""What commands read that take one JSON object a line."""

from __future__ import annotations

import json
import math
from typing import Any

from postprober.domain.text import has_half_character
from postprober.errors import BadInput


def value_of(line: str) -> Any:
    """The JSON value of a line. Raises ValueError (also for NaN and Infinity, which are no JSON) or RecursionError."""
    return json.loads(line, parse_constant=_no_constant)


def check_id(told: object) -> None:
    """What an answer repeats to be told apart. Raises BadInput for what could not be written again."""
    if isinstance(told, float) and not math.isfinite(told):
        raise BadInput("`id` is a number that is too large.")
    if not isinstance(told, str | int | float | None):
        raise BadInput("`id` has to be a string or a number.")
    if isinstance(told, str) and has_half_character(told):
        raise BadInput("`id` has half of a character (a lone surrogate), which cannot be written.")


def _no_constant(name: str) -> None:
    raise ValueError(name)
