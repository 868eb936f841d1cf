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


def comment(counts: Counts, past: Sequence[Counts], hours: int, *, at_a_day: bool = True) -> Comment:
    """Counts of a post `hours` after it went out, against those of the account's other posts at 24 hours. `at_a_day`:
    whether these are counts of that age, too; others are not compared."""
    known = {name: value for name, value in counts.items() if value is not None and name in (*ACTS, "views")}
    if not known:
        return Comment(f"After {hours} hours the platform gives no counts for this post.")
    said = ", ".join(f"{value} {name}" for name, value in known.items())
    reached = total(counts)
    if not at_a_day:
        return Comment(f"After {hours} hours: {said}. It could not be read at 24 hours, so it is not compared.")
    if len(past) < ENOUGH:
        return Comment(
            f"After {hours} hours: {said}. Only {len(past)} earlier posts have counts at this age, too few to compare with."
        )
    usual = sum(total(other) for other in past) / len(past)
    basis = f"this account's other posts had {usual:.1f} reactions on average at this age ({len(past)} posts)"
    if reached == 0 and usual >= SILENCE:
        unseen = " and nobody has seen it" if known.get("views") == 0 else ""
        return Comment(
            f"After {hours} hours nobody has reacted{unseen}, while {basis}. It may be hidden from others; "
            "check it while logged out.",
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


@dataclass(frozen=True)
class Counted:
    """One account's count for a goal. `value` None: unknown. `hours`: the age at which it was read, when that is not the
    goal's own. `reported`: the platform gives this app this count at all."""

    name: str
    value: int | None
    hours: float | None = None
    reported: bool = True

    def said(self) -> str:
        if self.value is None:
            return f"{self.name}: {'could not be read' if self.reported else 'does not report it'}"
        return f"{self.name}: {self.value}" + (f" at {self.hours:.0f} hours" if self.hours is not None else "")


def met(criteria: Criteria, found: Sequence[Counted]) -> bool | None:
    """Whether a goal is reached; None where the counts do not tell.

    A count read earlier is at least what was there at the goal's hour, one read later at most. What an account does not
    tell counts neither way: it can only leave the answer open.
    """
    least = sum(
        one.value for one in found if one.value is not None and (one.hours is None or one.hours < criteria.hours)
    )
    if least >= criteria.target:
        return True
    if any(one.value is None or (one.hours is not None and one.hours < criteria.hours) for one in found):
        return None
    return False if sum(one.value or 0 for one in found) < criteria.target else None


def verdict(criteria: Criteria, found: Sequence[Counted]) -> str:
    """One or two sentences about success or failure, with the share of each account."""
    shares = ", ".join(one.said() for one in found)
    known = [one.value for one in found if one.value is not None]
    reached = met(criteria, found)
    if reached is not None:
        return f"Goal {'reached' if reached else 'missed'}: {sum(known)} of {criteria.said()} ({shares})."
    if not known:
        why = "could not be read in time" if any(one.reported for one in found) else "is not reported by the platform"
        return f"Goal open: {criteria.said()}. The count {why} ({shares})."
    return f"Goal open: at least {sum(known)} of {criteria.said()} ({shares}). Check the post to see the rest."
