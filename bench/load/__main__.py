"""`python -m bench.load --users 1000 --minutes 2`: exit code 0 when nothing went wrong, 1 otherwise."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bench.load.plan import POSTS_AN_HOUR, SEED, SIGN_INS, THINK, Load
from bench.load.report import figures, lines
from bench.load.run import run


def main() -> int:
    """Run once and print the report; `--json` also writes the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--think", type=float, default=THINK, help="seconds between two things that one person does")
    parser.add_argument("--posts", type=float, default=POSTS_AN_HOUR, help="posts of one person in an hour")
    parser.add_argument("--sign-ins", type=int, default=SIGN_INS, help="people who sign in with their password")
    parser.add_argument("--json", type=Path, help="write the figures there")
    asked = parser.parse_args()
    load = Load(
        asked.users, asked.minutes * 60, asked.seed, think=asked.think, sign_ins=asked.sign_ins, posts=asked.posts
    )
    outcome = run(load, lambda text: print(text, flush=True))
    found = figures(outcome)
    print("\n".join(lines(outcome)))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1))
    bad = ("errors", "events_missed", "lost", "doubled", "contradicted", "unasked")
    return 1 if any(found[name] for name in bad) else 0


if __name__ == "__main__":
    sys.exit(main())
