"""Public permalink pages, X's oEmbed, and the files behind images."""

import html
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from postprober.sandbox.engine.engagement import counts
from postprober.sandbox.engine.html import missing_page, post_page, profile_page, text_html, unknown_handle
from postprober.sandbox.engine.model import Account, Post
from postprober.sandbox.engine.operation import Call, Manner, Operation, Refusal, reply
from postprober.sandbox.engine.timefmt import iso
from postprober.sandbox.engine.world import World

Finder = Callable[[World, dict[str, Any]], Post | None]
# The sandbox's Bluesky handles and Mastodon domain. `.test` is reserved (RFC 6761), so they never leave the machine.
BLUESKY_DOMAIN = "bsky.test"


def handle_of(account: Account) -> str:
    """How the platform writes the account's name."""
    if account.platform == "bluesky":
        return f"{account.title.lower().replace('_', '-')}.{BLUESKY_DOMAIN}"
    return account.title if account.platform == "linkedin" else f"@{account.title}"


def bluesky_account(world: World, actor: str) -> Account | None:
    """An account by its DID or handle."""
    accounts = world.accounts_of("bluesky")
    return next((a for a in accounts if actor == a.id or actor.lower() == handle_of(a)), None)


def _by_id(platform: str, name: str = "id") -> Finder:
    return lambda world, params: world.post(platform, params[name])


def _bluesky(world: World, params: dict[str, Any]) -> Post | None:
    account = bluesky_account(world, params["actor"])
    return world.post("bluesky", f"at://{account.id}/app.bsky.feed.post/{params['rkey']}") if account else None


def _instagram(world: World, params: dict[str, Any]) -> Post | None:
    posts = (p for p in world.posts.values() if p.platform == "instagram")
    return next((p for p in posts if p.extra.get("shortcode") == params["shortcode"]), None)


_PAGES: tuple[tuple[str, str, Finder], ...] = (
    ("x", "/x/{handle:str}/status/{id:str}", _by_id("x")),
    ("linkedin", "/linkedin/feed/update/{id:str}", _by_id("linkedin")),
    ("instagram", "/instagram/p/{shortcode:str}/", _instagram),
    ("instagram", "/instagram/p/{shortcode:str}", _instagram),
    ("mastodon", "/mastodon/@{user:str}/{id:str}", _by_id("mastodon")),
    ("bluesky", "/bluesky/profile/{actor:str}/post/{rkey:str}", _bluesky),
)


def _page(platform: str, find: Finder) -> Any:
    async def show(call: Call) -> Response:
        post = find(call.world, call.request.path_params)
        author = call.world.account(platform, post.account) if post else None
        if platform == "bluesky" and bluesky_account(call.world, call.request.path_params["actor"]) is None:
            return HTMLResponse(unknown_handle())  # the app at bsky.app finds out by itself, behind status 200
        if post is None or author is None or not post.seen_by_public(call.at):
            return HTMLResponse(missing_page(platform), 404)
        page = post_page(
            post,
            counts(call.world, post, call.at),
            author=author.title,
            handle=handle_of(author),
            url=call.base + post.path,
            image_base=f"{call.base}/_media",
        )
        return HTMLResponse(page)

    return show


async def _oembed(call: Call) -> Response:
    """X's oEmbed: 404 when the post is gone. https://developer.x.com/en/docs/x-for-websites/oembed-api"""
    url = call.request.query_params.get("url", "")
    parts = urlsplit(url).path.strip("/").split("/")
    post = call.world.post("x", parts[-1]) if "status" in parts else None
    if post is None or not post.seen_by_public(call.at):
        raise Refusal(404, {"errors": [{"message": "Sorry, that page does not exist", "code": 34}]})
    quote = (
        f'<blockquote class="twitter-tweet"><p lang="en" dir="ltr">{text_html(post.text)}</p>'
        f"&mdash; {html.escape(post.account)} (@{html.escape(post.account)}) "
        f'<a href="{html.escape(call.base + post.path)}">{iso(post.created_at)[:10]}</a></blockquote>'
    )
    author = call.world.account("x", post.account)
    author_url = f"{call.base}/x/{author.title if author else post.account}"
    body = {"url": call.base + post.path, "author_name": post.account, "author_url": author_url, "html": quote}
    return reply(body | {"type": "rich", "version": "1.0", "provider_name": "X"})


_PROFILES = (
    ("x", "/x/{name:str}"), ("instagram", "/instagram/{name:str}/"), ("mastodon", "/mastodon/@{name:str}"),
    ("bluesky", "/bluesky/profile/{name:str}"),
)  # fmt: skip


def _profile(platform: str) -> Any:
    async def show(call: Call) -> Response:
        name = call.request.path_params["name"]
        found = (a for a in call.world.accounts_of(platform) if name in (handle_of(a).lstrip("@"), a.id))
        account = next(found, None)
        if account is None or account.suspended:
            return HTMLResponse(missing_page(platform), 404)
        return HTMLResponse(profile_page(platform, account.title, handle_of(account)))

    return show


class _Reader:
    """A logged-out reader: no account, so a fault for one account is matched by the author of the page."""

    def __init__(self, manner: Manner, find: Finder) -> None:
        self.name = manner.name
        self.server_error = manner.server_error
        self.rate_limited = manner.rate_limited
        self.refuse_token = manner.refuse_token
        self.bad_refresh = manner.bad_refresh
        self._find = find

    def find_account(self, call: Call) -> None:
        post = self._find(call.world, call.request.path_params)
        call.account = call.world.account(post.platform, post.account) if post else None

    def headers(self, _call: Call) -> dict[str, str]:
        return {}


def routes(world: World, manners: dict[str, Manner]) -> list[BaseRoute]:
    """All public pages. They must come after the API routes, which are more specific."""

    async def media(request: Request) -> Response:
        blob = world.store.blob(request.path_params["sha256"])
        return Response(blob[1], media_type=blob[0]) if blob else Response("no such file", 404)

    found: list[BaseRoute] = [Route("/_media/{sha256:str}", media)]
    for platform, path, find in _PAGES:
        reader = _Reader(manners[platform], find)
        found.append(Operation(world, reader, "public", _page(platform, find), needs_token=False).route(path, "GET"))
    for platform, path in _PROFILES:
        reader = _Reader(manners[platform], lambda _world, _params: None)
        found.append(Operation(world, reader, "public", _profile(platform), needs_token=False).route(path, "GET"))
    oembed = _Reader(manners["x"], lambda _world, _params: None)
    found.insert(0, Operation(world, oembed, "public", _oembed, needs_token=False).route("/x/oembed", "GET"))
    return found
