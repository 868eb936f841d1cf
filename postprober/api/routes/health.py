"""Is the sidecar alive, can PostProber do its work, and how do the platforms stand?"""

from __future__ import annotations

from typing import Literal

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

from postprober import __version__
from postprober.api.auth import CallerDep, require
from postprober.api.deps import CoreDep
from postprober.api.problems import responses
from postprober.api.rollout import is_ending
from postprober.api.views import PlatformHealthList, PlatformHealthOut, VersionOut
from postprober.services.monitoring import platform_status
from postprober.services.monitoring.monitoring import HEARTBEAT_LIMIT, heartbeat_age
from postprober.storage.database import newest_schema

router = APIRouter(tags=["health"])
_NOT_READY: dict[int | str, dict[str, object]] = {
    200: {"content": {"application/json": {"example": {"status": "ok", "heartbeat_age_seconds": 0.4}}}},
    503: {
        "description": "It cannot, and why",
        "content": {
            "application/json": {"example": {"status": "unavailable", "reason": "the scheduler is not running"}}
        },
    },
}


@router.get("/api/health/platforms", summary="See how the platforms stand", responses=responses(401, 403))
def platforms(core: CoreDep, caller: CallerDep) -> PlatformHealthList:
    """Of every server that you have accounts on: its state, why, and the last 24 hours in half hours."""
    require(caller, "monitoring:read")
    return PlatformHealthList(items=[PlatformHealthOut.of(one) for one in platform_status.take(core, caller.actor)])


@router.get("/api/version", summary="Read the version", responses=responses(401))
def version(core: CoreDep, _caller: CallerDep) -> VersionOut:
    """Of the program, of the schema that it works with, and whether the platforms are the emulated ones."""
    return VersionOut(version=__version__, schema_version=newest_schema(), mode=core.settings.mode)


@router.get("/healthz", summary="Ask whether the sidecar lives", responses=responses())
@router.get("/api/healthz", include_in_schema=False)
async def healthz() -> dict[str, str]:
    """This process answers. It takes no thread: it says so too while all of them are busy."""
    return {"status": "ok"}


@router.get("/readyz", summary="Ask whether PostProber can do its work", responses={**responses(), **_NOT_READY})
@router.get("/api/readyz", include_in_schema=False)
async def readyz(core: CoreDep, request: Request, part: Literal["all", "sidecar"] = "all") -> JSONResponse:
    """200 when the database answers and the scheduler's heart beats, 503 with the reason otherwise; with `part=sidecar`,
    for balancers, without the heart. 503 as soon as this sidecar was asked to end."""
    if is_ending(request.app):
        return JSONResponse({"status": "unavailable", "reason": "this sidecar is ending"}, 503)
    try:
        age = await to_thread.run_sync(heartbeat_age, core, limiter=request.app.state.probes)
    except SQLAlchemyError:
        return JSONResponse({"status": "unavailable", "reason": "the database does not answer"}, 503)
    seconds = age.total_seconds() if age is not None else None
    if part == "sidecar":
        return JSONResponse({"status": "ok", "heartbeat_age_seconds": seconds})
    if age is None or age > HEARTBEAT_LIMIT:
        body = {"status": "unavailable", "reason": "the scheduler is not running", "heartbeat_age_seconds": seconds}
        return JSONResponse(body, 503)
    return JSONResponse({"status": "ok", "heartbeat_age_seconds": seconds})
