"""Why deliveries failed, and what can be done about it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from fastapi import APIRouter
from pydantic import BaseModel, Field

from postprober.api.auth import CallerDep, require
from postprober.api.deps import CoreDep
from postprober.api.problems import responses
from postprober.api.schemas import ApprovedBody, PathId
from postprober.services.monitoring import repairs
from postprober.services.monitoring.repairs import RepairView

router = APIRouter(prefix="/api", tags=["repairs"])


class RepairOut(BaseModel):
    """A diagnosis and its fix. `proposed`: it waits for your word; `needs_person`: only a person can do it, `explanation` says
    what. `before` and `after`: the texts, where the fix changes words. `cited`: the attempts it rests on."""

    id: int
    delivery_id: int
    state: Literal["proposed", "applied", "refused", "superseded", "needs_person"]
    cause: str = Field(examples=["text_too_long"])
    fix: str = Field(examples=["split_thread"])
    authority: str = Field(examples=["standing_permission"])
    explanation: str
    confidence: float
    by: str = Field(examples=["rules"])
    note: str
    cited: list[int]
    retryable: bool
    before: list[str]
    after: list[str]
    files: str
    until: datetime | None
    made_at: datetime

    @classmethod
    def of(cls, view: RepairView) -> Self:
        return cls.model_validate(vars(view))


class RepairList(BaseModel):
    """Oldest first."""

    items: list[RepairOut]


@router.get(
    "/monitoring/{post_id}/repairs",
    summary="Read why deliveries of a post failed",
    responses=responses(401, 403, 404, 422),
)
def listing(post_id: PathId, core: CoreDep, caller: CallerDep) -> RepairList:
    """Each failure with its diagnosis, and what was or can be done."""
    require(caller, "monitoring:read")
    return RepairList(items=[RepairOut.of(view) for view in repairs.of_post(core, caller.actor, post_id)])


@router.post("/repairs/{repair_id}/apply", summary="Apply a repair", responses=responses(401, 403, 404, 409, 422))
def apply(repair_id: PathId, core: CoreDep, caller: CallerDep, body: ApprovedBody | None = None) -> RepairOut:
    """409 when the delivery has moved on since it was proposed, and 409 `review-needed` when it changes words that the
    review holds."""
    require(caller, "monitoring:write", "posts:publish")
    return RepairOut.of(repairs.apply(core, caller.actor, repair_id, body.approved if body else ""))


@router.post("/repairs/{repair_id}/refuse", summary="Refuse a repair", responses=responses(401, 403, 404, 409, 422))
def refuse(repair_id: PathId, core: CoreDep, caller: CallerDep) -> RepairOut:
    """The delivery stays as it is."""
    require(caller, "monitoring:write", "posts:publish")
    return RepairOut.of(repairs.refuse(core, caller.actor, repair_id))
