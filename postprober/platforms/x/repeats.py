"""When X refuses a text as a duplicate (facts.md, 5)."""

from __future__ import annotations

from datetime import timedelta

from postprober.domain.repeats import RepeatRule
from postprober.domain.text import normalise

RULE = RepeatRule(timedelta(hours=12), normalise, with_media=False)
