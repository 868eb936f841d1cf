"""Whether posts did better at some time of day, and at which: only where chance hardly explains it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import erfc, sqrt
from zoneinfo import ZoneInfo

from postprober.agent.brief import PastPost

ENOUGH_POSTS = 20  # ours: fewer say more about chance than about the hour
ENOUGH_INSIDE = 5  # ours: posts within the two hours, and outside of them
HOURS = 2  # ours: how exactly a time is told
CHANCE = 0.05  # the usual level, for all windows together


@dataclass(frozen=True)
class Window:
    """`HOURS` from `hour` on, on the person's clock. `inside` of `posts` fell into it; `chance`: how likely posts do so much
    better in the best of all windows if the time of day does not matter."""

    hour: int
    inside: int
    posts: int
    chance: float

    @property
    def until(self) -> int:
        """The hour at which it ends: 1 to 24."""
        return (self.hour + HOURS - 1) % 24 + 1


def best_window(accounts: Iterable[Sequence[PastPost]], zone: str) -> Window | None:
    """The two hours in which the posts of these accounts did best; None where chance explains the difference, or where
    there are too few. Pure.

    Counts of accounts are not comparable, so each post is known by its rank among those of its account. Every window is
    compared with the rest of the day by the rank sum test of Mann and Whitney (one-sided, normal approximation with ties);
    because as many windows are tried as have posts of their own, the result is multiplied by their number (Bonferroni).
    """
    clock = ZoneInfo(zone)
    ranked = [
        (past.published_at.astimezone(clock).hour, rank)
        for posts in accounts
        for past, rank in zip(posts, _shares([past.reached for past in posts]), strict=True)
    ]
    if len(ranked) < ENOUGH_POSTS:
        return None
    ranks = _shares([rank for _, rank in ranked])
    tried: dict[frozenset[int], tuple[float, int]] = {}
    for hour in range(24):
        inside = frozenset(i for i, (at, _) in enumerate(ranked) if (at - hour) % 24 < HOURS)
        if min(len(inside), len(ranked) - len(inside)) >= ENOUGH_INSIDE and inside not in tried:
            tried[inside] = (_chance(inside, ranks), hour)
    if not tried:
        return None
    inside, (chance, hour) = min(tried.items(), key=lambda item: item[1])
    chance *= len(tried)
    return Window(hour, len(inside), len(ranked), chance) if chance < CHANCE else None


def _shares(values: Sequence[float]) -> list[float]:
    """For each value the share of values below it, those that are equal counted half: 0 to 1."""
    count = Counter(values)
    below: dict[float, float] = {}
    seen = 0
    for value in sorted(count):
        below[value] = (seen + count[value] / 2) / len(values)
        seen += count[value]
    return [below[value] for value in values]


def _chance(inside: frozenset[int], ranks: Sequence[float]) -> float:
    """How likely the ranks inside are as high as they are, or higher, if it does not matter where a post is."""
    total, many = len(ranks), len(inside)
    few = total - many
    # Shares times the number of values are ranks less a half, so their sum gives U without another subtraction.
    u = sum(ranks[i] * total + 0.5 for i in inside) - many * (many + 1) / 2
    ties = sum(count**3 - count for count in Counter(ranks).values())
    variance = many * few / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    return erfc((u - many * few / 2 - 0.5) / sqrt(2 * variance)) / 2
