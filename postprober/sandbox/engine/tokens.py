"""Issuing tokens. Lifetimes: platforms/NAME/facts.md, 1."""

import base64
import json
import secrets

from postprober.sandbox.engine.model import Account, Token
from postprober.sandbox.engine.world import World

DAY = 86400.0
# None: does not expire.
ACCESS_SECONDS: dict[str, float | None] = {
    "x": 7200.0,
    "linkedin": 5_184_000.0,
    "instagram": 60 * DAY,
    "mastodon": None,
    "bluesky": 7200.0,
}
REFRESH_SECONDS = {"x": 180 * DAY, "linkedin": 365 * DAY, "bluesky": 90 * DAY}


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
    chain = chain or secrets.token_hex(8)
    lasts = ACCESS_SECONDS[platform] if access_seconds is None else access_seconds
    expires_at = None if lasts is None else now + lasts
    value = _value(account, "access", now, expires_at)
    access = Token(value, "access", platform, account.name, scopes, chain, now - age, expires_at)
    world.save_token(access)
    refresh = None
    if _refreshable(account, scopes):
        ends = refresh_until or now + REFRESH_SECONDS[platform]
        value = _value(account, "refresh", now, ends)
        refresh = Token(value, "refresh", platform, account.name, scopes, chain, now, ends)
        world.save_token(refresh)
    account.access_token = access.value
    account.refresh_token = refresh.value if refresh else None
    world.save_account(account)
    return access, refresh


def _refreshable(account: Account, scopes: list[str]) -> bool:
    """X: only with offline.access. LinkedIn: approved partners only. Instagram and Mastodon have none."""
    if account.platform == "x":
        return "offline.access" in scopes
    return account.platform == "bluesky" or (account.platform == "linkedin" and account.partner)


def _value(account: Account, kind: str, now: float, expires_at: float | None) -> str:
    if account.platform == "bluesky":
        return _jwt(account, kind, now, expires_at or now)
    prefix = {"x": "", "linkedin": "AQ", "instagram": "IGAA", "mastodon": ""}[account.platform]
    return prefix + secrets.token_urlsafe(48)


def _jwt(account: Account, kind: str, now: float, expires_at: float) -> str:
    """Looks like the PDS's JWT and is checked by looking it up: nobody needs its signature here."""
    claims = {
        "scope": f"com.atproto.{kind}",
        "sub": account.id,
        "aud": "did:web:bsky.test",
        "iat": int(now),
        "exp": int(expires_at),
        "jti": secrets.token_hex(8),
    }
    parts = ({"typ": "at+jwt" if kind == "access" else "refresh+jwt", "alg": "ES256K"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts]
    return ".".join([*encoded, secrets.token_urlsafe(48)])
