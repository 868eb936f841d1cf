"""Tokens that are not used any more: withdrawn at the platform, and said where that cannot be done."""

from __future__ import annotations

import logging

from postprober.domain.account import Credentials
from postprober.domain.platform import Platform
from postprober.errors import PlatformError, VaultError
from postprober.pipeline.core.tokens import are_shared, open_credentials, used_by_another
from postprober.services.core import Core
from postprober.storage import accounts
from postprober.storage.records import Account

log = logging.getLogger(__name__)

OLDER = "older_tokens"  # a setting that nobody types: tokens from before the last linking live on at the platform


def withdraw_all(core: Core, account: Account) -> bool:
    """Withdraw what the account had; whether none of its tokens is left alive at the platform."""
    cred = _opened(core, account)
    if cred is not None and _used_by_another(core, account, cred):
        return True
    return cred is not None and withdraw(core, account.platform, cred) and not account.settings.get(OLDER)


def _used_by_another(core: Core, account: Account, cred: Credentials) -> bool:
    with core.db.read() as conn:
        return used_by_another(conn, core.vault, account, cred)


def withdraw_replaced(core: Core, before: Account, cred: Credentials) -> None:
    """The account got new tokens: withdraw those of `before`, or note that they live on."""
    if not before.access_token:
        return
    old = _opened(core, before)
    if old is not None and (are_shared(old, cred) or _used_by_another(core, before, old)):
        return
    adapter = core.adapter(before.platform, old or cred)
    if old is not None and adapter.traits.revokes_one and withdraw(core, before.platform, old):
        return
    with core.db.write() as conn:
        now = accounts.locked(conn, before.id)
        accounts.write(conn, before.id, settings={**now.settings, OLDER: True})


def withdraw_unused(core: Core, space: int, platform: Platform, cred: Credentials) -> None:
    """A linking was refused after the platform gave its tokens: nobody uses them, unless the platform gave out once more
    what a linked account has already."""
    with core.db.read() as conn:
        linked = [one for one in accounts.of_user(conn, space) if one.platform is platform]
    opened = [_opened(core, one) for one in linked]
    traits = core.adapter(platform, cred).traits
    if any(one is None or are_shared(one, cred) for one in opened) or (linked and not traits.revokes_one):
        return
    withdraw(core, platform, cred)


def withdraw(core: Core, platform: Platform, cred: Credentials) -> bool:
    """Whether the platform has ended the tokens."""
    try:
        return core.adapter(platform, cred).revoke(cred)
    except PlatformError as error:
        log.warning("Tokens could not be withdrawn: %s", error.message)
        return False


def _opened(core: Core, account: Account) -> Credentials | None:
    try:
        return open_credentials(core.vault, account)
    except VaultError as error:
        log.warning("The tokens of account %s cannot be opened: %s", account.id, error.message)
        return None
