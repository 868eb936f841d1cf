"""The scheduler with the sandbox's short times, but with engagement first read after a minute as in live mode, so that
polls do not mix into the measured deliveries."""

from __future__ import annotations

import signal
from dataclasses import replace

from bench import meter
from postprober.domain.timing import SANDBOX_TIMING
from postprober.pipeline import engine
from postprober.services.context import context_of
from postprober.wiring import build_core, build_runner, calm_garbage_collector


def main() -> None:
    if meter.install():
        for name in ("publish", "reconcile", "follow"):
            setattr(engine, name, meter.carrying(getattr(engine, name)))
    core = build_core()
    calm_garbage_collector()
    ctx = context_of(core, timing=replace(SANDBOX_TIMING, engagement_scale=1.0))
    runner = build_runner(core, core.settings.workers, ctx)
    signal.signal(signal.SIGTERM, lambda *_: runner.stop())
    runner.run()


if __name__ == "__main__":
    main()
