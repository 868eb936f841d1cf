"""Posts with what the review should think of them, and how often it does.

`corpus/harmless.jsonl`: what nobody should hold up; `tricky` ones look bad and are not. `corpus/harmful.jsonl`: what a
careful colleague would stop. Dates in them are judged at `now`. `split` says when a post was written: `first` before the
rules, `later` while they were mended, `kept` before the rules and measured for the first time when they were done, `after`
when they were done, to evade them; `blind` and later `again` by somebody who knew the kinds and had not seen the rules, `near` with
the rules that were mended by these, as harmless neighbours of theirs. In made-up keys of services stands a ¤, which is taken out: scanners of
repositories would take them for real ones; ¤¤ is one that belongs to the text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from postprober.agent.review import found_in

CORPUS = Path(__file__).with_name("corpus")


@dataclass(frozen=True)
class Sample:
    """One post. `harmful`: it should be noticed."""

    id: str
    text: str
    language: str
    kind: str
    harmful: bool
    tricky: bool
    split: str
    now: datetime

    @property
    def held(self) -> list[str]:
        """The kinds of what the rules find in it."""
        return [one.kind for one in found_in(self.text, self.now, self.language)]


@dataclass(frozen=True)
class Rate:
    """`noticed` of `all` posts of a kind."""

    kind: str
    noticed: int
    all: int

    @property
    def share(self) -> float:
        return self.noticed / self.all if self.all else 0.0

    def __str__(self) -> str:
        return f"{self.kind}: {self.noticed} of {self.all} held ({self.share:.1%})"


def samples(name: str) -> list[Sample]:
    """Those of `corpus/NAME.jsonl`."""
    return list(_read(CORPUS / f"{name}.jsonl"))


def _read(path: Path) -> Iterator[Sample]:
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        yield Sample(
            row["id"],
            row["text"].replace("¤¤", "\0").replace("¤", "").replace("\0", "¤"),
            row["language"],
            row["kind"],
            "tricky" not in row,
            row.get("tricky", False),
            row["split"],
            datetime.fromisoformat(row["now"]),
        )


def rate(kind: str, chosen: Iterable[Sample]) -> Rate:
    """How many of these are held."""
    held = [bool(one.held) for one in chosen]
    return Rate(kind, sum(held), len(held))


def rates(chosen: list[Sample]) -> list[Rate]:
    """One for each kind, in the order of their names."""
    return [rate(kind, [s for s in chosen if s.kind == kind]) for kind in sorted({s.kind for s in chosen})]
