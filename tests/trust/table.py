"""docs/trust.md: one row an invariant, each with the date and commit of its own last run."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from pathlib import Path

from tests.trust.invariants import ALL

HEAD = """# What the promises are worth

`make test-trust` (`SCALE=1`, hours) carries these experiments out and writes this table; `SCALE=0.01 LIMIT=30` is short
enough for CI, `ONLY=I5,I6` runs some of them and replaces only their rows, and `LIMIT=600` gives each so many seconds.
A SIGUSR1 to `python -m tests.trust` ends it after the round at hand; what it has found by then is written down.
What I1 to I4 choose (who is killed when, which cells come first) comes from `SEED`, a new one each time; the table names
it. Each stands beside a control: the same harness around a deliberately careless variant, which must fail. A control that
fails nothing means that the experiment proves nothing, and counts as a failure. I2 to I4 come out of the same runs.

**What is a real process and what is not.** I1 to I4, I10, I11, I12, I13, I17 and I20 kill, stop or starve real
processes. In the others the clock is moved by hand and a death is an exception that nobody catches, on SQLite in memory;
only I17 is on PostgreSQL. Three in four of I1's kills are of sidecar, scheduler and the app's own calls under clients, the
rest of the scheduler alone. I5 counts from the moment of the hold to the webhook. In I6 a reset beyond 24 hours counts as
24 hours, and what has become a day late by that is held for a person instead of sent. I14 speaks to the API without a
socket.

**Beside these** [random runs](chaos.md) mix everything that a person, two processes and a platform can do, under
assumptions that are stated there.

"""
COLUMNS = (
    "",
    "invariant",
    "experiment",
    "count reached / asked",
    "failures",
    "control and its failures",
    "seconds",
    "date, commit",
    "machine",
    "note",
)


@dataclass(frozen=True)
class Row:
    """The cells, in the order of COLUMNS."""

    id: str
    invariant: str
    experiment: str
    count: str
    failures: str
    control: str
    seconds: str
    when: str
    machine: str
    note: str


def read(path: Path) -> dict[str, Row]:
    """The rows that are there, by id; whatever is no row of this table is left out."""
    if not path.exists():
        return {}
    found = {}
    for line in path.read_text().splitlines():
        cells = [cell.strip().replace("&#124;", "|") for cell in line.strip().strip("|").split("|")]
        if len(cells) == len(COLUMNS) and cells[0] in {one.id for one in ALL}:
            found[cells[0]] = Row(*cells)
    return found


def merge(path: Path, *rows: Row) -> None:
    """Replace these rows and keep the others; what never ran has a row that says so."""
    known = read(path) | {row.id: row for row in rows}
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for one in ALL:
        row = known.get(one.id) or Row(
            one.id, one.says, one.how, f"0 / {one.asked:,}", "", "", "", "", "", "not run yet"
        )
        lines.append("| " + " | ".join(_cell(text) for text in astuple(row)) + " |")
    path.write_text(HEAD + "\n".join(lines) + "\n")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "&#124;")
