"""What is asked of specifications that may not be on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.specifications import SPECS, elsewhere

MOST_BYTES = 1_000_000  # so that a clone stays small


def test_what_travels_is_small_and_says_where_it_comes_from() -> None:
    files = [path for path in SPECS.rglob("*") if path.is_file()]
    assert 0 < sum(path.stat().st_size for path in files) < MOST_BYTES
    told = (SPECS / "README.md").read_text()
    for path in SPECS.iterdir():
        assert f"`{path.name}" in told or path.name == "README.md", path.name


def test_a_specification_that_is_there_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "x.json").write_text("{}")
    monkeypatch.setenv("POSTPROBER_CONTRACTS", str(tmp_path))
    assert elsewhere("x.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("ci", "contracts", "outcome"),
    [
        ("", "/nowhere", pytest.skip.Exception),
        ("true", "/nowhere", pytest.fail.Exception),
        ("true", "none", pytest.skip.Exception),
    ],
)
def test_one_that_is_absent_is_skipped_by_a_person_and_missed_by_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, contracts: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("POSTPROBER_CONTRACTS", contracts)
    with pytest.raises(outcome, match=r"x\.json is not here"):
        elsewhere("x.json")
