"""`dramatiq bench.carrier`: a worker of the scaled profile with the times of `bench.worker`, so that both profiles do
the same work."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from bench import meter
from postprober import worker
from postprober.domain.timing import SANDBOX_TIMING
from postprober.services.pipeline_context import context_of

if meter.install():
    worker._ACTS.update({name: meter.carrying(act) for name, act in worker._ACTS.items()})
setattr(worker, "context_of", partial(context_of, timing=replace(SANDBOX_TIMING, engagement_scale=1.0)))  # noqa: B010
broker = worker.broker
