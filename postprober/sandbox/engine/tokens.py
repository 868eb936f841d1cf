"""Issuing tokens. Lifetimes: platforms/NAME/facts.md, 1."""

import secrets

from postprober.sandbox.engine.emulator import emulator
from postprober.sandbox.engine.model import Account, Token
from postprober.sandbox.engine.world import World


def issue(
    world: World,
    account: Account,
    scopes: list[str],
    *,
    chain: str = "",
    access_seconds: float | None = None,
    refresh_until: float | None = None,
    age: float = 0.0,
) -> tuple[Token, Token | None]:
    """A new access token, and a refresh token where the platform gives one to this account.

    `age` back-dates its issue by that many seconds, not its end.
    """
    platform, now = account.platform, world.now()
    one = emulator(platform)
    chain = chain or secrets.token_hex(8)
    lasts = one.access_seconds if access_seconds is None else access_seconds
    expires_at = None if lasts is None else now + lasts
    value = one.token(account, "access", now, expires_at)
    access = Token(value, "access", platform, account.name, scopes, chain, now - age, expires_at)
    world.save_token(access)
    refresh = None
    if one.refreshable(account, scopes):
        ends = refresh_until or now + one.refresh_seconds
        value = one.token(account, "refresh", now, ends)
        refresh = Token(value, "refresh", platform, account.name, scopes, chain, now, ends)
        world.save_token(refresh)
    account.access_token = access.value
    account.refresh_token = refresh.value if refresh else None
    world.save_account(account)
    return access, refresh
