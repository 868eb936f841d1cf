"""What is going on: for the Monitor page, the CLI and the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from postprober.domain import held
from postprober.domain.actor import Actor
from postprober.domain.delivery import TRAITS, DeliveryState, Proof, Step
from postprober.domain.platform import NAMES
from postprober.errors import NotFound
from postprober.services.core import Core
from postprober.services.monitoring import old_details
from postprober.services.people import permits
from postprober.storage import accounts, alert_log, deliveries, glance, health, posts, processes, sample_days
from postprober.storage import tables as t
from postprober.storage.glance import Glance
from postprober.storage.records import Account, AlertRecord, Attempt, Delivery, Post, StepRecord

HEARTBEAT_LIMIT = timedelta(seconds=15)
SEARCHED = 500  # newest posts that a filter looks through; older ones are for a search, not for a monitor


@dataclass(frozen=True)
class StepView:
    """The newest word on one step. `status` "" when it has not begun."""

    step: str
    status: str = ""
    at: datetime | None = None
    details: dict[str, Any] | None = None


@dataclass(frozen=True)
class DeliveryView:
    """One delivery for a person. `explanation` is one sentence; `repair` says what went wrong on the way and what was
    done about it, "" when nothing did."""

    delivery: Delivery
    platform: str
    account: str
    steps: tuple[StepView, ...]
    explanation: str
    counts: dict[str, int | None]
    history: tuple[dict[str, Any], ...]
    repair: str = ""
    blocked: bool = False  # waits until a person links the account again
    delayed: bool = False  # waits because its platform is failing
    diagnosing: bool = False  # the agent looks why, and whether it can be repaired


@dataclass(frozen=True)
class PostView:
    post: Post
    deliveries: tuple[DeliveryView, ...]


@permits.needs("monitoring:read")
def post_view(core: Core, actor: Actor, post_id: int) -> PostView:
    """Everything about one post. Raises NotFound."""
    with core.db.read() as conn:
        sample_days.one_moment(conn)
        return _views(core, conn, actor.space, [post_id])[0]


@permits.needs("monitoring:read")
def delivery_view(core: Core, actor: Actor, delivery_id: int) -> DeliveryView:
    """Everything about one delivery. Raises NotFound, also for somebody else's."""
    with core.db.read() as conn:
        sample_days.one_moment(conn)
        post = posts.get(conn, deliveries.get(conn, delivery_id).post_id)
        if post.user_id != actor.space:
            raise NotFound(f"There is no delivery {delivery_id}.")
        return next(v for v in _views(core, conn, actor.space, [post.id])[0].deliveries if v.delivery.id == delivery_id)


@permits.needs("monitoring:read")
def recent_ids(
    core: Core, actor: Actor, limit: int = 10, *, statuses: Sequence[str] = (), platforms: Sequence[str] = ()
) -> list[int]:
    """Ids of the newest posts, newest first; only those with one of `statuses` and on one of `platforms` where given."""
    with core.db.read() as conn:
        newest = posts.newest(conn, actor.space, statuses, limit=SEARCHED if platforms else limit)
    found = [post_id for post_id, on in newest if not platforms or set(platforms) & set(on)]
    return found[:limit]


@permits.needs("monitoring:read")
def views_of(core: Core, actor: Actor, post_ids: Sequence[int]) -> list[PostView]:
    """The posts in the order of `post_ids`; those that were deleted meanwhile, or are somebody else's, are left out."""
    with core.db.read() as conn:
        sample_days.one_moment(conn)
        there = {post.id for post in posts.of_user(conn, actor.space, post_ids)}
        return _views(core, conn, actor.space, [one for one in post_ids if one in there])


@permits.needs("monitoring:read")
def recent_views(core: Core, actor: Actor, limit: int = 10) -> list[PostView]:
    """The newest posts, newest first."""
    return views_of(core, actor, recent_ids(core, actor, limit))


@permits.needs("monitoring:read")
def stamp(core: Core, actor: Actor, post_ids: Sequence[int]) -> tuple[Any, ...]:
    """Differs as soon as anything shown of these posts, any post's status or the newest alert differs.

    Read it before the posts: what changes while they are read is then seen at the next look. Six look-ups in indexes, so that a page may ask every two seconds and read everything again only when it changed.
    """
    wanted = list(post_ids)
    shown = select(t.deliveries.c.id).where(t.deliveries.c.post_id.in_(wanted))
    questions = (
        select(func.max(t.posts.c.id), func.max(t.posts.c.updated_at)).where(t.posts.c.user_id == actor.space),
        select(func.max(t.alerts.c.id)).where(t.alerts.c.user_id == actor.space),
        select(func.max(t.deliveries.c.updated_at)).where(t.deliveries.c.post_id.in_(wanted)),
        select(func.max(t.monitoring_logs.c.id)).where(t.monitoring_logs.c.post_id.in_(wanted)),
        select(func.max(t.samples.c.id)).where(t.samples.c.delivery_id.in_(shown)),
        select(func.max(t.repairs.c.id), func.count()).where(
            t.repairs.c.post_id.in_(wanted), t.repairs.c.state != "open"
        ),
    )
    with core.db.read() as conn:
        return tuple(value for question in questions for value in conn.execute(question).one())


def _views(core: Core, conn: Connection, space: int, post_ids: Sequence[int]) -> list[PostView]:
    mine = {account.id: account for account in accounts.of_user(conn, space, active_only=False)}
    seen = glance.take(conn, space, post_ids)
    _unfold(core, conn, seen)
    waiting = [one.id for found in seen.deliveries.values() for one in found if one.state is DeliveryState.WAITING]
    late = health.delayed(conn, waiting) if waiting else set()
    return [
        PostView(post, tuple(_view(one, mine[one.account_id], seen, late) for one in seen.deliveries.get(post.id, ())))
        for post in seen.posts
    ]


def _unfold(core: Core, conn: Connection, seen: Glance) -> None:
    """Put the changes of state that lie in files before those that are in the table."""
    ids = [one.id for its in seen.deliveries.values() for one in its]
    for row in old_details.of(conn, core.settings.data_dir, ids, t.transitions):
        seen.history.setdefault(row["delivery_id"], []).append(row)
    for its in seen.history.values():
        its.sort(key=lambda row: int(row["id"]))


def _view(delivery: Delivery, account: Account, seen: Glance, delayed: set[int]) -> DeliveryView:
    sample = seen.samples.get(delivery.id, {})
    history = tuple(seen.history.get(delivery.id, ()))
    return DeliveryView(
        delivery=delivery,
        platform=NAMES[delivery.platform],
        account=account.account_name,
        steps=_steps(seen.steps.get(delivery.id, {})),
        explanation=_explain(delivery),
        counts={k: v for k, v in sample.items() if k not in ("id", "delivery_id", "at")},
        history=history,
        repair=_repair(delivery, history),
        blocked=delivery.state is DeliveryState.WAITING and account.status != "ok",
        delayed=delivery.id in delayed,
        diagnosing=delivery.id in seen.diagnosing,
    )


@permits.needs("monitoring:read")
def attempts_of(core: Core, actor: Actor, delivery_id: int) -> list[Attempt]:
    """Raises NotFound, also for somebody else's."""
    with core.db.read() as conn:
        sample_days.one_moment(conn)
        delivery = deliveries.get(conn, delivery_id)
        posts.get(conn, delivery.post_id, actor.space)
        return old_details.attempts_of(conn, core.settings.data_dir, delivery_id)


@permits.needs("monitoring:read")
def step_rows(core: Core, actor: Actor, post_id: int, after: int = 0, limit: int | None = None) -> list[StepRecord]:
    """Rows of `monitoring_logs` with ids greater than `after`, oldest first. Raises NotFound."""
    with core.db.read() as conn:
        sample_days.one_moment(conn)
        posts.get(conn, post_id, actor.space)
        return old_details.steps_of(conn, core.settings.data_dir, post_id, after=after, limit=limit)


@permits.needs("alerts:read")
def alerts(
    core: Core,
    actor: Actor,
    limit: int = 20,
    *,
    before: int | None = None,
    unread: bool = False,
    kinds: Sequence[str] = (),
) -> list[AlertRecord]:
    """Newest first; `before`: only ids smaller than this; `kinds`: only these."""
    with core.db.read() as conn:
        return alert_log.of_user(conn, actor.space, limit=limit, before=before, unread=unread, kinds=kinds)


@permits.needs("alerts:read")
def unread(core: Core, actor: Actor, most: int = 100) -> int:
    """How many alerts the user has not read; counts no further than `most`."""
    with core.db.read() as conn:
        return alert_log.unread_count(conn, actor.space, most)


@permits.needs("alerts:write")
def mark_read(core: Core, actor: Actor, alert_id: int) -> AlertRecord:
    """The alert, which is now read. Raises NotFound."""
    with core.db.write() as conn:
        return alert_log.mark_read(conn, actor.space, alert_id)


@permits.needs("alerts:write")
def mark_all_read(core: Core, actor: Actor, until: int) -> int:
    """Mark all up to the alert `until` as read: what came after the person looked stays unread."""
    with core.db.write() as conn:
        return alert_log.mark_all_read(conn, actor.space, until)


def heartbeat_age(core: Core) -> timedelta | None:
    """Since the scheduler last said that it lives; None when it never did."""
    now = core.clock.now()
    with core.db.read() as conn:
        beat = processes.newest_beat(conn, "scheduler", now)
    return max(timedelta(0), now - beat) if beat else None


def finished(view: PostView) -> bool:
    """Whether nothing will change by itself any more (looking again at held ones and counting aside)."""
    return all(
        not v.diagnosing
        and (
            TRAITS[v.delivery.state].at_rest
            or (v.delivery.state is DeliveryState.PUBLISHED and _given_up(v))
            or (v.delivery.state is DeliveryState.WAITING and v.blocked)
        )
        for v in view.deliveries
    )


def _given_up(view: DeliveryView) -> bool:
    """The platform lets nobody read the post: its own word is all there will be."""
    step = next(s for s in view.steps if s.step == Step.VERIFICATION)
    return step.status == "warning"


def _steps(newest: Mapping[str, dict[str, Any]]) -> tuple[StepView, ...]:
    return tuple(
        StepView(step.value, row["status"], row["timestamp"], row["details"])
        if (row := newest.get(step.value))
        else StepView(step.value)
        for step in Step
    )


def _explain(delivery: Delivery) -> str:
    told = held.sentence(delivery.state, delivery.cause, unknown=delivery.unknown_at is not None)
    if delivery.state in (DeliveryState.VERIFIED, DeliveryState.PUBLISHED, DeliveryState.SCHEDULED):
        return told
    if delivery.state is DeliveryState.PARTIAL:
        out = sum(part.ref is not None for part in delivery.parts)
        told = f"{told} Published: {out} of {len(delivery.parts)}."
    reason = delivery.reason.strip()
    reason = f"{reason[:1].upper()}{reason[1:]}"
    if delivery.state is DeliveryState.CANCELLED and reason:
        return f"{reason.removesuffix('.')}. {told}"
    return f"{told} {reason}" if reason else told


def _repair(delivery: Delivery, history: Sequence[dict[str, Any]]) -> str:
    """For a delivery that is out: the last thing that had gone wrong, and its cure."""
    traits = TRAITS[delivery.state]
    if not traits.delivered or traits.needs_person or delivery.proof is Proof.NOT_PUBLIC:
        return ""
    for change in reversed(history):
        if change["old"] == DeliveryState.UNCONFIRMED and change["new"] == DeliveryState.PUBLISHED:
            return "Repaired: the response was lost, but we checked and found the post. Nothing was sent twice."
        if change["old"] == DeliveryState.UNCONFIRMED and change["new"] == DeliveryState.SCHEDULED:
            return "Repaired: the response was lost. We confirmed that the post was not there and sent it again."
        if change["old"] == DeliveryState.HELD:
            return "Repaired: it was held and then decided."
        if change["old"] == DeliveryState.FAILED:
            return "Repaired: an earlier attempt failed and was retried."
        if change["old"] == DeliveryState.GHOST:
            return "Repaired: it was not visible for a while and is back."
    return ""
