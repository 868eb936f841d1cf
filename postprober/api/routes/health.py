"""Is the sidecar alive, can PostProber do its work, and how do the platforms stand?"""

from __future__ import annotations

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from postprober import __version__
from postprober.api.auth import CallerDep, require
from postprober.api.deps import CoreDep
from postprober.api.problems import responses
from postprober.api.rollout import is_ending
from postprober.api.views import PlatformHealthList, PlatformHealthOut, VersionOut
from postprober.services.monitoring import platform_status, readiness
from postprober.services.monitoring.readiness import NotReady, Part, Readiness
from postprober.storage.database import newest_schema

router = APIRouter(tags=["health"])
_NOT_READY: dict[int | str, dict[str, object]] = {
    200: {
        "content": {
            "application/json": {
                "example": {"status": "ok", "heartbeat_age_seconds": 0.4, "causes": [], "warnings": []},
            }
        }
    },
    503: {
        "description": "It cannot, and why",
        "content": {
            "application/json": {
                "example": {
                    "status": "unavailable",
                    "heartbeat_age_seconds": 40.2,
                    "causes": [{"code": "scheduler", "detail": "the scheduler is not running"}],
                    "warnings": [],
                    "reason": "the scheduler is not running",
                }
            }
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
async def readyz(core: CoreDep, request: Request, part: Part = "all") -> JSONResponse:
    """200 when nothing stops publishing, else 503 with every cause: `database`, `scheduler`, `heartbeat_ahead`, `lease`, `vault`,
    `disk`. `warnings` slow it down, or concern some accounts. `part=sidecar`, for balancers, asks only what this sidecar needs;
    `part=scheduler` asks only whether one runs. 503 as soon as this sidecar was asked to end."""
    if is_ending(request.app):
        return _answer(Readiness((NotReady("ending", "this sidecar is ending"),)))
    return _answer(await to_thread.run_sync(readiness.look, core, part, limiter=request.app.state.probes))


def _answer(found: Readiness) -> JSONResponse:
    body: dict[str, object] = {
        "status": "unavailable" if found.causes else "ok",
        "heartbeat_age_seconds": found.heartbeat_age,
        "causes": [{"code": one.code, "detail": one.detail} for one in found.causes],
        "warnings": [{"code": one.code, "detail": one.detail} for one in found.warnings],
    }
    if found.causes:
        body["reason"] = "; ".join(one.detail for one in found.causes)
    return JSONResponse(body, 503 if found.causes else 200)
