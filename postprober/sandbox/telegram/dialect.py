"""Telegram's way of speaking, and its objects. platforms/telegram/facts.md, 2 and 6."""

import re
from typing import Any

from postprober.sandbox.engine.bearer import find_bearer
from postprober.sandbox.engine.faults import Fault
from postprober.sandbox.engine.limits import refusal_headers
from postprober.sandbox.engine.model import Account, Post
from postprober.sandbox.engine.operation import ApiRefusal, Call
from postprober.sandbox.engine.text import HASHTAG, MENTION, URL
from postprober.sandbox.engine.world import World

Json = dict[str, Any]
POSTS, DELETES, PUBLIC = "can_post_messages", "can_delete_messages", "public"


def tg_error(status: int, description: str, **parameters: Any) -> ApiRefusal:
    body: Json = {"ok": False, "error_code": status, "description": description}
    return ApiRefusal(status, body | ({"parameters": parameters} if parameters else {}))


def bad(what: str) -> ApiRefusal:
    return tg_error(400, f"Bad Request: {what}")


def ok(result: Any) -> Json:
    return {"ok": True, "result": result}


class TelegramDialect:
    """What every method may have to say. The token stands in the path."""

    name = "telegram"

    def find_account(self, call: Call) -> None:
        find_bearer(call, call.request.path_params.get("token", ""))

    def refuse_token(self, _call: Call, why: str) -> ApiRefusal:
        if why == "scope":
            return bad("need administrator rights in the channel chat")
        return tg_error(401, "Unauthorized")

    def server_error(self, status: int) -> ApiRefusal:
        words = {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}
        return tg_error(status, words.get(status, "Internal Server Error"))

    def rate_limited(self, call: Call, fault: Fault) -> ApiRefusal:
        seconds, form = max(0, round(fault.seconds(60))), str(fault.params.get("form", "platform"))
        parameters = {"retry_after": seconds} if form == "platform" else {}
        refusal = tg_error(429, f"Too Many Requests: retry after {seconds}", **parameters)
        native = {"retry-after": str(seconds)} if form == "platform" else {}
        refusal.headers = refusal_headers(fault, call.at, "", "") | native
        return refusal

    def bad_refresh(self) -> ApiRefusal:
        return tg_error(401, "Unauthorized")

    def headers(self, _call: Call) -> dict[str, str]:
        return {}


def is_public(account: Account) -> bool:
    """Whether the channel has a name and a page for everybody."""
    return PUBLIC in account.scopes


def username(account: Account) -> str:
    """The channel's public name; it changes when the account is renamed."""
    return re.sub(r"\W", "_", account.shown or account.name, flags=re.ASCII)


def channel_called(world: World, name: str) -> Account | None:
    """The public channel with this name."""
    found = (one for one in world.accounts_of("telegram") if is_public(one) and not one.suspended)
    return next((one for one in found if username(one).casefold() == name.casefold()), None)


def numbers_of(post: Post) -> list[int]:
    """The numbers of its messages: several for an album."""
    return [int(number) for number in post.extra["numbers"]]


def post_with(world: World, account: Account, number: int) -> Post | None:
    """The post of the channel to which a message belongs."""
    own = world.post("telegram", f"{account.id}/{number}")
    if own is not None:
        return own
    posts = world.by_account.get(f"telegram|{account.name}", [])
    return next((post for post in posts if number in numbers_of(post)), None)


def chat_of(account: Account) -> Json:
    chat: Json = {"id": int(account.id), "title": account.title, "type": "channel"}
    return chat | ({"username": username(account)} if is_public(account) else {})


def bot_of(account: Account) -> Json:
    number = int((account.access_token or "1:").partition(":")[0])
    return {"id": number, "is_bot": True, "first_name": f"{account.name} bot", "username": f"{username(account)}_bot"}


def entities(text: str) -> list[Json]:
    """What Telegram finds in a text by itself; offsets and lengths in units of UTF-16."""
    found: list[Json] = []
    for kind, pattern in (("url", URL), ("hashtag", HASHTAG), ("mention", MENTION)):
        for match in pattern.finditer(text):
            begin, length = units(text[: match.start()]), units(match[0])
            found.append({"type": kind, "offset": begin, "length": length})
    return sorted(found, key=lambda one: int(one["offset"]))


def cleaned(said: object) -> str:
    """A text as Telegram keeps it (`clean_input_string` of tdlib): some signs become blanks or are gone, and nothing says so."""
    kept = str(said or "").replace("\r", "")
    kept = "".join(" " if char < " " and char != "\n" else char for char in kept)
    gone = {*map(chr, range(0x2028, 0x202F)), "\u0333", "\u033f", "\u030a"}
    return "".join(char for char in kept if char not in gone).strip()


def units(text: str) -> int:
    """Units of UTF-16."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def messages(account: Account, post: Post) -> list[Json]:
    """The messages of a post as Telegram answers them: one, or those of an album, of which the first has the text."""
    made: list[Json] = []
    numbers = numbers_of(post)
    for index, number in enumerate(numbers):
        one: Json = {
            "message_id": number,
            "sender_chat": chat_of(account),
            "chat": chat_of(account),
            "date": int(post.created_at),
        }
        if index == 0 and post.text:
            field = "caption" if post.media else "text"
            one |= {field: post.text} | (
                {f"{field}_entities".replace("text_", ""): found} if (found := entities(post.text)) else {}
            )
        if post.media:
            one |= _file(post.media[index])
        if len(numbers) > 1:
            one["media_group_id"] = str(numbers[0])
        if post.reply_to:
            parent = int(post.reply_to.rpartition("/")[2])
            one["reply_to_message"] = {"message_id": parent, "date": 0, "chat": chat_of(account)}
        made.append(one)
    return made


def _file(media: Json) -> Json:
    file: Json = {"file_id": media["sha256"], "file_unique_id": media["sha256"][:16], "width": 1, "height": 1}
    if media["kind"] == "image":
        return {"photo": [file]}
    return {"animation" if media["kind"] == "gif" else "video": file | {"duration": 1}}
