"""What every stage is given, and the lease that it works under."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypedDict

from postprober.agent.advisor import Advisor
from postprober.alerts.mail import Email
from postprober.browser import Browser
from postprober.clock import Clock
from postprober.domain.meters import CALLS, Tally, answer_of
from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.prices import Prices
from postprober.domain.timing import Timing
from postprober.errors import LeaseLost
from postprober.http import Exchange, HttpClient
from postprober.pipeline.core.platform_health_cache import PlatformHealthCache
from postprober.pipeline.core.platform_time import Patience, PlatformTimes
from postprober.platforms.common.adapter import Adapter
from postprober.platforms.registry import adapter_of
from postprober.security.vault import Vault
from postprober.settings import MailServer
from postprober.storage import deliveries
from postprober.storage.database import Database
from postprober.storage.records import Account


def no_checkpoint(_name: str) -> None:
    """Checkpoints are the places where a crash test may kill the process; in production nothing happens there."""


def no_email(_body: dict[str, Any]) -> Email | None:
    """Nobody writes letters here."""
    return None


def no_links(_channel_id: int) -> tuple[str, str]:
    """No page and no address on which mails are turned off."""
    return "", ""


class LeaseKeeper:
    """The deliveries this process is working on, each with the monotonic time until which its lease surely holds.

    A thread of the process calls `renew` every third of a lease. When the process is frozen or killed nothing renews,
    and the monotonic deadline passes without any help from outside.
    """

    def __init__(self, db: Database, clock: Clock, worker: str, lease: timedelta, margin: timedelta) -> None:
        self._db = db
        self._clock = clock
        self.worker = worker
        self._lease = lease
        self._margin = margin.total_seconds()
        self._deadlines: dict[int, float] = {}
        self._lock = threading.Lock()

    def until(self) -> tuple[datetime, float]:
        """A lease beginning now: (its end for the database, its monotonic deadline). The monotonic clock is read
        first, so that the deadline is never later than what the database says."""
        deadline = self._clock.monotonic() + self._lease.total_seconds()
        return self._clock.now() + self._lease, deadline

    def hold(self, delivery_id: int, deadline: float) -> None:
        with self._lock:
            self._deadlines[delivery_id] = deadline

    def drop(self, delivery_id: int) -> None:
        with self._lock:
            self._deadlines.pop(delivery_id, None)

    def held(self) -> set[int]:
        with self._lock:
            return set(self._deadlines)

    def check(self, delivery_id: int) -> None:
        """Raises LeaseLost when the lease may end within the margin. The last act before bytes leave."""
        with self._lock:
            deadline = self._deadlines.get(delivery_id)
        if deadline is None or self._clock.monotonic() > deadline - self._margin:
            raise LeaseLost("The worker was held up and gave the delivery back; nothing was sent.")

    def renew(self) -> None:
        """Extend every lease that is still ours."""
        ids = self.held()
        if not ids:
            return
        until, deadline = self.until()
        with self._db.write() as conn:
            mine = deliveries.renew(conn, self.worker, ids, until)
        with self._lock:
            for delivery_id in ids & self._deadlines.keys():
                if delivery_id in mine:
                    self._deadlines[delivery_id] = deadline
                else:
                    del self._deadlines[delivery_id]


@dataclass
class Context:
    """One process's tools.

    `adapter_for(platform, http)` builds an adapter; `media_url(record, platform)` signs a public URL, with a
    third argument of what a crop leaves;
    `data_dir` holds the media files; `late_limit` is how late a post may go out without asking; `spare()` says whether
    nothing else is waiting to be published, so that a worker may prove its post at once; `email_for(body)` writes the
    e-mail of a `mail` row, which goes to `mail`; `app_url`: where links in messages lead; `turn_off(channel)`: those with
    which its mails are turned off; `ping_url` is called while the scheduler
    is well; `health_cache`: what this process knows of the platforms' health; `times`: of their clocks; `patience`: how long it
    waits before it looks; `tally`: what it counts for the operator, stored with its heartbeat; `prices`: what a platform charges; `read_budget`: how much is read as owner, 1 as usual;
    `together`: posts of an account are looked at together; `browser` opens posts as a stranger does (None: nobody looks that way), `looks_a_minute` times
    at most.
    """

    db: Database
    vault: Vault
    http: HttpClient
    clock: Clock
    timing: Timing
    keeper: LeaseKeeper
    adapter_for: Callable[[Platform, HttpClient], Adapter]
    config_for: Callable[[Platform], PlatformConfig]
    media_url: Callable[..., str]
    data_dir: Path
    late_limit: timedelta
    checkpoint: Callable[[str], None] = no_checkpoint
    spare: Callable[[], bool] = lambda: False
    rng: random.Random = field(default_factory=random.Random)
    mail: MailServer | None = None
    app_url: str = ""
    ping_url: str = ""
    email_for: Callable[[dict[str, Any]], Email | None] = no_email
    turn_off: Callable[[int], tuple[str, str]] = no_links
    advisor: Advisor = field(default_factory=Advisor)
    health_cache: PlatformHealthCache = field(default_factory=PlatformHealthCache)
    tally: Tally = field(default_factory=Tally)
    prices: Callable[[Platform], Prices] = lambda _platform: Prices()
    read_budget: float = 1.0
    together: bool = True
    times: PlatformTimes = field(init=False)
    patience: Patience = field(init=False)
    browser: Browser | None = None
    looks_a_minute: int = 12

    def __post_init__(self) -> None:
        self.times, self.patience = PlatformTimes(self.clock), Patience(self.clock)

    @property
    def worker(self) -> str:
        return self.keeper.worker

    def saw(self, account: Account, exchange: Exchange) -> None:
        """What one call with the account's access says of its platform."""
        self.health_cache.saw(account, exchange, self.clock.now())
        self.tally.observe(CALLS, exchange.latency_ms / 1000, account.platform.value, answer_of(exchange.status))

    def adapter(self, account: Account, http: HttpClient) -> Adapter:
        """The adapter of this account: by the platform's API, or by its web pages."""
        platform, config = account.platform, self.config_for(account.platform)
        return adapter_of(
            platform, account.instance, http, config, self.clock, self.browser, self.adapter_for, account.scopes
        )


class Closing(TypedDict):
    """What an attempt row keeps of an exchange."""

    http_status: int | None
    latency_ms: int | None
    reply: str


@dataclass
class ExchangeRecorder:
    """Collects the exchanges of one act, so that the attempt row can tell what came back."""

    exchanges: list[Exchange] = field(default_factory=list)

    def __call__(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)

    @property
    def request_id(self) -> str:
        """Of the last exchange; "" when there was none."""
        return self.exchanges[-1].request_id if self.exchanges else ""

    def closing(self) -> Closing:
        """Columns for the attempt: of the visible exchange if there was one, else of the last."""
        chosen = next((e for e in reversed(self.exchanges) if e.visible), None) or (
            self.exchanges[-1] if self.exchanges else None
        )
        if chosen is None:
            return Closing(http_status=None, latency_ms=None, reply="")
        return Closing(http_status=chosen.status, latency_ms=chosen.latency_ms, reply=chosen.reply)
