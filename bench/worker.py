"""The scheduler with the sandbox's short times, but with engagement and canaries as rare as in live mode, so that these
do not mix into the measured deliveries."""

from __future__ import annotations

import signal
from dataclasses import replace

from bench import meter
from postprober.domain.timing import LIVE_TIMING, SANDBOX_TIMING
from postprober.pipeline.scheduler import worker_pool
from postprober.services.pipeline_context import context_of
from postprober.wiring import build_core, build_scheduler, calm_garbage_collector


def main() -> None:
    if meter.install():
        for name in ("publish", "reconcile", "follow"):
            setattr(worker_pool, name, meter.carrying(getattr(worker_pool, name)))
    core = build_core()
    calm_garbage_collector()
    # Canaries as rare as in live mode: the sandbox's 20 s would be most of the work with thousands of accounts.
    timing = replace(SANDBOX_TIMING, engagement_scale=1.0, account_check_every=LIVE_TIMING.account_check_every)
    ctx = context_of(core, timing=timing)
    scheduler = build_scheduler(core, core.settings.workers, ctx)
    signal.signal(signal.SIGTERM, lambda *_: scheduler.stop())
    scheduler.run()


if __name__ == "__main__":
    main()
