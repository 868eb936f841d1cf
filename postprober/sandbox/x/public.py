"""X's oEmbed, which answers strangers."""

import html
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.engine.html import text_html
from postprober.sandbox.engine.model import Post
from postprober.sandbox.engine.operation import ApiRefusal, Call, Operation, reply
from postprober.sandbox.engine.timefmt import iso
from postprober.sandbox.engine.world import World
from postprober.sandbox.public.pages import Stranger
from postprober.sandbox.x.dialect import XDialect
from postprober.sandbox.x.text import weighted_length
from postprober.sandbox.x.views import CUT, MAX_WEIGHT, short_link


async def _oembed(call: Call) -> Response:
    """X's oEmbed: 404 when the post is gone. https://developer.x.com/en/docs/x-for-websites/oembed-api"""
    url = call.request.query_params.get("url", "")
    parts = urlsplit(url).path.strip("/").split("/")
    post = call.world.post("x", parts[-1]) if "status" in parts else None
    if post is None or not post.seen_by_public(call.at):
        raise ApiRefusal(404, {"errors": [{"message": "Sorry, that page does not exist", "code": 34}]})
    quote = (
        f'<blockquote class="twitter-tweet"><p lang="en" dir="ltr">{text_html(_shown(post))}</p>'
        f"&mdash; {html.escape(post.account)} (@{html.escape(post.account)}) "
        f'<a href="{html.escape(call.base + post.path)}">{iso(post.created_at)[:10]}</a></blockquote>'
    )
    author = call.world.account("x", post.account)
    author_url = f"{call.base}/x/{author.title if author else post.account}"
    body = {"url": call.base + post.path, "author_name": post.account, "author_url": author_url, "html": quote}
    return reply(body | {"type": "rich", "version": "1.0", "provider_name": "X"})


def _shown(post: Post) -> str:
    """Of a long post only the beginning, with a link to the whole of it."""
    if weighted_length(post.text) <= MAX_WEIGHT:
        return post.text
    return f"{post.text[:CUT]}… {short_link(f'https://x.com/i/web/status/{post.id}')}"


def routes(world: World, dialect: XDialect) -> list[BaseRoute]:
    reader = Stranger(dialect, lambda _world, _params: None)
    return [Operation(world, reader, "public", _oembed, needs_token=False).route("/x/oembed", "GET")]
