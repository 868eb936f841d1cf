"""An emulator of Instagram."""

import secrets
from typing import Any

from postprober.sandbox.engine.emulator import DAY, Emulator, PageStyle, PublicPage, by_id
from postprober.sandbox.engine.model import Account, Post
from postprober.sandbox.engine.world import World
from postprober.sandbox.instagram import api, oauth, reads, web
from postprober.sandbox.instagram.dialect import InstagramDialect


def _by_code(world: World, params: dict[str, Any]) -> Post | None:
    posts = (p for p in world.posts.values() if p.platform == "instagram")
    return next((p for p in posts if p.extra.get("shortcode") == params["shortcode"]), None)


def _token(_account: Account, _kind: str, _now: float, _ends: float | None) -> str:
    return "IGAA" + secrets.token_urlsafe(48)


EMULATOR = Emulator(
    key="instagram",
    look=PageStyle(
        "Instagram sandbox",
        "◉",
        "--back:#fafafa;--ink:#111;--card:#fff;--line:#dbdbdb;--soft:#676767;--link:#00376b;--brand:#c13584;"
        "--head:linear-gradient(90deg,#f58529,#dd2a7b,#8134af);--headink:#fff;--r:4px;--face:50%",
        (("likes", "likes"), ("replies", "comments")),
        "#c13584",
    ),
    dialect=InstagramDialect,
    routes=lambda world, dialect: [
        *oauth.routes(world, dialect),
        *api.routes(world, dialect),
        *reads.routes(world, dialect),
        *web.routes(world),
    ],
    pages=(
        PublicPage("/instagram/p/{shortcode:str}/", _by_code),
        PublicPage("/instagram/p/{shortcode:str}", _by_code),
        PublicPage("/instagram/stories/{name:str}/{id:str}/", by_id("instagram")),
    ),
    profiles=("/instagram/{name:str}/",),
    settings={
        "instagram_quota": 100,  # posts per 24 hours: platforms/instagram/facts.md, 4
        "instagram_story_seconds": 86400,  # platforms/instagram/facts.md, 2
    },
    scopes=(  # platforms/instagram/facts.md, 1
        "instagram_business_basic",
        "instagram_business_content_publish",
        "instagram_business_manage_comments",
        "instagram_business_manage_insights",
    ),
    account_id=lambda number, _digest: str(17_841_400_000_000_000 + number % 10**9),  # shape only
    access_seconds=60 * DAY,  # lives of tokens and codes: platforms/instagram/facts.md, 1
    token=_token,
    code_seconds=3600.0,
    denied={"error_reason": "user_denied"},
    code_tail="#_",  # platforms/instagram/facts.md, 1
)
