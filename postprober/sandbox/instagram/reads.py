"""Instagram's read side: media, lists, insights, the own user. platforms/instagram/facts.md, 7."""

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.engine.engagement import counts
from postprober.sandbox.engine.model import Post
from postprober.sandbox.engine.operation import Call, Handler, Operation, reply
from postprober.sandbox.engine.timefmt import parse_iso
from postprober.sandbox.engine.world import World
from postprober.sandbox.instagram.api import container_view, graph_routes, own_id
from postprober.sandbox.instagram.dialect import InstagramDialect, graph_error, no_object

Json = dict[str, Any]
_FIELD = re.compile(r"(\w+)(?:\{([^}]*)\})?")
_INSIGHTS = re.compile(r"insights\.metric\(([^)]*)\)(?:\{[^}]*\})?")  # an edge within the fields
_MOST_IDS = 50  # platforms/instagram/facts.md, 7
# Title and description per metric: shape only.
_METRICS = {
    "reach": "views",
    "views": "views",
    "likes": "likes",
    "comments": "replies",
    "saved": "bookmarks",
    "shares": "reposts",
}


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def media_view(call: Call, post: Post, fields: str) -> Json:
    """The fields asked for, `id` always. Nested fields (`children{…}`) are understood one level deep."""
    seen = counts(call.world, post, call.at)
    owner = call.world.account("instagram", post.account)
    kind = {"image": "IMAGE", "video": "VIDEO", "carousel": "CAROUSEL_ALBUM"}[post.extra["kind"]]
    story = bool(post.extra.get("story"))
    every: Json = {
        "id": post.id,
        "media_type": kind,
        "media_product_type": "STORY" if story else "REELS" if kind == "VIDEO" else "FEED",
        "media_url": f"{call.base}/_media/{post.media[0]['sha256']}",
        "permalink": call.base + post.path,
        "shortcode": post.extra["shortcode"],
        "timestamp": _stamp(post.created_at),
        "username": post.account,
        "owner": {"id": owner.id if owner else ""},
    }
    if not story:
        every |= {"like_count": seen.likes, "comments_count": seen.replies, "is_comment_enabled": True}
        every["is_shared_to_feed"] = post.extra.get("asked", {}).get("share_to_feed", True)
    if post.text:
        every["caption"] = post.text
    if post.media[0]["alt"]:
        every["alt_text"] = post.media[0]["alt"]
    shown: Json = {"id": post.id}
    if (asked := _INSIGHTS.search(fields)) is not None:
        shown["insights"] = {"data": _measured(call, post, asked[1].split(","))}
        fields = _INSIGHTS.sub("", fields)
    for name, nested in _FIELD.findall(fields):
        if name == "children" and kind == "CAROUSEL_ALBUM":
            shown[name] = {"data": [_child(call, m, nested) for m in post.media]}
        elif name in every:
            shown[name] = every[name]
    return shown


def _child(call: Call, media: Json, fields: str) -> Json:
    every = {
        "media_type": media["kind"].upper(),
        "media_url": f"{call.base}/_media/{media['sha256']}",
        "alt_text": media["alt"],
    }
    return {"id": media["id"]} | {name: every[name] for name, _ in _FIELD.findall(fields) if name in every}


def _own_media(call: Call, media_id: str) -> Post:
    post = call.world.post("instagram", media_id)
    if post is None or post.account != call.owner.name or not post.seen_by_owner(call.seen_at()):
        raise no_object(media_id)
    return post


async def read(call: Call) -> Response:
    """A container, a media or the user, whatever the id is."""
    object_id = str(call.request.path_params["id"])
    container = call.world.media_of("instagram", object_id)
    if container is not None and container.account == call.owner.name:
        call.keyed(container.id)
        return reply(container_view(call, container))
    if object_id == call.owner.id:
        return await me(call)
    return reply(media_view(call, _own_media(call, object_id), call.request.query_params.get("fields", "id")))


async def read_many(call: Call) -> Response:
    """`GET /?ids=…`: media by id. One that cannot be read fails all."""
    ids = [one for one in call.request.query_params.get("ids", "").split(",") if one]
    if not 1 <= len(ids) <= _MOST_IDS:
        raise graph_error(100, None, "(#100) Param ids must be a list of 1 to 50 ids")
    fields = call.request.query_params.get("fields", "id")
    return reply({one: media_view(call, _own_media(call, one), fields) for one in ids})


async def delete(call: Call) -> Response:
    """Instagram Login has no delete: platforms/instagram/facts.md, 8."""
    raise no_object(str(call.request.path_params["id"]), "delete")


async def me(call: Call) -> Response:
    posts = call.world.posts_of("instagram", call.owner.name, call.at)
    every = {
        "id": call.owner.id,
        "user_id": call.owner.id,
        "username": call.owner.name,
        "name": call.owner.name,
        "account_type": "BUSINESS",
        "media_count": len(posts),
    }
    asked = call.request.query_params.get("fields", "id").split(",")
    return reply({"id": call.owner.id} | {name: every[name] for name in asked if name in every})


def _time(call: Call, name: str) -> float | None:
    """since and until: unix seconds or an ISO time."""
    text = call.request.query_params.get(name, "")
    return float(text) if text.isdigit() else parse_iso(text)


def _cursor(post_id: str) -> str:
    return base64.urlsafe_b64encode(post_id.encode()).decode()


def _after(call: Call, posts: list[Post]) -> list[Post]:
    cursor = call.request.query_params.get("after")
    if not cursor:
        return posts
    try:
        last = base64.urlsafe_b64decode(cursor).decode()
    except (binascii.Error, ValueError):
        raise graph_error(100, None, "(#100) Invalid cursor") from None
    ids = [p.id for p in posts]
    return posts[ids.index(last) + 1 :] if last in ids else []


async def timeline(call: Call) -> Response:
    """The own media, newest first, paged by cursors."""
    own_id(call)
    query = call.request.query_params
    size = query.get("limit", "25")
    limit = max(1, min(100, int(size))) if size.isdigit() else 25
    posts = [p for p in call.world.posts_of("instagram", call.owner.name, call.seen_at()) if not p.extra.get("story")]
    since, until = _time(call, "since"), _time(call, "until")
    # Instagram's times are whole seconds.
    posts = [p for p in posts if (since is None or int(p.created_at) >= since)]
    posts = _after(call, [p for p in posts if (until is None or int(p.created_at) <= until)])
    cut = call.take("truncated_timeline")
    page = posts[: int(cut.params.get("keep", 1))] if cut else posts[:limit]
    body: Json = {"data": [media_view(call, p, query.get("fields", "id")) for p in page]}
    if page:
        body["paging"] = {"cursors": {"before": _cursor(page[0].id), "after": _cursor(page[-1].id)}}
        if len(posts) > len(page) and not cut:
            following = dict(query) | {"after": _cursor(page[-1].id)}
            body["paging"]["next"] = f"{call.base}{call.request.url.path}?{urlencode(following)}"
    return reply(body)


async def stories(call: Call) -> Response:
    """The Stories that have not ended, newest first."""
    own_id(call)
    at = call.seen_at()
    mine = [p for p in call.world.posts_of("instagram", call.owner.name, at) if p.extra.get("story")]
    fields = call.request.query_params.get("fields", "id")
    return reply({"data": [media_view(call, p, fields) for p in mine if p.seen_by_owner(at)]})


async def insights(call: Call) -> Response:
    """The metrics that still exist; any other name is an error (platforms/instagram/facts.md, 7)."""
    post = _own_media(call, str(call.request.path_params["id"]))
    # A list parameter of the Graph API is written with commas or as a JSON array.
    asked = [m for m in call.request.query_params.get("metric", "").strip("[]").replace('"', "").split(",") if m]
    return reply({"data": _measured(call, post, asked)})


def _measured(call: Call, post: Post, asked: list[str]) -> list[Json]:
    if call.token is None or "instagram_business_manage_insights" not in call.token.scopes:
        raise graph_error(10, None, "(#10) Application does not have permission for this action")
    seen = counts(call.world, post, call.at)
    values = {name: getattr(seen, field) for name, field in _METRICS.items()}
    if post.extra.get("story"):
        values = {name: value for name, value in values.items() if name not in ("likes", "comments", "saved")}
        values |= {"replies": seen.replies, "navigation": 0, "follows": 0}
    values["total_interactions"] = seen.likes + seen.replies + seen.bookmarks + seen.reposts
    if post.extra["kind"] == "video":
        values["ig_reels_avg_watch_time"] = 4200
    for index, name in enumerate(asked):
        if name not in values:
            known = ", ".join(values)
            raise graph_error(100, None, f"(#100) metric[{index}] must be one of the following values: {known}")
    if not asked:
        raise graph_error(100, None, "(#100) The parameter metric is required")
    return [
        {
            "name": name,
            "period": "lifetime",
            "values": [{"value": values[name]}],
            "title": name.replace("_", " ").capitalize(),
            "description": f"The {name.replace('_', ' ')} of your post.",
            "id": f"{post.id}/insights/{name}/lifetime",
        }
        for name in asked
    ]


def routes(world: World, dialect: InstagramDialect) -> list[BaseRoute]:
    def operation(name: str, handler: Handler, scope: str = "instagram_business_basic") -> Operation:
        return Operation(world, dialect, name, handler, scope=scope)

    return [
        *graph_routes(operation("me", me), "me", "GET"),
        *graph_routes(operation("timeline", timeline), "me/media", "GET"),
        *graph_routes(operation("timeline", timeline), "{ig:int}/media", "GET"),
        *graph_routes(operation("timeline", stories), "me/stories", "GET"),
        *graph_routes(operation("timeline", stories), "{ig:int}/stories", "GET"),
        *graph_routes(
            operation("engagement", insights, "instagram_business_manage_insights"), "{id:int}/insights", "GET"
        ),
        *graph_routes(operation("read", read_many), "", "GET"),
        *graph_routes(operation("read", read), "{id:int}", "GET"),
        *graph_routes(operation("delete", delete), "{id:int}", "DELETE"),
    ]
