"""Counts this process's requests, by route and never by address or path, so that no id and no user gets in."""

from __future__ import annotations

import time

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_UNROUTED = "(none)"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestCounts:
    """This process's numbers, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "postprober_http_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "postprober_http_request_seconds",
            "Time to the end of the answer",
            ["method", "route"],
            registry=self.registry,
        )

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        known = method if method in _METHODS else "other"  # a client may invent as many methods as it likes
        self.requests.labels(known, route, str(status)).inc()
        self.seconds.labels(known, route).observe(seconds)


def install(app: FastAPI) -> None:
    """Count around everything that was installed before."""
    app.state.counts = RequestCounts()
    app.add_middleware(CountRequests, counts=app.state.counts)


class CountRequests:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp, counts: RequestCounts) -> None:
        self.app = app
        self.counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        status, started = 500, time.perf_counter()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            return await self.app(scope, receive, answer)
        finally:
            route = getattr(scope.get("route"), "path_format", _UNROUTED)
            self.counts.note(scope["method"], route, status, time.perf_counter() - started)
