"""Diagnoses and repairs, for the Monitor page, the API and the CLI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from postprober.domain.actor import Actor
from postprober.domain.diagnosis import AUTHORITY, Fix
from postprober.errors import Conflict
from postprober.pipeline.repairs import fixes
from postprober.services.core import Core
from postprober.services.people import permits, token_limits
from postprober.services.posts import drafts, gate
from postprober.storage import deliveries, posts, repairs
from postprober.storage.repairs import Repair


@dataclass(frozen=True)
class RepairView:
    """One diagnosis and what became of its fix.

    `state`: `proposed` waits for a click, `applied` is done, `refused` by a person, `superseded` by what happened
    since, `needs_person`: there is nothing to click, because only a person can do it (`explanation` says what).
    `before`, `after`: texts of all parts where the fix changes words, else empty; `files`: what happens to files;
    `until`: when it is tried again. `authority`: whose word the fix needs.
    """

    id: int
    delivery_id: int
    cause: str
    confidence: float
    cited: tuple[int, ...]
    retryable: bool
    fix: str
    explanation: str
    by: str
    note: str
    state: Literal["proposed", "applied", "refused", "superseded", "needs_person"]
    before: tuple[str, ...]
    after: tuple[str, ...]
    files: str
    until: str | None
    authority: str
    made_at: datetime


@permits.needs("monitoring:read")
def of_post(core: Core, actor: Actor, post_id: int) -> list[RepairView]:
    """All diagnoses of the post's deliveries, oldest first. Raises NotFound."""
    with core.db.read() as conn:
        posts.get(conn, post_id, actor.space)
        return [_view(row) for row in repairs.of_post(conn, post_id) if row.fix]


@permits.needs("monitoring:read")
def of_posts(core: Core, actor: Actor, post_ids: Sequence[int]) -> dict[int, list[RepairView]]:
    """The diagnoses of several posts, by delivery, oldest first; what is not the user's is left out."""
    with core.db.read() as conn:
        rows = repairs.of_posts(conn, actor.space, post_ids)
    found: dict[int, list[RepairView]] = {}
    for row in rows:
        if row.fix:
            found.setdefault(row.delivery_id, []).append(_view(row))
    return found


@permits.needs("monitoring:read")
def of_delivery(core: Core, actor: Actor, delivery_id: int) -> list[RepairView]:
    """All diagnoses of one delivery, oldest first. Raises NotFound, also for somebody else's."""
    with core.db.read() as conn:
        posts.get(conn, deliveries.get(conn, delivery_id).post_id, actor.space)
        return [_view(row) for row in repairs.of_delivery(conn, delivery_id) if row.fix]


@permits.needs("monitoring:read")
def get(core: Core, actor: Actor, repair_id: int) -> RepairView:
    """Raises NotFound."""
    with core.db.read() as conn:
        return _view(repairs.get(conn, repair_id, actor.space))


@permits.needs("posts:publish")
def apply(core: Core, actor: Actor, repair_id: int, approved: str = "") -> RepairView:
    """A person says yes to a repair that waits. One that changes words passes the gate; `approved`: the digest of a ReviewNeeded.
    Raises NotFound, ReviewNeeded, PreflightFailed, or Conflict when it is no longer open or no longer right."""
    _pass_the_gate(core, actor, repair_id, approved)
    now = core.clock.now()
    with core.db.write() as conn:
        repair = repairs.get(conn, repair_id, actor.space)
        delivery = deliveries.get(conn, repair.delivery_id)
        token_limits.refuse_accounts(conn, actor, [delivery.account_id], now)
        if repair.state != "proposed":
            raise Conflict(f"This repair can no longer be applied: it is {repair.state or 'not made yet'}.")
        fixes.check_still_right(conn, repair, delivery)
        if not repairs.decide(conn, repair_id, "applied", now):
            raise Conflict("Someone else has already decided on this repair.")
        what = repair.fix.replace("_", " ")
        fixes.apply(conn, repair, delivery, f"{permits.name_of(conn, actor)} applied the repair: {what}", now)
    return get(core, actor, repair_id)


def _pass_the_gate(core: Core, actor: Actor, repair_id: int, approved: str) -> None:
    with core.db.read() as conn:
        repair = repairs.get(conn, repair_id, actor.space)
        if "after" not in repair.plan or repair.state != "proposed":
            return
        delivery = deliveries.get(conn, repair.delivery_id)
        fixes.check_still_right(conn, repair, delivery)
        post = posts.get(conn, delivery.post_id, actor.space)
    out = tuple(part.text for part in delivery.parts if part.ref is not None)
    words = (*out, *repair.plan["after"])
    alone = gate.alone(drafts.wish_of(post), delivery, words)
    gate.passed(core, actor, alone, approved, but=(post.id,))


@permits.needs("posts:publish")
def refuse(core: Core, actor: Actor, repair_id: int) -> RepairView:
    """A person says no. Raises NotFound, Forbidden or Conflict."""
    with core.db.write() as conn:
        row = repairs.get(conn, repair_id, actor.space)
        token_limits.refuse_accounts(conn, actor, [deliveries.get(conn, row.delivery_id).account_id], core.clock.now())
        if not repairs.decide(conn, repair_id, "refused", core.clock.now()):
            raise Conflict("This repair is no longer open.")
    return get(core, actor, repair_id)


def _view(row: Repair) -> RepairView:
    plan = row.plan
    return RepairView(
        id=row.id,
        delivery_id=row.delivery_id,
        cause=row.cause,
        confidence=row.confidence,
        cited=tuple(row.cited),
        retryable=row.retryable,
        fix=row.fix,
        explanation=row.explanation,
        by=row.by,
        note=row.note,
        state=row.state,  # type: ignore[arg-type]
        before=tuple(plan.get("before", ())),
        after=tuple(plan.get("after", ())),
        files=plan.get("files", ""),
        until=plan.get("until"),
        authority=AUTHORITY[Fix(row.fix)].value if row.fix else "",
        made_at=row.made_at,
    )
