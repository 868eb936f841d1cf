"""X API v2: posts, timelines and the own user. Facts and paths: platforms/x/facts.md."""

import base64
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.engine.model import Media, Post
from postprober.sandbox.engine.operation import Call, Operation, reply
from postprober.sandbox.engine.timefmt import parse_iso
from postprober.sandbox.engine.world import World
from postprober.sandbox.x.dialect import XDialect, dialect, forbidden, invalid, not_found
from postprober.sandbox.x.text import weighted_length
from postprober.sandbox.x.views import MAX_WEIGHT, history, includes, missing, post_view, user_view, wire_text

XId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,19}$")]
# platforms/x/facts.md, 3
_MOST_NAMES = 100
_MAX_LONG = 25_000  # help.x.com/using-x/x-premium, longer posts


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _MediaPart(_Strict):
    media_ids: list[XId] = Field(min_length=1, max_length=4)
    tagged_user_ids: list[XId] = Field(default=[], max_length=10)


class _Reply(_Strict):
    in_reply_to_tweet_id: XId
    exclude_reply_user_ids: list[str] = []
    auto_populate_reply_metadata: bool = False


class _Poll(_Strict):
    options: list[Annotated[str, StringConstraints(min_length=1, max_length=25)]] = Field(min_length=2, max_length=4)
    duration_minutes: int = Field(ge=5, le=10080)
    reply_settings: str = ""


class _Geo(_Strict):
    place_id: Annotated[str, StringConstraints(min_length=1)]


class _Create(_Strict):
    """CreatePostsRequest, without the parts the sandbox has no use for (those are refused as unknown)."""

    text: str = ""
    media: _MediaPart | None = None
    reply: _Reply | None = None
    poll: _Poll | None = None
    quote_tweet_id: XId | None = None
    reply_settings: str | None = Field(default=None, pattern="^(following|mentionedUsers|subscribers|verified)$")
    made_with_ai: bool = False
    paid_partnership: bool = False
    community_id: XId | None = None
    geo: _Geo | None = None
    nullcast: bool = False
    for_super_followers_only: bool = False
    share_with_followers: bool = False


def _parse(call: Call) -> _Create:
    try:
        draft = _Create.model_validate(call.without_dropped(call.json()))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise invalid(call, f"$.{where}: {first['msg']}", where, first.get("input", "")) from None
    if sum(one is not None for one in (draft.media, draft.poll, draft.quote_tweet_id)) > 1:
        raise invalid(call, "$: media, poll and quote_tweet_id are mutually exclusive", "media")
    if not draft.text.strip() and not draft.media and not draft.poll:
        raise invalid(call, "$.text: a post needs text or media", "text")
    if weighted_length(draft.text) > (_MAX_LONG if call.owner.premium else MAX_WEIGHT):
        raise invalid(
            call,
            "Your Tweet text is too long. For more information on how Twitter determines text length "
            "see https://github.com/twitter/twitter-text.",
        )
    return draft


def _media(call: Call, draft: _Create) -> list[dict[str, Any]]:
    """The media of a draft, ready and its own: 4 images or 1 GIF or 1 video."""
    found: list[Media] = []
    for media_id in draft.media.media_ids if draft.media else []:
        media = call.world.media_of("x", media_id)
        if media is None or media.account != call.owner.name or media.state(call.at) != "ready":
            raise invalid(call, "Your media IDs are invalid.", "media.media_ids", media_id)
        found.append(media)
    if len(found) > 1 and any(m.kind != "image" for m in found):
        raise invalid(call, "Only 4 photos, or 1 animated GIF, or 1 video may be attached.", "media.media_ids")
    return [
        {
            "kind": m.kind,
            "alt": m.alt,
            "sha256": m.sha256,
            "media_key": m.extra["media_key"],
            "width": m.width,
            "height": m.height,
        }
        for m in found
    ]


def _asked(call: Call, draft: _Create, post_id: str) -> dict[str, Any]:
    """What it asks for beside text and media. A quoted post has to be there."""
    if draft.quote_tweet_id:
        quoted = call.world.post("x", draft.quote_tweet_id)
        if quoted is None or not quoted.seen_by(call.account, call.at):
            raise invalid(call, "Your quote Tweet id is invalid.", "quote_tweet_id", draft.quote_tweet_id)
    tagged = draft.media.tagged_user_ids if draft.media else []
    for user_id in tagged:
        if call.world.account_by_id("x", user_id) is None:
            raise invalid(call, "Your tagged user ids are invalid.", "media.tagged_user_ids", user_id)
    poll = draft.poll.model_dump(include={"options", "duration_minutes"}) | {"id": post_id} if draft.poll else None
    told = {
        "reply_settings": draft.reply_settings,
        "quoted": draft.quote_tweet_id,
        "poll": poll,
        "made_with_ai": draft.made_with_ai,
        "paid_partnership": draft.paid_partnership,
        "community_id": draft.community_id,
        "tagged": tagged,
        "place_id": draft.geo.place_id if draft.geo else "",
    }
    return {name: value for name, value in told.items() if value}


async def create(call: Call) -> Response:
    """POST /2/tweets"""
    draft = _parse(call)
    parent = call.world.post("x", draft.reply.in_reply_to_tweet_id) if draft.reply else None
    if draft.reply and (parent is None or not parent.seen_by(call.account, call.at)):
        raise forbidden("You attempted to reply to a Tweet that is deleted or not visible to you.")
    media = _media(call, draft)
    repeats = call.world.duplicate_of("x", call.owner.name, draft.text)
    if (repeats and not media) or call.take("duplicate"):
        raise forbidden("You are not allowed to create a Tweet with duplicate content.")
    at = call.landing_time()
    post_id = str(call.world.ids.make("x", at, in_order=call.late is None))
    post = Post(
        platform="x",
        id=post_id,
        account=call.owner.name,
        text=draft.text,
        created_at=at,
        path=f"/x/{call.owner.name}/status/{post_id}",
        media=media,
        reply_to=parent.id if parent else None,
        extra={
            "conversation": (parent.extra.get("conversation") or parent.id) if parent else None,
            **_asked(call, draft, post_id),
        },
    )
    call.store_post(post)
    text, _ = wire_text(post, call)
    spoken = str(call.world.settings["x_dialect"])
    return reply({"data": {"id": post.id, "text": text} | history(post, spoken)}, 201)


async def read_one(call: Call) -> Response:
    spoken = dialect(call)
    post_id = call.request.path_params["id"]
    post = call.world.post("x", post_id)
    if post is None or not post.seen_by(call.account, call.seen_at()):
        return reply({"errors": [missing(call, post_id, "id")]})
    return reply({"data": post_view(call, post, spoken)} | includes(call, [post]))


async def read_many(call: Call) -> Response:
    """Found posts in `data`, the others in `errors`, always 200."""
    spoken = dialect(call)
    ids = [i for i in call.request.query_params.get("ids", "").split(",") if i]
    if not 1 <= len(ids) <= 100:
        raise invalid(
            call, f"The number of values in the `ids` query parameter list [{len(ids)}] is not 1 to 100", "ids"
        )
    at = call.seen_at()
    found, errors = [], []
    for post_id in ids:
        post = call.world.post("x", post_id)
        if post is not None and post.seen_by(call.account, at):
            found.append(post)
        else:
            errors.append(missing(call, post_id, "ids"))
    body: dict[str, Any] = {"data": [post_view(call, p, spoken) for p in found]} if found else {}
    return reply(body | ({"errors": errors} if errors else {}) | includes(call, found))


async def delete(call: Call) -> Response:
    post = call.world.post("x", call.request.path_params["id"])
    if post is not None and post.account != call.owner.name:
        raise forbidden("You are not authorized to delete this Tweet.")
    if post is not None and not post.deleted(call.at):
        call.world.delete_post(post)
        call.effect(deleted=post.id)
    return reply({"data": {"deleted": True}})


async def me(call: Call) -> Response:
    return reply({"data": user_view(call, call.owner)})


async def user(call: Call) -> Response:
    user_id = call.request.path_params["id"]
    account = call.world.account_by_id("x", user_id)
    if account is None:
        return reply({"errors": [not_found(call, "user", "id", user_id)]})
    return reply({"data": user_view(call, account)})


async def users_by_name(call: Call) -> Response:
    """GET /2/users/by: those who are there, and an error for each who is not."""
    names = [one for one in call.request.query_params.get("usernames", "").split(",") if one]
    if not 1 <= len(names) <= _MOST_NAMES:
        raise invalid(call, f"The `usernames` query parameter has {len(names)} names", "usernames", ",".join(names))
    found = {
        name: next((a for a in call.world.accounts_of("x") if a.title.lower() == name.lower()), None) for name in names
    }
    body: dict[str, Any] = {}
    if there := [user_view(call, account) for account in found.values() if account is not None]:
        body["data"] = there
    if missed := [not_found(call, "user", "usernames", name) for name, account in found.items() if account is None]:
        body["errors"] = missed
    return reply(body)


def _window(call: Call, posts: list[Post]) -> list[Post]:
    """Apply since_id, until_id (exclusive), start_time, end_time and exclude=replies."""
    query = call.request.query_params
    for name in ("start_time", "end_time"):
        limit = query.get(name)
        if limit is None:
            continue
        at = parse_iso(limit)
        if at is None:
            raise invalid(
                call, f"The `{name}` query parameter value [{limit}] is not a valid RFC 3339 time", name, limit
            )
        # X works in whole seconds here: start is inclusive, end is exclusive.
        posts = [p for p in posts if (p.created_at >= at if name == "start_time" else p.created_at < at)]
    for name in ("since_id", "until_id"):
        limit = query.get(name)
        if limit is None:
            continue
        if not limit.isdigit():
            raise invalid(call, f"The `{name}` query parameter value [{limit}] is not valid", name, limit)
        posts = [p for p in posts if (int(p.id) > int(limit) if name == "since_id" else int(p.id) < int(limit))]
    if "replies" in query.get("exclude", "").split(","):
        posts = [p for p in posts if p.reply_to is None]
    return posts


async def timeline(call: Call) -> Response:
    """The posts of a user, newest first."""
    spoken = dialect(call)
    query = call.request.query_params
    user_id = call.request.path_params["id"]
    account = call.world.account_by_id("x", user_id)
    if account is None:
        return reply({"errors": [not_found(call, "user", "id", user_id)], "meta": {"result_count": 0}})
    size = query.get("max_results", "10")
    if not size.isdigit() or not 5 <= int(size) <= 100:
        message = f"The `max_results` query parameter value [{size}] is not between 5 and 100"
        raise invalid(call, message, "max_results", size)
    at = call.seen_at()
    posts = [p for p in call.world.posts_of("x", account.name, at) if p.seen_by(call.account, at)]
    posts = _window(call, sorted(posts, key=lambda p: int(p.id), reverse=True))
    if "pagination_token" in query:
        last = _last_of(call, query["pagination_token"])
        posts = [p for p in posts if int(p.id) < last]
    cut = call.take("truncated_timeline")
    page = posts[: int(cut.params.get("keep", 1)) if cut else int(size)]
    meta: dict[str, Any] = {"result_count": len(page)}
    if page:
        meta |= {"newest_id": page[0].id, "oldest_id": page[-1].id}
        if len(posts) > len(page) and not cut:
            meta["next_token"] = _page_token(page[-1].id)
    body = {"data": [post_view(call, p, spoken) for p in page]} if page else {}
    return reply(body | {"meta": meta} | includes(call, page))


def _page_token(post_id: str) -> str:
    return base64.b32hexencode(post_id.encode()).decode().rstrip("=").lower()


def _last_of(call: Call, token: str) -> int:
    padded = token.upper() + "=" * (-len(token) % 8)
    try:
        return int(base64.b32hexdecode(padded))
    except ValueError:
        message = f"The `pagination_token` query parameter value [{token}] is not valid"
        raise invalid(call, message, "pagination_token", token) from None


def routes(world: World, dialect: XDialect) -> list[BaseRoute]:
    def operation(name: str, handler: Any, scope: str) -> Operation:
        return Operation(world, dialect, name, handler, scope=scope)

    return [
        operation("create", create, "tweet.write").route("/x/2/tweets", "POST"),
        operation("read", read_many, "tweet.read").route("/x/2/tweets", "GET"),
        operation("read", read_one, "tweet.read").route("/x/2/tweets/{id:str}", "GET"),
        operation("delete", delete, "tweet.write").route("/x/2/tweets/{id:str}", "DELETE"),
        operation("me", me, "users.read").route("/x/2/users/me", "GET"),
        operation("read", users_by_name, "users.read").route("/x/2/users/by", "GET"),
        operation("read", user, "users.read").route("/x/2/users/{id:str}", "GET"),
        operation("timeline", timeline, "tweet.read").route("/x/2/users/{id:str}/tweets", "GET"),
    ]
