"""Instagram publishing: containers and media_publish. platforms/instagram/facts.md, 2."""

import json
from typing import Any

from starlette.convertors import Convertor, register_url_convertor
from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.engine.model import Media, Post
from postprober.sandbox.engine.operation import Call, Handler, Operation, reply
from postprober.sandbox.engine.text import HASHTAG, MENTION
from postprober.sandbox.engine.world import World
from postprober.sandbox.instagram.dialect import InstagramDialect, graph_error, no_object
from postprober.sandbox.instagram.fetch import fetch

Json = dict[str, Any]
# platforms/instagram/facts.md, 3
_MAX_CAPTION, _MAX_HASHTAGS, _MAX_MENTIONS, _MAX_ALT = 2200, 30, 20, 1000
_MAX_COLLABORATORS, _MAX_TAGGED = 3, 20
_CAROUSEL = (2, 10)
_CONTAINER_SECONDS = 86400.0
_DAY = 86400.0
_STATUS_TEXT = {
    "FINISHED": "Finished: Media has been uploaded and it is ready to be published.",
    "IN_PROGRESS": "In Progress: Media is still being processed.",
    "ERROR": "Error: Media upload has failed with error code 2207026",
    "EXPIRED": "Expired: Media expired and it is no longer available.",
    "PUBLISHED": "Published: Media has been successfully published.",
}


class _Version(Convertor[str]):
    regex = r"v\d+\.\d+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("graphversion", _Version())


def own_id(call: Call) -> None:
    """The {ig} of the path must be the token's user (`me` is always that)."""
    asked = str(call.request.path_params.get("ig", call.owner.id))
    if asked != call.owner.id:
        raise no_object(asked, call.request.method.lower())


async def params(call: Call) -> Json:
    return dict(call.request.query_params) | await call.form()


def _check_caption(caption: str) -> None:
    if len(caption) > _MAX_CAPTION:
        raise graph_error(
            36004, 2207010, "The caption was too long: at most 2,200 characters.", title="Caption too long"
        )
    if len(HASHTAG.findall(caption)) > _MAX_HASHTAGS or len(MENTION.findall(caption)) > _MAX_MENTIONS:
        raise graph_error(36004, 2207010, "At most 30 hashtags and 20 mentions are allowed.", title="Caption too long")


async def create_container(call: Call) -> Response:
    """Step one: fetch the file and start processing."""
    own_id(call)
    asked = await params(call)
    asked = call.without_dropped(asked) if _is_whole(asked) else _without_tags(call, asked)
    caption = str(asked.get("caption") or "")
    _check_caption(caption)
    alt = str(asked.get("alt_text") or "")
    if len(alt) > _MAX_ALT:
        raise graph_error(100, None, "(#100) Param alt_text must be at most 1000 characters long")
    kind = str(asked.get("media_type") or ("IMAGE" if asked.get("image_url") else "")).upper()
    item = str(asked.get("is_carousel_item", "")).lower() == "true"
    container = Media(
        platform="instagram",
        id=str(call.world.ids.make("instagram", call.at)),
        account=call.owner.name,
        kind="carousel",
        created_at=call.at,
        alt=alt,
        extra={"container": True, "caption": caption, "item": item, "children": [], "media_id": None},
    )
    container.extra["asked"] = _asked(asked)
    container.extra["tags"] = _tags(asked, kind)
    container.extra["story"] = kind == "STORIES"
    if cover := asked.get("cover_url"):
        container.extra["asked"]["cover"] = await _cover(call, str(cover), kind)
    if kind == "CAROUSEL":
        container.extra["children"] = _children(call, asked.get("children"))
    else:
        await _file(call, container, asked, kind)
    _start(call, container)
    call.world.save_media(container)
    call.keyed(container.id)
    return reply({"id": container.id})


def _is_whole(asked: Json) -> bool:
    """Whether this is the container that becomes the post."""
    return str(asked.get("is_carousel_item", "")).lower() != "true"


def _without_tags(call: Call, asked: Json) -> Json:
    """One of a carousel, whose tags a fault may leave out."""
    if "user_tags" not in asked:
        return asked
    kept: Json = call.without_dropped(asked)
    return kept


def _tags(given: Json, kind: str) -> list[Json]:
    """`user_tags`: names, in a picture with their place. platforms/instagram/facts.md, 2"""
    listed = given.get("user_tags") or []
    tags = json.loads(listed) if isinstance(listed, str) else listed
    if not isinstance(tags, list) or len(tags) > _MAX_TAGGED:
        raise graph_error(100, 2207040, "Cannot use more than 20 tags per created media.", title="Too many tags")
    for tag in tags:
        if not isinstance(tag, dict) or not tag.get("username") or set(tag) - {"username", "x", "y"}:
            raise graph_error(100, None, "(#100) Param user_tags must be an array of objects with username, x and y")
        place = [tag[name] for name in ("x", "y") if name in tag]
        if kind in ("", "IMAGE") and len(place) != 2:
            raise graph_error(100, None, "(#100) Param user_tags: x and y are required for images")
        if kind in ("REELS", "VIDEO") and place:
            raise graph_error(100, None, "(#100) Param user_tags: x and y are not allowed for videos")
        if any(not isinstance(one, int | float) or not 0 <= one <= 1 for one in place):
            raise graph_error(100, None, "(#100) Param user_tags: x and y must lie between 0.0 and 1.0")
    return tags


async def _cover(call: Call, url: str, kind: str) -> str:
    """The hash of a Reel's cover picture."""
    if kind != "REELS":
        raise graph_error(100, None, "(#100) The parameter cover_url is for reels only")
    data, found = await fetch(url, "cover")
    return call.world.keep_bytes(data, found.mime)


def _asked(given: Json) -> Json:
    """What a container asks for beside its file and caption. platforms/instagram/facts.md, 2"""
    named = given.get("collaborators") or []
    people = json.loads(named) if isinstance(named, str) and named.startswith("[") else named
    people = people.split(",") if isinstance(people, str) else people
    if len(people) > _MAX_COLLABORATORS:
        raise graph_error(100, None, "(#100) Param collaborators must have at most 3 elements")
    kept: Json = {name: given[name] for name in ("location_id", "is_ai_generated", "thumb_offset") if name in given}
    shared = str(given.get("share_to_feed", "true")).lower() != "false"
    return {**kept, "collaborators": list(people), "share_to_feed": shared}


async def _file(call: Call, container: Media, asked: Json, kind: str) -> None:
    """Fetch the one file of a container."""
    wanted = {"IMAGE": "image", "REELS": "video", "VIDEO": "video"}.get(kind)
    if kind == "STORIES" and bool(asked.get("image_url")) != bool(asked.get("video_url")):
        wanted = "image" if asked.get("image_url") else "video"
    if wanted is None or (kind == "VIDEO" and not container.extra["item"]):
        raise graph_error(100, 2207023, f"The media type {kind or 'of this container'} is unknown.")
    url = asked.get(f"{wanted}_url")
    if not url:
        raise graph_error(100, None, f"(#100) The parameter {wanted}_url is required")
    data, found = await fetch(str(url), f"story {wanted}" if kind == "STORIES" else wanted)
    container.kind, container.mime = wanted, found.mime
    container.width, container.height, container.size = found.width, found.height, len(data)
    container.sha256 = call.world.keep_bytes(data, found.mime)


def _children(call: Call, listed: Any) -> list[str]:
    if isinstance(listed, str):
        listed = json.loads(listed) if listed.startswith("[") else listed.split(",")
    ids = [str(i).strip() for i in listed or []]
    if not _CAROUSEL[0] <= len(ids) <= _CAROUSEL[1]:
        raise graph_error(100, 2207028, "A carousel needs 2 to 10 items.", title="Carousel validation failed")
    for child_id in ids:
        child = container_of(call, child_id)
        if not child.extra["item"]:
            raise graph_error(100, 2207028, f"The container {child_id} was not made with is_carousel_item.")
    return ids


def _start(call: Call, container: Media) -> None:
    """Processing takes `container_seconds`, videos `video_container_seconds`."""
    slow, fails = call.take("slow_media"), call.take("media_failed")
    setting = "video_container_seconds" if container.kind == "video" else "container_seconds"
    seconds = slow.seconds(5) if slow else float(call.world.settings[setting])
    container.ready_at = call.world.now() + seconds
    container.fails = fails is not None


def container_of(call: Call, container_id: str) -> Media:
    """An own container. Raises 24/2207006."""
    container = call.world.media_of("instagram", container_id)
    if container is None or container.account != call.owner.name:
        raise graph_error(24, 2207006, f"The media with ID {container_id} cannot be found.", title="Media not found")
    return container


def status_code(call: Call, container: Media) -> str:
    post = call.world.post("instagram", container.extra["media_id"]) if container.extra["media_id"] else None
    if post is not None and post.landed(call.at):
        return "PUBLISHED"
    if call.at > container.created_at + _CONTAINER_SECONDS:
        return "EXPIRED"
    children = [call.world.media_of("instagram", i) for i in container.extra["children"]]
    states = {m.state(call.at) for m in (container, *children) if m is not None}
    return "ERROR" if "failed" in states else "IN_PROGRESS" if "processing" in states else "FINISHED"


def container_view(call: Call, container: Media) -> Json:
    code = status_code(call, container)
    every = {"id": container.id, "status_code": code, "status": _STATUS_TEXT[code]}
    asked = call.request.query_params.get("fields", "id").split(",")
    return {"id": container.id} | {name: every[name] for name in asked if name in every}


async def publish(call: Call) -> Response:
    """Step two: a finished container becomes a post, once."""
    own_id(call)
    asked = await params(call)
    container_id = str(asked.get("creation_id") or "")
    if not container_id:
        raise graph_error(100, None, "(#100) The parameter creation_id is required")
    call.keyed(container_id)
    container = container_of(call, container_id)
    pending = _pending(call, container)
    if pending is not None:
        return reply({"id": pending.id})
    _refuse_unpublishable(call, container)
    if call.take("duplicate"):
        raise graph_error(506, None, "(#506) Duplicate status message")
    post = _post(call, container)
    container.extra["media_id"] = post.id
    call.world.save_media(container)
    call.store_post(post)
    return reply({"id": post.id})


def _pending(call: Call, container: Media) -> Post | None:
    """A late publication of this container that is asked for again happens now."""
    post = call.world.post("instagram", container.extra["media_id"]) if container.extra["media_id"] else None
    if post is None or post.landed(call.at):
        return None
    post.created_at = call.at
    call.world.save_post(post)
    return post


def _refuse_unpublishable(call: Call, container: Media) -> None:
    code = status_code(call, container)
    if code == "PUBLISHED":
        message = "The media builder with this creation id does not exist or has expired."
        raise graph_error(24, 2207008, message, title="Media builder not found")
    if code == "EXPIRED":
        raise graph_error(-2, 2207020, "The media you are trying to access has expired.", title="Media expired")
    if code == "ERROR":
        raise graph_error(
            -1, 2207032, "Create media fail, please try to re-create media", title="Media creation failed"
        )
    if code == "IN_PROGRESS":
        message = "The media is not ready for publishing, please wait for a moment"
        raise graph_error(9007, 2207027, message, title="Media ID is not available")
    if container.extra["item"]:
        raise graph_error(100, 2207023, "An item of a carousel cannot be published by itself.")
    if quota_used(call) >= int(call.world.settings["instagram_quota"]):
        message = "You reached maximum number of posts that is allowed to be published by Content Publishing API."
        raise graph_error(9, 2207042, message, title="Publishing limit reached")


def _post(call: Call, container: Media) -> Post:
    at = call.landing_time()
    media_id = str(call.world.ids.make("instagram", at, in_order=call.late is None))
    shortcode = shortcode_of(int(media_id))
    members = [container_of(call, i) for i in container.extra["children"]] or [container]
    story = bool(container.extra["story"])
    return Post(
        platform="instagram",
        id=media_id,
        account=call.owner.name,
        text="" if story else container.extra["caption"],  # it has none: platforms/instagram/facts.md, 2
        created_at=at,
        path=f"/instagram/stories/{call.owner.name}/{media_id}/" if story else f"/instagram/p/{shortcode}/",
        media=[
            {"kind": m.kind, "alt": m.alt, "sha256": m.sha256, "id": m.id, "tags": m.extra["tags"]} for m in members
        ],
        deleted_at=at + float(call.world.settings["instagram_story_seconds"]) if story else None,
        extra={
            "shortcode": shortcode,
            "container": container.id,
            "kind": container.kind,
            "story": story,
            "asked": container.extra["asked"],
        },
    )


def shortcode_of(number: int) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    letters = ""
    while number:
        number, digit = divmod(number, 64)
        letters = alphabet[digit] + letters
    return letters


def quota_used(call: Call) -> int:
    """Posts of the last 24 hours, deleted ones included."""
    posts = call.world.by_account.get(f"instagram|{call.owner.name}", [])
    return sum(call.at - _DAY < p.created_at <= call.at for p in posts)


async def publishing_limit(call: Call) -> Response:
    own_id(call)
    config = {"quota_total": int(call.world.settings["instagram_quota"]), "quota_duration": int(_DAY)}
    every: Json = {"quota_usage": quota_used(call), "config": config}
    asked = call.request.query_params.get("fields", "quota_usage").split(",")
    return reply({"data": [{name: every[name] for name in asked if name in every}]})


def graph_routes(operation: Operation, path: str, *methods: str) -> list[BaseRoute]:
    """A route with and without the version segment."""
    return [operation.route(f"/instagram{v}/{path}", *methods) for v in ("", "/{version:graphversion}")]


def routes(world: World, dialect: InstagramDialect) -> list[BaseRoute]:
    def operation(name: str, handler: Handler) -> Operation:
        return Operation(world, dialect, name, handler, scope="instagram_business_content_publish")

    return [
        *graph_routes(operation("container", create_container), "{ig:int}/media", "POST"),
        *graph_routes(operation("container", create_container), "me/media", "POST"),
        *graph_routes(operation("create", publish), "{ig:int}/media_publish", "POST"),
        *graph_routes(operation("create", publish), "me/media_publish", "POST"),
        *graph_routes(operation("read", publishing_limit), "{ig:int}/content_publishing_limit", "GET"),
    ]
