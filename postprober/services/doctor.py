"""Is this installation well?"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from dataclasses import dataclass

from postprober.domain.platform import NAMES, Platform
from postprober.errors import PostProberError, VaultError
from postprober.pipeline.credentials import open_credentials
from postprober.services import by_browser, keys
from postprober.services.core import Core
from postprober.services.monitoring import HEARTBEAT_LIMIT, heartbeat_age
from postprober.storage import processes
from postprober.storage.accounts import get
from postprober.storage.database import sqlite_has_wal_reset_bug
from postprober.storage.tables import accounts

MIN_FREE_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Finding:
    name: str
    ok: bool
    message: str


def examine(core: Core) -> list[Finding]:
    """Every check, each with one sentence; never raises for an unwell installation."""
    return [
        Finding("Python", sys.version_info >= (3, 11), ".".join(map(str, sys.version_info[:3]))),
        Finding("mode", True, "sandbox: nothing leaves this machine" if core.settings.sandbox else "live"),
        _database(core),
        _disk(core),
        _vault(core),
        _scheduler(core),
        *_workers(core),
        _sidecar(core),
        _browser(core),
        *(_platform(core, platform) for platform in Platform),
        _by_browser(core),
    ]


def _database(core: Core) -> Finding:
    if not core.db.is_current():
        return Finding("database", False, "the schema is not this program's; start any command to bring it up to date")
    if core.db.is_sqlite and sqlite_has_wal_reset_bug():
        version = sqlite3.sqlite_version
        return Finding(
            "database", True,
            f"SQLite {version} has the WAL-reset bug (fixed in 3.51.3); PostProber works around it by its own checkpoints",
        )  # fmt: skip
    return Finding("database", True, "schema is current")


def _disk(core: Core) -> Finding:
    free = shutil.disk_usage(core.settings.data_dir).free
    writable = os.access(core.settings.data_dir, os.W_OK)
    ok = writable and free > MIN_FREE_BYTES
    return Finding(
        "data folder",
        ok,
        f"{core.settings.data_dir} has {free // 2**20} MB free" + ("" if writable else ", not writable"),
    )


def _vault(core: Core) -> Finding:
    with core.db.read() as conn:
        ids = [row.id for row in conn.execute(accounts.select().where(accounts.c.is_active))]
        rows = [get(conn, account_id) for account_id in ids]
    for account in rows:
        try:
            open_credentials(core.vault, account)
        except VaultError as error:
            return Finding("vault", False, f"account {account.id}: {error}")
    old = keys.left(core)
    tail = f"; {old} secrets are on an older key, run: keys rotate" if old else ""
    return Finding("vault", True, f"{len(rows)} accounts can be opened with key {core.vault.current!r}{tail}")


def _scheduler(core: Core) -> Finding:
    age = heartbeat_age(core)
    if age is None or age > HEARTBEAT_LIMIT:
        return Finding("scheduler", False, "it is not running; nothing is published (start it with: make up)")
    return Finding("scheduler", True, f"last heartbeat {age.total_seconds():.0f} s ago")


def _workers(core: Core) -> list[Finding]:
    """Nothing where the scheduler delivers by itself."""
    if not core.settings.redis_url:
        return []
    since = core.clock.now() - HEARTBEAT_LIMIT
    with core.db.read() as conn:
        alive = processes.beating(conn, "worker", since)
    if not alive:
        return [Finding("workers", False, "none is running (dramatiq postprober.worker); the queue is not emptied")]
    return [Finding("workers", True, f"{alive} running")]


def _sidecar(core: Core) -> Finding:
    url = f"{core.settings.api_base}/healthz"
    try:
        reply = core.http.read("GET", url, timeout=3)
    except PostProberError:
        return Finding("sidecar", False, f"{core.settings.api_base} does not answer (start it with: make up)")
    return Finding("sidecar", reply.ok, f"{core.settings.api_base} answers {reply.status}")


def _browser(core: Core) -> Finding:
    """Never a fault: everything but the pictures goes on without one."""
    trouble = core.browser.trouble() if core.browser is not None else "nobody looks with one"
    if trouble:
        return Finding("browser", True, f"{trouble} Posts are proved without pictures.")
    return Finding("browser", True, core.browser.path or "Playwright's own Chromium" if core.browser else "")


def _by_browser(core: Core) -> Finding:
    name = "Instagram by browser"
    with core.db.read() as conn:
        query = accounts.select().where(accounts.c.is_active, accounts.c.platform == Platform.INSTAGRAM.value)
        used = sum(bool(row.instance) for row in conn.execute(query))
    problem = by_browser.trouble(core)
    if problem:
        return Finding(
            name, not used, f"{problem} {used} accounts need it" if used else f"{problem} No account needs it"
        )
    return Finding(name, True, f"experimental; {used} accounts use it")


def _platform(core: Core, platform: Platform) -> Finding:
    config = core.settings.platform(platform)
    name = NAMES[platform]
    if not config.api_url:
        return Finding(name, True, "each account brings its own server")
    try:
        reply = core.http.read("GET", config.api_url, timeout=5)
    except PostProberError:
        return Finding(name, False, f"{config.api_url} cannot be reached from here")
    return Finding(name, reply.status < 500, f"{config.api_url} answers")
