"""A platform has one colour wherever it is drawn: on the pages, in reports and in pictures of them."""

from __future__ import annotations

from collections.abc import Iterable

from postprober.domain.platform import NAMES
from postprober.platforms.registry import SPECS

GREY = "#8a8f98"  # a platform that is not installed any more


def colours(names: Iterable[str]) -> dict[str, str]:
    """Of those platforms of which something is drawn, by what people call them, in the order in which they see them."""
    there = set(names)
    found = {NAMES[platform]: spec.habits.colour for platform, spec in SPECS.items() if NAMES[platform] in there}
    return found | dict.fromkeys(sorted(there - set(found)), GREY)
