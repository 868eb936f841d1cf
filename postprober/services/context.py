"""The pipeline's tools for one act that a person asks for and waits for; the worker's own are built by `wiring`."""

from __future__ import annotations

import os
from datetime import timedelta

from postprober.pipeline.context import Context, LeaseKeeper
from postprober.platforms.registry import adapter_for
from postprober.services import media
from postprober.services.core import Core


def context_of(core: Core) -> Context:
    """A context that holds no lease and publishes nothing."""
    settings, times = core.settings, core.settings.timing
    return Context(
        db=core.db, vault=core.vault, http=core.http, clock=core.clock, timing=times,
        keeper=LeaseKeeper(core.db, core.clock, f"person-{os.getpid()}", times.lease, times.lease_margin),
        adapter_for=lambda platform, http: adapter_for(platform, http, settings.platform(platform), core.clock),
        config_for=settings.platform,
        media_url=lambda record, platform: media.public_url(settings, core.clock.now().timestamp(), record, platform),
        data_dir=settings.data_dir.resolve(), late_limit=timedelta(minutes=settings.late_limit_minutes),
    )  # fmt: skip
