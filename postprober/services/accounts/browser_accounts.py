"""Linking an account that is used through the platform's web pages: opt-in, experimental, with the terms accepted."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection

from postprober.clock import utc_iso
from postprober.domain.account import Credentials
from postprober.domain.platform import NAMES, Platform
from postprober.errors import BadInput
from postprober.platforms.instagram.browser_adapter import session_of
from postprober.platforms.registry import SPECS, by_browser
from postprober.services.accounts import accounts as account_service
from postprober.services.core import Core, Mark, no_mark
from postprober.services.people import permits
from postprober.storage import accounts
from postprober.storage.records import Account

MARK = "by browser, experimental"  # stands wherever such an account is named
# Instagram's Terms of Use, "How You Can't Use Instagram": no access "in an automated way without our express
# permission" (https://help.instagram.com/581066165581870).
TERMS = (
    "Instagram's terms forbid using it in an automated way without its permission. It may restrict or close the account, "
    "and its pages may change at any time. PostProber can only prove this way of posting against its own sandbox. Use it "
    "only for an account that you can afford to lose, and that has no access to the API."
)
MAX_STATE = 1_000_000  # characters; a stored session has some ten thousand
SANDBOX_WEB = "/instagram-web"


def called(account: Account) -> str:
    """The account's name, with the warning where it is used by browser."""
    return f"{account.account_name} ({MARK})" if is_by_browser(account) else account.account_name


def is_by_browser(account: Account) -> bool:
    return by_browser(account.platform, account.instance)


def web_base(core: Core) -> str:
    """Where the web pages are."""
    if core.settings.sandbox:
        return f"{core.settings.sandbox_url}{SANDBOX_WEB}"
    return core.settings.platform(Platform.INSTAGRAM).auth_url


def trouble(core: Core) -> str:
    """Why no such account can be used here, in one sentence; "" when it can."""
    return "No browser can be used here." if core.browser is None else core.browser.trouble()


@permits.asks("accounts:write")
def link(core: Core, user_id: int, platform: Platform, text: str, *, accepted: bool, mark: Mark = no_mark) -> Account:
    """Link (or link again) from a stored browser session, Playwright's `storage_state` as JSON text. `accepted`: the
    person has read `TERMS` and wants it; that is kept with the time.

    Raises BadInput (not accepted, no browser here, no session in it) or a PlatformError.
    """
    if SPECS[platform].browser_adapter is None:
        raise BadInput(f"{NAMES[platform]} cannot be used by browser; link it by its API.", field="platform")
    if not accepted:
        raise BadInput(f"{TERMS} Accept that first.", field="terms")
    if problem := trouble(core):
        raise BadInput(f"This account would need a browser. {problem}", field="platform")
    cred = _session(text, web_base(core))
    now = core.clock.now()

    def note(conn: Connection, account_id: int) -> None:
        known = accounts.get(conn, account_id).settings
        agreed = {"accepted_at": utc_iso(now), "by": user_id, "terms": TERMS}
        accounts.write(conn, account_id, settings={**known, "browser_terms": agreed})
        mark(conn, account_id)

    http = core.http.bound(secrets=[cred.access_token, *cred.secret.values()])
    return account_service.link(core, user_id, platform, cred, http, note)


def _session(text: str, base: str) -> Credentials:
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
        return session_of(state, base)
    except ValueError as error:
        raise BadInput(str(error), field="session") from None
