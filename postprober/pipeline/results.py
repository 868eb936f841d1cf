"""After a post is out: what its counts mean, and whether it has reached what it should."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from postprober.agent import results
from postprober.domain.alert import AlertKind, AlertType
from postprober.domain.delivery import TRAITS, DeliveryState, Step, StepStatus
from postprober.domain.platform import NAMES
from postprober.domain.remote import Counts
from postprober.pipeline.context import Context
from postprober.pipeline.work import Work
from postprober.storage import accounts, deliveries, goals, history, logs
from postprober.storage.goals import Goal
from postprober.storage.records import Delivery

S = DeliveryState
JUDGED_AFTER = timedelta(hours=24)  # when counts are commented; the engagement plan reads them then
_GRACE = timedelta(hours=1)  # how long a fresh count is waited for when the time is up
_LOOK_AGAIN = timedelta(minutes=10)


def comment(work: Work, conn: Connection, counts: Counts, before: Sequence[dict[str, Any]]) -> None:
    """With the first counts that are a day old: what they mean, once, in the transaction that stores them."""
    published = work.delivery.published_at
    after = JUDGED_AFTER * work.ctx.timing.engagement_scale
    if published is None or work.now() - published < after:
        return
    if any(sample["at"] - published >= after for sample in before):
        return
    past = [row.counts for row in history.reached(conn, work.account.id, but=work.delivery.id)]
    told = results.comment(vars(counts), past, round(JUDGED_AFTER / timedelta(hours=1)))
    status = StepStatus.WARNING if told.suspicious else StepStatus.SUCCESS
    shown = {name: value for name, value in vars(counts).items() if value is not None}
    logs.analysis(
        conn,
        work.delivery,
        Step.ENGAGEMENT,
        status,
        work.now(),
        told.text,
        by="rules",
        compared_with=len(past),
        **shown,
    )
    if told.suspicious:
        name = f"{NAMES[work.delivery.platform]} ({work.account.account_name})"
        logs.alert(
            conn, user_id=work.delivery.user_id, post_id=work.delivery.post_id, delivery_id=work.delivery.id,
            type=AlertType.WARNING, message=f"{name}: {told.text}", dedupe_key=f"delivery:{work.delivery.id}:reach",
            now=work.now(), kind=AlertKind.REACH,
        )  # fmt: skip


def judge_due(ctx: Context) -> int:
    """Judge the aims whose time is up; returns how many."""
    with ctx.db.read() as conn:
        due = goals.due(conn, ctx.clock.now())
    return sum(_judge(ctx, goal) for goal in due)


def _judge(ctx: Context, goal: Goal) -> bool:
    now = ctx.clock.now()
    with ctx.db.write() as conn:
        found = [d for d in deliveries.of_post(conn, goal.post_id) if d.state is not S.CANCELLED]
        out = [d for d in found if d.published_at is not None]
        wait = _wait(ctx, conn, goal, found, out, now)
        if wait is not None:
            goals.later(conn, goal, wait)
            return False
        if not out:
            return goals.judge(conn, goal, met=None, value=None, comment="Nothing of it was published.", now=now)
        by_account = [(_name(conn, d), _value(conn, d, goal)) for d in out]
        known = [value for _, value in by_account if value is not None]
        value = sum(known) if known else None
        text = results.verdict(goal.criteria, value, by_account)
        met = None if value is None else value >= goal.target
        if not goals.judge(conn, goal, met=met, value=value, comment=text, now=now):
            return False
        _tell(conn, goal, out[0], text, met, now)
    return True


def _wait(
    ctx: Context, conn: Connection, goal: Goal, found: list[Delivery], out: list[Delivery], now: datetime
) -> datetime | None:
    """Until when it is too early to judge; None when it is time."""
    if not out:
        return None if all(TRAITS[d.state].terminal for d in found) else now + _LOOK_AGAIN
    scale = ctx.timing.engagement_scale
    end = max(d.published_at for d in out if d.published_at) + timedelta(hours=goal.hours) * scale
    if now < end:
        return end
    fresh = all(any(s["at"] >= end for s in logs.samples_of(conn, d.id)) for d in out)
    return None if fresh or now >= end + _GRACE * scale else min(now + _LOOK_AGAIN * scale, end + _GRACE * scale)


def _value(conn: Connection, delivery: Delivery, goal: Goal) -> int | None:
    samples = logs.samples_of(conn, delivery.id)
    value: int | None = samples[-1][goal.metric] if samples else None
    return value


def _name(conn: Connection, delivery: Delivery) -> str:
    return f"{NAMES[delivery.platform]} ({accounts.get(conn, delivery.account_id).account_name})"


def _tell(conn: Connection, goal: Goal, first: Delivery, text: str, met: bool | None, now: datetime) -> None:
    status = StepStatus.SUCCESS if met else StepStatus.WARNING
    logs.analysis(
        conn, first, Step.ENGAGEMENT, status, now, text, by="rules", criteria=goal.criteria.to_json(), met=met
    )
    kind = AlertType.SUCCESS if met else AlertType.WARNING
    logs.alert(
        conn, user_id=goal.user_id, post_id=goal.post_id, delivery_id=None, type=kind, message=text,
        dedupe_key=f"post:{goal.post_id}:criteria", now=now, kind=AlertKind.CRITERIA,
    )  # fmt: skip
