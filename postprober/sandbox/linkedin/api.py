"""LinkedIn's Posts API, analytics and user info. platforms/linkedin/facts.md."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.engine.engagement import counts
from postprober.sandbox.engine.model import Post
from postprober.sandbox.engine.operation import Call, Handler, Operation, reply
from postprober.sandbox.engine.world import World
from postprober.sandbox.linkedin.dialect import (
    LinkedInDialect,
    access_denied,
    check_headers,
    duplicate_of,
    li_error,
    not_found,
)
from postprober.sandbox.linkedin.organizations import author, writes_for
from postprober.sandbox.linkedin.text import little_text, without_mentions

Json = dict[str, Any]
# The Posts API publishes no number; 3,000 is that of help article a528176 and ugcPosts. platforms/linkedin/facts.md, 3.
_MAX_COMMENTARY = 3000
_MAX_ALT, _MAX_TITLE = 4086, 400
_READ_SCOPES = frozenset({"r_member_social", "r_organization_social"})
_REQUIRED = ("author", "commentary", "visibility", "distribution", "lifecycleState")
_METRICS = {
    "IMPRESSION": "views",
    "MEMBERS_REACHED": "views",
    "RESHARE": "reposts",
    "REACTION": "likes",
    "COMMENT": "replies",
    "POST_SAVE": "bookmarks",
    "POST_SEND": "quotes",
    "LINK_CLICKS": "quotes",
}
_MAX_CHOICE, _MAX_QUESTION = 30, 140
_POLL_DURATIONS = frozenset({"ONE_DAY", "THREE_DAYS", "SEVEN_DAYS", "FOURTEEN_DAYS"})
_LIST = re.compile(r"List\(([^()]+)\)")
_MOST_KEYS = 20  # ours: no source gives the most
_ENTITY = re.compile(r"\((?:share|ugc):(urn:li:(?:share|ugcPost):\d+)\)")


def _check(call: Call, body: Any) -> Json:
    """Raises the refusals for a body that is not a post of the account."""
    if not isinstance(body, dict):
        raise li_error(400, "Invalid JSON in the request body", "ILLEGAL_ARGUMENT")
    for name in _REQUIRED:
        if name not in body:
            raise li_error(422, f"ERROR :: /{name} :: field is required but not found and has no default value\n")
    if author(call, str(body["author"])) is None:
        raise access_denied(call, "partnerApiPostsExternal.CREATE")
    if body["visibility"] not in ("PUBLIC", "CONNECTIONS", "LOGGED_IN"):
        raise li_error(422, f'ERROR :: /visibility :: "{body["visibility"]}" is not an enum symbol\n')
    if body["lifecycleState"] != "PUBLISHED":
        raise li_error(400, "lifecycleState must be PUBLISHED", "INVALID_VALUE_FOR_FIELD")
    distribution = body["distribution"]
    if not isinstance(distribution, dict) or distribution.get("feedDistribution") not in ("MAIN_FEED", "NONE"):
        raise li_error(422, "ERROR :: /distribution/feedDistribution :: field is required but not found\n")
    if not isinstance(body["commentary"], str):
        raise li_error(422, "ERROR :: /commentary :: not a string\n")
    if len(body["commentary"]) > _MAX_COMMENTARY:
        raise li_error(400, "commentary length too long", "FIELD_LENGTH_TOO_LONG")
    return body


def _media(call: Call, content: Any) -> list[Json]:
    """The images or the video of a post. Raises the refusals for unknown or unfinished uploads."""
    if not isinstance(content, dict):
        return []
    for name, part in content.items():
        if not isinstance(part, dict):
            raise li_error(422, f"ERROR :: /content/{name} :: not a record\n")
    if "multiImage" in content:
        items = content["multiImage"].get("images") or []
        if not 2 <= len(items) <= 20:
            raise li_error(400, "multiImage takes 2 to 20 images", "INVALID_VALUE_FOR_FIELD")
        if any(not str(item.get("id", "")).startswith("urn:li:image:") for item in items):
            raise li_error(400, "multiImage takes images", "INVALID_URN_TYPE")
    else:
        items = [content["media"]] if "media" in content else []
    return [_one_media(call, item) for item in items]


def _one_media(call: Call, item: Json) -> Json:
    urn = str(item.get("id", ""))
    media = call.world.media_of("linkedin", urn)
    if media is None or media.account != call.owner.name:
        raise li_error(400, f"{urn} is not a media of the author", "INVALID_URN_ID")
    state = media.state(call.at)
    if state in ("waiting", "failed") or (state == "processing" and media.kind != "image"):
        raise li_error(400, f"{urn} is not AVAILABLE", "INVALID_VALUE_FOR_FIELD")
    alt = str(item.get("altText") or "")
    if len(alt) > _MAX_ALT:
        raise li_error(400, "altText length too long", "FIELD_LENGTH_TOO_LONG")
    told = {"kind": media.kind, "alt": alt, "sha256": media.sha256, "urn": urn}
    if media.kind != "document":
        return told
    title = item.get("title")
    if not isinstance(title, str) or not title.strip():
        message = "ERROR :: /content/media/title :: field is required but not found and has no default value\n"
        raise li_error(422, message)
    if len(title) > _MAX_TITLE:
        raise li_error(400, "title length too long", "FIELD_LENGTH_TOO_LONG")
    return told | {"title": title, "pages": media.extra.get("pages", 0)}


def _check_poll(content: Any) -> None:
    """platforms/linkedin/facts.md, 2"""
    poll = content.get("poll") if isinstance(content, dict) else None
    if poll is None:
        return
    options = [str(one.get("text", "")) for one in poll.get("options") or []]
    if not 2 <= len(options) <= 4 or any(not 1 <= len(text) <= _MAX_CHOICE for text in options):
        raise li_error(400, "poll takes 2 to 4 options of 1 to 30 characters", "INVALID_VALUE_FOR_FIELD")
    if not 1 <= len(str(poll.get("question", ""))) <= _MAX_QUESTION:
        raise li_error(400, "question length too long", "FIELD_LENGTH_TOO_LONG")
    if (poll.get("settings") or {}).get("duration") not in _POLL_DURATIONS:
        raise li_error(422, "ERROR :: /content/poll/settings/duration :: is not an enum symbol\n")


def _check_reshare(call: Call, body: Json) -> None:
    parent = (body.get("reshareContext") or {}).get("parent")
    if parent is not None and call.world.post("linkedin", str(parent)) is None:
        raise li_error(400, f"{parent} is no post", "INVALID_URN_ID")


def _card(call: Call, content: Any) -> Json | None:
    """The article of a post: the card of a link. LinkedIn reads no page, so what is not told is not shown. Raises the
    refusals."""
    article = content.get("article") if isinstance(content, dict) else None
    if article is None:
        return None
    if len(content) > 1:
        raise li_error(422, "ERROR :: /content :: union type has more than one member\n")
    for name, value in article.items():
        if name not in ("source", "title", "description", "thumbnail", "thumbnailAltText"):
            raise li_error(422, f"ERROR :: /content/article/{name} :: unrecognized field found but not allowed\n")
        if not isinstance(value, str):
            raise li_error(422, f"ERROR :: /content/article/{name} :: not a string\n")
    for name in ("source", "title"):
        if not article.get(name):
            message = f"ERROR :: /content/article/{name} :: field is required but not found and has no default value\n"
            raise li_error(422, message)
    if not article["source"].startswith(("http://", "https://")):
        raise li_error(400, "source is not a URL", "INVALID_VALUE_FOR_FIELD")
    if len(article["title"]) > _MAX_TITLE:
        raise li_error(400, "title length too long", "FIELD_LENGTH_TOO_LONG")
    picture = ""
    if "thumbnail" in article:
        medium = _one_media(call, {"id": article["thumbnail"]})
        if medium["kind"] not in ("image", "gif"):
            raise li_error(400, f"{article['thumbnail']} is no image", "INVALID_URN_TYPE")
        picture = medium["sha256"]
    return {
        "uri": article["source"],
        "title": article["title"],
        "description": article.get("description", ""),
        "sha256": picture,
    }


async def create(call: Call) -> Response:
    """201 with an empty body; the id is in `x-restli-id`."""
    check_headers(call)
    body = _check(call, call.without_dropped(call.json()))
    _check_poll(body.get("content"))
    _check_reshare(call, body)
    text, body["commentary"] = little_text(body["commentary"])
    if "](urn:li:" in body["commentary"] and call.take("mention_dropped"):
        body["commentary"] = without_mentions(body["commentary"])
    media, card = _media(call, body.get("content")), _card(call, body.get("content"))
    by = author(call, str(body["author"])) or call.owner
    if not text.strip() and not body.get("content") and not body.get("reshareContext"):
        raise li_error(400, "commentary must not be empty", "MISSING_FIELD")
    fault = call.take("duplicate")
    earlier = call.world.duplicate_of("linkedin", by.name, text)
    if earlier or fault:
        named = earlier if earlier and (fault is None or fault.params.get("real", True)) else None
        raise duplicate_of(named.id if named else "urn:li:share:7141138937766391808")
    at = call.landing_time()
    post_id = f"urn:li:share:{call.world.ids.make('linkedin', at, in_order=call.late is None)}"
    post = Post(
        platform="linkedin",
        id=post_id,
        account=by.name,
        text=text,
        created_at=at,
        path=f"/linkedin/feed/update/{post_id}",
        media=media,
        audience="public" if body["visibility"] == "PUBLIC" else "restricted",
        extra={"body": body},
        card=card,
    )
    call.store_post(post)
    if post.card != card:
        body["content"] = {"article": _without_thumbnail(body["content"]["article"])} if post.card else {}
        call.world.save_post(post)
    return Response(b"", 201, {"x-restli-id": post_id, "x-linkedin-id": post_id})


def _without_thumbnail(article: Json) -> Json:
    return {name: value for name, value in article.items() if name != "thumbnail"}


def _element(post: Post) -> Json:
    body: Json = post.extra["body"]
    millis = int(post.created_at * 1000)
    changed = int((post.edited_at or post.created_at) * 1000)
    # An edit behind the author's back changes the text only.
    kept = little_text(body["commentary"])[0] == post.text
    commentary = body["commentary"] if kept else post.text
    return (
        {"isReshareDisabledByAuthor": False}
        | body
        | {
            "id": post.id,
            "commentary": commentary,
            "createdAt": millis,
            "publishedAt": millis,
            "lastModifiedAt": changed,
            "lifecycleState": "PUBLISHED",
            "lifecycleStateInfo": {"isEditedByAuthor": post.edited_at is not None},
        }
    )


def _readable(call: Call, method: str) -> None:
    if call.token is None or not _READ_SCOPES.intersection(call.token.scopes):
        raise access_denied(call, f"partnerApiPostsExternal.{method}")


async def read(call: Call) -> Response:
    check_headers(call)
    _readable(call, "GET")
    urn = unquote(call.request.path_params["urn"])
    post = call.world.post("linkedin", urn)
    if post is None or not post.seen_by(call.account, call.seen_at()):
        raise not_found(urn)
    return reply(_element(post))


def _asked_for(call: Call) -> list[str]:
    """The keys of a BATCH_GET: `ids=List(…)` with each URN encoded once more than the address is."""
    listed = _LIST.fullmatch(call.request.query_params.get("ids", ""))
    keys = [unquote(key) for key in listed[1].split(",")] if listed else []
    if call.request.headers.get("x-restli-method") != "BATCH_GET" or not 1 <= len(keys) <= _MOST_KEYS:
        raise li_error(400, "Resource method could not be resolved from request parameters.", "ILLEGAL_ARGUMENT")
    return keys


def _batch(call: Call, view: Callable[[Post], Json]) -> Response:
    """Found ones in `results`, the others in `errors`, always 200 (Rest.li 2.0, BATCH_GET)."""
    results, statuses, errors = {}, {}, {}
    for urn in _asked_for(call):
        post = call.world.post("linkedin", urn)
        found = post is not None and post.seen_by(call.account, call.seen_at())
        statuses[urn] = 200 if found else 404
        if post is not None and found:
            results[urn] = view(post)
        else:
            errors[urn] = {"status": 404, "code": "NOT_FOUND", "message": f"{urn} is not found"}
    return reply({"results": results, "statuses": statuses, "errors": errors})


async def finder(call: Call) -> Response:
    """The author's posts, newest first, or those with the keys of a batch; only with the closed scope r_member_social
    (platforms/linkedin/facts.md, 1)."""
    check_headers(call)
    query = call.request.query_params
    if "ids" in query:
        _readable(call, "BATCH_GET")
        return _batch(call, _element)
    if query.get("q") != "author" or "author" not in query:
        raise li_error(400, "Resource method could not be resolved from request parameters.", "ILLEGAL_ARGUMENT")
    _readable(call, "FINDER-author")
    by = author(call, query["author"])
    if by is None:
        raise access_denied(call, "partnerApiPostsExternal.FINDER-author")
    if not (query.get("start", "0").isdigit() and query.get("count", "10").isdigit()):
        raise li_error(400, "start and count must be numbers", "ILLEGAL_ARGUMENT")
    start, count = int(query.get("start", "0")), min(100, int(query.get("count", "10")))
    posts = call.world.posts_of("linkedin", by.name, call.seen_at())
    cut = call.take("truncated_timeline")
    page = posts[: int(cut.params.get("keep", 1))] if cut else posts[start : start + count]
    paging: Json = {"start": start, "count": count, "links": []}
    if cut is None:
        paging["total"] = len(posts)
        if start + count < len(posts):
            href = f"/rest/posts?q=author&author={query['author']}&count={count}&start={start + count}"
            paging["links"] = [{"rel": "next", "href": href, "type": "application/json"}]
    return reply({"paging": paging, "elements": [_element(p) for p in page]})


async def delete(call: Call) -> Response:
    """204 whether it was there or not: DELETE is idempotent."""
    check_headers(call)
    post = call.world.post("linkedin", unquote(call.request.path_params["urn"]))
    if post is not None and not writes_for(call, post.account):
        raise access_denied(call, "partnerApiPostsExternal.DELETE")
    if post is not None and not post.deleted(call.at):
        call.world.delete_post(post)
        call.effect(deleted=post.id)
    return Response(b"", 204)


async def update(call: Call) -> Response:
    """PARTIAL_UPDATE of the commentary."""
    check_headers(call)
    urn = unquote(call.request.path_params["urn"])
    post = call.world.post("linkedin", urn)
    body = call.json()
    if post is None or post.account != call.owner.name or post.deleted(call.at):
        raise not_found(urn)
    if call.request.headers.get("x-restli-method") != "PARTIAL_UPDATE" or not isinstance(body, dict):
        raise li_error(400, "Resource method could not be resolved from request parameters.", "ILLEGAL_ARGUMENT")
    changes = body.get("patch", {}).get("$set", {})
    if isinstance(changes.get("commentary"), str):
        text, post.extra["body"]["commentary"] = little_text(changes["commentary"])
        call.world.edit_post(post, text)
    return Response(b"", 204)


async def analytics(call: Call) -> Response:
    """One metric of one post per call; needs r_member_postAnalytics."""
    check_headers(call)
    query = call.request.query_params
    if call.token is None or "r_member_postAnalytics" not in call.token.scopes:
        raise access_denied(call, "memberCreatorPostAnalytics.FINDER-entity")
    entity = _ENTITY.fullmatch(unquote(query.get("entity", "")))
    kind = query.get("queryType", "")
    if query.get("q") != "entity" or entity is None or kind not in _METRICS:
        raise li_error(400, "Resource method could not be resolved from request parameters.", "ILLEGAL_ARGUMENT")
    post = call.world.post("linkedin", entity[1])
    if post is None or post.account != call.owner.name or not post.seen_by_owner(call.at):
        raise not_found(entity[1])
    value = getattr(counts(call.world, post, call.at), _METRICS[kind])
    # Since 202605 a plain string, before that an object with one key: platforms/linkedin/facts.md, 7.
    modern = call.request.headers["linkedin-version"] >= "202605"
    type_key = "com.linkedin.adsexternalapi.memberanalytics.v1.CreatorPostAnalyticsMetricTypeV1"
    element = {"count": value, "metricType": kind if modern else {type_key: kind}, "targetEntity": {"share": post.id}}
    return reply({"paging": {"start": 0, "count": 10, "links": []}, "elements": [element]})


async def social_metadata_of_many(call: Call) -> Response:
    check_headers(call)
    _readable(call, "BATCH_GET")
    return _batch(call, lambda post: _social(call, post))


async def social_metadata(call: Call) -> Response:
    """Reactions and comments of a post."""
    check_headers(call)
    _readable(call, "GET")
    urn = unquote(call.request.path_params["urn"])
    post = call.world.post("linkedin", urn)
    if post is None or not post.seen_by(call.account, call.at):
        raise not_found(urn)
    return reply(_social(call, post))


def _social(call: Call, post: Post) -> Json:
    seen = counts(call.world, post, call.at)
    return {
        "entity": post.id,
        "commentsState": "OPEN",
        "reactionSummaries": {"LIKE": {"reactionType": "LIKE", "count": seen.likes}},
        "commentSummary": {"count": seen.replies, "topLevelCount": seen.replies},
    }


async def userinfo(call: Call) -> Response:
    locale = {"country": "US", "language": "en"}
    name = {"sub": call.owner.id, "name": call.owner.name, "given_name": call.owner.name, "family_name": ""}
    return reply(name | {"locale": locale})


async def lite_profile(call: Call) -> Response:
    """GET /v2/me, the older way to ask who one is."""
    localized = {"localized": {"en_US": call.owner.name}, "preferredLocale": {"country": "US", "language": "en"}}
    return reply(
        {"id": call.owner.id, "localizedFirstName": call.owner.name, "localizedLastName": "", "firstName": localized}
    )


def routes(world: World, dialect: LinkedInDialect) -> list[BaseRoute]:
    def operation(name: str, handler: Handler, scope: str = "") -> Operation:
        return Operation(world, dialect, name, handler, scope=scope)

    rest = "/linkedin/rest"
    one = f"{rest}/posts/{{urn:str}}"
    return [
        operation("create", create, "w_member_social").route(f"{rest}/posts", "POST"),
        operation("timeline", finder).route(f"{rest}/posts", "GET"),
        operation("read", read).route(one, "GET"),
        operation("delete", delete, "w_member_social").route(one, "DELETE"),
        operation("update", update, "w_member_social").route(one, "POST"),
        operation("engagement", analytics).route(f"{rest}/memberCreatorPostAnalytics", "GET"),
        operation("engagement", social_metadata_of_many).route(f"{rest}/socialMetadata", "GET"),
        operation("engagement", social_metadata).route(f"{rest}/socialMetadata/{{urn:str}}", "GET"),
        operation("me", lite_profile, "profile").route("/linkedin/v2/me", "GET"),
        operation("me", userinfo, "openid").route("/linkedin/v2/userinfo", "GET"),
    ]
