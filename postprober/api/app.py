"""The FastAPI application. `create_app` is the factory for tests and for uvicorn."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from postprober.api.routes import health, media, session
from postprober.errors import (
    BadInput,
    Conflict,
    Forbidden,
    NotFound,
    PlatformError,
    PostProberError,
    ReconnectNeeded,
    Throttled,
)
from postprober.services.core import Core

_STATUS: tuple[tuple[type[PostProberError], int, str], ...] = (
    (BadInput, 422, "Unusable input"),
    (NotFound, 404, "Not found"),
    (Forbidden, 403, "Forbidden"),
    (Conflict, 409, "Conflict"),
    (ReconnectNeeded, 409, "Link the account again"),
    (Throttled, 429, "Too many requests"),
    (PlatformError, 502, "The platform did not do it"),
)


def create_app(core: Core) -> FastAPI:
    """The sidecar for one installation."""
    app = FastAPI(
        title="PostProber", version="1", openapi_url="/api/openapi.json", docs_url="/api/docs", redoc_url=None
    )
    app.state.core = core
    app.add_exception_handler(PostProberError, _problem)
    for router in (health.router, media.router, session.router):
        app.include_router(router)
    return app


def _problem(_request: Request, error: Exception) -> JSONResponse:
    """RFC 9457: one plain sentence, never the detail."""
    status, title = next(
        ((status, title) for kind, status, title in _STATUS if isinstance(error, kind)), (500, "Internal error")
    )
    body = {"type": "about:blank", "title": title, "status": status, "detail": str(error)}
    return JSONResponse(body, status, media_type="application/problem+json")
