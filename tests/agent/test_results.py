"""Success judged on time, counts compared with the account's own, and silence noticed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from postprober.agent import results as said
from postprober.domain.criteria import Criteria
from postprober.domain.delivery import DeliveryState
from postprober.domain.platform import Platform
from postprober.domain.remote import Counts
from postprober.errors import BadInput
from postprober.pipeline import results, watch
from postprober.pipeline.work import Work
from postprober.storage import accounts, deliveries, goals, logs
from postprober.storage.tables import samples
from tests.agent.sandbox_kit import Scene, scene

S = DeliveryState
AIM = Criteria("likes", 20, 24)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path) as made:
        yield made


@pytest.mark.parametrize("values", [("shares", 5, 5), ("likes", 0, 5), ("likes", 5, 0), ("likes", 5, 10_000)])
def test_an_aim_that_cannot_be_judged_is_refused(values: tuple[str, int, int]) -> None:
    with pytest.raises(BadInput):
        Criteria(*values)


def test_a_comment_rests_on_numbers_and_names_them() -> None:
    past = [{"likes": 8, "reposts": 2}] * 6
    told = said.comment({"likes": 12, "reposts": 3, "views": None}, past, 24)
    assert told.text == (
        "After 24 hours: 12 likes, 3 reposts; that makes 15 reactions, and this account's other posts have 10.0 reactions"
        " on average (6 posts): 50 % more than usual."
    )
    assert not told.suspicious


def test_too_few_posts_are_not_compared_with() -> None:
    assert "too few to compare with" in said.comment({"likes": 0}, [{"likes": 50}] * 4, 24).text


@pytest.mark.parametrize(
    ("counts", "usual", "suspicious"),
    [
        ({"likes": 0}, 10, True),
        ({"likes": 0, "views": 0}, 10, True),
        ({"likes": 1}, 10, False),
        ({"likes": 0}, 1, False),
    ],
)
def test_silence_is_suspicious_only_where_it_is_unusual(counts: dict[str, Any], usual: int, suspicious: bool) -> None:
    assert said.comment(counts, [{"likes": usual}] * 6, 24).suspicious is suspicious


def out(stage: Scene, account: int, hours_ago: float, *counts: tuple[float, int]) -> int:
    """A proved delivery, `hours_ago` old, with likes at so many hours after it."""
    ctx = stage.ctx
    when = ctx.clock.now() - timedelta(hours=hours_ago)
    delivery_id = stage.plan(account, Platform.MASTODON, "Out")
    with ctx.db.write() as conn:
        delivery = deliveries.get(conn, delivery_id)
        for state in (S.CLAIMED, S.SUBMITTING, S.PUBLISHED, S.VERIFIED):
            delivery = watch.move(conn, delivery, state, reason="t", now=when, published_at=when, next_at=None)
        for hours, likes in counts:
            conn.execute(insert(samples).values(delivery_id=delivery_id, at=when + timedelta(hours=hours), likes=likes))
    return delivery_id


def aim(stage: Scene, delivery_id: int) -> int:
    with stage.ctx.db.write() as conn:
        delivery = deliveries.get(conn, delivery_id)
        goals.put(conn, delivery.post_id, AIM, delivery.due_at)
        return delivery.post_id


@pytest.mark.parametrize(("likes", "met", "kind"), [(20, True, "success"), (19, False, "warning")])
def test_an_aim_is_judged_once_when_its_time_is_up(stage: Scene, likes: int, met: bool, kind: str) -> None:
    account = stage.link(Platform.MASTODON)
    post_id = aim(stage, out(stage, account, 24.5, (1, 3), (24.1, likes)))
    assert results.judge_due(stage.ctx) == 1
    assert results.judge_due(stage.ctx) == 0
    with stage.ctx.db.read() as conn:
        goal = goals.of_post(conn, post_id)
        alerts = [a for a in logs.alerts_of(conn, 1) if a["post_id"] == post_id]
        rows = [r for r in logs.steps_of_post(conn, post_id) if r["ai_analysis"]]
    assert goal is not None and (goal.met, goal.value) == (met, likes)
    assert [a["type"] for a in alerts] == [kind] and "20 likes in 24 hours" in alerts[0]["message"]
    assert rows[0]["details"]["met"] is met and rows[0]["details"]["by"] == "rules"


def test_an_aim_is_not_judged_early_nor_without_a_fresh_count(stage: Scene) -> None:
    account = stage.link(Platform.MASTODON)
    early = aim(stage, out(stage, account, 12, (11, 50)))
    stale = aim(stage, out(stage, account, 24.2, (12, 50)))
    assert results.judge_due(stage.ctx) == 0
    with stage.ctx.db.read() as conn:
        for post_id in (early, stale):
            goal = goals.of_post(conn, post_id)
            assert goal is not None and goal.met is None and goal.due_at is not None
            assert goal.due_at > stage.ctx.clock.now()
    stage.clock.added += 2 * 3600
    assert results.judge_due(stage.ctx) == 1, "after an hour of waiting the last count has to do"


def test_an_aim_of_a_post_that_never_went_out_is_closed_without_a_verdict(stage: Scene) -> None:
    account = stage.link(Platform.MASTODON)
    delivery_id = stage.plan(account, Platform.MASTODON, "Never")
    post_id = aim(stage, delivery_id)
    with stage.ctx.db.write() as conn:
        watch.move(
            conn, deliveries.get(conn, delivery_id), S.FAILED, reason="no", now=stage.ctx.clock.now(), next_at=None
        )
    assert results.judge_due(stage.ctx) == 1
    with stage.ctx.db.read() as conn:
        goal = goals.of_post(conn, post_id)
    assert goal is not None and goal.met is None and goal.comment == "Nothing of it was published."


def test_silence_of_a_whole_day_reaches_the_person_once(stage: Scene) -> None:
    account = stage.link(Platform.MASTODON)
    for _ in range(6):
        out(stage, account, 200, (24, 10))
    quiet = out(stage, account, 24.5)
    ctx = stage.ctx
    with ctx.db.read() as conn:
        delivery, owner = deliveries.get(conn, quiet), accounts.get(conn, account)
    work = Work(ctx, delivery, owner, None)  # type: ignore[arg-type]
    for _ in range(2):
        with ctx.db.write() as conn:
            before = logs.samples_of(conn, quiet)
            logs.sample(conn, quiet, Counts(likes=0), ctx.clock.now())
            results.comment(work, conn, Counts(likes=0), before)
    with ctx.db.read() as conn:
        alerts = [a["message"] for a in logs.alerts_of(conn, 1) if a["delivery_id"] == quiet]
        rows = [r for r in logs.steps_of_post(conn, delivery.post_id) if r["ai_analysis"]]
    assert len(alerts) == len(rows) == 1
    assert "nobody has reacted" in alerts[0] and "10.0 reactions on average (6 posts)" in alerts[0]
