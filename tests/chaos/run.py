"""One run, cutting it down, and campaigns."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count, islice

from tests.chaos.acts import Op, Play, draw, draw_nature
from tests.chaos.house import House
from tests.chaos.judge import come_to_rest, judge
from tests.chaos.world import NONCE, Nature

LENGTH = (6, 40)  # operations of a run


@dataclass(frozen=True)
class Plan:
    """All that a run is made of."""

    seed: int
    nature: Nature
    ops: tuple[Op, ...]


@dataclass
class End:
    """What came out of a run. `violations` is empty when it was well."""

    plan: Plan
    violations: list[str]
    story: list[str]
    done: int = 0
    states: Counter[str] = field(default_factory=Counter)
    sends: int = 0

    @property
    def kind(self) -> str:
        """The first violation, without what differs from run to run."""
        return self.violations[0].split(":")[0] if self.violations else ""


def plan_of(seed: int) -> Plan:
    rng = random.Random(seed)
    nature = draw_nature(rng)
    return Plan(seed, nature, tuple(draw(rng, rng.randint(*LENGTH))))


def with_nonce(seed: int, **nature: float) -> Plan:
    """The same operations on a platform whose handle ends. `nature`: what else is different."""
    plan = plan_of(seed)
    return replace(plan, nature=replace(plan.nature, mode=NONCE, duplicates="", **nature))


def carry_out(house: House, plan: Plan) -> End:
    """Play it, let everything come to rest, and judge."""
    house.reset(plan.nature, plan.seed)
    play = Play(house)
    play.run(list(plan.ops))
    play.say("--- everything is well from here on")
    if not house.violations:
        come_to_rest(play)
    found = judge(play)
    for process in (*house.workers, house.app):
        process.die()
    for delivery in house.deliveries():
        play.say(f"    delivery {delivery.id}: {delivery.state.value}, {delivery.cause or '-'}, {delivery.reason}")
    return End(
        plan, found, play.story, play.done, Counter(d.state.value for d in house.deliveries()), house.world.sends
    )


def shrink(house: House, end: End, tries: int = 400) -> End:
    """The same kind of violation with as few operations as can be found (ddmin: halves, quarters, … single ones)."""
    best, left, size = end, tries, max(1, len(end.plan.ops) // 2)
    while size >= 1 and left > 0:
        at, smaller = 0, False
        while at < len(best.plan.ops) and left > 0:
            ops = best.plan.ops[:at] + best.plan.ops[at + size :]
            tried = carry_out(house, replace(best.plan, ops=ops))
            left -= 1
            if tried.kind == end.kind:
                best, smaller = tried, True
            else:
                at += size
        if size == 1 and not smaller:
            break
        size = max(1, size // 2)
    return _plainer(house, best, left)


def _plainer(house: House, end: End, tries: int) -> End:
    """The same on a platform with fewer peculiarities."""
    best, usual = end, Nature()
    for name in ("skew", "dates", "names_app", "duplicates", "lag", "mode"):
        nature = replace(best.plan.nature, **{name: getattr(usual, name)})
        if nature == best.plan.nature or tries <= 0:
            continue
        tries -= 1
        tried = carry_out(house, replace(best.plan, nature=nature))
        if tried.kind == end.kind:
            best = tried
    return best


@dataclass
class Tally:
    """Counts of a campaign."""

    runs: int = 0
    operations: int = 0
    deliveries: int = 0
    sends: int = 0
    states: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    bad: list[End] = field(default_factory=list)

    def add(self, end: End) -> None:
        self.runs += 1
        self.operations += end.done
        self.deliveries += sum(end.states.values())
        self.sends += end.sends
        self.states.update(end.states)
        self.modes[end.plan.nature.mode] += 1
        if end.violations:
            self.bad.append(end)


def campaign(
    house: House, runs: int, seed: int, *, most: int = 1, only: Callable[[Plan], bool] = lambda _plan: True
) -> Tally:
    """`runs` runs from `seed` on, of those that `only` takes; fewer when `most` of them have gone wrong."""
    tally = Tally()
    for plan in islice(filter(only, map(plan_of, count(seed))), runs):
        tally.add(carry_out(house, plan))
        if len(tally.bad) >= most:
            break
    return tally
