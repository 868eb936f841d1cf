"""After a post is out: what its counts mean, and whether it has reached what it should."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from postprober.agent import results
from postprober.agent.results import Counted
from postprober.domain.alert import AlertKind, AlertType
from postprober.domain.delivery import TRAITS, DeliveryState, Step, StepStatus
from postprober.domain.engagement import near, nearest
from postprober.domain.platform import NAMES
from postprober.domain.remote import Counts
from postprober.pipeline.core.claimed_delivery import ClaimedDelivery
from postprober.pipeline.core.context import Context
from postprober.storage import accounts, alert_log, deliveries, goals, history, sample_log, step_log
from postprober.storage.goals import Goal
from postprober.storage.loops import each
from postprober.storage.records import Delivery, SampleRecord

log = logging.getLogger("postprober.results")
S = DeliveryState
JUDGED_AFTER = timedelta(hours=24)  # when counts are commented; the engagement plan reads them then
_HOUR = timedelta(hours=1)
_GRACE = timedelta(hours=1)  # how long a fresh count is waited for when the time is up
_PUT_OFF = timedelta(hours=1)
_LOOK_AGAIN = timedelta(minutes=10)


def comment(work: ClaimedDelivery, conn: Connection, counts: Counts, before: Sequence[SampleRecord]) -> None:
    """With the first counts that are a day old: what they mean, once, in the transaction that stores them."""
    published = work.delivery.published_at
    after = JUDGED_AFTER * work.ctx.timing.engagement_scale
    scale = work.ctx.timing.engagement_scale

    def a_day_old(age: timedelta) -> bool:
        return age >= after or near(age, after, scale)

    if published is None or not a_day_old(work.now() - published):
        return
    if any(a_day_old(sample.at - published) for sample in before):
        return
    past = [row.counts for row in history.at_a_day(conn, work.account.id, but=work.delivery.id)]
    age = work.now() - published
    same_age = near(age, after, scale)
    hours = JUDGED_AFTER / _HOUR if same_age else age / scale / _HOUR
    told = results.comment(vars(counts), past, round(hours), at_a_day=same_age)
    status = StepStatus.WARNING if told.suspicious else StepStatus.SUCCESS
    shown = {name: value for name, value in vars(counts).items() if value is not None}
    step_log.add_analysis(
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
        alert_log.add(
            conn,
            user_id=work.delivery.user_id,
            post_id=work.delivery.post_id,
            delivery_id=work.delivery.id,
            type=AlertType.WARNING,
            message=f"{name}: {told.text}",
            dedupe_key=f"delivery:{work.delivery.id}:reach",
            now=work.now(),
            kind=AlertKind.REACH,
        )


def remember(work: ClaimedDelivery, conn: Connection, counts: Counts) -> None:
    """Keep what the post had at 24 hours, for later ones to be compared with: of several readings the nearest."""
    published, scale = work.delivery.published_at, work.ctx.timing.engagement_scale
    if published is None or not near(work.now() - published, JUDGED_AFTER * scale, scale):
        return
    day, earlier = published + JUDGED_AFTER * scale, history.day_reading(conn, work.delivery.id)
    if earlier is None or abs(work.now() - day) < abs(earlier - day):
        history.put_at_a_day(conn, work.delivery.id, counts, work.now())


def judge_due(ctx: Context) -> int:
    """Judge the aims whose time is up; returns how many. One that cannot be judged is put off and holds up no other."""
    with ctx.db.read() as conn:
        due = goals.due(conn, ctx.clock.now())

    def later(goal: Goal, _error: Exception) -> None:
        with ctx.db.write() as conn:
            goals.later(conn, goal, ctx.clock.now() + _PUT_OFF)

    return each(due, lambda goal: _judge(ctx, goal), log, "a goal is judged", later)


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
        found_counts = [_counted(ctx, conn, d, goal) for d in out]
        known = [one.value for one in found_counts if one.value is not None]
        value = sum(known) if known else None
        text = results.verdict(goal.criteria, found_counts)
        met = results.met(goal.criteria, found_counts)
        if not goals.judge(conn, goal, met=met, value=value, comment=text, now=now):
            return False
        _tell(conn, goal, out[0], text, met, now)
    return True


def _wait(
    ctx: Context, conn: Connection, goal: Goal, found: list[Delivery], out: list[Delivery], now: datetime
) -> datetime | None:
    """Until when it is too early to judge; None when it is time."""
    if not out:
        return None if all(TRAITS[d.state].at_rest for d in found) else now + _LOOK_AGAIN
    scale = ctx.timing.engagement_scale
    end = max(d.published_at for d in out if d.published_at) + timedelta(hours=goal.hours) * scale
    if now < end:
        return end
    fresh = all(_counted(ctx, conn, d, goal).hours is None for d in out)
    return None if fresh or now >= end + _GRACE * scale else min(now + _LOOK_AGAIN * scale, end + _GRACE * scale)


def _counted(ctx: Context, conn: Connection, delivery: Delivery, goal: Goal) -> Counted:
    """The delivery's count at the goal's own hour; without one the last before, or else the first after, with its age."""
    published, scale = delivery.published_at, ctx.timing.engagement_scale
    name, at = _name(conn, delivery), timedelta(hours=goal.hours) * scale
    read = {s.at - published: s for s in sample_log.of_delivery(conn, delivery.id) if published and s.at >= published}
    known = {age: n for age, sample in read.items() if (n := sample.count(goal.metric)) is not None}
    if not known:
        return Counted(name, None, hours=None if nearest(read, at, scale) is not None else 0.0, reported=not read)
    if (here := nearest(known, at, scale)) is not None:
        return Counted(name, known[here])
    age = max((age for age in known if age <= at), default=min(known))
    return Counted(name, known[age], hours=age / scale / _HOUR)


def _name(conn: Connection, delivery: Delivery) -> str:
    return f"{NAMES[delivery.platform]} ({accounts.get(conn, delivery.account_id).account_name})"


def _tell(conn: Connection, goal: Goal, first: Delivery, text: str, met: bool | None, now: datetime) -> None:
    status = StepStatus.SUCCESS if met else StepStatus.WARNING
    step_log.add_analysis(
        conn, first, Step.ENGAGEMENT, status, now, text, by="rules", criteria=goal.criteria.to_json(), met=met
    )
    kind = AlertType.SUCCESS if met else AlertType.WARNING
    alert_log.add(
        conn,
        user_id=goal.user_id,
        post_id=goal.post_id,
        delivery_id=None,
        type=kind,
        message=text,
        dedupe_key=f"post:{goal.post_id}:criteria",
        now=now,
        kind=AlertKind.CRITERIA,
    )
