"""What this process knows of the platforms' health at this moment.

Nothing here is the truth: signs that were not yet written are lost with the process, and the blocks are a copy of the
database's. So publishing asks no database whether it may, and costs nothing for it.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta

from postprober.domain.health import Quota, ServerHealth, Unit
from postprober.http import Exchange
from postprober.platforms.registry import quota_of
from postprober.storage.health import NewSign, Server
from postprober.storage.records import Account

TELL = timedelta(minutes=1)  # what is left of an account's limits is written no more often
MOST_NOTES = 10_000  # more in one second would say nothing new
_NUMBERED = re.compile(r"[^/]*\d[^/]*")


class PlatformHealthCache:
    """Shared by the threads of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._notes: deque[NewSign] = deque(maxlen=MOST_NOTES)
        self._blocked: dict[Server, ServerHealth] = {}
        self._quotas: dict[int, dict[str, Quota]] = {}
        self._untold: set[int] = set()
        self._told: dict[int, datetime] = {}

    def note(self, note: NewSign) -> None:
        """A sign of a real delivery; written with the next tick."""
        with self._lock:
            self._notes.append(note)

    def take(self) -> list[NewSign]:
        """What was noted since the last call."""
        with self._lock:
            found = list(self._notes)
            self._notes.clear()
        return found

    def set_blocked(self, blocked: Mapping[Server, ServerHealth]) -> None:
        with self._lock:
            self._blocked = dict(blocked)

    def blocks(self, server: Server) -> ServerHealth | None:
        """Why nothing new may be sent there now; None when it may."""
        return self._blocked.get(server)

    def saw(self, account: Account, exchange: Exchange, now: datetime) -> None:
        """Remember what the reply told about limits, by kind of call."""
        quota = quota_of(account.platform, exchange, now)
        if quota is not None:
            call = f"{exchange.method} {_NUMBERED.sub('#', exchange.url.split('?')[0])}"
            with self._lock:
                self._quotas.setdefault(account.id, {})[call] = quota
                self._untold.add(account.id)

    def left(self, now: datetime) -> dict[int, dict[Unit, Quota]]:
        """Of the accounts about which something was heard, but not of one that was told of less than a minute ago: the
        tightest limit of each sort."""
        found: dict[int, dict[Unit, Quota]] = {}
        with self._lock:
            for account_id in [a for a in self._untold if now - self._told.get(a, now - TELL) >= TELL]:
                known = [quota for quota in self._quotas.get(account_id, {}).values() if quota.resets_at > now]
                tightest = sorted(known, key=lambda quota: quota.left / max(1, quota.limit), reverse=True)
                found[account_id] = {quota.unit: quota for quota in tightest}
                self._told[account_id] = now
                self._untold.discard(account_id)
        return found

    def spent_until(self, account_id: int, now: datetime) -> datetime | None:
        """Until when no check may ask for this account, because what is left of a limit is for its posts."""
        with self._lock:
            known = self._quotas.get(account_id, {})
            for call in [call for call, quota in known.items() if quota.resets_at <= now]:
                del known[call]
            # Looking costs calls, and no posts.
            ends = [quota.resets_at for quota in known.values() if quota.unit is not Unit.POSTS and quota.spent(now)]
        return max(ends) if ends else None
