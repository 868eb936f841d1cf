"""Linking an account that is used through the platform's web pages: opt-in, experimental, with the terms accepted."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection

from postprober.clock import utc_iso
from postprober.domain.account import Credentials
from postprober.domain.actor import Actor
from postprober.domain.platform import Platform
from postprober.errors import BadInput
from postprober.platforms.common.spec import BrowserWay
from postprober.platforms.registry import browser_way, by_browser
from postprober.services.accounts import accounts as account_service
from postprober.services.core import Core, Mark, no_mark
from postprober.services.people import permits
from postprober.storage import accounts
from postprober.storage.records import Account

MARK = "by browser, experimental"  # stands wherever such an account is named
MAX_STATE = 1_000_000  # characters; a stored session has some ten thousand


def called(account: Account) -> str:
    """The account's name, with the warning where it is used by browser."""
    return f"{account.account_name} ({MARK})" if is_by_browser(account) else account.account_name


def is_by_browser(account: Account) -> bool:
    return by_browser(account.platform, account.instance)


def terms(platform: Platform) -> str:
    """What a person accepts who uses an account there by browser. Raises BadInput where nobody can."""
    return browser_way(platform).terms


def _web_base(core: Core, platform: Platform) -> str:
    """Where the web pages are."""
    if core.settings.sandbox:
        return f"{core.settings.sandbox_url}{browser_way(platform).sandbox}"
    return core.settings.platform(platform).auth_url


def trouble(core: Core) -> str:
    """Why no such account can be used here, in one sentence; "" when it can."""
    return "No browser can be used here." if core.browser is None else core.browser.trouble()


@permits.needs("accounts:write")
def link(core: Core, actor: Actor, platform: Platform, text: str, *, accepted: bool, mark: Mark = no_mark) -> Account:
    """Link (or link again) from a stored browser session, Playwright's `storage_state` as JSON text. `accepted`: the
    person has read the `terms` and wants it; that is kept with the time.

    Raises BadInput (not accepted, no browser here, no session in it) or a PlatformError.
    """
    way = browser_way(platform)
    if not accepted:
        raise BadInput(f"{way.terms} Accept that first.", field="terms")
    if problem := trouble(core):
        raise BadInput(f"This account would need a browser. {problem}", field="platform")
    cred = _session(way, text, _web_base(core, platform))
    now = core.clock.now()

    def note(conn: Connection, account_id: int) -> None:
        known = accounts.get(conn, account_id).settings
        agreed = {"accepted_at": utc_iso(now), "by": actor.user, "terms": way.terms}
        accounts.write(conn, account_id, settings={**known, "browser_terms": agreed})
        mark(conn, account_id)

    http = core.http.bound(secrets=[cred.access_token, *cred.secret.values()])
    return account_service.link(core, actor, platform, cred, http, note)


def _session(way: BrowserWay, text: str, base: str) -> Credentials:
    if len(text) > MAX_STATE:
        raise BadInput("This is too large for a stored browser session.", field="session")
    try:
        state: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise BadInput(
            "This is no stored browser session: it is not JSON (Playwright writes it with storage_state).",
            field="session",
        ) from None
    try:
        return way.session(state, base)
    except ValueError as error:
        raise BadInput(str(error), field="session") from None
