"""The campaign's frame: what it writes, what it keeps, and when it fails; and its quickest experiments, once each."""

from __future__ import annotations

import logging
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trust import run, table
from tests.trust.base import ENOUGH, Found, Turns
from tests.trust.invariants import ALL, Invariant

pytestmark = pytest.mark.slow

QUICK = ("ghosts:flagged", "holds:alarmed", "restores:looked", "races:won")


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    before = logging.root.manager.disable
    yield
    logging.disable(before)


def line(found: Found | None, done: int = 5, broken: str = "") -> run.Line:
    return run.Line(Invariant("I5", "a hold", "how", 1000, "holds:alarmed"), done, 1.0, found, broken)


def test_every_invariant_has_an_experiment_that_exists() -> None:
    assert [one.id for one in ALL] == [f"I{n}" for n in range(1, 21)]
    for one in ALL:
        module, _, name = one.where.partition(":")
        source = (Path(run.__file__).parent / f"{module}.py").read_text()
        assert re.search(rf"^def {name}\(turns: Turns\) -> Found:", source, re.MULTILINE), one.where


def test_a_partial_run_replaces_its_own_rows_and_keeps_the_others(tmp_path: Path) -> None:
    path = tmp_path / "trust.md"
    first, other = (
        table.Row(i, "says", "how", "1 / 2", "0", "c: 1 of 1", "3", when, "m", "a | b")
        for i, when in (("I5", "monday, aaa"), ("I6", "monday, aaa"))
    )
    table.merge(path, first, other)
    newer = table.Row("I5", "says", "how", "2 / 2", "0", "c: 1 of 1", "3", "tuesday, bbb", "m", "")
    table.merge(path, newer)
    rows = table.read(path)
    assert rows["I5"] == newer and rows["I6"] == other
    assert rows["I7"].note == "not run yet" and len(rows) == len(ALL)


def test_a_count_that_was_not_reached_says_why() -> None:
    good = Found([], "a control", 1, 1, "a note")
    assert run.row_of(line(good), 0.005, 0.0).note == "run with SCALE=0.005; a note"
    assert run.row_of(line(good), 1.0, 0.5).note == "stopped after 0.5 s; a note"
    assert run.row_of(line(good, done=1000), 1.0, 0.0).note == "a note"
    assert run.row_of(line(None, broken="no strace"), 1.0, 0.0).note == "not carried out: no strace"


def enough(turns: Turns) -> Found:
    """An experiment in whose third round somebody wants it to end."""
    for number in turns:
        if number == 2:
            os.kill(os.getpid(), signal.SIGUSR1)
    return Found([], "none", 1, 1)


def test_who_wants_it_to_end_gets_the_row_of_what_was_found_by_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (Invariant(name, "a hold", "how", 1000, "test_trust_frame:enough") for name in ("I5", "I6"))
    monkeypatch.setattr(run, "ALL", (first, second))
    before = signal.getsignal(signal.SIGUSR1)
    try:
        assert run.main(["--only", "", "--table", str(tmp_path / "trust.md")], say=lambda _: None) == 0
    finally:
        signal.signal(signal.SIGUSR1, before)
        ENOUGH.clear()
    rows = table.read(tmp_path / "trust.md")
    assert rows["I5"].count == "3 / 1,000" and rows["I5"].note == "stopped when asked, after 0 s"
    assert rows["I6"].note == "not run yet"


@pytest.mark.parametrize(
    ("found", "code"),
    [(Found([], "c", 1, 1), 0), (Found(["lost"], "c", 1, 1), 1), (Found([], "c", 0, 1), 1), (None, 1)],
)
def test_it_fails_when_a_promise_did_not_hold_or_a_control_saw_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: Found | None, code: int
) -> None:
    said: list[str] = []
    monkeypatch.setattr(run, "carry_out", lambda *_: line(found, broken="it broke"))
    assert run.main(["--only", "i5", "--table", str(tmp_path / "t.md")], said.append) == code
    assert said[-1] == ("NOT ALL HELD" if code else "all held")


def test_turns_end_with_their_count_or_their_time() -> None:
    whole, over = Turns(7), Turns(7, seconds=1e-9)
    assert [list(numbers) for numbers in whole.batches(3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert (whole.done, list(over), over.done) == (7, [], 0)


@pytest.mark.parametrize("where", QUICK)
def test_the_quick_experiments_hold_and_their_controls_do_not(where: str) -> None:
    one = next(one for one in ALL if one.where == where)
    done = run.carry_out(one, 3 / one.asked, 0.0, 1)
    assert done.good and done.done == 3, done.text()


def test_what_did_not_hold_is_said_again_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever keeps only the end of a long output has to read what it was."""
    bad, good = Found(["a post was lost"], "a control", 1, 1), Found([], "a control", 1, 1)
    found = {"I1": bad, "I2": good}
    monkeypatch.setattr(run, "carry_out", lambda one, *_: run.Line(one, 1, 1.0, found[one.id]))
    said: list[str] = []
    assert run.main(["--only", "I1,I2", "--table", str(tmp_path / "trust.md")], said.append) == 1
    assert said.index("     ! a post was lost") < next(i for i, text in enumerate(said) if text.startswith("I2"))
    assert said[-1] == "NOT ALL HELD" and said[-2] == "     ! a post was lost" and said[-3].startswith("I1")
    monkeypatch.setitem(found, "I1", good)
    said.clear()
    assert run.main(["--only", "I1,I2", "--table", str(tmp_path / "trust.md")], said.append) == 0
    assert said[-1] == "all held" and len(said) == 3
