"""Bluesky's way of speaking, and its views. platforms/bluesky/facts.md; shapes: the lexicons named there."""

from typing import Any

from postprober.sandbox.bluesky.accounts import handle_of
from postprober.sandbox.bluesky.proofs import BadProof, current_nonce, proved_by, refused
from postprober.sandbox.engine.bearer import bearer, find_bearer
from postprober.sandbox.engine.engagement import counts
from postprober.sandbox.engine.faults import Fault
from postprober.sandbox.engine.limits import refusal_headers
from postprober.sandbox.engine.model import Account, Post
from postprober.sandbox.engine.operation import ApiRefusal, Call
from postprober.sandbox.engine.timefmt import iso

Json = dict[str, Any]
POSTS = "app.bsky.feed.post"
_LIMIT, _WINDOW = 3000, 300.0


def xrpc_error(status: int, error: str, message: str) -> ApiRefusal:
    return ApiRefusal(status, {"error": error, "message": message})


def invalid(message: str) -> ApiRefusal:
    return xrpc_error(400, "InvalidRequest", message)


class BlueskyDialect:
    """What every XRPC method may have to say. platforms/bluesky/facts.md, 6."""

    name = "bluesky"

    def find_account(self, call: Call) -> None:
        """By a bearer token, or by one that is bound to a key and comes with a proof of it."""
        scheme, _, value = call.request.headers.get("authorization", "").partition(" ")
        find_bearer(call, value.strip() if scheme.lower() == "dpop" else None)
        bound = call.world.doc("bound", call.token.chain) if call.token else None
        if call.token is None or (bound is None and scheme.lower() != "dpop"):
            return
        try:
            if bound is None or scheme.lower() != "dpop" or proved_by(call, value.strip()) != bound["key"]:
                raise BadProof("the token is not bound to this key")
        except BadProof as error:
            call.token, call.request.state.proof = None, error

    def refuse_token(self, call: Call, why: str) -> ApiRefusal:
        if isinstance(getattr(call.request.state, "proof", None), BadProof):
            return refused(call, call.request.state.proof, status=401)
        if why == "missing":
            return xrpc_error(401, "AuthMissing", "Authentication Required")
        if why == "expired":
            return xrpc_error(400, "ExpiredToken", "Token has expired")
        return xrpc_error(400, "InvalidToken", "Token could not be verified")

    def server_error(self, status: int) -> ApiRefusal:
        if status in (502, 503):
            return xrpc_error(status, "UpstreamFailure", "Upstream Failure")
        return xrpc_error(status, "InternalServerError", "Internal Server Error")

    def rate_limited(self, call: Call, fault: Fault) -> ApiRefusal:
        headers = refusal_headers(fault, call.at, "ratelimit-reset", "epoch")
        if "ratelimit-reset" in headers:
            headers |= {"ratelimit-limit": "3000", "ratelimit-remaining": "0", "ratelimit-policy": "3000;w=300"}
        refusal = xrpc_error(429, "RateLimitExceeded", "Rate Limit Exceeded")
        refusal.headers = headers
        return refusal

    def bad_refresh(self) -> ApiRefusal:
        return xrpc_error(400, "ExpiredToken", "Token has been revoked")

    def headers(self, call: Call) -> dict[str, str]:
        nonce = {"dpop-nonce": current_nonce(call.world)} if call.request.headers.get("dpop") else {}
        left, reset = call.world.requests.use(f"bluesky|{call.name}", _LIMIT, _WINDOW, call.at)
        return nonce | {
            "ratelimit-limit": str(_LIMIT),
            "ratelimit-remaining": str(left),
            "ratelimit-reset": str(int(reset)),
            "ratelimit-policy": f"{_LIMIT};w={int(_WINDOW)}",
        }


class RefreshDialect(BlueskyDialect):
    """refreshSession is authorised by the refresh token."""

    def find_account(self, call: Call) -> None:
        call.refreshing = True
        find_bearer(call, bearer(call), "refresh")


def profile_basic(account: Account) -> Json:
    return {
        "did": account.id,
        "handle": handle_of(account),
        "displayName": account.name,
        "createdAt": iso(account.created_at),
    }


def profile_detailed(call: Call, account: Account) -> Json:
    posts = call.world.posts_of("bluesky", account.name, call.at)
    numbers = {"followersCount": 0, "followsCount": 0, "postsCount": len(posts)}
    return profile_basic(account) | numbers | {"indexedAt": iso(account.created_at)}


def post_view(call: Call, post: Post) -> Json:
    """app.bsky.feed.defs#postView"""
    author = call.world.account("bluesky", post.account)
    seen = counts(call.world, post, call.at)
    view: Json = {
        "uri": post.id,
        "cid": post.extra["cid"],
        "author": profile_basic(author) if author else {},
        "record": post.extra["record"],
        "bookmarkCount": seen.bookmarks,
        "replyCount": seen.replies,
        "repostCount": seen.reposts,
        "likeCount": seen.likes,
        "quoteCount": seen.quotes,
        "indexedAt": iso(post.created_at),
        "labels": [],
    }
    embed = _embed_view(call, post)
    return view | ({"embed": embed} if embed else {})


def _embed_view(call: Call, post: Post) -> Json | None:
    embed = post.extra["record"].get("embed") or {}
    kind = embed.get("$type")
    base = f"{call.base}/_media"
    if kind == "app.bsky.embed.images":
        images = [
            {"thumb": f"{base}/{m['sha256']}", "fullsize": f"{base}/{m['sha256']}", "alt": m["alt"]} for m in post.media
        ]
        return {"$type": f"{kind}#view", "images": images}
    if kind == "app.bsky.embed.video" and post.media:
        video = {"cid": embed["video"]["ref"]["$link"], "playlist": f"{base}/{post.media[0]['sha256']}"}
        return {"$type": f"{kind}#view"} | video | ({"alt": embed["alt"]} if "alt" in embed else {})
    if kind == "app.bsky.embed.external":
        external = embed["external"]
        shown = {name: external[name] for name in ("uri", "title", "description")}
        if post.card is not None and post.card["sha256"]:
            shown["thumb"] = f"{base}/{post.card['sha256']}"
        return {"$type": f"{kind}#view", "external": shown}
    return None
