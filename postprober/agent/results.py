"""What counts mean: compared with the account's own earlier posts, with the numbers that it rests on. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postprober.domain.criteria import Criteria

ACTS = ("likes", "reposts", "replies", "quotes", "bookmarks")  # what people did; views are not an act
ENOUGH = 5  # ours: earlier posts, below which a comparison says more about chance
SILENCE = 3.0  # ours: usual reactions from which on none at all is suspicious

Counts = Mapping[str, int | None]


@dataclass(frozen=True)
class Comment:
    """`text`: sentences for a person; `suspicious`: perhaps nobody is shown the post."""

    text: str
    suspicious: bool = False


def total(counts: Counts) -> int:
    return sum(counts.get(name) or 0 for name in ACTS)


def comment(counts: Counts, past: Sequence[Counts], hours: int) -> Comment:
    """Counts of a post `hours` after it went out, against the newest counts of the account's other posts."""
    known = {name: value for name, value in counts.items() if value is not None and name in (*ACTS, "views")}
    if not known:
        return Comment(f"After {hours} hours the platform gives no counts for this post.")
    said = ", ".join(f"{value} {name}" for name, value in known.items())
    reached = total(counts)
    if len(past) < ENOUGH:
        return Comment(
            f"After {hours} hours: {said}. There are {len(past)} earlier posts with counts, too few to compare with."
        )
    usual = sum(total(other) for other in past) / len(past)
    basis = f"this account's other posts have {usual:.1f} reactions on average ({len(past)} posts)"
    if reached == 0 and usual >= SILENCE:
        unseen = " and nobody has seen it" if known.get("views") == 0 else ""
        return Comment(
            f"After {hours} hours nobody has reacted{unseen}, while {basis}. It may be hidden from others; "
            "please look at it logged out.",
            suspicious=True,
        )
    return Comment(
        f"After {hours} hours: {said}; that makes {reached} reactions, and {basis}{_compared(reached, usual)}."
    )


def _compared(reached: int, usual: float) -> str:
    if usual == 0:
        return ""
    share = round(100 * (reached - usual) / usual)
    return f": {abs(share)} % {'more' if share > 0 else 'less'} than usual" if share else ": as usual"


def verdict(criteria: Criteria, value: int | None, by_account: Sequence[tuple[str, int | None]]) -> str:
    """One sentence about success or failure, with the share of each account."""
    shares = ", ".join(f"{name} {'no count' if count is None else count}" for name, count in by_account)
    if value is None:
        return f"The aim was {criteria.said()}; no platform tells this count ({shares})."
    word = "reached" if value >= criteria.target else "missed"
    return f"The aim of {criteria.said()} was {word}: {value} {criteria.metric} ({shares})."
