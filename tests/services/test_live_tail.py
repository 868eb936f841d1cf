"""Rows that become visible out of order: each is told once, in order, whoever commits when. A PostgreSQL in small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from postprober.services.monitoring import event_feed
from postprober.services.monitoring.event_feed import Tail
from postprober.storage import events

BATCH = 4  # small, so that a look reads only a part
CONN: Any = None  # the reader below needs none


@dataclass(frozen=True)
class Row:
    id: int


@dataclass
class Table:
    """Transactions take the lock, draw ids, and commit or roll back; between any two reads others may go on."""

    random: Random
    drawn: int = 0
    open: dict[str, list[int]] = field(default_factory=dict)
    visible: set[int] = field(default_factory=set)
    begun: int = 0

    def step(self, *, only_ends: bool = False) -> None:
        choice = self.random.choice(["begin", "draw", "draw", "commit", "commit", "rollback"])
        if choice == "begin" and len(self.open) < 4 and not only_ends:
            self.begun += 1
            self.open[f"t{self.begun}"] = []
        elif self.open and choice == "draw" and not only_ends:
            self.drawn += 1
            self.open[self.random.choice(list(self.open))].append(self.drawn)
        elif self.open and choice in ("commit", "rollback"):
            ids = self.open.pop(self.random.choice(list(self.open)))
            self.visible.update(ids if choice == "commit" else [])

    def some_steps(self) -> None:
        for _ in range(self.random.randrange(4)):
            self.step()

    def read(self, _: Connection, after: int, limit: int) -> list[Row]:
        self.some_steps()
        return [Row(number) for number in sorted(self.visible) if number > after][:limit]

    def writers(self, *_: object) -> frozenset[str]:
        self.some_steps()
        return frozenset(self.open)


def _told(
    random: Random, looks: int, spoil: Callable[[Tail[Row]], None] = lambda tail: None
) -> tuple[Table, list[int]]:
    """What a tail gives out in `looks` looks while transactions come and go, and in as many after the last of them."""
    table, told = Table(random), list[int]()
    tail: Tail[Row] = Tail(events.transitions, table.read, in_order=False)
    with patch.object(events, "writers", table.writers), patch.object(event_feed, "BATCH", BATCH):
        for _ in range(looks):
            told += [row.id for row in tail.look(CONN)]
            spoil(tail)
        while table.open:
            table.step(only_ends=True)
        table.some_steps = lambda: None  # type: ignore[method-assign]
        for _ in range(looks + table.drawn):
            told += [row.id for row in tail.look(CONN)]
    return table, told


@given(st.integers(0, 2**32), st.integers(1, 60))
@settings(max_examples=1000, deadline=None)
def test_each_committed_row_is_told_once_and_in_order(seed: int, looks: int) -> None:
    table, told = _told(Random(seed), looks)
    assert told == sorted(table.visible)


def test_a_hole_that_is_filled_while_another_writer_goes_on_is_not_told_again() -> None:
    table = Table(Random(0))
    table.some_steps = lambda: None  # type: ignore[method-assign]
    tail: Tail[Row] = Tail(events.transitions, table.read, in_order=False)
    with patch.object(events, "writers", table.writers):
        table.open, table.visible = {"slow": [], "late": []}, {1, 3}
        assert [row.id for row in tail.look(CONN)] == [1]
        del table.open["late"]
        table.visible |= {2, 4}
        assert [row.id for row in tail.look(CONN)] == [2, 3, 4]
        table.open.clear()
        table.visible |= {6}
        assert [row.id for row in tail.look(CONN)] == [], "somebody may have drawn 5 just before this look"
        assert [row.id for row in tail.look(CONN)] == [6]


def test_the_control_a_tail_that_waits_for_nobody_loses_rows() -> None:
    def hasty(tail: Tail[Row]) -> None:
        tail._suspects = frozenset()

    lost = sum(_told(Random(seed), 40, hasty)[1] != sorted(_told(Random(seed), 40)[0].visible) for seed in range(50))
    assert lost > 0
