"""Giving a published post to those of its servers that lack it, where a post lies on several (`Traits.completes`).

It is no new try: the platform's own handle makes it the same post, so it may be done at every look until the stated end.
"""

from __future__ import annotations

from typing import cast

from postprober.domain.delivery import DeliveryState, Step, StepStatus
from postprober.errors import PlatformError
from postprober.pipeline.core.claimed_delivery import ClaimedDelivery, new_request_id
from postprober.pipeline.core.context import ExchangeRecorder
from postprober.platforms.common.adapter import Completing


def complete(work: ClaimedDelivery) -> None:
    """Before a look at a delivery that is out. What fails is tried again at the next look."""
    traits, since = work.adapter(work.ctx.http).traits, work.delivery.published_at
    if traits.completes is None or since is None or work.now() - since > traits.completes:
        return
    if work.delivery.state not in (DeliveryState.PUBLISHED, DeliveryState.VERIFIED):
        return
    adapter = cast(Completing, work.adapter(work.http(ExchangeRecorder(), new_request_id())))
    for part in work.delivery.parts:
        try:
            said = adapter.complete(work.cred, part.ref.remote_id) if part.ref is not None else ""
        except PlatformError:
            continue
        if said:
            with work.ctx.db.write() as conn:
                work.log(conn, Step.VERIFICATION, StepStatus.SUCCESS, message=said)
