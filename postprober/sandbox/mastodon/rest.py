"""What else Mastodon's clients ask for: edits, sources, context, favourites, polls, scheduled statuses, who the server is.

Entities and methods: https://docs.joinmastodon.org/methods/statuses, /entities/StatusEdit, /methods/polls,
/methods/scheduled_statuses, /methods/instance; NodeInfo: https://nodeinfo.diaspora.software/protocol.
"""

from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.engine.model import Post
from postprober.sandbox.engine.operation import Call, Operation, reply
from postprober.sandbox.engine.timefmt import iso
from postprober.sandbox.engine.world import World
from postprober.sandbox.mastodon.api import draft, in_order, visible, when
from postprober.sandbox.mastodon.dialect import (
    MastodonDialect,
    account_view,
    base_of,
    content_html,
    instance_view,
    missing,
    poll_view,
    status_view,
    unprocessable,
)
from postprober.sandbox.mastodon.kinds import kind_of
from postprober.sandbox.mastodon.quotes import found_by_link

_WRITE = "write:statuses|write"


def _own(call: Call) -> Post:
    post = call.world.post("mastodon", call.request.path_params["id"])
    if post is None or post.account != call.owner.name or not post.seen_by_owner(call.at):
        raise missing()
    return post


async def edit(call: Call) -> Response:
    """PUT /api/v1/statuses/:id; what the form leaves out is emptied, as Mastodon does."""
    post, form = _own(call), await call.form()
    new = draft(call, form)
    post.extra.setdefault("versions", []).append(_version(post))
    post.extra.setdefault("first_text", post.text)
    post.text, post.media, post.edited_at = new.text, new.media, call.at
    for name in ("spoiler_text", "sensitive", "language"):
        post.extra[name] = new.extra[name]
    call.world.save_post(post)
    return reply(status_view(call, post))


def _version(post: Post) -> dict[str, Any]:
    return {
        "text": post.text,
        "spoiler_text": post.extra.get("spoiler_text", ""),
        "sensitive": bool(post.extra.get("sensitive")),
        "at": post.edited_at or post.created_at,
    }


async def source(call: Call) -> Response:
    kind = kind_of(call.world)
    if kind is not None and not kind.sources:
        raise missing()
    post = _own(call)
    return reply({"id": post.id, "text": post.text, "spoiler_text": post.extra.get("spoiler_text", "")})


async def history(call: Call) -> Response:
    """Every version, the oldest first."""
    post = visible(call)
    author = call.world.account("mastodon", post.account)
    return reply(
        [
            {
                "content": content_html(call, one["text"]),
                "spoiler_text": one["spoiler_text"],
                "sensitive": one["sensitive"],
                "created_at": iso(one["at"]),
                "account": account_view(call, author) if author else None,
                "media_attachments": [],
                "emojis": [],
            }
            for one in (*post.extra.get("versions", []), _version(post))
        ]
    )


async def context(call: Call) -> Response:
    """What it answers, from the top, and what answers it, in order."""
    post, at = visible(call), call.seen_at()
    above: list[Post] = []
    one = call.world.post("mastodon", post.reply_to) if post.reply_to else None
    while one is not None and one.seen_by(call.account, at) and len(above) < 40:
        above.insert(0, one)
        one = call.world.post("mastodon", one.reply_to) if one.reply_to else None
    every = [p for p in call.world.posts.values() if p.platform == "mastodon" and p.seen_by(call.account, at)]
    below, seen = [], {post.id}
    for candidate in sorted(every, key=lambda p: in_order(p.id)):
        if candidate.reply_to in seen:
            seen.add(candidate.id)
            below.append(candidate)
    return reply(
        {"ancestors": [status_view(call, p) for p in above], "descendants": [status_view(call, p) for p in below]}
    )


def _marks(name: str, on: bool) -> Any:
    """favourite, bookmark, pin … and their undoing: a mark of this account on the status."""

    async def act(call: Call) -> Response:
        post = visible(call)
        marked = set(post.extra.get(name, [])) - {call.owner.id} | ({call.owner.id} if on else set())
        post.extra[name] = sorted(marked)
        call.world.save_post(post)
        return reply(status_view(call, post))

    return act


async def lookup(call: Call) -> Response:
    wanted = call.request.query_params.get("acct", "").lstrip("@").split("@")[0].lower()
    found = next((a for a in call.world.accounts_of("mastodon") if a.title.lower() == wanted), None)
    if found is None:
        raise missing()
    return reply(account_view(call, found))


async def search(call: Call) -> Response:
    """GET /api/v2/search, of which only statuses by their address. One of another server is shown with its address there."""
    query = call.request.query_params
    link = query.get("q", "")
    found = found_by_link(call, link) if query.get("type", "statuses") == "statuses" else None
    there = {} if urlsplit(link).netloc == urlsplit(call.base).netloc else {"url": link, "uri": link}
    return reply({"accounts": [], "hashtags": [], "statuses": [status_view(call, found) | there] if found else []})


async def account(call: Call) -> Response:
    found = call.world.account_by_id("mastodon", call.request.path_params["id"])
    if found is None:
        raise missing()
    return reply(account_view(call, found))


async def instance_v1(call: Call) -> Response:
    """https://docs.joinmastodon.org/entities/V1_Instance"""
    new = instance_view(call)
    if kind_of(call.world) is not None:
        return reply(new)
    return reply(
        {
            "uri": new["domain"],
            "title": new["title"],
            "short_description": new["description"],
            "description": new["description"],
            "email": "admin@mastodon.test",
            "version": new["version"],
            "urls": {"streaming_api": f"ws://{new['domain']}"},
            "stats": {"user_count": 1, "status_count": 1, "domain_count": 1},
            "thumbnail": None,
            "languages": new["languages"],
            "registrations": False,
            "approval_required": False,
            "invites_enabled": False,
            "configuration": new["configuration"],
            "contact_account": None,
            "rules": [],
        }
    )


async def nodeinfo(call: Call) -> Response:
    href = f"{base_of(call)}/nodeinfo/2.0"
    return reply({"links": [{"rel": "http://nodeinfo.diaspora.software/ns/schema/2.0", "href": href}]})


async def nodeinfo_2(call: Call) -> Response:
    return reply(
        {
            "version": "2.0",
            "software": {
                "name": str(call.world.settings["mastodon_software"]) or "mastodon",
                "version": instance_view(call)["version"],
            },
            "protocols": ["activitypub"],
            "services": {"outbound": [], "inbound": []},
            "usage": {"users": {"total": 1}},
            "openRegistrations": False,
            "metadata": {"nodeName": urlsplit(call.base).netloc},
        }
    )


async def app(call: Call) -> Response:
    """The program that a token belongs to; every status here was made by the same."""
    return reply({"id": "1", "name": "PostProber", "website": None, "scopes": call.owner.scopes})


async def poll(call: Call) -> Response:
    return reply(poll_view(call, _with_poll(call)))


async def vote(call: Call) -> Response:
    post, form = _with_poll(call), await call.form()
    given = form.get("choices") or []
    choices = [int(c) for c in (given if isinstance(given, list) else [given]) if str(c).isdigit()]
    data = post.extra["poll"]
    if call.at >= data["until"]:
        raise unprocessable("The poll has already ended")
    if not choices or (len(choices) > 1 and not data["multiple"]) or max(choices) >= len(data["options"]):
        raise unprocessable("The chosen vote option does not exist")
    if call.owner.id in data["votes"]:
        raise unprocessable("You have already voted on this poll")
    data["votes"][call.owner.id] = choices
    call.world.save_post(post)
    return reply(poll_view(call, post))


def _with_poll(call: Call) -> Post:
    wanted = call.request.path_params["id"]
    at = call.seen_at()
    found = next(
        (
            p
            for p in call.world.posts.values()
            if p.platform == "mastodon" and p.extra.get("poll", {}).get("id") == wanted
        ),
        None,
    )
    if found is None or not found.seen_by(call.account, at):
        raise missing()
    return found


# Scheduled statuses


async def scheduled(call: Call) -> Response:
    docs = call.world.docs("mastodon-scheduled")
    mine = [doc for doc in docs if doc["account"] == call.owner.name and doc["at"] > call.at]
    return reply([scheduled_view(doc) for doc in sorted(mine, key=lambda doc: float(doc["at"]))])


def _planned(call: Call) -> dict[str, Any]:
    doc = call.world.doc("mastodon-scheduled", call.request.path_params["id"])
    if doc is None or doc["account"] != call.owner.name or doc["at"] <= call.at:
        raise missing()
    return doc


async def scheduled_one(call: Call) -> Response:
    return reply(scheduled_view(_planned(call)))


async def reschedule(call: Call) -> Response:
    doc, form = _planned(call), await call.form()
    at = when(call, form)
    post = call.world.post("mastodon", doc["id"])
    if post is not None:
        post.created_at = at
        call.world.save_post(post)
    doc = {**doc, "at": at}
    call.world.put_doc("mastodon-scheduled", doc["id"], doc)
    return reply(scheduled_view(doc))


async def unschedule(call: Call) -> Response:
    doc = _planned(call)
    post = call.world.post("mastodon", doc["id"])
    if post is not None:
        call.world.delete_post(post)
    call.world.put_doc("mastodon-scheduled", doc["id"], {**doc, "at": 0.0})
    return reply({})


def scheduled_view(doc: dict[str, Any]) -> dict[str, Any]:
    """https://docs.joinmastodon.org/entities/ScheduledStatus"""
    return {"id": doc["id"], "scheduled_at": iso(doc["at"]), "params": doc["params"], "media_attachments": []}


def routes(world: World, dialect: MastodonDialect) -> list[BaseRoute]:
    api = "/mastodon/api/v1"

    def operation(name: str, handler: Any, scope: str = "") -> Operation:
        return Operation(world, dialect, name, handler, scope=scope, needs_token=bool(scope), dead_token_refused=True)

    status = f"{api}/statuses/{{id:str}}"
    planned = f"{api}/scheduled_statuses"
    marks = [
        operation(verb, _marks(name, on), _WRITE).route(f"{status}/{verb}", "POST")
        for name, verb, on in (
            ("favourited", "favourite", True),
            ("favourited", "unfavourite", False),
            ("bookmarked", "bookmark", True),
            ("bookmarked", "unbookmark", False),
            ("reblogged", "reblog", True),
            ("reblogged", "unreblog", False),
            ("pinned", "pin", True),
            ("pinned", "unpin", False),
        )
    ]
    return [
        operation("edit", edit, _WRITE).route(status, "PUT"),
        operation("source", source, "read:statuses|read").route(f"{status}/source", "GET"),
        operation("history", history).route(f"{status}/history", "GET"),
        operation("context", context).route(f"{status}/context", "GET"),
        *marks,
        operation("me", app, "profile|read|write:statuses").route(f"{api}/apps/verify_credentials", "GET"),
        operation("lookup", search, "read:search|read").route("/mastodon/api/v2/search", "GET"),
        operation("lookup", lookup).route(f"{api}/accounts/lookup", "GET"),
        operation("poll", poll).route(f"{api}/polls/{{id:str}}", "GET"),
        operation("vote", vote, _WRITE).route(f"{api}/polls/{{id:str}}/votes", "POST"),
        operation("scheduled", scheduled, "read:statuses|read").route(planned, "GET"),
        operation("scheduled", scheduled_one, "read:statuses|read").route(f"{planned}/{{id:str}}", "GET"),
        operation("schedule", reschedule, _WRITE).route(f"{planned}/{{id:str}}", "PUT"),
        operation("schedule", unschedule, _WRITE).route(f"{planned}/{{id:str}}", "DELETE"),
        operation("instance", instance_v1).route(f"{api}/instance", "GET"),
        operation("instance", nodeinfo).route("/mastodon/.well-known/nodeinfo", "GET"),
        operation("instance", nodeinfo_2).route("/mastodon/nodeinfo/2.0", "GET"),
        operation("account", account).route(f"{api}/accounts/{{id:str}}", "GET"),
    ]
