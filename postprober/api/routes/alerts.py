"""What a person was told."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from postprober.api import cursors
from postprober.api.auth import CallerDep, require
from postprober.api.cursors import Cursor, Limit
from postprober.api.deps import CoreDep
from postprober.api.problems import responses
from postprober.api.schemas import PathId
from postprober.api.views import AlertList, AlertOut
from postprober.services.monitoring import monitoring

router = APIRouter(prefix="/api/alerts", tags=["alerts"])
Unread = Annotated[bool, Query(description="Only those that nobody has read")]


@router.get("", summary="List alerts", responses=responses(401, 403, 422))
def listing(
    core: CoreDep,
    caller: CallerDep,
    limit: Limit = cursors.DEFAULT_LIMIT,
    cursor: Cursor = None,
    unread: Unread = False,
) -> AlertList:
    """Yours, newest first."""
    require(caller, "alerts:read")
    before = cursors.decode("alerts", cursor)
    rows = monitoring.alerts(core, caller.actor, limit + 1, before=before, unread=unread)
    shown, following = cursors.page("alerts", rows, limit, lambda row: row.id)
    return AlertList(items=[AlertOut.of(row) for row in shown], next_cursor=following)


@router.post("/{alert_id}/read", summary="Mark an alert as read", responses=responses(401, 403, 404, 422))
def mark_read(alert_id: PathId, core: CoreDep, caller: CallerDep) -> AlertOut:
    """Doing it twice changes nothing more."""
    require(caller, "alerts:write")
    return AlertOut.of(monitoring.mark_read(core, caller.actor, alert_id))
