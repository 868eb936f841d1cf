"""The Analytics page: empty, with numbers, for a viewer, and for a stranger."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import insert
from streamlit.testing.v1 import AppTest

from postprober.domain.delivery import DeliveryState as S
from postprober.domain.delivery import Proof
from postprober.domain.platform import Platform
from postprober.errors import BadInput
from postprober.services.reports import analytics
from postprober.storage.tables import ai_usage, samples
from tests.pages.conftest import House, everything
from tests.people import acting

Show = Callable[[str], AppTest]


@pytest.fixture
def owner(house: House) -> House:
    house.sign_in()
    house.beat()
    return house


def _posted(house: House, text: str, likes: list[int | None], user_id: int | None = None) -> None:
    """Published three days ago, counted every hour from then on."""
    out = house.core.clock.now() - timedelta(days=3)
    one = house.move(
        house.post(text, house.account(Platform("x"), user_id, name=text[:20]), user_id),
        S.CLAIMED,
        S.SUBMITTING,
        S.PUBLISHED,
        S.VERIFIED,
        proof=Proof.MATCHES,
        published_at=out,
        due_at=out,
        first_byte_at=out + timedelta(seconds=2),
        verified_at=out,
    )
    with house.core.db.write() as conn:
        for hour, count in enumerate(likes):
            conn.execute(insert(samples).values(delivery_id=one.id, at=out + timedelta(hours=hour), likes=count))


def test_an_empty_period_says_so_and_leads_to_the_composer(owner: House, show: Show) -> None:
    app = show("analytics")
    assert "Nothing was published in this period" in app.info[0].value and not app.get("vega_lite_chart")


def test_charts_have_titles_units_and_legends(owner: House, show: Show) -> None:
    _posted(owner, "First of all <b>=1+1</b>", list(range(1, 26)))
    specs = [json.loads(chart.proto.spec) for chart in show("analytics").get("vega_lite_chart")]
    assert len(specs) == 5
    for spec in specs:
        assert spec["title"]
        axes = spec["encoding"]
        assert axes["x"]["title"] and axes["y"]["title"] and axes["color"]["legend"]["orient"] == "bottom"


def test_a_day_on_which_more_was_taken_back_than_came_in_is_explained(owner: House, show: Show) -> None:
    _posted(owner, "First of all", [5] + [9] * 23 + [2] * 30)
    assert "Negative days" in everything(show("analytics"))


def test_the_best_posts_are_named_and_a_markup_in_them_stays_text(owner: House, show: Show) -> None:
    _posted(owner, "First *of* all", [1, 5, 9])
    _posted(owner, "Second", [None, 4])
    seen = everything(show("analytics"))
    assert "**9** engagement: First \\*of\\* all" in seen and "**4** engagement: Second" in seen


def test_another_count_and_period_can_be_chosen(owner: House, show: Show) -> None:
    _posted(owner, "First of all", [1, 5, 9])
    app = show("analytics")
    app.segmented_control(key="analytics-metric").set_value("views").run()
    assert not app.exception and "Not enough posts with metrics." in everything(app)
    app.segmented_control(key="analytics-metric").set_value("likes").run()
    app.segmented_control(key="analytics-days").set_value(7).run()
    assert not app.exception and app.get("vega_lite_chart")


def test_where_nothing_can_be_drawn_the_page_says_why_instead(owner: House, show: Show) -> None:
    _posted(owner, "First of all", [None, None])
    app = show("analytics")
    seen = everything(app)
    assert not app.get("vega_lite_chart") and "No post in this period is 24 hours old and has metrics." in seen
    assert seen.count("No metrics for these posts yet.") == 3
    assert "No post in this period is an hour old and has metrics." in seen


def test_tables_are_headed_in_words_and_name_the_platforms(owner: House, show: Show) -> None:
    _posted(owner, "First of all", [1, 5, 9])
    accounts, reliability, _ = (table.value for table in show("analytics").dataframe)
    assert list(accounts.columns) == ["Platform", "Account", "Engagement", "Median", "Deliveries", "No data"]
    assert accounts["Platform"][0] == reliability["Platform"][0] == "X" and "Success rate" in reliability.columns


def test_numbers_are_those_of_ones_own_space_only(owner: House) -> None:
    _posted(owner, "Mine", [1, 5])
    _posted(owner, "Not mine", [1000], owner.stranger)
    board = analytics.take(owner.core, acting(owner.core, owner.owner), 28, "likes", "Europe/Berlin")
    assert [row[1] for row in board.by_post.rows] == [5] and list(board.titles.values()) == ["Mine"]
    assert [row[1:] for row in board.reliability.rows] == [(1, 1, 0, 0, 0, 1, 1.0, 1.0, 2.0, 2.0, 2.0)]


def test_costs_are_shown_to_who_runs_the_house_alone(owner: House) -> None:
    core, now = owner.core, owner.core.clock.now()
    with core.db.write() as conn:
        conn.execute(
            insert(ai_usage).values(
                at=now, day=now.date().isoformat(), purpose="review", model="m", cost_micros=1500, outcome="answered"
            )
        )
    found = analytics.costs(core, acting(core, owner.owner), 7)
    assert found is not None and found.rows[0][-1] == 0.0015
    owner.become("viewer")
    assert analytics.costs(core, acting(core, owner.owner), 7) is None


@pytest.mark.parametrize(("zone", "days", "metric"), [("UTC", 8, "likes"), ("UTC", 7, "id"), ("../etc", 7, "likes")])
def test_a_wrong_choice_is_refused_in_words(owner: House, zone: str, days: int, metric: str) -> None:
    with pytest.raises(BadInput):
        analytics.take(owner.core, acting(owner.core, owner.owner), days, metric, zone)
