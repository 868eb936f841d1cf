"""The bench of following, small: both ways see the same, and the new one asks owners less."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bench import following
from postprober.domain.engagement import POLL_AFTER


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "MONTH", timedelta(hours=7))
    monkeypatch.setattr(following, "WITHIN", timedelta(minutes=30))
    monkeypatch.setattr(following, "DELETED", 0.4)
    monkeypatch.setattr(following, "EDITED", 0.4)


def test_plans_are_the_same_every_time_and_in_order() -> None:
    made = following.plans(40, 4)
    assert made == following.plans(40, 4) != following.plans(40, 4, seed=1)
    assert [one.at for one in made] == sorted(one.at for one in made)
    assert {one.account for one in made} == {0, 1, 2, 3} and {one.what for one in made} == {"", "deleted", "edited"}


def test_both_ways_notice_the_same_and_the_new_one_asks_less() -> None:
    old, new = (following.play(5, 5, together=together) for together in (False, True))
    told = following.compared(old, new)
    assert told["lost"] == 0 and told["later by more than a tenth of the age"] == 0 and told["false alarms"] == [0, 0]
    before, after = following.summary(old.sums, 5), following.summary(new.sums, 5)
    assert after["owner calls a post"] < before["owner calls a post"]
    assert after["money a post where reading is billed"] <= 0.03
    moments = sum(moment <= timedelta(hours=6) for moment in POLL_AFTER)
    assert before["readings of counts a post"] <= moments + 1
