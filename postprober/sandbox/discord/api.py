"""The API of messages and webhooks, and the wall that strangers see. platforms/discord/facts.md."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from postprober.sandbox.discord.dialect import (
    ANNOUNCES,
    FORUM,
    GUILD,
    READS,
    SENDS,
    VIEWS,
    WORDS,
    DiscordDialect,
    author_of,
    channel_of,
    channel_view,
    discord_error,
    host_of,
    in_channel,
    invalid,
    is_webhook,
    message_view,
    number_of,
    unknown_message,
    user,
    webhook_view,
)
from postprober.sandbox.engine.files import sniff
from postprober.sandbox.engine.model import Account, Post
from postprober.sandbox.engine.operation import Call, Operation, file_bytes, reply
from postprober.sandbox.engine.world import World

Json = dict[str, Any]
# platforms/discord/facts.md, 3
_TEXT, _FILES, _ALT, _NONCE, _TITLE, _TAGS = 2000, 10, 1024, 25, 100, 5
_QUESTION, _ANSWERS, _ANSWER, _HOURS = 300, 10, 55, 768
_FILE, _REQUEST = 10 * 1024 * 1024, 25 * 1024 * 1024
_MAY_BE_SET = (1 << 2) | (1 << 12)  # of a message's flags
_MOST = 100
_WALL = "<!doctype html><html><head><title>Discord</title></head><body><h1>Log in to see this server</h1></body></html>"


async def me(call: Call) -> Response:
    owner = call.owner
    return reply({**user(owner), "mfa_enabled": False, "locale": "en-US", "verified": True, "email": None})


async def application(call: Call) -> Response:
    """Of the bot; clients ask for it when they sign in."""
    owner = call.owner
    flags = (1 << 18) | (1 << 19) if WORDS in owner.scopes else 0  # Message Content, of a verified and of another one
    return reply(
        {
            "id": author_of(owner),
            "name": owner.title,
            "icon": None,
            "description": "",
            "type": None,
            "verify_key": "0" * 64,
            "flags": flags,
            "flags_new": str(flags),
            "redirect_uris": [],
            "interactions_endpoint_url": None,
            "role_connections_verification_url": None,
            "owner": user(owner),
            "bot_public": False,
            "bot_require_code_grant": False,
            "approximate_guild_count": 1,
            "approximate_user_install_count": 0,
            "approximate_user_authorization_count": 0,
            "explicit_content_filter": 0,
            "team": None,
            "eligible_oauth2_scopes": [],
        }
    )


async def channel(call: Call) -> Response:
    asked = call.request.path_params["channel"]
    _check(call, VIEWS)
    return reply(channel_view(call, asked, _host(call, asked)))


async def webhook(call: Call) -> Response:
    return reply(webhook_view(call, call.owner))


async def messages(call: Call) -> Response:
    """From newest to oldest. Whoever may not read the history is told of none."""
    place = _place(call)
    _check(call, VIEWS)
    query, at = call.request.query_params, call.seen_at()
    limit = query.get("limit", "50")
    if not limit.isdecimal() or not 1 <= int(limit) <= _MOST:
        raise invalid("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.")
    if READS not in call.owner.scopes:
        return reply([])
    shown = [post for post in in_channel(call, place) if _sees(call, post, at)]
    before, after = query.get("before"), query.get("after")
    if before:
        shown = [post for post in shown if int(number_of(post)) < int(before)]
    if after:
        shown = [post for post in shown if int(number_of(post)) > int(after)][-int(limit) :]
    cut = call.take("truncated_timeline")
    shown = shown[: int(cut.params.get("keep", 1)) if cut else int(limit)]
    return reply([message_view(call, post) for post in shown])


async def create(call: Call) -> Response:
    """A bot's message. One with a nonce that is still known is not made again."""
    place = _place(call)
    _check(call, VIEWS, SENDS)
    body, files = await _payload(call)
    nonce, known = str(body.get("nonce") or ""), None
    if len(nonce) > _NONCE:
        raise invalid("nonce", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    if nonce and body.get("enforce_nonce"):
        call.keyed(nonce)
        known = _known(call, nonce)
    if known is not None:
        if known.deleted(call.at):
            raise unknown_message()
        if not known.landed(call.at):  # the first request is still on its way, and this one is faster
            known.created_at = call.at
            call.world.save_post(known)
        call.effect(repeated=known.id)
        return reply({**message_view(call, known), "nonce": nonce})
    post = _made(call, place, body, files)
    if nonce:
        doc = {"post": post.id, "at": call.at}
        call.world.put_doc("discord-nonce", f"{call.owner.id}|{nonce}", doc)
    return reply({**message_view(call, post), **({"nonce": nonce} if nonce else {})})


async def execute(call: Call) -> Response:
    """A webhook's message: no nonce, no answer to another message."""
    place = channel_of(call, call.owner)
    body, files = await _payload(call)
    host, title = host_of(call, place), str(body.get("thread_name") or "")
    forum = host is not None and FORUM in host.scopes
    if forum and not title:
        raise discord_error(400, 220001, "Webhooks posted to forum channels must have a thread_name or thread_id")
    if title and not forum:
        raise discord_error(400, 220003, "Webhooks can only create threads in forum channels")
    if len(title) > _TITLE or len(body.get("applied_tags") or ()) > _TAGS:
        raise invalid("thread_name", "BASE_TYPE_MAX_LENGTH", "Must be 100 or fewer in length.")
    post = _made(call, "" if forum else place, body, files)
    waits = call.request.query_params.get("wait", "").lower() in ("true", "1")
    return reply(message_view(call, post)) if waits else Response(status_code=204)


async def read(call: Call) -> Response:
    _check(call, VIEWS, READS)
    return reply(message_view(call, _message(call)))


async def update(call: Call) -> Response:
    post = _own(call)
    body, _ = await _payload(call)
    text = str(body.get("content") or "")
    if len(text) > _TEXT:
        raise invalid("content", "BASE_TYPE_MAX_LENGTH", "Must be 2000 or fewer in length.")
    call.world.edit_post(post, text)
    return reply(message_view(call, post))


async def delete(call: Call) -> Response:
    post = _own(call)
    call.world.delete_post(post)
    call.effect(deleted=post.id)
    return Response(status_code=204)


async def crosspost(call: Call) -> Response:
    _check(call, VIEWS, SENDS)
    post = _own(call)
    host = host_of(call, post.id.partition("/")[0])
    if host is None or ANNOUNCES not in host.scopes:
        raise discord_error(403, 50024, "Cannot execute action on this channel type")
    if post.extra.get("flags", 0) & 1:
        raise discord_error(400, 40033, "This message has already been crossposted")
    post.extra["flags"] = post.extra.get("flags", 0) | 1
    call.world.save_post(post)
    return reply(message_view(call, post))


def _place(call: Call) -> str:
    asked = str(call.request.path_params["channel"])
    _host(call, asked)
    return asked


def _host(call: Call, asked: str) -> Account:
    host = host_of(call, asked)
    if host is None:
        raise discord_error(404, 10003, "Unknown Channel")
    return host


def _check(call: Call, *rights: str) -> None:
    """The rights of a bot, as they are now. A webhook needs none."""
    for right in rights if not is_webhook(call.owner) else ():
        if right not in call.owner.scopes:
            raise discord_error(403, *((50001, "Missing Access") if right == VIEWS else (50013, "Missing Permissions")))


def _sees(call: Call, post: Post, at: float) -> bool:
    own = post.account == call.name
    return post.seen_by_owner(at) if own else post.seen_by_public(at)


def _message(call: Call) -> Post:
    """The message that the path names, as the caller may see it."""
    params = call.request.path_params
    if is_webhook(call.owner):
        place = call.request.query_params.get("thread_id") or channel_of(call, call.owner)
    else:
        place = str(params["channel"])
    post = call.world.post("discord", f"{place}/{params['message']}")
    if post is None or not _sees(call, post, call.seen_at()):
        raise unknown_message()
    if is_webhook(call.owner) and post.account != call.name:
        raise unknown_message()
    return post


def _own(call: Call) -> Post:
    _check(call, VIEWS)
    post = _message(call)
    if post.account != call.name:
        raise discord_error(403, 50005, "Cannot edit a message authored by another user")
    return post


def _known(call: Call, nonce: str) -> Post | None:
    doc = call.world.doc("discord-nonce", f"{call.owner.id}|{nonce}")
    if doc is None or call.at > float(doc["at"]) + float(call.world.settings["nonce_seconds"]):
        return None
    return call.world.post("discord", str(doc["post"]))


async def _payload(call: Call) -> tuple[Json, dict[int, bytes]]:
    """The JSON of a request and its files by their number."""
    form = await call.form()
    body: Any = form
    if "payload_json" in form:
        try:
            body = json.loads(file_bytes(form["payload_json"]))
        except ValueError:
            raise discord_error(400, 50109, "The request body contains invalid JSON.") from None
    if not isinstance(body, dict):
        raise discord_error(400, 50109, "The request body contains invalid JSON.")
    files = {
        int(name[6:-1]): file_bytes(value)
        for name, value in form.items()
        if name.startswith("files[") and name[6:-1].isdecimal()
    }
    if len(call.body) > _REQUEST:
        raise discord_error(413, 40005, "Request entity too large")
    return body, files


def _made(call: Call, place: str, body: Json, files: dict[int, bytes]) -> Post:
    """Stores the message; in a channel of its own where `place` is "" (a forum)."""
    text = str(body.get("content") or "")
    if len(text) > _TEXT:
        raise invalid("content", "BASE_TYPE_MAX_LENGTH", "Must be 2000 or fewer in length.")
    poll = _poll(body)
    if not text.strip() and not files and poll is None:
        raise discord_error(400, 50006, "Cannot send an empty message")
    parent = _parent(call, place, body)
    named = "attachments" in body
    body = call.without_dropped({**body, "content": text})
    media = [] if named and "attachments" not in body else _media(call, body, files)
    at = call.landing_time()
    number = call.world.ids.make("discord", at, in_order=call.late is None)
    place = place or str(number)
    post = Post(
        platform="discord",
        id=f"{place}/{number}",
        account=call.owner.name,
        text=str(body.get("content") or "").strip(),
        created_at=at,
        path=f"/discord/channels/{GUILD}/{place}/{number}",
        media=media,
        reply_to=parent.id if parent is not None and "message_reference" in body else None,
        extra={
            "flags": int(body.get("flags") or 0) & _MAY_BE_SET,
            "pings": body.get("allowed_mentions") != {"parse": []},
            **({"poll": poll} if poll is not None and "poll" in body else {}),
            **({"title": body["thread_name"]} if body.get("thread_name") else {}),
            **({"tags": body["applied_tags"]} if body.get("applied_tags") else {}),
        },
    )
    call.store_post(post)
    return post


def _poll(body: Json) -> Json | None:
    asked = body.get("poll")
    if not isinstance(asked, dict):
        return None
    question = str((asked.get("question") or {}).get("text") or "")
    answers = [str((one.get("poll_media") or {}).get("text") or "") for one in asked.get("answers") or ()]
    hours = asked.get("duration", 24)
    if not question or len(question) > _QUESTION or not 1 <= len(answers) <= _ANSWERS or not all(answers):
        raise invalid("poll", "BASE_TYPE_REQUIRED", "This field is required")
    if max(map(len, answers)) > _ANSWER or not isinstance(hours, int) or not 1 <= hours <= _HOURS:
        raise invalid("poll", "BASE_TYPE_MAX_LENGTH", "Must be 55 or fewer in length.")
    return {"question": question, "answers": answers, "hours": hours, "several": asked.get("allow_multiselect") is True}


def _parent(call: Call, place: str, body: Json) -> Post | None:
    named = body.get("message_reference")
    if not isinstance(named, dict):
        return None
    post = call.world.post("discord", f"{place}/{named.get('message_id')}")
    if post is None or not post.seen_by_owner(call.at):
        raise invalid("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
    return post


def _media(call: Call, body: Json, files: dict[int, bytes]) -> list[Json]:
    if len(files) > _FILES:
        raise invalid("attachments", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
    told = {str(one.get("id")): one for one in body.get("attachments") or () if isinstance(one, dict)}
    if call.world.take(("media_failed",), "discord", call.name, "media"):
        raise discord_error(400, 50046, "Invalid file uploaded")
    made = []
    for number, data in sorted(files.items()):
        if len(data) > _FILE:
            raise discord_error(400, 50045, "File uploaded exceeds the maximum size")
        found, about = sniff(data), told.get(str(number), {})
        alt = str(about.get("description") or "")
        if len(alt) > _ALT:
            raise invalid("attachments", "BASE_TYPE_MAX_LENGTH", "Must be 1024 or fewer in length.")
        kind = found.mime.rpartition("/")[2]
        made.append(
            {
                "kind": found.kind or "document",
                "alt": alt,
                "sha256": call.world.keep_bytes(data, found.mime),
                "mime": found.mime,
                "size": len(data),
                "width": found.width,
                "height": found.height,
                "name": str(about.get("filename") or f"file{number}.{kind}"),
                "spoiler": bool(about.get("is_spoiler")),
            }
        )
    return made


def _wall(_request: Request) -> Response:
    """What the link of a message shows to whoever is not signed in, whether there is such a message or not."""
    return HTMLResponse(_WALL)


def routes(world: World, dialect: DiscordDialect) -> list[BaseRoute]:
    base = "/discord/channels/{channel:str}"
    hook = "/discord/webhooks/{webhook:str}/{token:str}"
    table = (
        ("me", me, "/discord/users/@me", "GET"),
        ("me", application, "/discord/oauth2/applications/@me", "GET"),
        ("timeline", messages, f"{base}/messages", "GET"),
        ("create", create, f"{base}/messages", "POST"),
        ("read", read, f"{base}/messages/{{message:str}}", "GET"),
        ("update", update, f"{base}/messages/{{message:str}}", "PATCH"),
        ("delete", delete, f"{base}/messages/{{message:str}}", "DELETE"),
        ("update", crosspost, f"{base}/messages/{{message:str}}/crosspost", "POST"),
        ("me", webhook, hook, "GET"),
        ("create", execute, hook, "POST"),
        ("read", read, f"{hook}/messages/{{message:str}}", "GET"),
        ("update", update, f"{hook}/messages/{{message:str}}", "PATCH"),
        ("delete", delete, f"{hook}/messages/{{message:str}}", "DELETE"),
        ("me", channel, base, "GET"),
    )
    return [
        *(Operation(world, dialect, name, handler).route(path, method) for name, handler, path, method in table),
        Route("/discord/channels/{guild:int}/{channel:int}/{message:int}", _wall),
    ]
