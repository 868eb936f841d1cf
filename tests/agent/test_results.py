"""Success judged on time, counts compared with the account's own, and silence noticed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from postprober.agent import results as said
from postprober.agent.results import Counted
from postprober.domain.criteria import Criteria
from postprober.domain.delivery import DeliveryState
from postprober.domain.platform import Platform
from postprober.domain.remote import Counts
from postprober.errors import BadInput
from postprober.pipeline.core import transitions
from postprober.pipeline.core.claimed_delivery import ClaimedDelivery
from postprober.pipeline.verification import follow_up, polling, success_criteria
from postprober.storage import accounts, alert_log, deliveries, goals, history, sample_log, step_log
from postprober.storage.tables import goals as goals_table
from postprober.storage.tables import samples
from tests.agent.sandbox_kit import Scene, scene

S = DeliveryState
AIM = Criteria("likes", 20, 24)


@pytest.fixture
def stage(tmp_path: Path, profiled: None) -> Iterator[Scene]:
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
        "After 24 hours: 12 likes, 3 reposts; that makes 15 reactions, and this account's other posts had 10.0 reactions"
        " on average at this age (6 posts): 50 % more than usual."
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
    delivery_id = stage.plan(account, Platform("mastodon"), "Out")
    with ctx.db.write() as conn:
        delivery = deliveries.get(conn, delivery_id)
        for state in (S.CLAIMED, S.SUBMITTING, S.PUBLISHED, S.VERIFIED):
            delivery = transitions.move(conn, delivery, state, reason="t", now=when, published_at=when, next_at=None)
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
    account = stage.link(Platform("mastodon"))
    post_id = aim(stage, out(stage, account, 24.5, (1, 3), (24.1, likes)))
    assert success_criteria.judge_due(stage.ctx) == 1
    assert success_criteria.judge_due(stage.ctx) == 0
    with stage.ctx.db.read() as conn:
        goal = goals.of_post(conn, post_id)
        alerts = [a for a in alert_log.of_user(conn, 1) if a.post_id == post_id]
        rows = [r for r in step_log.of_post(conn, post_id) if r.ai_analysis]
    assert goal is not None and (goal.met, goal.value) == (met, likes)
    assert [a.type for a in alerts] == [kind] and "20 likes in 24 hours" in alerts[0].message
    assert rows[0].details["met"] is met and rows[0].details["by"] == "rules"


def test_an_aim_is_not_judged_early_nor_without_a_fresh_count(stage: Scene) -> None:
    account = stage.link(Platform("mastodon"))
    early = aim(stage, out(stage, account, 12, (11, 50)))
    stale = aim(stage, out(stage, account, 24.2, (12, 50)))
    assert success_criteria.judge_due(stage.ctx) == 0
    with stage.ctx.db.read() as conn:
        for post_id in (early, stale):
            goal = goals.of_post(conn, post_id)
            assert goal is not None and goal.met is None and goal.due_at is not None
            assert goal.due_at > stage.ctx.clock.now()
    stage.clock.added += 2 * 3600
    assert success_criteria.judge_due(stage.ctx) == 1, "after an hour of waiting the last count has to do"


def test_an_aim_of_a_post_that_never_went_out_is_closed_without_a_verdict(stage: Scene) -> None:
    account = stage.link(Platform("mastodon"))
    delivery_id = stage.plan(account, Platform("mastodon"), "Never")
    post_id = aim(stage, delivery_id)
    with stage.ctx.db.write() as conn:
        transitions.move(
            conn, deliveries.get(conn, delivery_id), S.FAILED, reason="no", now=stage.ctx.clock.now(), next_at=None
        )
    assert success_criteria.judge_due(stage.ctx) == 1
    with stage.ctx.db.read() as conn:
        goal = goals.of_post(conn, post_id)
    assert goal is not None and goal.met is None and goal.comment == "Nothing of it was published."


def test_silence_of_a_whole_day_reaches_the_person_once(stage: Scene) -> None:
    account = stage.link(Platform("mastodon"))
    for _ in range(6):
        earlier = out(stage, account, 200, (24, 10))
        with stage.ctx.db.write() as conn:
            when = deliveries.get(conn, earlier).published_at
            assert when is not None
            history.put_at_a_day(conn, earlier, Counts(likes=10), when + timedelta(hours=24))
    quiet = out(stage, account, 24.5)
    ctx = stage.ctx
    with ctx.db.read() as conn:
        delivery, owner = deliveries.get(conn, quiet), accounts.get(conn, account)
    work = ClaimedDelivery(ctx, delivery, owner, None)  # type: ignore[arg-type]
    for _ in range(2):
        with ctx.db.write() as conn:
            before = sample_log.of_delivery(conn, quiet)
            sample_log.add(conn, quiet, Counts(likes=0), ctx.clock.now())
            success_criteria.comment(work, conn, Counts(likes=0), before)
    with ctx.db.read() as conn:
        alerts = [a.message for a in alert_log.of_user(conn, 1) if a.delivery_id == quiet]
        rows = [r for r in step_log.of_post(conn, delivery.post_id) if r.ai_analysis]
    assert len(alerts) == len(rows) == 1
    assert "nobody has reacted" in alerts[0] and "10.0 reactions on average at this age (6 posts)" in alerts[0]


def read(stage: Scene, delivery_id: int, hours: float, likes: int) -> None:
    """One reading through the code that stores them, `hours` after publishing."""
    ctx = stage.ctx
    with ctx.db.read() as conn:
        delivery = deliveries.get(conn, delivery_id)
        account = accounts.get(conn, delivery.account_id)
    assert delivery.published_at is not None
    stage.clock.added = 0
    now = ctx.clock.now()
    stage.clock.added = (delivery.published_at + timedelta(hours=hours) - now).total_seconds()
    work = ClaimedDelivery(ctx, delivery, account, None)  # type: ignore[arg-type]
    with ctx.db.write() as conn:
        follow_up._sample(work, conn, Counts(likes=likes))


def test_posts_are_compared_with_what_others_had_at_the_same_age(stage: Scene) -> None:
    """Seven alike posts; the earlier ones have been out for weeks and have gathered more since."""
    account = stage.link(Platform("mastodon"))
    for _ in range(6):
        old = out(stage, account, 600)
        for hours, likes in ((12.001, 5), (24.002, 10), (24.9, 11), (500, 160)):
            read(stage, old, hours, likes)
    mine = out(stage, account, 24.1)
    read(stage, mine, 24.002, 10)
    with stage.ctx.db.read() as conn:
        told = [r.ai_analysis for r in step_log.of_post(conn, deliveries.get(conn, mine).post_id) if r.ai_analysis]
        past = history.at_a_day(conn, account)
    assert {row.total for row in past} == {10} and len(past) == 7
    assert told == [
        "After 24 hours: 10 likes; that makes 10 reactions, and this account's other posts had 10.0 reactions on average"
        " at this age (6 posts): as usual."
    ]


def test_a_first_reading_long_after_a_day_is_not_called_a_day_old_nor_compared(stage: Scene) -> None:
    late = out(stage, stage.link(Platform("mastodon")), 40)
    read(stage, late, 31, 4)
    with stage.ctx.db.read() as conn:
        told = [r.ai_analysis for r in step_log.of_post(conn, deliveries.get(conn, late).post_id) if r.ai_analysis]
    assert told == ["After 31 hours: 4 likes. It could not be read at 24 hours, so it is not compared."]


@pytest.mark.parametrize(
    ("found", "met", "words"),
    [
        ([Counted("X (a)", 20)], True, "Goal reached: 20 of 20 likes in 36 hours (X (a): 20)."),
        ([Counted("X (a)", 19)], False, "Goal missed: 19 of 20 likes in 36 hours (X (a): 19)."),
        ([Counted("X (a)", 24, hours=24)], True, "Goal reached: 24 of 20 likes in 36 hours (X (a): 24 at 24 hours)."),
        (
            [Counted("X (a)", 18, hours=24)],
            None,
            "Goal open: at least 18 of 20 likes in 36 hours (X (a): 18 at 24 hours).",
        ),
        ([Counted("X (a)", 18, hours=48)], False, "Goal missed: 18 of 20 likes in 36 hours (X (a): 18 at 48 hours)."),
        ([Counted("X (a)", 30, hours=48)], None, "Goal open: at least 30 of 20"),
        ([Counted("X (a)", 12), Counted("L (b)", None, reported=False)], None, "L (b): does not report it"),
        ([Counted("X (a)", 20), Counted("L (b)", None, reported=False)], True, "Goal reached: 20"),
        ([Counted("L (b)", None, reported=False)], None, "The count is not reported by the platform"),
        ([Counted("X (a)", None)], None, "The count could not be read in time (X (a): could not be read)."),
    ],
)
def test_a_goal_is_judged_by_its_own_hour_or_left_open(found: list[Counted], met: bool | None, words: str) -> None:
    goal = Criteria("likes", 20, 36)
    assert said.met(goal, found) is met
    assert words in said.verdict(goal, found)


def test_a_goal_gets_a_reading_at_its_own_hour(stage: Scene) -> None:
    delivery_id = out(stage, stage.link(Platform("mastodon")), 13)
    with stage.ctx.db.write() as conn:
        delivery = deliveries.get(conn, delivery_id)
        goals.put(conn, delivery.post_id, Criteria("likes", 20, 14), delivery.due_at)
        work = ClaimedDelivery(stage.ctx, delivery, accounts.get(conn, delivery.account_id), None)  # type: ignore[arg-type]
        assert delivery.published_at is not None
        own = delivery.published_at + timedelta(hours=14) * stage.ctx.timing.engagement_scale
        assert polling.next_count(work, conn) == own.isoformat()
        look = polling.first_poll(work, conn)
        assert look is not None and look <= own
        goals.put(conn, delivery.post_id, None, delivery.due_at)
        assert polling.next_count(work, conn) != own.isoformat()


def test_a_goal_that_cannot_be_judged_holds_up_no_other(stage: Scene) -> None:
    account = stage.link(Platform("mastodon"))
    bad = aim(stage, out(stage, account, 30, (24.1, 30)))
    good = aim(stage, out(stage, account, 30, (24.1, 30)))
    with stage.ctx.db.write() as conn:
        conn.execute(update(goals_table).where(goals_table.c.post_id == bad).values(metric="of another release"))
    assert success_criteria.judge_due(stage.ctx) == 1
    with stage.ctx.db.read() as conn:
        left, judged = goals.of_post(conn, bad), goals.of_post(conn, good)
    assert judged is not None and judged.met is True
    assert left is not None and left.met is None and left.due_at is not None and left.due_at > stage.ctx.clock.now()
    assert success_criteria.judge_due(stage.ctx) == 0
