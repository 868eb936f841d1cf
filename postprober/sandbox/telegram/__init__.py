"""An emulator of Telegram: channels, each with a bot of its own."""

import secrets

from postprober.sandbox.engine.emulator import Emulator, PageStyle, PublicPage
from postprober.sandbox.engine.model import Account
from postprober.sandbox.telegram import api, pages
from postprober.sandbox.telegram.dialect import DELETES, POSTS, PUBLIC, TelegramDialect


def _token(account: Account, _kind: str, _now: float, _ends: float | None) -> str:
    """Of the bot: its number, and 35 signs after a colon."""
    number = 10**9 + int(account.id.removeprefix("-100")) % 10**9
    return f"{number}:AA{secrets.token_urlsafe(24)}_"


EMULATOR = Emulator(
    key="telegram",
    look=PageStyle(
        "Telegram sandbox",
        "✈",
        "--back:#e8eef3;--ink:#111;--card:#fff;--line:#d5dfe6;--soft:#5d7284;--link:#1c7ab8;--brand:#2aabee;"
        "--head:#2aabee;--headink:#fff;--r:12px;--face:50%",
        (("views", "views"), ("likes", "reactions")),
        "#2aabee",
    ),
    dialect=TelegramDialect,
    routes=lambda world, dialect: [*api.routes(world, dialect), *pages.routes(world)],
    pages=(PublicPage("/telegram/{name:str}/{number:str}", pages.find, pages.embedded),),
    profiles=("/telegram/{name:str}",),
    scopes=(POSTS, DELETES, PUBLIC),  # rights of the bot, and whether the channel has a name
    account_id=lambda number, _digest: f"-100{10**9 + number % 10**9}",
    post_number=lambda millis: millis // 100 - 17_000_000_000,  # numbers of messages are small
    token=_token,
    typed=lambda account: {"access_token": account.access_token or "", "channel": account.id},
    counts_in_reads=True,
)
