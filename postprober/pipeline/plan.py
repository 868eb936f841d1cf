"""When a published delivery is looked at again."""

from __future__ import annotations

from datetime import datetime

from postprober.domain.engagement import next_poll
from postprober.pipeline.work import Work


def first_poll(work: Work) -> datetime | None:
    """The next moment of the engagement plan; None when the month is over."""
    base = work.delivery.published_at or work.now()
    return next_poll(base, work.now(), work.ctx.timing.engagement_scale)
