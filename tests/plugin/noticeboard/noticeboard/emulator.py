"""An emulated noticeboard."""

from __future__ import annotations

from functools import partial
from typing import Any

from postprober.sandbox.engine.bearer import find_bearer
from postprober.sandbox.engine.emulator import Emulator, PageStyle, PublicPage, by_id
from postprober.sandbox.engine.engagement import counts
from postprober.sandbox.engine.faults import Fault
from postprober.sandbox.engine.model import Post
from postprober.sandbox.engine.operation import ApiRefusal, Call, Operation, reply
from postprober.sandbox.engine.timefmt import iso
from postprober.sandbox.engine.world import World

KEY = "noticeboard"


class Dialect:
    name = KEY
    find_account = staticmethod(find_bearer)

    def refuse_token(self, _call: Call, _why: str) -> ApiRefusal:
        return ApiRefusal(401, {"error": "token"})

    def server_error(self, status: int) -> ApiRefusal:
        return ApiRefusal(status, {"error": "broken"})

    def rate_limited(self, _call: Call, _fault: Fault) -> ApiRefusal:
        return ApiRefusal(429, {"error": "slow_down"})

    def bad_refresh(self) -> ApiRefusal:
        return ApiRefusal(400, {"error": "no_refresh"})

    def headers(self, _call: Call) -> dict[str, str]:
        return {}


def _view(call: Call, post: Post) -> dict[str, Any]:
    author = call.world.account(KEY, post.account)
    return {
        "id": post.id,
        "text": post.text,
        "at": iso(post.created_at),
        "by": author.id if author else "",
        "name": post.account,
        "url": call.base + post.path,
        "likes": counts(call.world, post, call.at).likes,
    }


async def _me(call: Call) -> Any:
    return reply({"id": call.owner.id, "name": call.owner.title})


async def _create(call: Call) -> Any:
    body = call.json()
    known = call.world.doc("notice", f"{call.owner.name}|{body['mark']}")
    if known is not None and (post := call.world.post(KEY, known["id"])) is not None:
        return reply(_view(call, post))
    if len(body["text"]) > 300:
        raise ApiRefusal(422, {"error": "too_long"})
    at = call.landing_time()
    number = str(call.world.ids.make(KEY, at, in_order=call.late is None))
    post = Post(
        platform=KEY,
        id=number,
        account=call.owner.name,
        text=body["text"],
        created_at=at,
        media=[],
        reply_to=None,
        path=f"/{KEY}/n/{number}",
        extra={"mark": body["mark"]},
    )
    call.store_post(post)
    call.world.put_doc("notice", f"{call.owner.name}|{body['mark']}", {"id": number})
    return reply(_view(call, post), 201)


async def _list(call: Call) -> Any:
    mark, at = call.request.query_params.get("mark"), call.seen_at()
    posts = call.world.posts_of(KEY, call.owner.name, at)
    return reply({"items": [_view(call, p) for p in posts if mark in (None, p.extra["mark"])]})


def _notice(call: Call, *, public: bool) -> Post:
    post = call.world.post(KEY, call.request.path_params["id"])
    if post is None or not (post.seen_by_public(call.at) if public else post.seen_by_owner(call.seen_at())):
        raise ApiRefusal(404, {"error": "gone"})
    return post


async def _show(call: Call, *, public: bool) -> Any:
    return reply(_view(call, _notice(call, public=public)))


async def _delete(call: Call) -> Any:
    call.world.delete_post(_notice(call, public=False))
    return reply({})


def _routes(world: World, dialect: Dialect) -> list[Any]:
    base = f"/{KEY}/api"
    return [
        Operation(world, dialect, "me", _me).route(f"{base}/me", "GET"),
        Operation(world, dialect, "create", _create).route(f"{base}/notices", "POST"),
        Operation(world, dialect, "timeline", _list).route(f"{base}/notices", "GET"),
        Operation(world, dialect, "read", partial(_show, public=False)).route(f"{base}/notices/{{id}}", "GET"),
        Operation(world, dialect, "delete", _delete).route(f"{base}/notices/{{id}}", "DELETE"),
        Operation(world, dialect, "public", partial(_show, public=True), needs_token=False).route(
            f"{base}/public/{{id}}", "GET"
        ),
    ]


EMULATOR = Emulator(
    key=KEY,
    look=PageStyle("Noticeboard", "📌", "--back:#fff;--ink:#222;--card:#fff;--brand:#7a9e3a", (("likes", "thanks"),)),
    dialect=Dialect,
    routes=_routes,
    pages=(PublicPage(f"/{KEY}/n/{{id:str}}", by_id(KEY)),),
    shown=lambda account: account.title,
    counts_in_reads=True,
)
