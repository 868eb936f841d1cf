"""`make test-chaos`: many runs that must be well, then each deliberate mistake, which must be found."""

from __future__ import annotations

import argparse
import logging
import sys
import time

from tests.chaos.house import House
from tests.chaos.mistakes import ALL, Mistake
from tests.chaos.run import End, Tally, campaign, shrink

RAISED = " raised "  # what every violation says that is an error which nobody expected


def _bad(house: House, end: End) -> None:
    """The shortest story that still goes wrong."""
    least = shrink(house, end)
    print(f"\nseed {end.plan.seed}: {'; '.join(end.violations)}")
    print(f"cut down from {len(end.plan.ops)} to {len(least.plan.ops)} operations, on {least.plan.nature}:")
    for op in least.plan.ops:
        print(f"    {op!r},")
    print("\n".join(least.story))
    print("\n".join(least.violations))


def _table(tally: Tally, seconds: float) -> None:
    ends = ", ".join(f"{count:,} {state}" for state, count in tally.states.most_common())
    modes = ", ".join(f"{count:,} {mode}" for mode, count in tally.modes.most_common())
    print(f"{tally.runs:,} runs ({modes}) in {seconds:.0f} s: {tally.operations:,} operations, {tally.sends:,} sends")
    print(f"{tally.deliveries:,} deliveries: {ends}")
    print(f"{len(tally.bad)} runs with violations")


def _found(house: House, mistake: Mistake, seed: int) -> bool:
    with mistake.make():
        tally = campaign(house, mistake.within, seed, only=mistake.fits)
        if not tally.bad:
            print(f"    NOT FOUND in {mistake.within:,} runs that fit: {mistake.name}")
            return False
        first = tally.bad[0].violations[0]
        print(f"    {tally.runs:4,} runs: {mistake.name} ({first})")
        if RAISED in first:  # whatever is planted has to break a promise, and not the program
            print(f"    BROKEN: {mistake.name}")
            return False
    return True


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 1 when a run went wrong or a mistake was not found."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; the others follow")
    parser.add_argument(
        "--mistakes", choices=("yes", "no", "only"), default="yes", help="plant the deliberate mistakes"
    )
    asked = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)  # the faults are meant
    good = True
    with House() as house:
        if asked.mistakes != "only":
            begun = time.monotonic()
            tally = campaign(house, asked.runs, asked.seed, most=5)
            _table(tally, time.monotonic() - begun)
            for end in tally.bad:
                _bad(house, end)
            good = not tally.bad
        if asked.mistakes != "no":
            print("Deliberate mistakes, and the runs until each was found:")
            for mistake in ALL:
                good = _found(house, mistake, asked.seed) and good
                sys.stdout.flush()
    print("well" if good else "NOT WELL")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
