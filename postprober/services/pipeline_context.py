"""The pipeline's tools of this process: for the workers, and for what a person asks for and waits for."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from postprober.domain.crops import Rect
from postprober.domain.platform import Platform
from postprober.domain.prices import Prices
from postprober.domain.timing import Timing
from postprober.pipeline.core.context import Context, LeaseKeeper, no_checkpoint
from postprober.platforms.registry import adapter_for
from postprober.services.core import Core
from postprober.services.media import media
from postprober.services.notifications import channels
from postprober.services.people.emails import email_for
from postprober.storage.records import MediaRecord


def context_of(
    core: Core,
    *,
    worker: str = "",
    timing: Timing | None = None,
    checkpoint: Callable[[str], None] = no_checkpoint,
) -> Context:
    """`worker` names this process in leases and transitions."""
    settings = core.settings
    times = timing or settings.timing
    name = worker or f"{socket.gethostname()}-{os.getpid()}"

    prices = settings.api_prices

    def media_url(record: MediaRecord, platform: Platform, crop: Rect | None = None) -> str:
        return media.public_url(settings, core.clock.now().timestamp(), record, platform, crop)

    return Context(
        db=core.db,
        vault=core.vault,
        http=core.http,
        clock=core.clock,
        timing=times,
        keeper=LeaseKeeper(core.db, core.clock, name, times.lease, times.lease_margin),
        adapter_for=lambda platform, http: adapter_for(platform, http, settings.platform(platform), core.clock),
        config_for=settings.platform,
        media_url=media_url,
        data_dir=settings.data_dir.resolve(),
        late_limit=timedelta(minutes=settings.late_limit_minutes),
        checkpoint=checkpoint,
        mail=settings.mail,
        app_url=settings.app_base,
        ping_url=settings.ping_url,
        email_for=partial(email_for, core),
        turn_off=partial(channels.turn_off_links, core),
        advisor=core.advisor,
        browser=core.browser,
        looks_a_minute=settings.browser_looks,
        prices=lambda platform: prices.get(platform, Prices()),
        read_budget=settings.read_budget,
    )
