"""One look for a part whose outcome is unknown, in the platform's own time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from postprober.domain.remote import RemotePost, Search, Sighting, SightingState, Timeline
from postprober.errors import PostProberError
from postprober.pipeline.core.claimed_delivery import ClaimedDelivery, new_request_id
from postprober.pipeline.core.context import ExchangeRecorder
from postprober.pipeline.core.platform_time import key_of
from postprober.platforms.common.adapter import Adapter, sighting_in
from postprober.storage.records import PartRecord

_MOVED = timedelta(seconds=1)
_ASKING = 3.0  # seconds
_ROUNDED = timedelta(seconds=2)  # what whole seconds and the reply's way leave open; less than this is no jump


def locate(work: ClaimedDelivery, adapter: Adapter, part: PartRecord, search: Search) -> Sighting:
    """By the platform's own handle, or, when none was stored (a restored database), by the list of own posts. Raises
    what `Adapter.locate` raises.

    The replies of the reading itself tell the platform's time; when that was not known before, or differs, and the
    answer depends on it, it is read once more with the right one.
    """
    before = _offset(work)
    found = _once(work, adapter, part, _in_their_time(search, part, before))
    after = _offset(work)
    if after is None and _hangs_on_time(found):
        ask(work)
        after = _offset(work)
    if part.intent_remote_at or after is None or (before is not None and abs(after - before) <= _MOVED):
        return found
    return _once(work, adapter, part, _in_their_time(search, part, after))


def sighting_of(work: ClaimedDelivery, part: PartRecord, search: Search, post: RemotePost) -> Sighting:
    """What one post that was read proves, in the platform's own time as well as it is known."""
    return sighting_in(Timeline((post,), False), _in_their_time(search, part, _offset(work)))


def too_early(work: ClaimedDelivery, part: PartRecord, settle: timedelta) -> timedelta:
    """How much of the settle time is left by the platform's clock, zero when nothing is or when it does not say."""
    now = work.ctx.times.now(key_of(work.account))
    if now is None or not part.intent_remote_at:
        return timedelta(0)
    left = datetime.fromisoformat(part.intent_remote_at) + settle - now
    return left if left > _ROUNDED else timedelta(0)


def ask(work: ClaimedDelivery) -> None:
    """Read the platform's time from any answer of its server, unless it is known. Failing is no harm."""
    if work.ctx.times.now(key_of(work.account)) is not None:
        return
    base = work.account.instance or work.ctx.config_for(work.account.platform).api_url
    try:
        work.http(ExchangeRecorder(), new_request_id()).read("HEAD", base, timeout=_ASKING)
    except PostProberError:  # also an address that may not be called
        return


def since_of(work: ClaimedDelivery, part: PartRecord) -> datetime:
    """When the intent was written, in the platform's time as well as it is known."""
    ours = datetime.fromisoformat(part.intent_at) if part.intent_at else work.delivery.created_at
    if part.intent_remote_at:
        return datetime.fromisoformat(part.intent_remote_at)
    return ours + (_offset(work) or timedelta(0))


def _once(work: ClaimedDelivery, adapter: Adapter, part: PartRecord, search: Search) -> Sighting:
    if part.composed_at or part.handle:
        return adapter.locate(work.cred, search)
    return sighting_in(adapter.recent(work.cred, search.since), search)


def _in_their_time(search: Search, part: PartRecord, offset: timedelta | None) -> Search:
    if part.intent_remote_at:
        return replace(search, since=datetime.fromisoformat(part.intent_remote_at))
    if offset is None:
        return replace(search, time_known=False)
    return replace(search, since=search.since + offset)


def _offset(work: ClaimedDelivery) -> timedelta | None:
    return work.ctx.times.offset(key_of(work.account))


def _hangs_on_time(found: Sighting) -> bool:
    return found.by_words or found.state is not SightingState.FOUND
