"""The model of the delivery protocol: what it promises holds, and the search can fail. `make model` runs all of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from docs.model import check

pytestmark = pytest.mark.slow

QUICK = (
    "strict: at most one visible post",
    "strict: every end is true",
    "strict: every run ends or is held",
    "strict without any assumption",
    "reconcile, a worker may freeze",
    "mistake: no fence",
    "mistake: no recovery",
    *(one.name for one in check.SEARCHES if one.model == check.TWINS),
)


@pytest.mark.skipif(not (shutil.which("spin") and shutil.which("gcc")), reason="spin and gcc are not installed")
@pytest.mark.parametrize("name", QUICK)
def test_the_model_comes_out_as_it_should(name: str, tmp_path: Path) -> None:
    (search,) = (one for one in check.SEARCHES if one.name == name)
    assert check.run(search, tmp_path, show=False)


@pytest.mark.skipif(not (shutil.which("spin") and shutil.which("gcc")), reason="spin and gcc are not installed")
def test_a_search_that_comes_out_otherwise_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = check.Search("wrong hope", check.ONCE, (check.RECONCILE, "NO_FENCE"), holds=True)
    assert not check.run(wrong, tmp_path, show=False)
    assert "NOT AS IT SHOULD BE" in capsys.readouterr().out
