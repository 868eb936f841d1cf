"""The FastAPI application. `create_app` is the factory for tests and for uvicorn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import CapacityLimiter
from fastapi import FastAPI
from starlette.routing import Route

from postprober.api import counting, middleware, problems, slow_work, websocket
from postprober.api.mcp_door import PATHS, McpDoor
from postprober.api.routes import (
    accounts,
    advice,
    alerts,
    analytics,
    auth,
    channels,
    deliveries,
    evidence,
    health,
    hooks,
    media,
    metrics,
    model,
    monitoring,
    posts,
    proof,
    proposals,
    repairs,
    reports,
    session,
    tus,
)
from postprober.services.core import Core


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with websocket.lifespan(app), app.state.mcp.running():
        yield


def create_app(core: Core) -> FastAPI:
    """The sidecar for one installation."""
    app = FastAPI(
        title="PostProber",
        version="1",
        openapi_url="/api/openapi.json",
        docs_url="/api/docs",
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.core = core
    app.state.uploads = slow_work.upload_gate(core.settings.uploads)
    app.state.slow, app.state.pictures = slow_work.reports_and_tables(), slow_work.pictures()
    app.state.probes = CapacityLimiter(2)  # of balancers and supervisors, who must not wait behind anybody
    problems.install(app)
    middleware.install(app, core)
    counting.install(app)
    app.state.routes = []  # of the included routers, which the framework does not list
    for module in (
        auth,
        accounts,
        proposals,
        posts,
        advice,
        model,
        monitoring,
        deliveries,
        evidence,
        repairs,
        analytics,
        alerts,
        channels,
        reports,
        proof,
        media,
        tus,
        hooks,
        session,
        health,
        metrics,
        websocket,
    ):
        app.include_router(module.router)
        app.state.routes += module.router.routes
    app.state.mcp = McpDoor(app, core)
    for path in PATHS:
        app.router.routes.append(Route(path, app.state.mcp, include_in_schema=False))
    for router in (channels.preferences, channels.public):
        app.include_router(router)
        app.state.routes += router.routes
    return app
