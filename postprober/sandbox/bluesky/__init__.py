"""An emulator of Bluesky."""

import base64
import json
import secrets
from typing import Any

from starlette.responses import HTMLResponse, Response

from postprober.sandbox.bluesky import api, oauth, reads, rest
from postprober.sandbox.bluesky.accounts import account_called, handle_of
from postprober.sandbox.bluesky.dialect import BlueskyDialect
from postprober.sandbox.engine.emulator import ALPHABET, DAY, Emulator, PageStyle, PublicPage
from postprober.sandbox.engine.html import shell
from postprober.sandbox.engine.model import Account, Post
from postprober.sandbox.engine.operation import Call
from postprober.sandbox.engine.world import World

_LOOK = PageStyle(
    "Bluesky sandbox",
    "🦋",
    "--back:#fff;--ink:#0b0f14;--card:#fff;--line:#d4dbe2;--soft:#42576c;--link:#1083fe;--brand:#1083fe;"
    "--head:#fff;--headink:#1083fe;--r:14px;--face:50%",
    (("replies", "replies"), ("reposts", "reposts"), ("likes", "likes"), ("quotes", "quotes")),
    "#1083fe",
)


def _find(world: World, params: dict[str, Any]) -> Post | None:
    account = account_called(world, params["actor"])
    return world.post("bluesky", f"at://{account.id}/app.bsky.feed.post/{params['rkey']}") if account else None


def _unknown_handle(call: Call) -> Response | None:
    """What the app at bsky.app shows for a handle that nobody has any more: it finds out by itself, behind status 200."""
    if account_called(call.world, call.request.path_params["actor"]) is not None:
        return None
    return HTMLResponse(shell(_LOOK, "<title>Bluesky</title>", "<h1>Unable to resolve handle</h1>"))


def _token(account: Account, kind: str, now: float, ends: float | None) -> str:
    """Looks like the PDS's JWT and is checked by looking it up: nobody needs its signature here."""
    claims = {
        "scope": f"com.atproto.{kind}",
        "sub": account.id,
        "aud": "did:web:bsky.test",
        "iat": int(now),
        "exp": int(ends or now),
        "jti": secrets.token_hex(8),
    }
    parts = ({"typ": "at+jwt" if kind == "access" else "refresh+jwt", "alg": "ES256K"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts]
    return ".".join([*encoded, secrets.token_urlsafe(48)])


def _edited(record: dict[str, Any], post: Post) -> dict[str, Any]:
    """The record as the post is now."""
    made = {**record, "text": post.text}
    images = (record.get("embed") or {}).get("images")
    if images is not None:
        kept = [{**image, "alt": item["alt"]} for image, item in zip(images, post.media, strict=False)]
        made["embed"] = {**record["embed"], "images": kept}
        if not kept:
            del made["embed"]
    return made


EMULATOR = Emulator(
    key="bluesky",
    look=_LOOK,
    dialect=BlueskyDialect,
    routes=lambda world, dialect: [
        *oauth.routes(world, dialect),
        *api.routes(world, dialect),
        *reads.routes(world, dialect),
        *rest.routes(world, dialect),
    ],
    pages=(PublicPage("/bluesky/profile/{actor:str}/post/{rkey:str}", _find, _unknown_handle),),
    profiles=("/bluesky/profile/{name:str}",),
    shown=handle_of,
    scopes=("com.atproto.access",),
    account_id=lambda _number, digest: f"did:plc:{''.join(ALPHABET[byte % 32] for byte in digest)[:24]}",
    access_seconds=7200.0,  # lives of tokens: platforms/bluesky/facts.md, 1
    refresh_seconds=90 * DAY,
    refreshable=lambda _account, _scopes: True,
    token=_token,
    app_password=True,
    typed=lambda account: {"identifier": account.id, "password": account.password or ""},
    counts_in_reads=True,
    edited=_edited,
)
