"""Check the two models of the delivery protocol with Spin: `make model`, or `python docs/model/check.py [--show NAME]`.

Every line is one exhaustive search. What must hold must hold in all states; each assumption that is taken away, and each
deliberate mistake, must lead to a counter-example. Exit code 1 when anything comes out otherwise.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
DELIVERY, TWINS = "delivery.pml", "twins.pml"
ALL = ("NO_LATE_BOUND", "NO_FREEZE_BOUND", "NO_VISIBLE")
RECONCILE, STRICT, HANDLE = "MODE=1", "MODE=2", "MODE=3"
ONCE, TRUE, ENDS = "at most one visible post", "every end is true", "every run ends or is held"
OURS, FOUND = "a post belongs to the delivery that made it", "what is held and there is found"
_CLAIMS = {
    DELIVERY: {TRUE: "true_end", ENDS: "ends"},
    TWINS: {ONCE: "once", OURS: "ours", TRUE: "said", FOUND: "found"},
}


@dataclass(frozen=True)
class Search:
    """`what` is to hold with these switches; `holds`: whether it should."""

    name: str
    what: str
    switches: tuple[str, ...]
    holds: bool = True
    model: str = DELIVERY


def _twins(name: str, what: str, *switches: str, holds: bool = True) -> Search:
    return Search(f"twins{': ' if holds else ', '}{name}", what, switches, holds, TWINS)


SEARCHES = (
    *(
        Search(f"{mode}: {what}", what, (switch,))
        for mode, switch in (("reconcile", RECONCILE), ("strict", STRICT), ("handle", HANDLE))
        for what in (ONCE, TRUE, ENDS)
    ),
    Search("strict without any assumption", ONCE, (STRICT, *ALL)),
    Search("strict without any assumption, ends", TRUE, (STRICT, *ALL)),
    Search("handle without any assumption", ONCE, (HANDLE, *ALL)),
    Search("reconcile, a request may land late", ONCE, (RECONCILE, "NO_LATE_BOUND"), holds=False),
    Search("reconcile, a worker may freeze", ONCE, (RECONCILE, "NO_FREEZE_BOUND"), holds=False),
    Search("reconcile, a post may be unlisted", ONCE, (RECONCILE, "NO_VISIBLE"), holds=False),
    Search("mistake: lost intent is forgotten", ONCE, (RECONCILE, "NO_INTENT_RULE"), holds=False),
    Search("mistake: no fence", ONCE, (RECONCILE, "NO_FENCE"), holds=False),
    Search("mistake: no last check", ONCE, (RECONCILE, "NO_LAST_CHECK"), holds=False),
    Search("mistake: one reading, at once", ONCE, (RECONCILE, "ONE_READING"), holds=False),
    Search("mistake: no recovery", ENDS, (RECONCILE, "NO_RECOVERY"), holds=False),
    *(_twins(what, what) for what in (ONCE, OURS, TRUE, FOUND)),
    *(_twins(f"clocks apart, {what}", what, "CLOCKS_APART") for what in (ONCE, OURS, TRUE)),
    *(_twins(f"refused and named, {what}", what, "REFUSES") for what in (ONCE, OURS, TRUE)),
    _twins("a request may land late", ONCE, "NO_LATE_BOUND", holds=False),
    _twins("a post may be unlisted", ONCE, "NO_VISIBLE", holds=False),
    _twins("mistake: adopted beside one in doubt", OURS, "NO_SIBLING", holds=False),
    _twins("mistake: a post may belong to both", OURS, "NO_OWNER", holds=False),
    _twins("mistake: what was there before counts", OURS, "NO_TIME", holds=False),
    _twins("mistake: our clock is compared", OURS, "CLOCKS_APART", "TRUST_OUR_CLOCK", holds=False),
    _twins("mistake: one reading", ONCE, "ONE_READING", holds=False),
    _twins("mistake: what is named is adopted unread", OURS, "REFUSES", "NAMED_IS_OURS", holds=False),
    _twins("mistake: a held one is forgotten", FOUND, "HELD_FORGOTTEN", holds=False),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--show", metavar="NAME", help="print the counter-example of the searches whose name holds this"
    )
    show: str | None = parser.parse_args().show
    missing = [tool for tool in ("spin", "gcc") if shutil.which(tool) is None]
    if missing:
        print(f"The model needs {' and '.join(missing)}; on Debian: apt install spin gcc")
        return 2
    wrong = 0
    print(f"{'search':70} {'states':>10} {'depth':>6} {'s':>6}  result")
    for search in SEARCHES:
        if show is not None and show not in search.name:
            continue
        with tempfile.TemporaryDirectory(prefix="pp-model-") as name:
            wrong += not run(search, Path(name), show=show is not None)
    return 1 if wrong else 0


def run(search: Search, folder: Path, *, show: bool) -> bool:
    begun = time.monotonic()
    shutil.copy(HERE / search.model, folder)
    switches = [f"-D{switch}" for switch in search.switches]
    _call(folder, "spin", "-a", *switches, search.model)
    claim = _CLAIMS[search.model].get(search.what)
    # For the shortest counter-example search in breadth; claims about whole runs are searched in depth, fairly.
    how = ["-DNFAIR=4"] if claim else ["-DSAFETY", *([] if search.holds else ["-DBFS"])]
    _call(folder, "gcc", "-O2", "-w", "-DCOLLAPSE", *how, *switches, "-o", "pan", "pan.c")
    wanted = ["-a", "-f", "-N", claim] if claim else ["-noclaim"]
    said = _call(folder, "./pan", *wanted, "-m2000000")
    errors = re.search(r"errors: (\d+)", said)
    states, depth = re.search(r"^\s*(\d+) states, stored", said, re.MULTILINE), re.search(r"depth reached (\d+)", said)
    if errors is None or states is None or depth is None or "max search depth too small" in said:
        print(f"{search.name:70} the search did not end\n{said}")
        return False
    found = int(errors[1]) == 0
    result = "holds" if found else f"counter-example: not {search.what}"
    mark = "" if found == search.holds else "  <- NOT AS IT SHOULD BE"
    took = time.monotonic() - begun
    print(f"{search.name:70} {int(states[1]):10,} {depth[1]:>6} {took:6.1f}  {result}{mark}", flush=True)
    if show and not found:
        print(_call(folder, "spin", "-t", "-p", "-g", *switches, search.model))
    return found == search.holds


def _call(folder: Path, *command: str) -> str:
    """What it printed. Raises CalledProcessError for a tool that failed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1200, check=False)
    if done.returncode != 0 and command[0] != "./pan":
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
