"""What an installation stands on and who has to reach it, as `doctor` asks: files, database server, addresses, mail, clients."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from postprober import extras, places
from postprober.alerts import mail
from postprober.domain.addresses import split
from postprober.domain.platform import NAMES, Platform, known
from postprober.errors import Unavailable
from postprober.platforms.registry import SPECS
from postprober.services.core import Core
from postprober.services.operations.check_result import CheckResult
from postprober.storage.tables import accounts

OLDEST_POSTGRES = (
    14  # the oldest that PostgreSQL's own people still mend (postgresql.org/support/versioning, November 2026)
)
DATABASE_CLOCK_LIMIT = timedelta(seconds=10)  # leases are compared between machines; they are given for 15 s and more
ENDS_SOON = timedelta(days=7)  # time to link an account again
MOST_NAMED = 3  # accounts in one sentence


def look(core: Core) -> Iterator[CheckResult]:
    """Every check of this module, each with one sentence; none raises for an installation that is unwell."""
    yield _files(core)
    yield from _database_server(core)
    yield from _app(core)
    yield from _sign_in(core)
    yield from _public_address(core)
    yield from _mail(core)
    yield from _clients(core)
    yield from _accounts(core)


def answers(url: str) -> int | None:
    """The status of an address of our own, None when it does not answer. Not through the guarded client: in live mode that
    one refuses loopback, which is where our own processes listen."""
    try:
        with _open(url, timeout=3) as reply:
            return int(reply.status)
    except HTTPError as error:
        return error.code
    except (OSError, ValueError, HTTPException):
        return None


_open = build_opener(ProxyHandler({})).open


def _files(core: Core) -> CheckResult:
    """Who else on this machine can read what is secret. A folder that others cannot enter hides all that is in it."""
    folder = core.settings.data_dir
    try:
        closed = not folder.stat().st_mode & stat.S_IXOTH
        open_to_all = [
            file.name
            for file in sorted(folder.iterdir())
            if file.is_file() and file.suffix in (".sqlite", ".json", ".txt") and file.stat().st_mode & stat.S_IROTH
        ]
    except OSError as error:
        return CheckResult(
            "permissions", False, f"{folder} cannot be read ({error.strerror}); run this as PostProber's user"
        )
    if closed or not open_to_all:
        return CheckResult("permissions", True, f"nobody else can read the database and the secrets in {folder}")
    named = ", ".join(open_to_all[:MOST_NAMED])
    return CheckResult("permissions", False, f"everybody on this machine can read {named}; run: chmod -R o= {folder}")


def _database_server(core: Core) -> Iterator[CheckResult]:
    """Nothing where SQLite is used, which has no clock and no version of its own."""
    if core.db.is_sqlite:
        return
    try:
        with core.db.read() as conn:
            version = int(conn.execute(text("SHOW server_version_num")).scalar_one()) // 10_000
            theirs = conn.execute(text("SELECT clock_timestamp()")).scalar_one()
    except SQLAlchemyError as error:
        yield CheckResult(
            "PostgreSQL", False, f"it does not answer ({type(error).__name__}); check POSTPROBER_DATABASE_URL"
        )
        return
    ahead = _utc(theirs) - core.clock.now()
    seconds = abs(ahead.total_seconds())
    told = f"version {version}; its clock is {seconds:.1f} s {'ahead of' if ahead >= timedelta() else 'behind'} ours"
    if version < OLDEST_POSTGRES:
        yield CheckResult(
            "PostgreSQL", False, f"{told}. Nobody mends that version any more: update to {OLDEST_POSTGRES} or newer"
        )
    elif abs(ahead) > DATABASE_CLOCK_LIMIT:
        yield CheckResult("PostgreSQL", False, f"{told}. Set the clocks of both machines (for example with NTP)")
    else:
        yield CheckResult("PostgreSQL", True, told)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _app(core: Core) -> Iterator[CheckResult]:
    """Nothing where the web app is left out; no fault where it may run on another machine."""
    if not extras.has("app"):
        return
    url = f"http://127.0.0.1:{core.settings.app_port}"
    status = answers(f"{url}/_stcore/health")
    if status is None:
        yield CheckResult(
            "app",
            True,
            f"{url} does not answer; if people are to sign in here, start it: {places.start_command('app')}",
        )
    else:
        yield CheckResult("app", status == 200, f"{url} answers {status}")


def _sign_in(core: Core) -> Iterator[CheckResult]:
    """Nothing where it works: a browser signs in at the sidecar, whose cookie the app gets on the same host only."""
    app, sidecar = core.settings.app_base, core.settings.browser_base
    if split(app).hostname != split(sidecar).hostname:
        yield CheckResult(
            "sign-in",
            False,
            f"nobody can sign in: the app is at {app}, and browsers reach the sidecar at {sidecar}, which is another host. Set "
            "POSTPROBER_PUBLIC_URL to the address under which a proxy brings both (deploy/Caddyfile)",
        )


def _public_address(core: Core) -> Iterator[CheckResult]:
    """Nothing where none is named: then nobody has to come from outside."""
    if not core.settings.public_url:
        return
    url = f"{core.settings.public_base}/healthz"
    status = answers(url)
    if status == 200:
        yield CheckResult("public address", True, f"{url} leads to the sidecar")
    else:
        found = "cannot be reached from here" if status is None else f"answers {status} instead of the sidecar"
        yield CheckResult(
            "public address",
            False,
            f"{url} {found}; platforms fetch media and send people back there. Check its name, its certificate and the proxy, "
            "or correct POSTPROBER_PUBLIC_URL",
        )


def _mail(core: Core) -> Iterator[CheckResult]:
    """Nothing where no mail is sent."""
    server = core.settings.mail
    if server is None:
        return
    try:
        mail.greet(server)
    except Unavailable as error:
        yield CheckResult("mail", False, f"{error.message} {error.detail} Correct the POSTPROBER_SMTP_ settings")
    else:
        yield CheckResult("mail", True, f"{server.host} takes mail from {server.sender}")


def _clients(core: Core) -> Iterator[CheckResult]:
    """Never a fault: nobody needs every platform."""
    if core.settings.sandbox:
        return
    needed = [one for one in known() if SPECS[one].oauth is not None and SPECS[one].register_app is None]
    missing = [one for one in needed if not core.settings.platform(one).client_id]
    ready = ", ".join(NAMES[one] for one in needed if one not in missing) or "none"
    if missing:
        names = ", ".join(f"{NAMES[one]} (POSTPROBER_{one.value.upper()}_CLIENT_ID)" for one in missing)
        yield CheckResult(
            "clients", True, f"people can link by a consent page: {ready}; not without a client id: {names}"
        )
    elif needed:
        yield CheckResult("clients", True, f"people can link by a consent page: {ready}")


def _accounts(core: Core) -> Iterator[CheckResult]:
    """Nothing where nobody has linked any."""
    now = core.clock.now()
    with core.db.read() as conn:
        rows = conn.execute(accounts.select().where(accounts.c.is_active)).all()
    lost = [_called(row.platform, row.account_name) for row in rows if row.status != "ok"]
    ending = [
        _called(row.platform, row.account_name)
        for row in rows
        if row.status == "ok"
        and row.token_expires_at
        and not row.refresh_token
        and row.token_expires_at < now + ENDS_SOON
    ]
    if lost:
        yield CheckResult("accounts", False, f"{_some(lost)} cannot publish; link them again in the app under Accounts")
    elif ending:
        days = ENDS_SOON.days
        yield CheckResult(
            "accounts", False, f"the access of {_some(ending)} ends within {days} days; link them again under Accounts"
        )
    elif rows:
        yield CheckResult("accounts", True, f"{len(rows)} are linked, and none has to be linked again soon")


def _called(platform: str, name: str) -> str:
    try:
        return f"{NAMES[Platform(platform)]} {name}"
    except (KeyError, ValueError):
        return f"{platform} {name}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
