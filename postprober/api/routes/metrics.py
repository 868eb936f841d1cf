"""Numbers for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from postprober.api.deps import CoreDep
from postprober.api.problems import responses
from postprober.domain.platform import known
from postprober.services.monitoring import measures
from postprober.services.monitoring.measures import Measures

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
    stored.register(_Stored(measures.take(core)))
    text = generate_latest(stored) + generate_latest(request.app.state.counts.registry)
    return Response(text, headers={"Content-Type": TEXT_FORMAT})


class _Stored(Collector):
    """What the database says at one moment."""

    def __init__(self, found: Measures) -> None:
        self.found = found

    def collect(self) -> Iterable[Metric]:
        found = self.found
        states = GaugeMetricFamily("postprober_deliveries", "Deliveries in this state", labels=["platform", "state"])
        for (platform, state), count in sorted(found.deliveries.items()):
            states.add_metric([platform, state], count)
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
