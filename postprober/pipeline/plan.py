"""When a published delivery is looked at again."""

from __future__ import annotations

from datetime import datetime

from postprober.domain.drift import next_look
from postprober.domain.engagement import next_poll
from postprober.pipeline.work import Work


def first_poll(work: Work) -> datetime | None:
    """The next moment of the engagement plan or of the watch, whichever comes first; None when both are over."""
    timing = work.ctx.timing
    return next_look(
        work.delivery.published_at or work.now(), work.now(), scale=timing.engagement_scale,
        shortest=timing.watch_shortest, longest=timing.watch_longest, until=timing.watch_for,
    )  # fmt: skip


def next_count(work: Work) -> str:
    """When engagement is read next (ISO 8601), "" when that is over."""
    moment = next_poll(work.delivery.published_at or work.now(), work.now(), work.ctx.timing.engagement_scale)
    return moment.isoformat() if moment is not None else ""
