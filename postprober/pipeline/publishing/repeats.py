"""A repeat whose handle still lives: the platform itself makes no second post of it, so it needs no proof of absence.

Handles end (`Traits.handle_life`). Past that a repeat is an ordinary second send, and only looking leads on. So the life is
measured from the first try that may have arrived, by our clock and by the platform's, and asked three times: when nothing
could be read, when a worker takes it up, and right before the intent.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from postprober.domain.retry import MAX_CRASHES, MAX_TRIES
from postprober.pipeline.core.claimed_delivery import ClaimedDelivery
from postprober.pipeline.core.platform_time import key_of
from postprober.platforms.common.adapter import Adapter
from postprober.storage.records import PartRecord


def is_safe(work: ClaimedDelivery, adapter: Adapter, part: PartRecord) -> bool:
    """Whether another send of `part` surely makes no second post, and has not been tried too often."""
    return (
        handle_lives(work, adapter, part)
        and not part.refused_as_duplicate
        and work.delivery.tries < MAX_TRIES
        and work.delivery.crashes < MAX_CRASHES
    )


def handle_lives(work: ClaimedDelivery, adapter: Adapter, part: PartRecord) -> bool:
    """Whether the platform still knows the handle. No, where a clock does not say, or was set back."""
    life, theirs = adapter.traits.handle_life, work.ctx.times.now(key_of(work.account))
    if life is None or not (part.handle and part.intent_at and part.intent_remote_at) or theirs is None:
        return False
    ours = work.now() - datetime.fromisoformat(part.intent_at)
    passed = theirs - datetime.fromisoformat(part.intent_remote_at)
    nothing = timedelta(0)
    # Their time has whole seconds, so a moment ago may lie a second ahead.
    return nothing <= ours < life and -timedelta(seconds=2) <= passed < life
