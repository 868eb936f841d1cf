"""Is the sidecar alive, and can PostProber do its work?"""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

from postprober.api.deps import CoreDep
from postprober.api.problems import responses
from postprober.services.monitoring import HEARTBEAT_LIMIT, heartbeat_age

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


@router.get("/healthz", summary="Ask whether the sidecar lives", responses=responses())
@router.get("/api/healthz", include_in_schema=False)
def healthz() -> dict[str, str]:
    """This process answers."""
    return {"status": "ok"}


@router.get("/readyz", summary="Ask whether PostProber can do its work", responses={**responses(), **_NOT_READY})
@router.get("/api/readyz", include_in_schema=False)
def readyz(core: CoreDep) -> JSONResponse:
    """200 when the database answers and the scheduler's heart beats, 503 with the reason otherwise."""
    try:
        age = heartbeat_age(core)
    except SQLAlchemyError:
        return JSONResponse({"status": "unavailable", "reason": "the database does not answer"}, 503)
    seconds = age.total_seconds() if age is not None else None
    if age is None or age > HEARTBEAT_LIMIT:
        body = {"status": "unavailable", "reason": "the scheduler is not running", "heartbeat_age_seconds": seconds}
        return JSONResponse(body, 503)
    return JSONResponse({"status": "ok", "heartbeat_age_seconds": seconds})
