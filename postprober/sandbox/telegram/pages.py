"""What Telegram shows to everybody: the newest posts of a channel, and the page of one that other sites embed.
platforms/telegram/facts.md, 9."""

import html
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from postprober.sandbox.engine.engagement import counts
from postprober.sandbox.engine.model import Account, Post
from postprober.sandbox.engine.operation import Call, Operation
from postprober.sandbox.engine.text import HASHTAG, MENTION, URL
from postprober.sandbox.engine.world import World
from postprober.sandbox.telegram.dialect import TelegramManner, channel_called, numbers_of, post_with, username

_PAGE = 20
_HEAD = '<!DOCTYPE html><html><head><meta charset="utf-8"><title>Telegram</title></head><body>'
_TAIL = "</body></html><!-- page generated in 1.00ms -->"


class Reader(TelegramManner):
    """A logged-out reader: a fault for one account is matched by the channel of the page."""

    def find_account(self, call: Call) -> None:
        call.account = channel_called(call.world, call.request.path_params["name"])


def find(world: World, params: dict[str, str]) -> Post | None:
    """The post of the page of one message."""
    account = channel_called(world, params["name"])
    return post_with(world, account, int(params["number"])) if account and params["number"].isdecimal() else None


def embedded(call: Call) -> Response | None:
    """The page that other sites embed; it says in words what is not there, with status 200."""
    if "embed" not in call.request.query_params:
        return None
    account = channel_called(call.world, call.request.path_params["name"])
    post = find(call.world, call.request.path_params)
    if account is None or post is None or not post.seen_by_public(call.at):
        said = (
            "Post not found"
            if account
            else f"Channel with username @{html.escape(call.request.path_params['name'])} not found"
        )
        return HTMLResponse(f'{_HEAD}<div class="tgme_widget_message_error">{said}</div>{_TAIL}')
    return HTMLResponse(f"{_HEAD}{_message(call, account, post)}{_TAIL}")


async def newest(call: Call) -> Response:
    """The newest posts, oldest first; the link above them leads to those before."""
    name = call.request.path_params["name"]
    account = channel_called(call.world, name)
    if account is None:
        return RedirectResponse(f"/telegram/{name}", 302)
    posts = [p for p in call.world.posts_of("telegram", account.name, call.seen_at()) if p.seen_by_public(call.at)]
    before = call.request.query_params.get("before", "")
    if before.isdecimal():
        posts = [post for post in posts if numbers_of(post)[0] < int(before)]
    cut = call.take("truncated_timeline")
    page = posts[: int(cut.params.get("keep", 1)) if cut else _PAGE]
    more = ""
    if page and len(posts) > len(page):
        number = numbers_of(page[-1])[0]
        more = f'<a class="tme_messages_more js-messages_more" href="/s/{name}?before={number}" data-before="{number}"></a>'
    shown = "".join(_message(call, account, post) for post in reversed(page))
    title = f'<div class="tgme_channel_info_header_username"><a href="https://t.me/{name}">@{name}</a></div>'
    return HTMLResponse(f"{_HEAD}{title}{more}{shown}{_TAIL}")


def _members_only(_request: Request) -> Response:
    """What the link of a post in a private channel shows to everybody, whether there is such a post or not."""
    return HTMLResponse(f"{_HEAD}<h1>Private channel</h1>{_TAIL}")


def _message(call: Call, account: Account, post: Post) -> str:
    name, numbers = username(account), numbers_of(post)
    link, seen = f"https://t.me/{name}/{numbers[0]}", counts(call.world, post, call.at)
    reply = ""
    if post.reply_to:
        parent = call.world.post("telegram", post.reply_to)
        reply = (
            f'<a class="tgme_widget_message_reply user-color-default" href="https://t.me/{name}/{post.reply_to.rpartition("/")[2]}">'
            f'<div class="tgme_widget_message_text js-message_reply_text" dir="auto">{html.escape(parent.text) if parent else ""}</div></a>'
        )
    text = (
        f'<div class="tgme_widget_message_text js-message_text" dir="auto">{_text(post.text)}</div>'
        if post.text
        else ""
    )
    at = datetime.fromtimestamp(int(post.created_at), UTC).isoformat()
    return (
        '<div class="tgme_widget_message_wrap js-widget_message_wrap">'
        f'<div class="tgme_widget_message text_not_supported_wrap js-widget_message" data-post="{name}/{numbers[0]}">'
        f'<div class="tgme_widget_message_bubble">{reply}{_media(call, name, post)}{text}'
        f"{_reactions(seen.likes)}"
        '<div class="tgme_widget_message_footer compact js-message_footer">'
        f'<span class="tgme_widget_message_views">{_rounded(seen.views)}</span><span class="copyonly"> views</span>'
        f'<a class="tgme_widget_message_date" href="{link}"><time datetime="{at}" class="time">09:00</time></a>'
        "</div></div></div></div>"
    )


def _reactions(number: int) -> str:
    if not number:
        return ""
    one = f'<span class="tgme_reaction"><i class="emoji"><b>👍</b></i>{_rounded(number)}</span>'
    return f'<div class="tgme_widget_message_reactions js-message_reactions">{one}</div>'


def _media(call: Call, name: str, post: Post) -> str:
    items = []
    many = len(post.media) > 1
    for media, number in zip(post.media, numbers_of(post), strict=False):
        href = f"https://t.me/{name}/{number}{'?single' if many else ''}"
        source = f"{call.base}/_media/{media['sha256']}"
        if media["kind"] == "image":
            items.append(
                f'<a class="tgme_widget_message_photo_wrap{" grouped_media_wrap" if many else ""}" href="{href}" '
                f'style="background-image:url(\'{source}\')"><div class="tgme_widget_message_photo"></div></a>'
            )
        else:
            items.append(
                f'<a class="tgme_widget_message_video_player js-message_video_player" href="{href}">'
                f'<div class="tgme_widget_message_video_wrap"><video src="{source}" class="tgme_widget_message_video"></video></div>'
                '<time class="message_video_duration js-message_video_duration">0:04</time></a>'
            )
    shown = "".join(items)
    return f'<div class="tgme_widget_message_grouped_wrap">{shown}</div>' if many else shown


def _text(text: str) -> str:
    """With what Telegram finds in it as links, line ends as `<br/>`."""
    marks = sorted(
        (
            (m.start(), m.end(), kind)
            for kind, pattern in (("url", URL), ("tag", HASHTAG), ("name", MENTION))
            for m in pattern.finditer(text)
        )
    )
    out, position = "", 0
    for start, end, kind in marks:
        if start < position:
            continue
        label = html.escape(text[start:end])
        href = {"url": label, "tag": f"?q=%23{label[1:]}", "name": f"https://t.me/{label[1:]}"}[kind]
        out += html.escape(text[position:start]) + f'<a href="{href}" target="_blank" rel="noopener">{label}</a>'
        position = end
    return (out + html.escape(text[position:])).replace("\n", "<br/>")


def _rounded(number: int) -> str:
    return str(number) if number < 1000 else f"{number / 1000:.3g}K"


def routes(world: World) -> list[BaseRoute]:
    shown = Operation(world, Reader(), "timeline", newest, needs_token=False)
    return [
        shown.route("/telegram/s/{name:str}", "GET"),
        Route("/telegram/c/{channel:int}/{number:int}", _members_only),
    ]
