"""An emulator of Mastodon."""

from postprober.sandbox.engine.emulator import Emulator, PageStyle
from postprober.sandbox.mastodon import api, oauth, pages, rest
from postprober.sandbox.mastodon.dialect import MastodonDialect

EMULATOR = Emulator(
    key="mastodon",
    look=PageStyle(
        "Mastodon sandbox",
        "m",
        "--back:#282c37;--ink:#fff;--card:#313543;--line:#42485a;--soft:#b0b6cc;--link:#9a98ff;--brand:#6364ff;"
        "--head:#191b22;--headink:#9a98ff;--r:6px;--face:12px",
        (("replies", "replies"), ("reposts", "boosts"), ("likes", "favourites")),
        "#6364ff",
    ),
    dialect=MastodonDialect,
    routes=lambda world, dialect: [
        *oauth.routes(world, dialect),
        *api.routes(world, dialect),
        *rest.routes(world, dialect),
    ],
    pages=pages.PAGES,  # the one of Mastodon itself has the path of another
    profiles=("/mastodon/@{name:str}",),
    scopes=(
        "profile",
        "read:statuses",
        "write:statuses",
        "write:media",
        "read:search",
    ),  # platforms/mastodon/facts.md, 1
    account_id=lambda number, _digest: str(109_000_000_000_000_000 + number),
    post_number=lambda millis: millis << 16,  # lib/mastodon/snowflake.rb
    code_seconds=600.0,  # platforms/mastodon/facts.md, 1; tokens do not expire
    registers_apps=True,
    counts_in_reads=True,
    settings={
        "mastodon_api_version": 7,  # of Mastodon 4.5
        "mastodon_software": "",  # or one of `kinds.KINDS`
        "mastodon_markdown": False,  # the account's own setting, where that software has one
    },
    any_slash="/mastodon/api/",  # Rails does so
)
