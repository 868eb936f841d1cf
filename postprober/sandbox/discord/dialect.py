"""Discord's way of speaking, and its objects. platforms/discord/facts.md, 2, 4 and 6."""

import re
from typing import Any

from postprober.sandbox.engine.bearer import find_bearer
from postprober.sandbox.engine.engagement import counts
from postprober.sandbox.engine.faults import Fault
from postprober.sandbox.engine.limits import refusal_headers
from postprober.sandbox.engine.model import Account, Post
from postprober.sandbox.engine.operation import ApiRefusal, Call
from postprober.sandbox.engine.timefmt import iso

Json = dict[str, Any]
GUILD = "900000000000000001"  # the one server there is
BOT, WEBHOOK = "bot", "webhook.incoming"  # kinds of accounts
VIEWS, SENDS, READS = "VIEW_CHANNEL", "SEND_MESSAGES", "READ_MESSAGE_HISTORY"
WORDS = "MESSAGE_CONTENT"  # an intent of the bot's application
FORUM, ANNOUNCES = "forum", "announcement"  # kinds of channels
IN = "in:"  # before the name of the account in whose channel this one is, too
_TYPES = {FORUM: 15, ANNOUNCES: 5}
_LIMIT, _WINDOW = 5, 5.0  # ours: real ones differ by route, and Discord says that nobody should rely on them
SPOILER = 1 << 3


def discord_error(status: int, code: int, message: str, **more: Any) -> ApiRefusal:
    return ApiRefusal(status, {"message": message, "code": code, **more})


def unknown_message() -> ApiRefusal:
    return discord_error(404, 10008, "Unknown Message")


def invalid(field: str, code: str, message: str) -> ApiRefusal:
    return discord_error(
        400, 50035, "Invalid Form Body", errors={field: {"_errors": [{"code": code, "message": message}]}}
    )


class DiscordDialect:
    """What every operation may have to say. A bot's token stands in a header, a webhook's in the path."""

    name = "discord"

    def find_account(self, call: Call) -> None:
        params = call.request.path_params
        if "webhook" in params:
            find_bearer(call, f"{params['webhook']}/{params.get('token', '')}")
            return
        scheme, _, value = call.request.headers.get("authorization", "").partition(" ")
        find_bearer(call, value.strip() if scheme == "Bot" else "")

    def refuse_token(self, call: Call, why: str) -> ApiRefusal:
        if why == "scope":
            return discord_error(403, 50013, "Missing Permissions")
        if "webhook" in call.request.path_params:
            return discord_error(401, 50027, "Invalid Webhook Token")
        return discord_error(401, 0, "401: Unauthorized")

    def server_error(self, status: int) -> ApiRefusal:
        if status == 503:
            return discord_error(503, 130000, "API resource is currently overloaded. Try again a little later")
        return discord_error(status, 0, f"{status}: Internal Server Error")

    def rate_limited(self, call: Call, fault: Fault) -> ApiRefusal:
        form, seconds = str(fault.params.get("form", "platform")), fault.seconds(60)
        body = {"message": "You are being rate limited.", "code": 0, "global": bool(fault.params.get("global"))}
        refusal = ApiRefusal(429, {**body, "retry_after": float(seconds)} if form == "platform" else body)
        if form == "platform":
            refusal.headers = {
                "retry-after": str(max(1, round(seconds))),
                "x-ratelimit-limit": str(_LIMIT),
                "x-ratelimit-remaining": "0",
                "x-ratelimit-reset": f"{call.at + seconds:.3f}",
                "x-ratelimit-reset-after": f"{seconds:.3f}",
                "x-ratelimit-scope": "user",
            }
        else:
            refusal.headers = refusal_headers(fault, call.at, "", "")
        return refusal

    def bad_refresh(self) -> ApiRefusal:
        return discord_error(401, 0, "401: Unauthorized")

    def headers(self, call: Call) -> dict[str, str]:
        key = f"discord|{call.name}|{call.operation}"
        left, reset = call.world.requests.use(key, _LIMIT, _WINDOW, call.at)
        return {
            "x-ratelimit-limit": str(_LIMIT),
            "x-ratelimit-remaining": str(left),
            "x-ratelimit-reset": f"{reset:.3f}",
            "x-ratelimit-reset-after": f"{reset - call.at:.3f}",
            "x-ratelimit-bucket": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        }


def author_of(account: Account) -> str:
    """Id of the bot or webhook."""
    return account.id.partition("@")[0]


def own_channel(account: Account) -> str:
    return account.id.rpartition("/")[2]


def channel_of(call: Call, account: Account) -> str:
    """Id of the channel in which the account posts."""
    name = next((one.removeprefix(IN) for one in account.scopes if one.startswith(IN)), "")
    other = call.world.account("discord", name) if name else None
    return own_channel(other or account)


def is_webhook(account: Account) -> bool:
    return WEBHOOK in account.scopes


def host_of(call: Call, channel: str) -> Account | None:
    """The account whose own channel this is."""
    return next((one for one in call.world.accounts_of("discord") if own_channel(one) == channel), None)


def kind_of(host: Account | None) -> int:
    """Discord's number for the kind of a channel."""
    return next((_TYPES[one] for one in (host.scopes if host else ()) if one in _TYPES), 0)


def user(account: Account) -> Json:
    made: Json = {
        "id": author_of(account),
        "username": re.sub(r"\W", "_", account.title, flags=re.ASCII),
        "avatar": None,
        "discriminator": "0000",
        "public_flags": 0,
        "flags": 0,
        "global_name": None,
        "primary_guild": None,
    }
    return made if is_webhook(account) else {**made, "bot": True}


def channel_view(call: Call, channel: str, host: Account) -> Json:
    newest = [post for post in in_channel(call, channel) if post.seen_by_owner(call.at)]
    return {
        "id": channel,
        "type": kind_of(host),
        "last_message_id": number_of(newest[0]) if newest else None,
        "flags": 0,
        "guild_id": GUILD,
        "name": host.title,
        "parent_id": None,
        "rate_limit_per_user": 0,
        "topic": None,
        "position": 0,
        "permission_overwrites": [],
        "nsfw": False,
        **({"available_tags": []} if kind_of(host) == _TYPES[FORUM] else {}),
    }


def webhook_view(call: Call, account: Account) -> Json:
    return {
        "application_id": None,
        "avatar": None,
        "channel_id": channel_of(call, account),
        "guild_id": GUILD,
        "id": author_of(account),
        "name": account.title,
        "type": 1,
        "token": str(account.access_token).partition("/")[2],
    }


def number_of(post: Post) -> str:
    """Id of the message."""
    return post.id.rpartition("/")[2]


def in_channel(call: Call, channel: str) -> list[Post]:
    """All posts there, newest first."""
    found = [post for post in call.world.posts.values() if post.platform == "discord" and _place(post) == channel]
    return sorted(found, key=lambda post: int(number_of(post)), reverse=True)


def _place(post: Post) -> str:
    return post.id.partition("/")[0]


def message_view(call: Call, post: Post) -> Json:
    """A message as the caller may read it: without the intent, others' words and files are left out."""
    author = call.world.account("discord", post.account)
    if author is None:
        raise LookupError(f"post {post.id} has no account")
    blind = author.name != call.name and WORDS not in call.owner.scopes
    likes = counts(call.world, post, call.at).likes
    body: Json = {
        "type": 19 if post.reply_to else 0,
        "content": "" if blind else post.text,
        "mentions": [],
        "mention_roles": [],
        "attachments": [] if blind else [_attachment(call, post, item, n) for n, item in enumerate(post.media)],
        "embeds": [],
        "timestamp": _time(post.created_at),
        "edited_timestamp": _time(post.edited_at) if post.edited_at is not None else None,
        "flags": post.extra.get("flags", 0),
        "components": [],
        "id": number_of(post),
        "channel_id": _place(post),
        "author": user(author),
        "pinned": False,
        "mention_everyone": False,
        "tts": False,
    }
    if is_webhook(author):
        body["webhook_id"] = author_of(author)
    if post.reply_to:
        place, _, number = post.reply_to.partition("/")
        body["message_reference"] = {"type": 0, "channel_id": place, "message_id": number, "guild_id": GUILD}
    if (asked := post.extra.get("poll")) and not blind:
        body["poll"] = _poll(post, asked)
    if likes:
        body["reactions"] = [
            {
                "emoji": {"id": None, "name": "👍"},
                "count": likes,
                "count_details": {"burst": 0, "normal": likes},
                "burst_colors": [],
                "me_burst": False,
                "me": False,
            }
        ]
    return body


def _attachment(call: Call, post: Post, item: Json, place: int) -> Json:
    url = f"{call.base}/_media/{item['sha256']}"
    body: Json = {
        "id": str(int(number_of(post)) + place + 1),
        "filename": item["name"],
        "size": item["size"],
        "url": url,
        "proxy_url": url,
        "content_type": item["mime"],
        "flags": SPOILER if item.get("spoiler") else 0,
    }
    if item["width"]:
        body |= {"width": item["width"], "height": item["height"]}
    if item["alt"]:
        body["description"] = item["alt"]
    return body


def _poll(post: Post, asked: Json) -> Json:
    return {
        "question": {"text": asked["question"]},
        "answers": [{"answer_id": n, "poll_media": {"text": text}} for n, text in enumerate(asked["answers"], start=1)],
        "expiry": _time(post.created_at + 3600.0 * asked["hours"]),
        "allow_multiselect": asked["several"],
        "layout_type": 1,
        "results": {"answer_counts": [], "is_finalized": False},
    }


def _time(at: float) -> str:
    return iso(at).replace("Z", "+00:00")
