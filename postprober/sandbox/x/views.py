"""X posts, users and media as the API shows them, in either dialect."""

import contextlib
import hashlib
import html
from typing import Any

from postprober.sandbox.engine.engagement import counts
from postprober.sandbox.engine.model import Account, Media, Post
from postprober.sandbox.engine.operation import Call
from postprober.sandbox.engine.text import HASHTAG, URL
from postprober.sandbox.engine.timefmt import iso
from postprober.sandbox.x.dialect import not_found
from postprober.sandbox.x.text import weighted_length

MAX_WEIGHT = 280
CUT = 270  # characters of a long post that stand in `text`

Json = dict[str, Any]


def short_link(url: str) -> str:
    """The t.co link X puts in place of a URL. Always 23 characters."""
    letters = hashlib.sha256(url.encode()).hexdigest()[:10]
    return f"https://t.co/{letters}"


def wire_text(post: Post, call: Call) -> tuple[str, list[Json]]:
    """(text, entities.urls): links as t.co, one more t.co link for media, & < > as HTML entities.

    Positions count in the text that is sent. The HTML entities are observed (FxEmbed/FxEmbed#24, 2022-08;
    tweepy/tweepy#451), and can be switched off by the setting `x_html_escape`.
    """
    escape = html.escape if call.world.settings["x_html_escape"] else _same
    whole = post.text
    if weighted_length(whole) > MAX_WEIGHT:  # a long post: its beginning, and a link to the whole of it
        shown, urls = _shortened(whole[:CUT], escape)
        link = _url_entity(
            len(shown) + 2, f"https://x.com/i/web/status/{post.id}", f"https://x.com/i/web/status/{post.id}"
        )
        return f"{shown}… {link['url']}", [*urls, link]
    shown, urls = _shortened(whole, escape)
    if post.media:
        page = f"https://x.com/{post.account}/status/{post.id}/photo/1"
        shown += " " if shown else ""
        urls.append(_url_entity(len(shown), page, page) | {"media_key": post.media[0]["media_key"]})
        shown += urls[-1]["url"]
    return shown, urls


def _shortened(text: str, escape: Any) -> tuple[str, list[Json]]:
    """`text` with its links as t.co, and their entities."""
    shown, urls, position = "", [], 0
    for match in URL.finditer(text):
        shown += escape(text[position : match.start()], quote=False)
        urls.append(_url_entity(len(shown), match.group(), in_punycode(match.group())))
        shown += urls[-1]["url"]
        position = match.end()
    return shown + escape(text[position:], quote=False), urls


def in_punycode(url: str) -> str:
    """`url` as X gives it back, with a host of ASCII."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    with contextlib.suppress(UnicodeError):
        host = host.encode("idna").decode()
    return f"{scheme}://{host}{slash}{path}"


def _note(post: Post, call: Call) -> Json:
    """The whole of a long post, with entities of its own."""
    escape = html.escape if call.world.settings["x_html_escape"] else _same
    text, urls = _shortened(post.text, escape)
    entities = _entities(text, urls)
    return {"text": text} | ({"entities": entities} if entities else {})


def _same(text: str, quote: bool = False) -> str:
    return text


def _url_entity(start: int, url: str, expanded: str) -> Json:
    display = expanded.split("://", 1)[1]
    return {
        "start": start,
        "end": start + 23,
        "url": short_link(url),
        "expanded_url": expanded,
        "display_url": display if len(display) <= 27 else display[:26] + "…",
    }


def _names(spoken: str) -> Json:
    legacy = {"history": "edit_history_tweet_ids", "referenced": "referenced_tweets", "reposts": "retweet_count"}
    new = {"history": "edit_history_post_ids", "referenced": "referenced_posts", "reposts": "repost_count"}
    return legacy if spoken == "legacy" else new


def history(post: Post, spoken: str) -> Json:
    """The edit history field; a sandbox without a chosen dialect (`both`) sends both names."""
    field = {_names(spoken)["history"]: [post.id]}
    return field | {"edit_history_tweet_ids": [post.id]} if spoken == "both" else field


def wanted(call: Call, *parameters: str) -> set[str]:
    """The comma separated values of list parameters (style form, explode false)."""
    return {part for name in parameters for part in call.request.query_params.get(name, "").split(",") if part}


def post_view(call: Call, post: Post, spoken: str) -> Json:
    """A post with the default fields and those asked for."""
    fields = wanted(call, "tweet.fields", "post.fields")
    names = _names(spoken)
    text, urls = wire_text(post, call)
    view: Json = {"id": post.id, "text": text} | history(post, spoken)
    author = call.world.account("x", post.account)
    optional: Json = {
        "author_id": author.id if author else "",
        "created_at": iso(post.created_at),
        "conversation_id": post.extra.get("conversation") or post.id,
        "lang": "en",
        "reply_settings": post.extra.get("reply_settings") or "everyone",
        "paid_partnership": bool(post.extra.get("paid_partnership")),
        "possibly_sensitive": False,
        "public_metrics": _metrics(call, post, names),
    }
    entities = _entities(text, urls)
    if entities:
        optional["entities"] = entities
    if weighted_length(post.text) > MAX_WEIGHT:
        optional["note_tweet" if spoken == "legacy" else "note_post"] = _note(post, call)
    if post.extra.get("place_id"):
        optional["geo"] = {"place_id": post.extra["place_id"]}
    if post.extra.get("community_id"):
        optional["community_id"] = post.extra["community_id"]
    if post.media:
        optional["attachments"] = {"media_keys": [m["media_key"] for m in post.media]}
    if poll := post.extra.get("poll"):
        optional["attachments"] = {"poll_ids": [poll["id"]]}
    if quoted := post.extra.get("quoted"):
        optional[names["referenced"]] = [{"type": "quoted", "id": quoted}]
    if post.reply_to:
        parent = call.world.post("x", post.reply_to)
        parent_author = call.world.account("x", parent.account) if parent else None
        optional.setdefault(names["referenced"], []).append({"type": "replied_to", "id": post.reply_to})
        optional["in_reply_to_user_id"] = parent_author.id if parent_author else ""
    view |= {name: value for name, value in optional.items() if name in fields}
    # 2.167 offers these only as expansions, and then the field comes along.
    expansions = wanted(call, "expansions")
    for name in ("author_id", "in_reply_to_user_id", names["referenced"]):
        if name in optional and any(e.split(".")[0] == name for e in expansions):
            view[name] = optional[name]
    if "attachments" in optional and {"attachments.media_keys", "attachments.poll_ids"} & expansions:
        view["attachments"] = optional["attachments"]
    return view


def _entities(text: str, urls: list[Json]) -> Json:
    entities: Json = {"urls": urls} if urls else {}
    tags = [{"start": m.start(), "end": m.end(), "tag": m[1]} for m in HASHTAG.finditer(text)]
    return entities | ({"hashtags": tags} if tags else {})


def _metrics(call: Call, post: Post, names: Json) -> Json:
    seen = counts(call.world, post, call.at)
    return {
        names["reposts"]: seen.reposts,
        "reply_count": seen.replies,
        "like_count": seen.likes,
        "quote_count": seen.quotes,
        "bookmark_count": seen.bookmarks,
        "impression_count": seen.views,
    }


def user_view(call: Call, account: Account) -> Json:
    fields = wanted(call, "user.fields")
    optional: Json = {"created_at": iso(account.created_at), "protected": False, "verified": False}
    optional["subscription_type"] = "Premium" if account.premium else "None"
    basic = {"id": account.id, "name": account.title, "username": account.title}
    return basic | {name: value for name, value in optional.items() if name in fields}


def media_view(call: Call, media: Json) -> Json:
    fields = wanted(call, "media.fields")
    kind = {"image": "photo", "gif": "animated_gif"}.get(media["kind"], media["kind"])
    optional: Json = {
        "url": f"{call.base}/_media/{media['sha256']}",
        "width": media["width"],
        "height": media["height"],
    }
    if media["alt"]:
        optional["alt_text"] = media["alt"]
    basic = {"media_key": media["media_key"], "type": kind}
    return basic | {name: value for name, value in optional.items() if name in fields}


def includes(call: Call, posts: list[Post]) -> Json:
    """The `includes` object for the expansions asked for; {} when there is nothing to include."""
    expansions = wanted(call, "expansions")
    found: Json = {}
    if "author_id" in expansions:
        authors = {p.account: call.world.account("x", p.account) for p in posts}
        found["users"] = [user_view(call, a) for a in authors.values() if a]
    if "attachments.media_keys" in expansions:
        media = {m["media_key"]: m for p in posts for m in p.media}
        if media:
            found["media"] = [media_view(call, m) for m in media.values()]
    polls = [p.extra["poll"] for p in posts if p.extra.get("poll")]
    if "attachments.poll_ids" in expansions and polls:
        found["polls"] = [poll_view(call, poll) for poll in polls]
    return {"includes": found} if found else {}


def poll_view(call: Call, poll: Json) -> Json:
    """A poll with the fields that were asked for."""
    fields = wanted(call, "poll.fields")
    options = [{"position": n, "label": text, "votes": 0} for n, text in enumerate(poll["options"], 1)]
    optional = {"duration_minutes": poll["duration_minutes"], "voting_status": "open"}
    return {"id": poll["id"], "options": options} | {name: v for name, v in optional.items() if name in fields}


def upload_view(call: Call, media: Media) -> Json:
    """The reply of every media route. 2.166 demands a `meta` and `processing_info.type` that 2.167 does not know."""
    legacy = call.world.settings["x_dialect"] == "legacy"
    data: Json = {"id": media.id, "media_key": media.extra["media_key"], "expires_after_secs": 86400}
    if media.size:
        data["size"] = media.size
    state = media.state(call.at)
    if media.extra.get("processed") and state != "waiting":
        info: Json = {"state": {"processing": "in_progress", "ready": "succeeded"}.get(state, "failed")}
        info["progress_percent"] = 50 if state == "processing" else 100
        if state == "processing":
            info["check_after_secs"] = 1
        data["processing_info"] = info | ({"type": "ProcessingInfo"} if legacy else {})
    return {"data": data} | ({"meta": {}} if legacy else {})


def missing(call: Call, post_id: str, parameter: str) -> Json:
    return not_found(call, "tweet", parameter, post_id)
