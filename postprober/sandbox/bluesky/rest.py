"""What else the AT Protocol's clients ask for: who the server is, threads, likes, reposts, many writes at once.

Lexicons: com.atproto.server.describeServer, com.atproto.repo.applyWrites, app.bsky.feed.{getPostThread,getLikes,
getRepostedBy,like,repost}. A method that nobody knows is 501 MethodNotImplemented, as on a real PDS.
"""

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.bluesky.accounts import DOMAIN, account_called
from postprober.sandbox.bluesky.api import delete_one, put_one, read_input
from postprober.sandbox.bluesky.cid import record_cid
from postprober.sandbox.bluesky.dialect import BlueskyDialect, invalid, post_view, profile_basic, xrpc_error
from postprober.sandbox.bluesky.ids import new_tid
from postprober.sandbox.bluesky.marks import marks_of
from postprober.sandbox.engine.model import Post
from postprober.sandbox.engine.operation import Call, Operation, reply
from postprober.sandbox.engine.timefmt import iso
from postprober.sandbox.engine.world import World

Json = dict[str, Any]
MOST_WRITES = 200  # com.atproto.repo.applyWrites, packages/pds
DEPTH = 6  # of a thread, by default
_ACTS = "com.atproto.repo.applyWrites#"


async def describe_server(call: Call) -> Response:
    return reply(
        {
            "did": "did:web:bsky.test",
            "availableUserDomains": [f".{DOMAIN}"],
            "inviteCodeRequired": False,
            "phoneVerificationRequired": False,
            "links": {},
            "contact": {},
        }
    )


async def apply_writes(call: Call) -> Response:
    """All writes or none: they are checked by the same rules, one after another."""
    body = read_input(call, "repo", "writes")
    writes = body["writes"]
    if not isinstance(writes, list) or not 1 <= len(writes) <= MOST_WRITES:
        raise invalid(f"Too many writes. Max: {MOST_WRITES}")
    acts = [str(one.get("$type", "")).removeprefix(_ACTS) if isinstance(one, dict) else "" for one in writes]
    if any(act not in ("create", "update", "delete") for act in acts):
        raise invalid("Action not supported")
    results: list[Json] = []
    kept = call.without_dropped({_kind(one): True for one in writes})
    for act, one in zip(acts, writes, strict=True):
        if _kind(one) not in kept:
            continue
        if act == "delete":
            delete_one(call, one)
            results.append({"$type": f"{_ACTS}deleteResult"})
            continue
        told = put_one(call, {**one, "record": one.get("value")}, new=act == "create")
        results.append(
            {"$type": f"{_ACTS}{act}Result", "uri": told["uri"], "cid": told["cid"], "validationStatus": "valid"}
        )
    rev = new_tid(call)
    return reply({"commit": {"cid": record_cid({"rev": rev}), "rev": rev}, "results": results})


def _kind(write: Json) -> str:
    return str(write.get("collection", "")).rpartition(".")[2]


async def post_thread(call: Call) -> Response:
    query, at = call.request.query_params, call.seen_at()
    uri = query.get("uri", "")
    parts = uri.removeprefix("at://").split("/", 1)
    owner = account_called(call.world, parts[0])
    uri = f"at://{owner.id}/{parts[1]}" if owner and len(parts) == 2 else uri
    post = call.world.post("bluesky", uri)
    if post is None or not post.seen_by(call.account, at):
        raise xrpc_error(400, "NotFound", f"Post not found: {uri}")
    depth = int(query.get("depth", DEPTH)) if query.get("depth", str(DEPTH)).isdigit() else DEPTH
    thread = _below(call, post, at, depth)
    top, current = thread, post
    while current.reply_to:
        parent = call.world.post("bluesky", current.reply_to)
        if parent is None or not parent.seen_by(call.account, at):
            top["parent"] = {"$type": "app.bsky.feed.defs#notFoundPost", "uri": current.reply_to, "notFound": True}
            break
        top["parent"] = _node(call, parent)
        top, current = top["parent"], parent
    return reply({"thread": thread})


def _node(call: Call, post: Post) -> Json:
    return {"$type": "app.bsky.feed.defs#threadViewPost", "post": post_view(call, post)}


def _below(call: Call, post: Post, at: float, depth: int) -> Json:
    answers = [p for p in call.world.posts.values() if p.platform == "bluesky" and p.reply_to == post.id]
    seen = sorted((p for p in answers if p.seen_by(call.account, at)), key=lambda p: p.created_at)
    return _node(call, post) | {"replies": [_below(call, p, at, depth - 1) for p in seen] if depth > 0 else []}


def _marked(collection: str, name: str) -> Any:
    async def read(call: Call) -> Response:
        uri = call.request.query_params.get("uri", "")
        found = marks_of(call.world, uri, collection)
        people = [(one, call.world.account_by_id("bluesky", one["did"])) for one in found]
        views = [
            {"actor": profile_basic(who), "createdAt": iso(one["at"]), "indexedAt": iso(one["at"])}
            if name == "likes"
            else profile_basic(who)
            for one, who in people
            if who is not None
        ]
        return reply({"uri": uri, name: views})

    return read


async def unknown_method(call: Call) -> Response:
    raise xrpc_error(501, "MethodNotImplemented", "Method Not Implemented")


def routes(world: World, dialect: BlueskyDialect) -> list[BaseRoute]:
    xrpc = "/bluesky/xrpc"

    def open_to_all(name: str, method: str, handler: Any) -> BaseRoute:
        operation = Operation(world, dialect, name, handler, needs_token=False, dead_token_refused=True)
        return operation.route(f"{xrpc}/{method}", "GET")

    other = Operation(world, dialect, "other", unknown_method, needs_token=False)
    return [
        open_to_all("me", "com.atproto.server.describeServer", describe_server),
        open_to_all("read", "app.bsky.feed.getPostThread", post_thread),
        open_to_all("read", "app.bsky.feed.getLikes", _marked("app.bsky.feed.like", "likes")),
        open_to_all("read", "app.bsky.feed.getRepostedBy", _marked("app.bsky.feed.repost", "repostedBy")),
        Operation(world, dialect, "create", apply_writes).route(f"{xrpc}/com.atproto.repo.applyWrites", "POST"),
        other.route(f"{xrpc}/{{method:str}}", "GET"),
        other.route(f"{xrpc}/{{method:str}}", "POST"),
    ]
