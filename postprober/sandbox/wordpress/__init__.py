"""An emulator of WordPress: one site with its users."""

from postprober.sandbox.engine.emulator import Emulator, PageStyle
from postprober.sandbox.engine.model import Account
from postprober.sandbox.wordpress import api, pages
from postprober.sandbox.wordpress.dialect import PUBLISHES, UPLOADS, WRITES, WordPressDialect, basic, edited


def _token(account: Account, _kind: str, _now: float, _ends: float | None) -> str:
    """What a user sends: name and application password."""
    return basic(account)


EMULATOR = Emulator(
    key="wordpress",
    look=PageStyle(
        "WordPress sandbox",
        "W",
        "--back:#f0f0f1;--ink:#1d2327;--card:#fff;--line:#dcdcde;--soft:#646970;--link:#21759b;--brand:#21759b;"
        "--head:#1d2327;--headink:#fff;--r:4px;--face:50%",
        (("replies", "comments"),),
        "#21759b",
    ),
    dialect=WordPressDialect,
    routes=lambda world, dialect: [*api.routes(world, dialect), *pages.routes(world)],
    settings={"site_closed": False, "rest_closed": False},  # visitors see a page instead; strangers read no REST API
    scopes=(WRITES, PUBLISHES, UPLOADS),
    account_id=lambda number, _digest: str(2 + number % 10**9),
    post_number=lambda millis: millis - 1_700_000_000_000,  # numbers of posts are small
    token=_token,
    app_password=True,
    typed=lambda account: {"user": account.name, "password": account.password or ""},
    counts_in_reads=True,
    edited=edited,
)
