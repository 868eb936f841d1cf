"""The same text as a recent post of the account."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from postprober.agent.phrases import fold

SHORTEST = 25  # ours: "Good morning!" may be said every day


@cache
def _compared(text: str) -> str:
    return " ".join(fold(text).split())


def repeats(texts: Iterable[str], recent: Iterable[str]) -> bool:
    """Whether all of `texts` together went out before, apart from capitals and blanks. Platforms refuse such posts, and
    followers see them as a mistake."""
    whole = _compared("\n".join(texts))
    return len(whole) >= SHORTEST and any(_compared(earlier) == whole for earlier in recent)
