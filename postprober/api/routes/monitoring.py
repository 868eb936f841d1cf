"""How far posts are, and trying again."""

from __future__ import annotations

from fastapi import APIRouter, Response

from postprober.api import cursors
from postprober.api.auth import CallerDep, require
from postprober.api.cursors import Cursor, Limit
from postprober.api.deps import CoreDep
from postprober.api.idempotency import OnceDep, StoredAnswer
from postprober.api.problems import responses
from postprober.api.schemas import PathId
from postprober.api.views import LogList, LogOut, MonitoringOut
from postprober.services.core import Mark
from postprober.services.monitoring import monitoring
from postprober.services.posts import delivery_actions

router = APIRouter(prefix="/api/monitoring", tags=["monitoring"])


@router.get("/{post_id}", summary="See how far a post is", responses=responses(401, 403, 404, 422))
def status(post_id: PathId, core: CoreDep, caller: CallerDep) -> MonitoringOut:
    """Each delivery with its steps, its proof and its newest engagement counts."""
    require(caller, "monitoring:read")
    return MonitoringOut.of(monitoring.post_view(core, caller.actor, post_id))


@router.get("/{post_id}/logs", summary="Read a post's step log", responses=responses(401, 403, 404, 422))
def logs(
    post_id: PathId, core: CoreDep, caller: CallerDep, limit: Limit = cursors.DEFAULT_LIMIT, cursor: Cursor = None
) -> LogList:
    """Oldest first."""
    require(caller, "monitoring:read")
    kind = f"logs{post_id}"
    after = cursors.decode(kind, cursor) or 0
    rows = monitoring.step_rows(core, caller.actor, post_id, after, limit + 1)
    shown, following = cursors.page(kind, rows, limit, lambda row: row.id)
    return LogList(items=[LogOut.of(row) for row in shown], next_cursor=following)


@router.post(
    "/{post_id}/retry",
    summary="Try the failed deliveries again",
    response_model=MonitoringOut,
    responses=responses(401, 403, 404, 409, 422),
)
def retry(post_id: PathId, core: CoreDep, caller: CallerDep, once: OnceDep) -> Response:
    """Only those that failed: nothing of them was published. What is held or invisible is never sent again by this."""
    require(caller, "monitoring:write", "posts:publish")

    def work(mark: Mark, made: int | None) -> StoredAnswer:
        if made is None:
            delivery_actions.retry(core, caller.actor, post_id, mark)
        return StoredAnswer(200, MonitoringOut.of(monitoring.post_view(core, caller.actor, post_id)))

    return once.answer("", work)
