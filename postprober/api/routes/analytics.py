"""What worked, as numbers."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from postprober.api.auth import Caller, CallerDep, require
from postprober.api.deps import CoreDep, SlowDep
from postprober.api.problems import responses
from postprober.api.slow_work import SlowWork
from postprober.domain.platform import known
from postprober.errors import NotFound
from postprober.services.core import Core
from postprober.services.reports import analytics
from postprober.services.reports.analytics import Board

router = APIRouter(prefix="/api/analytics", tags=["analytics"])
Days = Annotated[int, Query(description="7, 28, 90 or 365, today included", examples=[28])]
Metric = Annotated[str, Query(description="engagement, likes, reposts, replies, quotes, bookmarks or views")]
Zone = Annotated[str, Query(description="On whose clock days and hours are; yours when it is left out")]


class TableOut(BaseModel):
    """Rows of values in the order of `columns`; null where nothing is known, which is never zero."""

    columns: list[str]
    rows: list[list[Any]]


class AnalyticsOut(BaseModel):
    """`figures`: tables by name. `titles`: how posts begin, by id. `missing`: days whose counts are lost."""

    figures: dict[str, TableOut] = Field(examples=[{"by-platform": {"columns": ["platform"], "rows": [[known()[0]]]}}])
    titles: dict[int, str]
    missing: list[str]


@router.get("", summary="Read all numbers of a period", responses=responses(401, 403, 409, 422, 429))
async def everything(
    core: CoreDep, caller: CallerDep, slow: SlowDep, days: Days = 28, metric: Metric = "engagement", zone: Zone = ""
) -> AnalyticsOut:
    """What the Analytics page shows."""
    board = await _board(core, caller, slow, days, metric, zone)
    tables = {
        name: TableOut(columns=list(found.columns), rows=[list(row) for row in found.rows])
        for name, found in board.figures.items()
    }
    return AnalyticsOut(figures=tables, titles=board.titles, missing=[day.isoformat() for day in board.missing])


@router.get(
    "/{figure}",
    summary="Read one table as CSV",
    response_class=Response,
    responses={
        **responses(401, 403, 404, 409, 422, 429),
        200: {"content": {"text/csv": {}}, "description": "The table"},
    },
)
async def one(
    figure: str,
    core: CoreDep,
    caller: CallerDep,
    slow: SlowDep,
    days: Days = 28,
    metric: Metric = "engagement",
    zone: Zone = "",
) -> Response:
    """`figure`: one of the names in `figures`. Formulas in it are defused for spreadsheets."""
    found = (await _board(core, caller, slow, days, metric, zone)).figures.get(figure)
    if found is None:
        raise NotFound("There is no such table.")
    name = f"postprober-{figure}.csv"
    return Response(
        found.csv(), media_type="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


async def _board(core: Core, caller: Caller, slow: SlowWork, days: int, metric: str, zone: str) -> Board:
    require(caller, "analytics:read")
    actor = caller.actor
    return await slow.run(actor.user, lambda: analytics.take(core, actor, days, metric, zone))
