"""The judge of the year: that it would see a post that is lost, doubled, contradicted or gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.year.house import Fault, House, Written, wait_until
from tests.year.programs import Program


class Judged(House):
    """A house whose database and platforms are told."""

    told: dict[int, list[tuple[str, str]]]
    there: list[dict[str, Any]]

    def states(self) -> dict[int, list[tuple[str, str]]]:
        return self.told

    @property
    def control(self) -> Any:
        house = self

        class Shown:
            def posts(self) -> list[dict[str, Any]]:
                return house.there

        return Shown()


@pytest.fixture
def house(tmp_path: Path) -> Judged:
    made = Judged(tmp_path / "outside", tmp_path / "data", Program(tmp_path))
    made.posts = [Written(1, "one")]
    made.told = {1: [("x", "verified"), ("mastodon", "verified")]}
    made.there = [_shown("x", "one"), _shown("mastodon", "one")]
    return made


def _shown(platform: str, text: str, visible: bool = True) -> dict[str, Any]:
    return {"platform": platform, "text": text + "\n", "visible": visible}


def test_a_year_without_fault_is_one(house: Judged) -> None:
    truth = house.truth()
    truth.check()
    assert (truth.verified, truth.waiting) == (2, 0)
    house.told[1][0] = ("x", "held")
    assert house.truth().waiting == 1


def test_each_fault_is_seen(house: Judged) -> None:
    def found() -> str:
        with pytest.raises(Fault) as caught:
            house.truth().check()
        return str(caught.value)

    house.there.append(_shown("x", "one"))
    assert "doubled=1" in found()
    house.there = [_shown("mastodon", "one"), _shown("x", "one", visible=False)]
    assert "lost=1" in found()
    house.told[1][0] = ("x", "failed")
    house.there.append(_shown("x", "one"))
    assert "contradicted=1" in found()


def test_a_post_that_no_database_knows_may_neither_vanish_nor_come_again(house: Judged) -> None:
    house.unknown = [Written(2, "two", shown=1)]
    house.there.append(_shown("x", "two"))
    house.truth().check()
    house.there.append(_shown("x", "two"))
    with pytest.raises(Fault, match="doubled=1"):
        house.truth().check()
    house.there = house.there[:2]
    with pytest.raises(Fault, match="gone=1"):
        house.truth().check()


def test_what_does_not_come_about_is_a_fault() -> None:
    assert wait_until(lambda: True, 1.0, "never") < 1.0
    with pytest.raises(Fault, match="it does not come within 0 s because"):
        wait_until(lambda: False, 0.2, "it does not come", lambda: "because")
