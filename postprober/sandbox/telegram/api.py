"""The methods of the Bot API that a channel needs. platforms/telegram/facts.md."""

import json
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.engine.files import sniff
from postprober.sandbox.engine.model import Post
from postprober.sandbox.engine.operation import Call, Handler, Operation, file_bytes, reply
from postprober.sandbox.engine.world import World
from postprober.sandbox.telegram.dialect import (
    DELETES,
    POSTS,
    TelegramDialect,
    bad,
    bot_of,
    chat_of,
    cleaned,
    is_public,
    messages,
    numbers_of,
    ok,
    post_with,
    tg_error,
    units,
    username,
)

Json = dict[str, Any]
_TEXT, _CAPTION, _ALBUM, _PHOTO, _FILE = 4096, 1024, 10, 10_000_000, 50_000_000  # platforms/telegram/facts.md, 3
_TWO_DAYS = 48 * 3600.0
_KINDS = {"photo": "image", "animation": "gif", "video": "video"}


async def _fields(call: Call) -> Json:
    """The parameters, wherever they stand; objects and lists also as JSON text."""
    fields = dict(call.request.query_params) | await call.form()
    for name in ("reply_parameters", "media", "message_ids", "link_preview_options"):
        if isinstance(fields.get(name), str):
            try:
                fields[name] = json.loads(fields[name])
            except ValueError:
                raise bad(f"can't parse {name} JSON object") from None
    return fields


def _check_chat(call: Call, fields: Json) -> None:
    """Raises the refusal for a chat that is not the bot's channel."""
    asked = str(fields.get("chat_id", ""))
    if not asked:
        raise bad("chat_id is empty")
    own = {call.owner.id, *([f"@{username(call.owner)}".casefold()] if is_public(call.owner) else [])}
    if asked.casefold() not in own:
        raise bad("chat not found")


async def get_me(call: Call) -> Response:
    more = {"can_join_groups": True, "can_read_all_group_messages": False, "supports_inline_queries": False}
    return reply(ok(bot_of(call.owner) | more))


async def get_chat(call: Call) -> Response:
    _check_chat(call, await _fields(call))
    gifts = {f"{kind}_gifts": False for kind in ("unlimited", "limited", "unique")} | {"premium_subscription": False}
    more = {
        "accent_color_id": 1,
        "max_reaction_count": 11,
        "accepted_gift_types": gifts | {"gifts_from_channels": False},
    }
    return reply(ok(chat_of(call.owner) | more))


async def get_chat_member(call: Call) -> Response:
    fields = await _fields(call)
    _check_chat(call, fields)
    bot = bot_of(call.owner)
    if str(fields.get("user_id")) != str(bot["id"]):
        raise bad("member not found")
    if POSTS not in call.owner.scopes and DELETES not in call.owner.scopes:
        return reply(ok({"status": "left", "user": bot}))
    rights = {
        f"can_{name}": False
        for name in (
            "be_edited",
            "manage_chat",
            "manage_video_chats",
            "restrict_members",
            "promote_members",
            "change_info",
            "invite_users",
            "post_stories",
            "edit_stories",
            "delete_stories",
        )
    }
    own = {right: right in call.owner.scopes for right in (POSTS, DELETES)}
    return reply(ok({"status": "administrator", "user": bot, "is_anonymous": True} | rights | own))


async def send_message(call: Call) -> Response:
    fields = await _fields(call)
    _check_chat(call, fields)
    text = cleaned(fields.get("text"))
    if not text:
        raise bad("message text is empty")
    if units(text) > _TEXT:
        raise bad("message is too long")
    return reply(ok(_made(call, text, [], fields)[0]))


def _sending(field: str) -> Handler:
    async def send(call: Call) -> Response:
        fields = await _fields(call)
        _check_chat(call, fields)
        media = [_media(call, _KINDS[field], fields.get(field))]
        return reply(ok(_made(call, _caption(fields), media, fields)[0]))

    return send


async def send_media_group(call: Call) -> Response:
    fields = await _fields(call)
    _check_chat(call, fields)
    items = fields.get("media")
    if not isinstance(items, list) or not 2 <= len(items) <= _ALBUM:
        raise bad("wrong number of messages to send in an album")
    media = []
    for item in items:
        source = str(item.get("media", ""))
        if not source.startswith("attach://"):
            raise bad("wrong file identifier/HTTP URL specified")
        media.append(_media(call, _KINDS.get(str(item.get("type")), ""), fields.get(source.removeprefix("attach://"))))
    caption = next((_caption(item) for item in items if item.get("caption")), "")
    return reply(ok(_made(call, caption, media, fields)))


def _caption(fields: Json) -> str:
    caption = cleaned(fields.get("caption"))
    if units(caption) > _CAPTION:
        raise bad("message caption is too long")
    return caption


def _media(call: Call, kind: str, value: Any) -> Json:
    """One file as it is kept. Raises the refusals for what is none, or too large."""
    data = file_bytes(value)
    found = sniff(data)
    if not data or not kind or (found.kind == "video") is (kind == "image") or not found.kind:
        raise bad("IMAGE_PROCESS_FAILED" if kind == "image" else "wrong type of the file")
    if len(data) > (_PHOTO if kind == "image" else _FILE):
        raise tg_error(413, "Request Entity Too Large")
    if call.world.take(("media_failed",), "telegram", call.name, "media"):
        raise bad("IMAGE_PROCESS_FAILED")
    return {"kind": kind, "alt": "", "sha256": call.world.keep_bytes(data, found.mime)}


def _made(call: Call, text: str, media: list[Json], fields: Json) -> list[Json]:
    """Stores the post; the messages of the answer."""
    world, at = call.world, call.landing_time()
    parent = fields.get("reply_parameters")
    number = parent.get("message_id") if isinstance(parent, dict) else None
    before = post_with(world, call.owner, int(number)) if number is not None else None
    if number is not None and (before is None or not before.seen_by_owner(call.at)):
        raise bad("message to be replied not found")
    numbers = [world.ids.make("telegram", at, in_order=call.late is None) for _ in range(max(1, len(media)))]
    post = Post(
        platform="telegram",
        id=f"{call.owner.id}/{numbers[0]}",
        account=call.owner.name,
        text=text,
        created_at=at,
        path=f"/telegram/{username(call.owner)}/{numbers[0]}",
        media=media,
        reply_to=before.id if before else None,
        extra={"numbers": numbers},
    )
    call.store_post(post)
    return messages(call.owner, post)


async def delete_message(call: Call) -> Response:
    fields = await _fields(call)
    _check_chat(call, fields)
    wanted = fields.get("message_ids", [fields.get("message_id")])
    found = [(int(one), post_with(call.world, call.owner, int(one))) for one in wanted if str(one).isdecimal()]
    alive = [(number, post) for number, post in found if post is not None and post.seen_by_owner(call.at)]
    if not alive:
        raise bad("message to delete not found")
    for number, post in alive:
        if call.at - post.created_at > _TWO_DAYS:
            raise bad("message can't be deleted")
        _delete_one(call, post, number)
    return reply(ok(True))


def _delete_one(call: Call, post: Post, number: int) -> None:
    """An album loses one of its messages; it is gone with the last."""
    left = [one for one in numbers_of(post) if one != number]
    if not left:
        call.world.delete_post(post)
        call.effect(deleted=post.id)
        return
    gone = numbers_of(post).index(number)
    post.media = [item for index, item in enumerate(post.media) if index != gone]
    post.extra["numbers"] = left
    call.world.save_post(post)


async def edit_message(call: Call) -> Response:
    fields = await _fields(call)
    _check_chat(call, fields)
    number = str(fields.get("message_id", ""))
    post = post_with(call.world, call.owner, int(number)) if number.isdecimal() else None
    if post is None or not post.seen_by_owner(call.at):
        raise bad("message to edit not found")
    text = cleaned(fields.get("text") or fields.get("caption"))
    if text == post.text:
        raise bad("message is not modified: specified new message content and reply markup are exactly the same")
    if units(text) > (_CAPTION if post.media else _TEXT):
        raise bad("message is too long")
    call.world.edit_post(post, text)
    return reply(ok(messages(call.owner, post)[0] | {"edit_date": int(call.at)}))


def routes(world: World, dialect: TelegramDialect) -> list[BaseRoute]:
    methods: tuple[tuple[str, str, Handler, str], ...] = (
        ("me", "getMe", get_me, ""),
        ("me", "getChat", get_chat, ""),
        ("me", "getChatMember", get_chat_member, ""),
        ("create", "sendMessage", send_message, POSTS),
        ("create", "sendMediaGroup", send_media_group, POSTS),
        *(("create", f"send{field.title()}", _sending(field), POSTS) for field in _KINDS),
        ("delete", "deleteMessage", delete_message, f"{POSTS}|{DELETES}"),
        ("delete", "deleteMessages", delete_message, f"{POSTS}|{DELETES}"),
        ("update", "editMessageText", edit_message, POSTS),
        ("update", "editMessageCaption", edit_message, POSTS),
    )
    return [
        Operation(world, dialect, name, handler, scope=scope).route(
            f"/telegram/bot{{token:str}}/{method}", "GET", "POST"
        )
        for name, method, handler, scope in methods
    ]
