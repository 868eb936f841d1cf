"""The owner's side of a visit: tokens opened once, one adapter, and what one call for many posts brought.

An answer about many is a hint. Whoever acts on an absence or a change reads that post alone first (`owner`, `surely`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from postprober.domain.account import Credentials
from postprober.domain.remote import Counts, Reading, Ref, RemotePost
from postprober.errors import NOT_PERMITTED, PlatformError, ReconnectNeeded, Throttled, Unavailable, UnexpectedReply
from postprober.pipeline.core.claimed_delivery import ClaimedDelivery, new_request_id
from postprober.pipeline.core.context import ExchangeRecorder
from postprober.pipeline.core.tokens import ensure_valid, reading_refused
from postprober.platforms.common.adapter import Adapter

_CLOCK_SLACK = timedelta(minutes=2)  # the platform's clock and ours
_IN_A_ROW = 3  # readings of single posts that fail before the rest is left: then it is not about one of them


@dataclass(frozen=True)
class Owner:
    """The owner's reading: `post` None with `known` True means clearly not there. `shared`: told with others."""

    post: RemotePost | None
    known: bool
    reason: str = ""
    shared: bool = False


NOT_ASKED = Owner(None, False, "not asked")


class Desk:
    """Asks for the posts of `works`, which are all of one account. `asked`: the ids that were read; `calls`: how often the
    platform was called."""

    def __init__(self, works: Sequence[ClaimedDelivery]) -> None:
        self._works = works
        self._tap = ExchangeRecorder()
        self._adapter: Adapter | None = None
        self._cred = Credentials("")
        self._readings: dict[str, Reading] = {}
        self._unread: dict[str, str] = {}  # id -> why
        self._refused = ""
        self._again = False
        self.throttled: Throttled | None = None
        self.asked: set[str] = set()

    @property
    def calls(self) -> int:
        return len(self._tap.exchanges)

    def read(self, ids: Sequence[str]) -> None:
        """Read many, in as few calls as the platform allows. Never raises; a limit is noted in `throttled`."""
        size = self._works[0].adapter(self._works[0].ctx.http).traits.batch if self._works[0].ctx.together else 1
        for start in range(0, len(ids), size):
            if self.throttled is None and not self._refused:
                self._some(ids[start : start + size])

    def _some(self, ids: Sequence[str]) -> None:
        try:
            self._readings |= self._open().read_many(self._cred, ids)
            self.asked.update(ids)
        except Throttled as error:
            self.throttled = error
        except ReconnectNeeded as error:
            if self._renewed(error):
                self._some(ids)
        except PlatformError as error:
            if len(ids) == 1 or error.code == NOT_PERMITTED:
                self._unread |= dict.fromkeys(ids, error.message)
            else:
                self._singly(ids)

    def _singly(self, ids: Sequence[str]) -> None:
        """One of them spoils the reading of all: each by itself, once."""
        failures, why = 0, ""
        for one in ids:
            if failures < _IN_A_ROW and self.throttled is None and not self._refused:
                self._some([one])
            why = self._unread.get(one, why)
            failures = failures + 1 if one in self._unread else 0 if one in self._readings else failures
            if one not in self._readings:
                self._unread.setdefault(one, why)

    def counts(self, ref: Ref) -> Counts | None:
        """What was read; None when nothing was."""
        reading = self._readings.get(ref.remote_id)
        return reading.counts if reading is not None and (reading.post is not None or not reading.told) else None

    def unread(self, ref: Ref) -> bool:
        """Whether it could not be read with others, so that nothing follows from its not being told."""
        return bool(self._refused) or ref.remote_id in self._unread

    def shared(self, ref: Ref) -> RemotePost | None:
        """The post as it was told with others."""
        reading = self._readings.get(ref.remote_id)
        return reading.post if reading is not None else None

    def owner(self, work: ClaimedDelivery, ref: Ref, *, surely: bool = False) -> Owner:
        """The post as its owner reads it. `surely`: by itself, even if it was told with others. Raises Throttled."""
        if self.throttled is not None:
            raise self.throttled
        if self._refused:
            return Owner(None, False, self._refused)
        if not surely and (post := self.shared(ref)) is not None:
            return Owner(post, True, shared=True)
        if not surely and ref.remote_id in self._unread:
            return Owner(None, False, self._unread[ref.remote_id])
        return self._alone(work, ref)

    def _alone(self, work: ClaimedDelivery, ref: Ref) -> Owner:
        try:
            adapter = self._open()
            self.asked.add(ref.remote_id)
            try:
                return Owner(adapter.fetch(self._cred, ref.remote_id), True)
            except (Unavailable, UnexpectedReply):
                if not adapter.traits.lists_own:
                    raise
                return self._in_the_list(work, adapter, ref)
        except Throttled:
            raise
        except ReconnectNeeded as error:
            return self._alone(work, ref) if self._renewed(error) else Owner(None, False, error.message)
        except PlatformError as error:
            return Owner(None, False, error.message)

    def _in_the_list(self, work: ClaimedDelivery, adapter: Adapter, ref: Ref) -> Owner:
        """Reading one post can fail while the list works: then the list decides."""
        since = (work.delivery.published_at or work.now()) - _CLOCK_SLACK
        timeline = adapter.recent(self._cred, since)
        post = next((p for p in timeline.posts if p.ref.remote_id == ref.remote_id), None)
        if post is not None or timeline.complete:
            return Owner(post, True, "looked up in the list of own posts")
        return Owner(None, False, "the list of own posts does not reach back far enough")

    def _open(self) -> Adapter:
        """Raises ReconnectNeeded or Unavailable."""
        if self._adapter is None:
            first = self._works[0]
            account, self._cred = ensure_valid(first.ctx, first.delivery, first.account)
            for work in self._works:
                work.account, work.cred = account, self._cred
            self._adapter = first.adapter(first.http(self._tap, new_request_id()))
        return self._adapter

    def _renewed(self, error: ReconnectNeeded) -> bool:
        """What a refusal comes to; whether the access was renewed, so that it can be tried again, once."""
        first, before = self._works[0], self._works[0].account
        account = reading_refused(first.ctx, first.delivery, before)
        for work in self._works:
            work.account = account
        again = account.token_version != before.token_version and account.status == "ok" and not self._again
        self._again, self._adapter = True, None
        if not again:
            self._refused = error.message
        return again
