"""What is going on: for the Monitor page, the CLI and the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from postprober.domain.delivery import TRAITS, DeliveryState, Step
from postprober.domain.platform import NAMES
from postprober.services.core import Core
from postprober.storage import accounts, attempts, deliveries, logs, posts, processes
from postprober.storage.records import Attempt, Delivery, Post

HEARTBEAT_LIMIT = timedelta(seconds=15)


@dataclass(frozen=True)
class StepView:
    """The newest word on one step. `status` "" when it has not begun."""

    step: str
    status: str = ""
    at: datetime | None = None
    details: dict[str, Any] | None = None


@dataclass(frozen=True)
class DeliveryView:
    """One delivery for a person. `explanation` is one sentence."""

    delivery: Delivery
    platform: str
    account: str
    steps: tuple[StepView, ...]
    explanation: str
    counts: dict[str, int | None]
    history: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class PostView:
    post: Post
    deliveries: tuple[DeliveryView, ...]


def post_view(core: Core, user_id: int, post_id: int) -> PostView:
    """Everything about one post. Raises NotFound."""
    with core.db.read() as conn:
        post = posts.get(conn, post_id, user_id)
        names = {a.id: a.account_name for a in accounts.of_user(conn, user_id, active_only=False)}
        rows = logs.steps_of_post(conn, post_id)
        changes = deliveries.history(conn, post_id)
        views = []
        for delivery in deliveries.of_post(conn, post_id):
            samples = logs.samples_of(conn, delivery.id)
            newest = samples[-1] if samples else {}
            views.append(
                DeliveryView(
                    delivery=delivery,
                    platform=NAMES[delivery.platform],
                    account=names.get(delivery.account_id, ""),
                    steps=_steps([r for r in rows if r["delivery_id"] == delivery.id]),
                    explanation=_explain(delivery),
                    counts={k: v for k, v in newest.items() if k not in ("id", "delivery_id", "at")},
                    history=tuple(c for c in changes if c["delivery_id"] == delivery.id),
                )
            )
    return PostView(post, tuple(views))


def recent_views(core: Core, user_id: int, limit: int = 10) -> list[PostView]:
    """The newest posts, newest first."""
    with core.db.read() as conn:
        ids = [post.id for post in posts.of_user(conn, user_id, limit=limit)]
    return [post_view(core, user_id, post_id) for post_id in ids]


def attempts_of(core: Core, user_id: int, delivery_id: int) -> list[Attempt]:
    """Raises NotFound, also for somebody else's."""
    with core.db.read() as conn:
        delivery = deliveries.get(conn, delivery_id)
        posts.get(conn, delivery.post_id, user_id)
        return attempts.of_delivery(conn, delivery_id)


def step_rows(core: Core, user_id: int, post_id: int, after: int = 0) -> list[dict[str, Any]]:
    """Rows of `monitoring_logs` with ids greater than `after`. Raises NotFound."""
    with core.db.read() as conn:
        posts.get(conn, post_id, user_id)
        return logs.steps_of_post(conn, post_id, after=after)


def alerts(core: Core, user_id: int, limit: int = 20) -> list[dict[str, Any]]:
    with core.db.read() as conn:
        return logs.alerts_of(conn, user_id, limit=limit)


def heartbeat_age(core: Core) -> timedelta | None:
    """Since the scheduler last said that it lives; None when it never did."""
    with core.db.read() as conn:
        beat = processes.newest_beat(conn, "scheduler")
    return core.clock.now() - beat if beat else None


def finished(view: PostView) -> bool:
    """Whether nothing will change by itself any more (looking again at held ones and counting aside)."""
    return all(
        TRAITS[v.delivery.state].terminal or (v.delivery.state is DeliveryState.PUBLISHED and _given_up(v))
        for v in view.deliveries
    )


def _given_up(view: DeliveryView) -> bool:
    """The platform lets nobody read the post: its own word is all there will be."""
    step = next(s for s in view.steps if s.step == Step.VERIFICATION)
    return step.status == "warning"


def _steps(rows: list[dict[str, Any]]) -> tuple[StepView, ...]:
    newest = {row["step"]: row for row in rows}
    return tuple(
        StepView(step.value, row["status"], row["timestamp"], row["details"])
        if (row := newest.get(step.value))
        else StepView(step.value)
        for step in Step
    )


def _explain(delivery: Delivery) -> str:
    traits = TRAITS[delivery.state]
    if delivery.state in (DeliveryState.VERIFIED, DeliveryState.PUBLISHED, DeliveryState.SCHEDULED):
        return traits.sentence
    reason = delivery.reason.strip()
    return f"{traits.sentence} {reason[:1].upper()}{reason[1:]}" if reason else traits.sentence
