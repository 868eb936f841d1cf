"""Mastodon's way of speaking, and its entities. platforms/mastodon/facts.md; https://docs.joinmastodon.org/entities."""

import html
import re
from typing import Any
from urllib.parse import urlsplit

from postprober.sandbox.engine.bearer import find_bearer
from postprober.sandbox.engine.engagement import counts
from postprober.sandbox.engine.faults import Fault
from postprober.sandbox.engine.files import sniff
from postprober.sandbox.engine.limits import refusal_headers
from postprober.sandbox.engine.model import Account, Media, Post
from postprober.sandbox.engine.operation import ApiRefusal, Call
from postprober.sandbox.engine.text import URL
from postprober.sandbox.engine.timefmt import iso
from postprober.sandbox.mastodon import kinds
from postprober.sandbox.mastodon.kinds import kind_of

Json = dict[str, Any]
_QUOTES_SINCE = 7  # platforms/mastodon/facts.md, 3
# (requests, seconds): platforms/mastodon/facts.md, 4
_LIMITS = {"media": (30, 1800.0), "delete": (30, 1800.0)}
_EVERYTHING = (300, 300.0)
_MENTION = re.compile(r"(?<![\w@/])@(\w+)(?![\w@])")
_TAG = re.compile(r"(?<![\w#&/])#(\w+)")


class MastodonDialect:
    """What every Mastodon operation may have to say. platforms/mastodon/facts.md, 6."""

    name = "mastodon"

    def find_account(self, call: Call) -> None:
        find_bearer(call)

    def refuse_token(self, call: Call, why: str) -> ApiRefusal:
        kind = kind_of(call.world)
        if kind is not None and why != "scope":
            return ApiRefusal(kind.refusal_status, {"error": kind.refusal})
        if why == "scope":
            return ApiRefusal(403, {"error": "This action is outside the authorized scopes"})
        return ApiRefusal(401, {"error": "The access token is invalid"})

    def server_error(self, status: int) -> ApiRefusal:
        reason = "Remote SSL certificate could not be verified" if status == 503 else "Internal Server Error"
        return ApiRefusal(status, {"error": reason})

    def rate_limited(self, call: Call, fault: Fault) -> ApiRefusal:
        headers = refusal_headers(fault, call.at, "x-ratelimit-reset", "iso")
        if "x-ratelimit-reset" in headers:
            headers |= {"x-ratelimit-limit": "300", "x-ratelimit-remaining": "0"}
        return ApiRefusal(429, {"error": "Too many requests"}, headers)

    def bad_refresh(self) -> ApiRefusal:
        return ApiRefusal(
            400, {"error": "invalid_grant", "error_description": "The provided authorization grant is invalid"}
        )

    def headers(self, call: Call) -> dict[str, str]:
        limit = _LIMITS.get(call.operation, _EVERYTHING)
        left, reset = call.world.requests.use(f"mastodon|{call.name}|{limit}", *limit, call.at)
        return {
            "x-ratelimit-limit": str(limit[0]),
            "x-ratelimit-remaining": str(left),
            "x-ratelimit-reset": iso(reset).replace("Z", "000Z"),
        }


def missing() -> ApiRefusal:
    return ApiRefusal(404, {"error": "Record not found"})


def unprocessable(reason: str) -> ApiRefusal:
    return ApiRefusal(422, {"error": f"Validation failed: {reason}"})


def base_of(call: Call) -> str:
    return f"{call.base}/mastodon"


def content_html(call: Call, text: str, *, as_markdown: bool = False) -> str:
    """Plain text as Mastodon's HTML: paragraphs, line breaks, links shortened for the eye, mentions, hashtags. Servers of other
    kinds write theirs."""
    if not text:
        return ""
    if as_markdown:
        return kinds.markdown(text)
    kind = kind_of(call.world)
    if kind is not None:
        return kind.render(text)
    paragraphs = [p for p in re.split(r"\n{2,}", text) if p]
    return "".join(f"<p>{_inline(call, p)}</p>" for p in paragraphs)


def _inline(call: Call, text: str) -> str:
    shown, position = "", 0
    for match in URL.finditer(text):
        shown += _words(call, text[position : match.start()]) + _link(match.group())
        position = match.end()
    return (shown + _words(call, text[position:])).replace("\n", "<br />")


def _words(call: Call, text: str) -> str:
    shown = html.escape(text, quote=False)

    def mention(match: re.Match[str]) -> str:
        if call.world.account("mastodon", match[1]) is None:
            return match[0]
        url = f"{base_of(call)}/@{match[1]}"
        link = f'<a href="{url}" class="u-url mention">@<span>{match[1]}</span></a>'
        return f'<span class="h-card" translate="no">{link}</span>'

    shown = _MENTION.sub(mention, shown)
    tag = f'<a href="{base_of(call)}/tags/\\1" class="mention hashtag" rel="tag">#<span>\\1</span></a>'
    return _TAG.sub(tag, shown)


def _link(url: str) -> str:
    """The scheme is invisible, and the tail beyond 30 characters too (app/lib/text_formatter.rb)."""
    scheme = url[: url.index("//") + 2]
    rest = url[len(scheme) :]
    shape = "ellipsis" if len(rest) > 30 else ""
    eye, tail = html.escape(rest[:30]), html.escape(rest[30:])
    return (
        f'<a href="{html.escape(url)}" target="_blank" rel="nofollow noopener" translate="no">'
        f'<span class="invisible">{scheme}</span><span class="{shape}">{eye}</span>'
        f'<span class="invisible">{tail}</span></a>'
    )


def account_view(call: Call, account: Account) -> Json:
    """https://docs.joinmastodon.org/entities/Account"""
    url = f"{base_of(call)}/@{account.name}"
    posts = call.world.posts_of("mastodon", account.name, call.at)
    return {
        "id": account.id,
        "username": account.title,
        "acct": account.title,
        "display_name": account.name,
        "locked": False,
        "bot": False,
        "created_at": iso(account.created_at),
        "note": "",
        "url": url,
        "uri": f"{base_of(call)}/users/{account.name}",
        "avatar": f"{base_of(call)}/avatars/missing.png",
        "header": f"{base_of(call)}/headers/missing.png",
        "followers_count": 0,
        "following_count": 0,
        "statuses_count": len(posts),
        "emojis": [],
        "fields": [],
    }


def media_view(call: Call, media: Media) -> Json:
    return _attachment(call, media.id, media.kind, media.sha256, media.alt, ready=media.state(call.at) == "ready")


def _attachment(call: Call, media_id: str, kind: str, sha256: str, alt: str, *, ready: bool) -> Json:
    url = f"{call.base}/_media/{sha256}" if ready else None
    kind = "gifv" if kind == "gif" else kind
    return {
        "id": media_id,
        "type": kind,
        "url": url,
        "preview_url": url,
        "remote_url": None,
        "meta": _meta(call, sha256) if ready else {},
        "description": alt or None,
        "blurhash": None,
    }


def quotes_known(call: Call) -> bool:
    """Whether this server is of version 4.5 or newer."""
    return kind_of(call.world) is None and int(call.world.settings["mastodon_api_version"]) >= _QUOTES_SINCE


def quote_approval(call: Call, post: Post) -> Json:
    """https://docs.joinmastodon.org/entities/QuoteApproval; nobody follows anybody here."""
    policy = post.extra.get("quote_policy", "public")
    own = call.account is not None and call.account.name == post.account
    mine = "automatic" if own or (call.account is not None and policy == "public") else "denied"
    return {"automatic": [] if policy == "nobody" else [policy], "manual": [], "current_user": mine}


def _quote(call: Call, post: Post) -> Json:
    """https://docs.joinmastodon.org/entities/Quote: what is quoted is told where that was accepted."""
    if not quotes_known(call):
        return {}
    approval = {"quote_approval": quote_approval(call, post)}
    made = post.extra.get("quote")
    if made is None:
        return {"quote": None, **approval}
    quoted = call.world.post("mastodon", made["id"])
    gone = quoted is None or not quoted.seen_by(call.account, call.at)
    state = "deleted" if gone and made["state"] == "accepted" else made["state"]
    told = status_view(call, quoted) if quoted is not None and state == "accepted" else None
    return {"quote": {"state": state, "quoted_status": told}, **approval}


def _fallback(call: Call, post: Post) -> str:
    """Before the text, for those who do not know quotes."""
    made = post.extra.get("quote")
    quoted = call.world.post("mastodon", made["id"]) if made else None
    if quoted is None or call.base + quoted.path in post.text:
        return ""
    return f'<p class="quote-inline">RE: {_link(call.base + quoted.path)}</p>'


def _meta(call: Call, sha256: str) -> Json:
    """The size of a picture, as https://docs.joinmastodon.org/entities/MediaAttachment shows it."""
    blob = call.world.store.blob(sha256)
    found = sniff(blob[1]) if blob else None
    if found is None or not (found.width and found.height):
        return {}
    size = f"{found.width}x{found.height}"
    return {
        "original": {
            "width": found.width,
            "height": found.height,
            "size": size,
            "aspect": found.width / found.height,
        }
    }


def status_view(call: Call, post: Post) -> Json:
    """https://docs.joinmastodon.org/entities/Status"""
    author = call.world.account("mastodon", post.account)
    parent = call.world.post("mastodon", post.reply_to) if post.reply_to else None
    parent_author = call.world.account("mastodon", parent.account) if parent else None
    seen = counts(call.world, post, call.at)
    named = [call.world.account("mastodon", m) for m in dict.fromkeys(_MENTION.findall(post.text))]
    mentions = [
        {"id": a.id, "username": a.name, "acct": a.name, "url": f"{base_of(call)}/@{a.name}"} for a in named if a
    ]
    view = {
        "id": post.id,
        "created_at": iso(post.created_at),
        "in_reply_to_id": post.reply_to,
        "in_reply_to_account_id": parent_author.id if parent_author else None,
        "sensitive": bool(post.extra.get("sensitive")),
        "spoiler_text": post.extra.get("spoiler_text", ""),
        "visibility": post.extra.get("visibility", "public"),
        "language": post.extra.get("language"),
        "uri": f"{base_of(call)}/users/{post.account}/statuses/{post.id}",
        "url": call.base + post.path,
        "replies_count": seen.replies,
        "reblogs_count": seen.reposts,
        "favourites_count": seen.likes,
        "quotes_count": seen.quotes,
        "edited_at": iso(post.edited_at) if post.edited_at else None,
        "content": _fallback(call, post) + content_html(call, post.text, as_markdown=bool(post.extra.get("markdown"))),
        "reblog": None,
        "application": {"name": "PostProber", "website": None},
        "account": account_view(call, author) if author else None,
        "media_attachments": [
            _attachment(call, m["id"], m["kind"], m["sha256"], m["alt"], ready=True) for m in post.media
        ],
        "mentions": mentions,
        "tags": [
            {"name": tag.lower(), "url": f"{base_of(call)}/tags/{tag.lower()}"}
            for tag in dict.fromkeys(_TAG.findall(URL.sub("", post.text)))
        ],
        "emojis": [],
        "card": None,
        "poll": poll_view(call, post) if "poll" in post.extra else None,
        **_quote(call, post),
        **_marks(call, post),
    }
    return {**view, **_otherwise(call, post)}


def _otherwise(call: Call, post: Post) -> Json:
    """What servers of other kinds say otherwise."""
    kind = kind_of(call.world)
    if kind is None:
        return {}
    if kind.name == "gotosocial":
        return {
            "text": post.extra.get("source", post.text),
            "interaction_policy": {"can_reply": {"always": ["public"]}},
        }
    if kind.name == "akkoma":
        return {"akkoma": {"source": {"content": post.text, "mediaType": "text/plain"}}, "text": None}
    if kind.name == "pixelfed":
        return {"application": {"name": "web", "website": None}, "language": "en", "poll": None}
    if kind.name == "snac":
        return {"text": post.text, "application": None}
    return {}


def _marks(call: Call, post: Post) -> Json:
    """What the asking account has done with it; nothing for a stranger."""
    if call.account is None:
        return {}
    names = ("favourited", "reblogged", "bookmarked", "pinned")
    return {name: call.account.id in post.extra.get(name, []) for name in names} | {"muted": False}


def poll_view(call: Call, post: Post) -> Json:
    """https://docs.joinmastodon.org/entities/Poll"""
    data = post.extra["poll"]
    votes = [choice for chosen in data["votes"].values() for choice in chosen]
    own = data["votes"].get(call.account.id) if call.account else None
    return {
        "id": data["id"],
        "expires_at": iso(data["until"]),
        "expired": call.at >= data["until"],
        "multiple": data["multiple"],
        "votes_count": len(votes),
        "voters_count": len(data["votes"]),
        "options": [{"title": text, "votes_count": votes.count(n)} for n, text in enumerate(data["options"])],
        "emojis": [],
        **({"voted": own is not None, "own_votes": own or []} if call.account else {}),
    }


def instance_view(call: Call) -> Json:
    """https://docs.joinmastodon.org/entities/Instance"""
    settings = call.world.settings
    kind = kind_of(call.world)
    if kind is not None:
        return kinds.instance(kind, urlsplit(call.base).netloc, int(settings["max_characters"]))
    return {
        "domain": urlsplit(call.base).netloc,
        "title": "Mastodon sandbox",
        "version": "4.5.0" if quotes_known(call) else "4.4.0",
        "api_versions": {"mastodon": settings["mastodon_api_version"]},
        "source_url": "https://github.com/mastodon/mastodon",
        "description": "An emulated instance",
        "configuration": {
            "statuses": {
                "max_characters": settings["max_characters"],
                "max_media_attachments": 4,
                "characters_reserved_per_url": 23,
            },
            "media_attachments": {
                "description_limit": 1500,
                "supported_mime_types": ["image/jpeg", "image/png", "image/gif", "image/webp", "video/mp4"],
                "image_size_limit": 16_777_216,
                "image_matrix_limit": 33_177_600,
                "video_size_limit": 103_809_024,
                "video_frame_rate_limit": 120,
                "video_matrix_limit": 8_294_400,
            },
            "polls": {
                "max_options": 4,
                "max_characters_per_option": 50,
                "min_expiration": 300,
                "max_expiration": 2_629_746,
            },
        },
        "languages": ["en"],
        "rules": [],
    }
