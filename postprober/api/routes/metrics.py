"""Numbers for Prometheus."""

from __future__ import annotations

import platform
from collections.abc import Iterable

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from postprober import __version__
from postprober.api.deps import CoreDep
from postprober.api.problems import responses
from postprober.domain.platform import known
from postprober.services.monitoring import measures
from postprober.services.monitoring.measures import Measures
from postprober.storage.database import newest_schema

# The text format that every Prometheus reads (https://prometheus.io/docs/instrumenting/exposition_formats/).
TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    summary="Read numbers for Prometheus",
    response_class=Response,
    responses={
        **responses(),
        200: {
            "description": "Text exposition format 0.0.4",
            "content": {
                "text/plain": {"example": f'postprober_deliveries{{platform="{known()[0]}",state="verified"}} 12.0\n'}
            },
        },
    },
)
def metrics(core: CoreDep, request: Request) -> Response:
    """Over all users, and without a word about any of them. Keep it inside your network all the same."""
    stored = CollectorRegistry()
    stored.register(_Stored(measures.take(core), sqlite=core.db.is_sqlite))
    text = generate_latest(stored) + generate_latest(request.app.state.counts.registry)
    return Response(text, headers={"Content-Type": TEXT_FORMAT})


class _Stored(Collector):
    """What the database says at one moment."""

    def __init__(self, found: Measures, *, sqlite: bool) -> None:
        self.found, self.sqlite = found, sqlite

    def collect(self) -> Iterable[Metric]:
        found = self.found
        info = GaugeMetricFamily(
            "postprober_build_info", "What runs here; always 1", labels=["version", "schema", "python", "database"]
        )
        database = "sqlite" if self.sqlite else "postgresql"
        info.add_metric([__version__, newest_schema(), platform.python_version(), database], 1)
        yield info
        states = GaugeMetricFamily("postprober_deliveries", "Deliveries in this state", labels=["platform", "state"])
        for (where, state), count in sorted(found.deliveries.items()):
            states.add_metric([where, state], count)
        yield states
        late = GaugeMetricFamily(
            "postprober_lateness_seconds", f"Due to sent, over the {measures.LATEST} newest sent", labels=["quantile"]
        )
        for quantile, seconds in found.lateness.items():
            late.add_metric([str(quantile)], seconds)
        yield late
        yield GaugeMetricFamily("postprober_overdue_seconds", "How late the oldest waiting delivery is", found.overdue)
        yield GaugeMetricFamily("postprober_outbox_depth", "Messages that wait to be sent", found.outbox_depth)
        yield GaugeMetricFamily("postprober_outbox_age_seconds", "Age of the oldest of them", found.outbox_age)
        if found.heartbeat_age is not None:
            text = "Since the scheduler last said that it lives"
            yield GaugeMetricFamily("postprober_scheduler_heartbeat_age_seconds", text, found.heartbeat_age)
