"""Numbers for Prometheus."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from itertools import accumulate
from math import inf

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from postprober import __version__
from postprober.api.deps import CoreDep
from postprober.api.problems import responses
from postprober.domain.meters import BUCKET, METERS, SUM, Entry, Labels, Meter, bound_text
from postprober.domain.platform import known
from postprober.services.monitoring import measures
from postprober.services.monitoring.measures import HostMeasures, Measures
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
    """Over all users, and without a word about any of them. Keep it inside your network all the same. Also while the database is
    away: `postprober_database_up` is 0 then, and what would come from it is left out."""
    try:
        found: Measures | None = measures.take(core)
    except SQLAlchemyError:
        found = None
    stored = CollectorRegistry()
    stored.register(StoredMetrics(found, measures.take_host(core), sqlite=core.db.is_sqlite))
    text = generate_latest(stored) + generate_latest(request.app.state.counts.registry)
    return Response(text, headers={"Content-Type": TEXT_FORMAT})


class StoredMetrics(Collector):
    """What the database and this machine say at one moment."""

    def __init__(self, found: Measures | None, host: HostMeasures, *, sqlite: bool) -> None:
        self.found, self.host, self.sqlite = found, host, sqlite

    def collect(self) -> Iterable[Metric]:
        yield self._build_info()
        yield GaugeMetricFamily("postprober_database_up", "1 while the database answers", float(self.found is not None))
        yield from self._of_host()
        if self.found is not None:
            yield from self._of_deliveries(self.found)
            yield from self._of_processes(self.found)
            yield from counted(self.found.counted)

    def _build_info(self) -> Metric:
        info = GaugeMetricFamily(
            "postprober_build_info", "What runs here; always 1", labels=["version", "schema", "python", "database"]
        )
        database = "sqlite" if self.sqlite else "postgresql"
        info.add_metric([__version__, newest_schema(), platform.python_version(), database], 1)
        return info

    def _of_host(self) -> Iterable[Metric]:
        host = self.host
        redis = None if host.redis is None else float(host.redis)
        for name, text, value in (
            ("postprober_disk_free_bytes", "Free on the disk of the data folder", host.disk_free),
            ("postprober_disk_size_bytes", "Size of the disk of the data folder", host.disk_size),
            ("postprober_redis_up", "1 while Redis answers; missing where none is used", redis),
            ("postprober_backup_age_seconds", "Since the last backup in POSTPROBER_BACKUP_DIR", host.backup_age),
            ("postprober_backup_interval_seconds", "How often a backup is due there", host.backup_every),
        ):
            yield _gauge(name, text, value)

    def _of_deliveries(self, found: Measures) -> Iterable[Metric]:
        states = GaugeMetricFamily("postprober_deliveries", "Deliveries in this state", labels=["platform", "state"])
        for (where, state), count in sorted(found.deliveries.items()):
            states.add_metric([where, state], count)
        yield states
        yield _by("postprober_deliveries_due", "Deliveries that wait for a worker now", "platform", found.due)
        yield _gauge("postprober_overdue_seconds", "How late the oldest waiting delivery is", found.overdue)
        text = "The smallest share left of a platform's rate limit for an account, 0 to 1"
        yield _by("postprober_rate_limit_left_ratio", text, "platform", found.limits)
        yield _gauge("postprober_outbox_depth", "Messages that wait to be sent", found.outbox_depth)
        yield _gauge("postprober_outbox_age_seconds", "Age of the oldest of them", found.outbox_age)

    def _of_processes(self, found: Measures) -> Iterable[Metric]:
        yield _by("postprober_processes", "Processes with a recent heartbeat", "kind", found.processes)
        text = "Since the scheduler's last heartbeat"
        yield _gauge("postprober_scheduler_heartbeat_age_seconds", text, found.heartbeat_age)
        text = "Until the lease of the scheduler that publishes ends; below 0: it has ended"
        yield _gauge("postprober_scheduler_lease_left_seconds", text, found.lease_left)


def _gauge(name: str, text: str, value: float | None) -> Metric:
    """Without a sample where there is nothing to say."""
    gauge = GaugeMetricFamily(name, text)
    if value is not None:
        gauge.add_metric([], value)
    return gauge


def _by(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    gauge = GaugeMetricFamily(name, text, labels=[label])
    for value, number in sorted(values.items()):
        gauge.add_metric([value], number)
    return gauge


def counted(stored: Mapping[Entry, float]) -> Iterable[Metric]:
    """The counters and histograms that all processes have stored, buckets cumulated as Prometheus wants them."""
    for meter in METERS:
        if not meter.bounds:
            counter = CounterMetricFamily(meter.name, meter.text, labels=meter.labels)
            for (name, labels), value in sorted(stored.items()):
                if name == meter.name and len(labels) == len(meter.labels):
                    counter.add_metric(labels, value)
            yield counter
            continue
        histogram = HistogramMetricFamily(meter.name, meter.text, labels=meter.labels)
        for (name, labels), total in sorted(stored.items()):
            if name == meter.name + SUM and len(labels) == len(meter.labels):
                histogram.add_metric(labels, _cumulated(meter, labels, stored), total)
        yield histogram


def _cumulated(meter: Meter, labels: Labels, stored: Mapping[Entry, float]) -> list[tuple[str, float]]:
    bounds = [bound_text(bound) for bound in (*meter.bounds, inf)]
    counts = accumulate(stored.get((meter.name + BUCKET, (*labels, bound)), 0.0) for bound in bounds)
    return list(zip(bounds, counts, strict=True))
