"""What strangers see of a post on servers of other kinds: platforms/mastodon/facts.md, 10."""

import html
import json

from starlette.responses import HTMLResponse, Response

from postprober.sandbox.engine.emulator import PublicPage, by_id
from postprober.sandbox.engine.model import Account, Post
from postprober.sandbox.engine.operation import Call, reply
from postprober.sandbox.engine.timefmt import iso
from postprober.sandbox.mastodon.kinds import KINDS, Kind, kind_of

_PREVIEW = 200  # characters of Akkoma's preview


def _instead(path: str) -> PublicPage:
    """The page at a path of one of them; where this is another server the path leads nowhere."""

    def show(call: Call) -> Response | None:
        kind = kind_of(call.world)
        post = call.world.post("mastodon", call.request.path_params["id"])
        author = call.world.account("mastodon", post.account) if post else None
        if kind is None:
            return None
        if post is None or author is None or not _shown(kind, post, call.at):
            return HTMLResponse("<!doctype html><html><body><h1>Not found</h1></body></html>", 404)
        if "activity+json" in call.request.headers.get("accept", ""):
            return _object(call, kind, post, author)
        return HTMLResponse(_PAGES[kind.name](call, kind, post, author))

    return PublicPage(path, by_id("mastodon"), show)


def _shown(kind: Kind, post: Post, at: float) -> bool:
    hidden = kind.name == "gotosocial" and post.extra.get("visibility") == "unlisted"
    return post.seen_by_public(at) and not hidden


def _object(call: Call, kind: Kind, post: Post, author: Account) -> Response:
    """The ActivityStreams object; GoToSocial gives it to signed requests only."""
    if kind.name == "gotosocial":
        return reply({"error": "Unauthorized"}, 401)
    files = [
        {"type": "Document", "mediaType": "image/png", "url": f"{call.base}/_media/{m['sha256']}", "name": m["alt"]}
        for m in post.media
    ]
    body = {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": call.base + post.path,
        "type": "Note",
        "url": call.base + post.path,
        "attributedTo": f"{call.base}/mastodon/users/{author.name}",
        "summary": post.extra.get("spoiler_text") or None,
        "content": kind.render(post.text),
        "published": iso(post.created_at),
        "attachment": files,
    }
    return Response(json.dumps(body), media_type="application/activity+json")


def _page(call: Call, post: Post, title: str, description: str, body: str) -> str:
    tags = {"og:title": title, "og:url": call.base + post.path, "og:description": description, "og:type": "article"}
    head = "".join(f'<meta property="{name}" content="{html.escape(value)}">' for name, value in tags.items())
    return f'<!doctype html><html lang="en"><head><meta charset="utf-8">{head}</head><body>{body}</body></html>'


def _gotosocial(call: Call, kind: Kind, post: Post, author: Account) -> str:
    """The whole thread; a picture stands in the summary of its `details` and inside of them."""
    thread = [post]
    while (before := call.world.post("mastodon", thread[0].reply_to or "")) is not None:
        thread.insert(0, before)
    body = "".join(_article(call, kind, one, author) for one in thread if _shown(kind, one, call.at))
    warning = post.extra.get("spoiler_text")
    told = " ".join((f"CW: {warning}" if warning else post.text).split())
    told = told if len(told) < 300 else told[:300] + "..."
    return _page(call, post, f"Post by @{author.name}", told, f"<main>{body}</main>")


def _article(call: Call, kind: Kind, post: Post, author: Account) -> str:
    files = ""
    for item in post.media:
        alt = f' alt="{html.escape(item["alt"])}"' if item["alt"] else ""
        picture = f'<img src="{call.base}/_media/{item["sha256"]}.webp"{alt}>'
        files += f'<details open><summary>{picture}</summary><a href="{call.base}/_media/{item["sha256"]}">{picture}</a></details>'
    words = f'<div class="text"><div class="content e-content">\n {kind.render(post.text)}\n</div></div>'
    if warning := post.extra.get("spoiler_text"):
        summary = f'<summary><div class="p-summary">{html.escape(warning)}</div><span>Toggle</span></summary>'
        words = f"<details>{summary}{words}</details>"
    face = f'<address><a rel="author" href="{call.base}/mastodon/@{author.name}"><img class="avatar" src="/a.png" alt="Avatar"></a></address>'
    gallery = f'<div class="media">{files}</div>' if files else ""
    return f'<article class="status" id="{post.id}" role="region">{face}<div class="status-body">{words}{gallery}</div></article>'


def _hollo(call: Call, kind: Kind, post: Post, author: Account) -> str:
    """No microformats; the preview has the source of the text."""
    files = "".join(f'<div><img src="{call.base}/_media/{m["sha256"]}" alt="{m["alt"]}"></div>' for m in post.media)
    told = post.extra.get("spoiler_text") or post.text
    return _page(
        call,
        post,
        told[:30],
        told,
        f"<article><header>{author.name}</header><div>{kind.render(post.text)}</div>{files}</article>",
    )


def _akkoma(call: Call, _kind: Kind, post: Post, author: Account) -> str:
    """A script, and a preview that is cut."""
    told = post.extra.get("spoiler_text") or post.text.replace("\n", " ")
    told = told if len(told) <= _PREVIEW else told[: _PREVIEW - 3] + "..."
    return _page(
        call, post, f"{author.name} (@{author.name}@akkoma.test)", told, '<div id="app"></div><script></script>'
    )


def _pixelfed(call: Call, _kind: Kind, post: Post, author: Account) -> str:
    """A script, and a preview with the whole caption."""
    script = "<noscript>Please enable javascript to view this content.</noscript><post-component></post-component>"
    return _page(call, post, f"{author.name} shared a post", post.text, script)


def _snac(_call: Call, kind: Kind, post: Post, _author: Account) -> str:
    files = "".join(f'<img src="/m/{m["sha256"]}" alt="{html.escape(m["alt"])}">' for m in post.media)
    return f'<!doctype html><html><body><div class="h-entry"><div class="e-content">{kind.render(post.text)}</div>{files}</div></body></html>'


_PAGES = {"gotosocial": _gotosocial, "hollo": _hollo, "akkoma": _akkoma, "pixelfed": _pixelfed, "snac": _snac}
PAGES = tuple(
    _instead(kind.path.replace("{name}", "{user:str}").replace("{id}", "{id:str}")) for kind in KINDS.values()
)
