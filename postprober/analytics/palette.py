"""A platform has one colour wherever it is drawn: on the pages, in reports and in pictures of them."""

from __future__ import annotations

from postprober.platforms.registry import SPECS

COLOURS = {platform: spec.habits.colour for platform, spec in SPECS.items()}
