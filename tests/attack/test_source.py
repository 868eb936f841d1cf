"""The part of the attack on the source that needs no tools of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attack import source


def test_every_exception_from_a_rule_says_which_and_why() -> None:
    assert source.unexplained(source.ROOT) == []


@pytest.mark.parametrize(
    "excuse", ["# nosec", "# nosec B608", "# nosec # because", "# nosemgrep", "# nosemgrep: a-shell"]
)
def test_an_exception_without_a_rule_or_a_reason_is_found(tmp_path: Path, excuse: str) -> None:
    for name in ("postprober", "pages"):
        (tmp_path / name).mkdir()
    (tmp_path / "app.py").write_text(f"run()  {excuse}\n")
    (tmp_path / "scheduler.py").write_text("run()  # nosec B602 # our own\n")
    assert source.unexplained(tmp_path) == ["app.py:1"]


def test_every_rule_has_an_example_to_find_and_one_not_to_find(tmp_path: Path) -> None:
    assert source.rules_without_examples(source.RULES) == []
    (tmp_path / "house.yaml").write_text("rules:\n  - id: a-rule\n")
    (tmp_path / "house.py").write_text("# ruleid: a-rule\nbad()\n")
    assert source.rules_without_examples(tmp_path) == ["a-rule has no good example"]
