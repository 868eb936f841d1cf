"""An emulator of LinkedIn."""

import secrets

from postprober.sandbox.engine.emulator import DAY, Emulator, PageStyle, PublicPage, by_id
from postprober.sandbox.engine.model import Account
from postprober.sandbox.linkedin import api, media, oauth, organizations
from postprober.sandbox.linkedin.dialect import LinkedInDialect


def _refreshable(account: Account, _scopes: list[str]) -> bool:
    """Approved partners only."""
    return account.partner


def _token(_account: Account, _kind: str, _now: float, _ends: float | None) -> str:
    return "AQ" + secrets.token_urlsafe(48)


EMULATOR = Emulator(
    key="linkedin",
    look=PageStyle(
        "LinkedIn sandbox",
        "in",
        "--back:#f4f2ee;--ink:#1f1f1f;--card:#fff;--line:#dfdeda;--soft:#5e5e5e;--link:#0a66c2;--brand:#0a66c2;"
        "--head:#0a66c2;--headink:#fff;--r:8px;--face:50%",
        (("likes", "reactions"), ("replies", "comments"), ("reposts", "reposts")),
        "#0a66c2",
    ),
    dialect=LinkedInDialect,
    routes=lambda world, dialect: [
        *oauth.routes(world, dialect),
        *media.routes(world, dialect),
        *api.routes(world, dialect),
        *organizations.routes(world, dialect),
    ],
    pages=(PublicPage("/linkedin/feed/update/{id:str}", by_id("linkedin")),),
    shown=lambda account: account.title,
    settings={"linkedin_versions": ["202601", "202611"]},
    scopes=("openid", "profile", "w_member_social"),  # platforms/linkedin/facts.md, 1: there is no reading scope
    # Share ids are unix milliseconds << 22 (7141138937766391808 >> 22 is 2023-12-14, the date of the observed reply,
    # source m of platforms/linkedin/facts.md).
    post_number=lambda millis: millis << 22,
    access_seconds=5_184_000.0,  # lives of tokens and codes: platforms/linkedin/facts.md, 1
    refresh_seconds=365 * DAY,
    refreshable=_refreshable,
    token=_token,
    code_seconds=1800.0,
)
