"""What a site shows to everybody. platforms/wordpress/facts.md, 9."""

import html
import re

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute

from postprober.sandbox.engine.model import Post
from postprober.sandbox.engine.operation import Call, Operation
from postprober.sandbox.engine.world import World
from postprober.sandbox.wordpress.dialect import API, SITE, WordPressDialect, slug_of, stored

_HEAD = '<!DOCTYPE html><html lang="en-US"><head><meta charset="UTF-8"><title>WordPress sandbox</title>'
_SOON = f"{_HEAD}</head><body class='coming-soon'><h1>Coming soon</h1></body></html>"
_MISSING = f"{_HEAD}</head><body class='error404'><h1>Oops! That page can’t be found.</h1></body></html>"


class Visitor(WordPressDialect):
    """A logged-out reader: a fault for one account is matched by the author of the page."""

    def find_account(self, call: Call) -> None:
        post = _asked_for(call)
        call.account = call.world.account("wordpress", post.account) if post else None


def _asked_for(call: Call) -> Post | None:
    if number := call.request.query_params.get("p", ""):
        return call.world.post("wordpress", number)
    return find(call.world, call.request.path_params)


def find(world: World, params: dict[str, str]) -> Post | None:
    """The newest post with this slug that was not thrown away, else one that was."""
    found = [p for p in world.posts.values() if p.platform == "wordpress" and stored(p)["slug"] == params.get("slug")]
    return max(found, key=lambda p: (p.deleted_at is None, p.created_at), default=None)


def _shown(call: Call, post: Post | None) -> bool:
    if post is None:
        return False
    if stored(post).get("password") and stored(post)["status"] == "publish":
        return post.seen_by_owner(call.at) and not post.hidden(call.at)
    return post.seen_by_public(call.at)


async def front(call: Call) -> Response:
    """The site itself, and `?p=12`, which leads to the address of that post."""
    if call.world.settings["site_closed"]:
        return HTMLResponse(_SOON)
    number = call.request.query_params.get("p", "")
    if not number:
        return HTMLResponse(f"{_HEAD}</head><body class='home blog'><h1>WordPress sandbox</h1></body></html>")
    post = call.world.post("wordpress", number)
    if post is None or not _shown(call, post):
        return HTMLResponse(_MISSING, 404)
    return RedirectResponse(f"{SITE}/{stored(post)['slug']}/", 301)


async def page(call: Call) -> Response:
    if call.world.settings["site_closed"]:
        return HTMLResponse(_SOON)
    slug = call.request.path_params["slug"]
    post = find(call.world, {"slug": slug})
    if post is not None and _shown(call, post):
        return _page(call, post)
    # WordPress guesses: an address that leads nowhere goes to the first post whose address begins like it.
    near = [
        p
        for p in call.world.posts.values()
        if p.platform == "wordpress" and slug_of(p, call.at).startswith(slug) and _shown(call, p)
    ]
    if near:
        return RedirectResponse(f"{SITE}/{stored(near[0])['slug']}/", 301)
    return HTMLResponse(_MISSING, 404)


def _page(call: Call, post: Post) -> Response:
    record, api = stored(post), f"{call.base}{API}/wp/v2/posts/{post.id}"
    short = f"{call.base}{SITE}/?p={post.id}"
    content = re.sub(r"<!-- /?wp:.*?-->\n?", "", record.get("content", ""))
    if record.get("password"):
        content = '<form class="post-password-form" method="post"><input type="password" name="post_password"></form>'
    body = (
        f"{_HEAD}<link rel='alternate' type='application/json' href='{html.escape(api)}'>"
        f"<link rel='shortlink' href='{html.escape(short)}'></head>"
        f'<body class="post-template-default single single-post postid-{post.id}"><main>'
        f'<h1 class="wp-block-post-title">{record.get("title", "")}</h1>'
        f'<div class="entry-content wp-block-post-content">{content}</div></main></body></html>'
    )
    answer = HTMLResponse(body)
    for link in (f'<{api}>; rel="alternate"; type="application/json"', f"<{short}>; rel=shortlink"):
        answer.headers.append("link", link)
    return answer


def routes(world: World) -> list[BaseRoute]:
    visitor = Visitor()
    return [
        Operation(world, visitor, "public", front, needs_token=False).route(f"{SITE}/", "GET", "HEAD"),
        Operation(world, visitor, "public", page, needs_token=False).route(f"{SITE}/{{slug:str}}/", "GET"),
    ]
