"""An emulator of Discord: one server, a channel for each account, which is a bot or a webhook."""

import base64
import secrets

from postprober.sandbox.discord import api
from postprober.sandbox.discord.dialect import (
    BOT,
    GUILD,
    READS,
    SENDS,
    VIEWS,
    WEBHOOK,
    WORDS,
    DiscordDialect,
    author_of,
    own_channel,
)
from postprober.sandbox.engine.emulator import Emulator, PageStyle
from postprober.sandbox.engine.model import Account

_EPOCH = 1_420_070_400_000  # platforms/discord/facts.md, 5


def _account_id(number: int, _digest: bytes) -> str:
    return f"{10**18 + number}@{GUILD}/{11 * 10**17 + number}"


def _token(account: Account, _kind: str, _now: float, _ends: float | None) -> str:
    """A webhook's as it stands in its address, with its id; a bot's with the bot's id inside."""
    if WEBHOOK in account.scopes:
        return f"{author_of(account)}/{secrets.token_urlsafe(51)}"
    return f"{base64.b64encode(author_of(account).encode()).decode().rstrip('=')}.{secrets.token_urlsafe(4)[:6]}.{secrets.token_urlsafe(28)}"


def _typed(account: Account) -> dict[str, str]:
    if WEBHOOK in account.scopes:
        return {"webhook": f"https://discord.com/api/webhooks/{account.access_token}"}
    return {"access_token": account.access_token or "", "channel": own_channel(account)}


EMULATOR = Emulator(
    key="discord",
    look=PageStyle(
        "Discord sandbox",
        "🎮",
        "--back:#313338;--ink:#dbdee1;--card:#2b2d31;--line:#3f4147;--soft:#949ba4;--link:#949cf7;--brand:#5865f2;"
        "--head:#1e1f22;--headink:#fff;--r:8px;--face:50%",
        (("likes", "reactions"),),
        "#5865f2",
    ),
    dialect=DiscordDialect,
    routes=lambda world, dialect: api.routes(world, dialect),
    settings={"nonce_seconds": 180.0},  # how long a nonce is known; the real time is not told
    scopes=(BOT, VIEWS, SENDS, READS, WORDS),  # the kind, the rights in channels, and the intent
    account_id=_account_id,
    post_number=lambda millis: (millis - _EPOCH) << 22,
    token=_token,
    typed=_typed,
    counts_in_reads=True,
)
