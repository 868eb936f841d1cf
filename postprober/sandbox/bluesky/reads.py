"""Bluesky's read side: records, feeds, profiles. None of it needs a token. platforms/bluesky/facts.md, 7."""

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.bluesky.accounts import account_called
from postprober.sandbox.bluesky.dialect import (
    POSTS,
    BlueskyDialect,
    invalid,
    post_view,
    profile_detailed,
    xrpc_error,
)
from postprober.sandbox.bluesky.marks import mark_at
from postprober.sandbox.engine.model import Account, Post
from postprober.sandbox.engine.operation import Call, Operation, reply
from postprober.sandbox.engine.world import World


def _actor(call: Call, parameter: str) -> Account:
    name = call.request.query_params.get(parameter, "")
    account = account_called(call.world, name)
    if account is None:
        raise invalid(f"Could not find repo: {name}" if parameter == "repo" else "Profile not found")
    return account


def _limit(call: Call) -> int:
    text = call.request.query_params.get("limit", "50")
    if not text.isdigit() or not 1 <= int(text) <= 100:
        raise invalid("Error: limit must be between 1 and 100")
    return int(text)


def _owner_view(call: Call, post: Post, at: float) -> bool:
    """Repository reads are the author's own truth: what the public pages hide is still in the repository.

    A shadowed post exists for its author only, so strangers do not get it here either.
    """
    own = call.account is not None and call.account.name == post.account
    return post.seen_by_owner(at) and (own or not post.shadow)


async def get_record(call: Call) -> Response:
    query = call.request.query_params
    owner = _actor(call, "repo")
    if owner.suspended:
        raise xrpc_error(400, "RepoTakendown", f"Repo has been takendown: {owner.id}")
    uri = f"at://{owner.id}/{query.get('collection', '')}/{query.get('rkey', '')}"
    if (mark := mark_at(call.world, uri)) is not None:
        return reply({"uri": uri, "cid": mark["cid"], "value": mark["value"]})
    post = call.world.post("bluesky", uri)
    if post is None or not _owner_view(call, post, call.seen_at()):
        raise xrpc_error(400, "RecordNotFound", f"Could not locate record: {uri}")
    return reply({"uri": post.id, "cid": post.extra["cid"], "value": post.extra["record"]})


async def list_records(call: Call) -> Response:
    """Newest key first; `reverse` turns that round. The cursor is the last key of the page."""
    query = call.request.query_params
    owner = _actor(call, "repo")
    limit = _limit(call)
    at = call.seen_at()
    posts = [p for p in call.world.posts_of("bluesky", owner.name, at) if _owner_view(call, p, at)]
    posts = posts if query.get("collection") == POSTS else []
    upwards = query.get("reverse") == "true"
    posts.sort(key=lambda p: str(p.extra["rkey"]), reverse=not upwards)
    cursor = query.get("cursor")
    if cursor:
        posts = [p for p in posts if (p.extra["rkey"] > cursor if upwards else p.extra["rkey"] < cursor)]
    page, more = _page(call, posts, limit)
    records = [{"uri": p.id, "cid": p.extra["cid"], "value": p.extra["record"]} for p in page]
    return reply({"records": records} | ({"cursor": page[-1].extra["rkey"]} if page and more else {}))


def _page(call: Call, posts: list[Post], limit: int) -> tuple[list[Post], bool]:
    cut = call.take("truncated_timeline")
    if cut:
        return posts[: int(cut.params.get("keep", 1))], False
    return posts[:limit], len(posts) > limit


async def get_posts(call: Call) -> Response:
    uris = call.request.query_params.getlist("uris")
    if not 1 <= len(uris) <= 25:
        raise invalid("Error: uris must not have more than 25 elements")
    at = call.seen_at()
    posts = [call.world.post("bluesky", uri) for uri in uris]
    return reply({"posts": [post_view(call, p) for p in posts if p and p.seen_by(call.account, at)]})


async def author_feed(call: Call) -> Response:
    owner = _actor(call, "actor")
    limit = _limit(call)
    at = call.seen_at()
    posts = [p for p in call.world.posts_of("bluesky", owner.name, at) if p.seen_by(call.account, at)]
    if call.request.query_params.get("filter") == "posts_no_replies":
        posts = [p for p in posts if p.reply_to is None]
    cursor = call.request.query_params.get("cursor")
    if cursor:
        posts = [p for p in posts if f"{p.created_at:.6f}" < cursor]
    page, more = _page(call, posts, limit)
    feed = [{"post": post_view(call, p)} for p in page]
    return reply({"feed": feed} | ({"cursor": f"{page[-1].created_at:.6f}"} if page and more else {}))


async def get_profile(call: Call) -> Response:
    return reply(profile_detailed(call, _actor(call, "actor")))


async def resolve_handle(call: Call) -> Response:
    account = account_called(call.world, call.request.query_params.get("handle", ""))
    if account is None:
        raise invalid("Unable to resolve handle")
    return reply({"did": account.id})


def routes(world: World, dialect: BlueskyDialect) -> list[BaseRoute]:
    def open_to_all(name: str, method: str, handler: Any) -> BaseRoute:
        operation = Operation(world, dialect, name, handler, needs_token=False, dead_token_refused=True)
        return operation.route(f"/bluesky/xrpc/{method}", "GET")

    return [
        open_to_all("read", "com.atproto.repo.getRecord", get_record),
        open_to_all("timeline", "com.atproto.repo.listRecords", list_records),
        open_to_all("read", "app.bsky.feed.getPosts", get_posts),
        open_to_all("timeline", "app.bsky.feed.getAuthorFeed", author_feed),
        open_to_all("me", "app.bsky.actor.getProfile", get_profile),
        open_to_all("me", "com.atproto.identity.resolveHandle", resolve_handle),
    ]
