"""An emulator of X."""

from postprober.sandbox.engine.emulator import DAY, Emulator, PageStyle, PublicPage, by_id
from postprober.sandbox.engine.model import Account
from postprober.sandbox.x import api, media, oauth, public
from postprober.sandbox.x.dialect import XDialect

# X counts milliseconds since 2010-11-04T01:42:54.657Z and keeps 22 low bits for machine and sequence
# (https://github.com/twitter-archive/snowflake).
_EPOCH_MS = 1_288_834_974_657


def _refreshable(_account: Account, scopes: list[str]) -> bool:
    return "offline.access" in scopes


EMULATOR = Emulator(
    key="x",
    look=PageStyle(
        "X sandbox",
        "𝕏",
        "--back:#000;--ink:#e7e9ea;--card:#000;--line:#2f3336;--soft:#8b9096;--link:#1d9bf0;--brand:#536471;"
        "--head:#000;--headink:#fff;--r:2px;--face:50%",
        (("replies", "replies"), ("reposts", "reposts"), ("likes", "likes"), ("views", "views")),
        "#111",
    ),
    dialect=XDialect,
    routes=lambda world, dialect: [
        *oauth.routes(world, dialect),
        *media.routes(world, dialect),
        *api.routes(world, dialect),
        *public.routes(world, dialect),
    ],
    pages=(PublicPage("/x/{handle:str}/status/{id:str}", by_id("x")),),
    profiles=("/x/{name:str}",),
    settings={
        "x_dialect": "both",  # both | legacy | new: which field names X answers with and accepts
        "x_html_escape": True,  # X sends & < > as entities in `text` (observed: FxEmbed/FxEmbed#24, tweepy#451)
    },
    scopes=("tweet.read", "tweet.write", "users.read", "media.write", "offline.access"),  # platforms/x/facts.md, 1
    account_id=lambda number, _digest: str(10**15 + number),
    post_number=lambda millis: (millis - _EPOCH_MS) << 22,
    access_seconds=7200.0,  # lives of tokens and codes: platforms/x/facts.md, 1
    refresh_seconds=180 * DAY,
    refreshable=_refreshable,
    code_seconds=30.0,
    counts_in_reads=True,
)
