"""Is this installation well?"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from datetime import timedelta
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from postprober import extras, places
from postprober.domain.platform import NAMES, Platform, known
from postprober.errors import PostProberError, VaultError
from postprober.http import Exchange
from postprober.pipeline.core.tokens import open_credentials
from postprober.platforms.registry import BROKEN, SPECS
from postprober.services.accounts import browser_accounts
from postprober.services.core import Core
from postprober.services.monitoring.measures import redis_answers
from postprober.services.monitoring.monitoring import HEARTBEAT_LIMIT, heartbeat_age
from postprober.services.monitoring.readiness import NEARLY_FULL
from postprober.services.operations import backup_set, keys, surroundings
from postprober.services.operations.check_result import CheckResult
from postprober.settings import unknown_names, unused_data
from postprober.storage import archive, processes
from postprober.storage.accounts import get
from postprober.storage.database import sqlite_has_wal_reset_bug
from postprober.storage.tables import accounts

# After the start of a scheduler, which looks each minute and copies all files the first time.
FIRST_BACKUP = timedelta(minutes=10)
CLOCK_LIMIT = 30.0  # seconds between a platform's clock and ours that nobody should leave so


def examine(core: Core) -> list[CheckResult]:
    """Every check, each with one sentence; never raises for an unwell installation."""
    return [
        CheckResult("Python", sys.version_info >= (3, 11), ".".join(map(str, sys.version_info[:3]))),
        CheckResult("mode", True, "sandbox: nothing leaves this machine" if core.settings.sandbox else "live"),
        _database(core),
        _disk(core),
        *_unused_data(core),
        _backups(core),
        *_archive(core),
        _vault(core),
        _scheduler(core),
        *_workers(core),
        *_redis(core),
        *_unknown_settings(),
        _extras(),
        _videos(),
        _sidecar(core),
        *surroundings.look(core),
        _browser(core),
        *(_platform(core, platform) for platform in known()),
        *(_by_browser(core, platform) for platform in known() if SPECS[platform].browser is not None),
        *(CheckResult(f"platform {name}", False, why) for name, why in sorted(BROKEN.items())),
    ]


def _database(core: Core) -> CheckResult:
    if not core.db.is_current():
        return CheckResult(
            "database", False, "the schema is not this program's; start any command to bring it up to date"
        )
    if core.db.is_sqlite and sqlite_has_wal_reset_bug():
        version = sqlite3.sqlite_version
        return CheckResult(
            "database",
            True,
            f"SQLite {version} has the WAL-reset bug (fixed in 3.51.3); PostProber works around it by its own checkpoints",
        )
    return CheckResult("database", True, "schema is current")


def _disk(core: Core) -> CheckResult:
    free = shutil.disk_usage(core.settings.data_dir).free
    writable = os.access(core.settings.data_dir, os.W_OK)
    ok = writable and free > NEARLY_FULL
    return CheckResult(
        "data folder",
        ok,
        f"{core.settings.data_dir} has {free // 2**20} MB free" + ("" if writable else ", not writable"),
    )


def _unused_data(core: Core) -> list[CheckResult]:
    unused = unused_data(core.settings)
    return [CheckResult("data folder", False, unused)] if unused else []


def _backups(core: Core) -> CheckResult:
    """Not a fault where somebody else may back up; one where it was asked for and there is none."""
    where, hours = core.settings.backup_dir, core.settings.backup_hours
    if not where:
        return CheckResult("backups", True, "none are scheduled here; set POSTPROBER_BACKUP_DIR, or run: backup FOLDER")
    last = backup_set.newest(Path(where), core.clock.now())
    age = core.clock.now() - last if last is not None else None
    if age is None and _just_begun(core):
        return CheckResult("backups", True, f"{where} has none yet; the scheduler makes the first within a few minutes")
    if age is None or age > 2 * timedelta(hours=hours):
        told = "has none" if age is None else f"has none newer than {age.total_seconds() / 3600:.0f} hours"
        return CheckResult(
            "backups",
            False,
            f"{where} {told}, and one is due every {hours} hours; see the scheduler's log, or run: backup {where}",
        )
    return CheckResult("backups", True, f"the last one in {where} is {age.total_seconds() / 3600:.1f} hours old")


def _just_begun(core: Core) -> bool:
    """Whether a scheduler has been at work for so short a time that it may not have made a backup."""
    now = core.clock.now()
    with core.db.read() as conn:
        begun = processes.running_since(conn, "scheduler", now - HEARTBEAT_LIMIT)
    return begun is not None and now - begun < FIRST_BACKUP


def _archive(core: Core) -> list[CheckResult]:
    """Files with details of old posts that are not there as they were written."""
    try:
        with core.db.read() as conn:
            named = archive.sizes(conn)
    except SQLAlchemyError:
        return []  # which is said above
    where = archive.folder(core.settings.data_dir)
    lost = [
        name for name, size in named.items() if not (where / name).is_file() or (where / name).stat().st_size != size
    ]
    if not lost:
        return []
    return [
        CheckResult(
            "archive",
            False,
            f"{len(lost)} of {len(named)} files with details of old posts are missing or damaged in {where}, such as {lost[0]}; "
            "bring them back from a backup: restore FOLDER --into another folder, and copy archive from there",
        )
    ]


def _vault(core: Core) -> CheckResult:
    with core.db.read() as conn:
        ids = [row.id for row in conn.execute(accounts.select().where(accounts.c.is_active))]
        rows = [get(conn, account_id) for account_id in ids]
    for account in rows:
        try:
            open_credentials(core.vault, account)
        except VaultError as error:
            return CheckResult("vault", False, f"account {account.id}: {error}")
    old = keys.left(core)
    tail = f"; {old} secrets are on an older key, run: keys rotate" if old else ""
    return CheckResult("vault", True, f"{len(rows)} accounts can be opened with key {core.vault.current!r}{tail}")


def _scheduler(core: Core) -> CheckResult:
    age = heartbeat_age(core)
    if age is None or age > HEARTBEAT_LIMIT:
        return CheckResult(
            "scheduler",
            False,
            f"not running, so nothing is published; start it with: {places.start_command('scheduler')}",
        )
    return CheckResult("scheduler", True, f"last heartbeat {age.total_seconds():.0f} s ago")


def _workers(core: Core) -> list[CheckResult]:
    """Nothing where the scheduler delivers by itself."""
    if not core.settings.redis_url:
        return []
    now = core.clock.now()
    with core.db.read() as conn:
        alive = processes.beating(conn, "worker", now - HEARTBEAT_LIMIT, now)
    if not alive:
        return [CheckResult("workers", False, "none is running (dramatiq postprober.worker); the queue is not emptied")]
    return [CheckResult("workers", True, f"{alive} running")]


def _redis(core: Core) -> list[CheckResult]:
    """Nothing where none is used. Deliveries go on without it; the scheduler makes them itself."""
    answers = redis_answers(core)
    if answers is None:
        return []
    if not answers:
        return [CheckResult("Redis", False, "it does not answer; start it or check POSTPROBER_REDIS_URL")]
    return [CheckResult("Redis", True, "answers")]


def _unknown_settings() -> list[CheckResult]:
    strange = unknown_names()
    told = ", ".join(f"{name} (did you mean {meant}?)" if meant else name for name, meant in strange.items())
    return [CheckResult("settings", False, f"not a setting, so ignored: {told}")] if strange else []


def _extras() -> CheckResult:
    """Never a fault: who wants something that is left out is told so there."""
    left_out = extras.missing()
    if not left_out:
        return CheckResult("extras", True, f"all installed: {', '.join(extras.MODULES)}")
    return CheckResult(
        "extras", True, f"not installed: {', '.join(left_out)}; add them with: {extras.command(*left_out)}"
    )


def _videos() -> CheckResult:
    """Never a fault: without the extra, what a platform does not take as it is gets refused."""
    if extras.has("video"):
        return CheckResult("videos", True, "read and converted here")
    left = "only their headers are read, and none is converted"
    return CheckResult("videos", True, f"{left}. {extras.sentence('video')}")


def _sidecar(core: Core) -> CheckResult:
    base = core.settings.api_base
    status = surroundings.answers(f"{base}/healthz")
    if status is None:
        return CheckResult(
            "sidecar", False, f"{base} does not answer; start the sidecar: {places.start_command('sidecar')}"
        )
    return CheckResult("sidecar", status == 200, f"{base} answers {status}")


def _browser(core: Core) -> CheckResult:
    """Never a fault: everything but the pictures goes on without one."""
    trouble = core.browser.trouble() if core.browser is not None else "nobody looks with one"
    if trouble:
        return CheckResult("browser", True, f"{trouble} Posts are proved without pictures.")
    return CheckResult("browser", True, core.browser.path or "Playwright's own Chromium" if core.browser else "")


def _by_browser(core: Core, platform: Platform) -> CheckResult:
    name = f"{NAMES[platform]} by browser"
    with core.db.read() as conn:
        query = accounts.select().where(accounts.c.is_active, accounts.c.platform == platform.value)
        used = sum(bool(row.instance) for row in conn.execute(query))
    problem = browser_accounts.trouble(core)
    if problem:
        return CheckResult(
            name, not used, f"{problem} {used} accounts need it" if used else f"{problem} No account needs it"
        )
    return CheckResult(name, True, f"experimental; {used} accounts use it")


def _platform(core: Core, platform: Platform) -> CheckResult:
    config = core.settings.platform(platform)
    name = NAMES[platform]
    if not config.api_url:
        return CheckResult(name, True, "each account brings its own server")
    seen: list[Exchange] = []
    try:
        reply = core.http.bound(observer=seen.append).read("GET", config.api_url, timeout=5)
    except PostProberError:
        return CheckResult(name, False, f"{config.api_url} cannot be reached from here")
    ahead = _clock_ahead(core, seen[-1])
    if ahead is None:
        return CheckResult(name, reply.status < 500, f"{config.api_url} answers; it does not tell its time")
    told = f"{config.api_url} answers; its clock is {abs(ahead):.0f} s {'ahead of' if ahead >= 0 else 'behind'} ours"
    if abs(ahead) > CLOCK_LIMIT:
        return CheckResult(name, False, f"{told}. Set this machine's clock (for example with NTP)")
    return CheckResult(name, reply.status < 500, told)


def _clock_ahead(core: Core, exchange: Exchange) -> float | None:
    """Seconds; None when the server does not tell its time."""
    if exchange.date is None:
        return None
    ahead = (exchange.date - core.clock.now()).total_seconds() + 0.5  # the header has whole seconds
    return 0.0 if abs(ahead) < 1 else ahead
