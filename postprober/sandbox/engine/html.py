"""The look of the public pages: recognisably different ones, plain HTML and CSS, no script."""

import html
from datetime import UTC, datetime
from typing import Any

from postprober.sandbox.engine.emulator import PageStyle, emulator
from postprober.sandbox.engine.engagement import EmulatedCounts
from postprober.sandbox.engine.model import Post
from postprober.sandbox.engine.text import URL
from postprober.sandbox.engine.timefmt import iso

_CSS = """
*{box-sizing:border-box}body{margin:0;font:16px/1.5 system-ui,sans-serif}
header{padding:.7rem 1.2rem;font-weight:700;font-size:1.2rem}main{max-width:37rem;margin:1.5rem auto;padding:0 1rem}
article{padding:1.2rem;border-radius:var(--r);background:var(--card);border:1px solid var(--line)}
.who{display:flex;gap:.7rem;align-items:center}.face{width:44px;height:44px;border-radius:var(--face);display:grid;
place-items:center;color:#fff;font-weight:700;background:var(--brand)}.who b{display:block;line-height:1.2}
.who .handle,time,footer,.reply{color:var(--soft);font-size:.9rem}.text{white-space:pre-wrap;overflow-wrap:anywhere;
font-size:1.08rem;margin:.9rem 0}.text a{color:var(--link)}
img{max-width:100%;border-radius:calc(var(--r)/2);display:block;
margin:.6rem 0}.link-card{display:block;border:1px solid var(--line);border-radius:calc(var(--r)/2);padding:.7rem;
margin:.6rem 0;color:var(--ink);text-decoration:none}.link-card b,.link-card span{display:block}
.link-card span{color:var(--soft)}footer{display:flex;gap:1.4rem;border-top:1px solid var(--line);margin-top:.9rem;padding-top:.7rem}
body{background:var(--back);color:var(--ink)}header{background:var(--head);color:var(--headink)}
"""


def shell(look: PageStyle, head: str, main: str) -> str:
    """A whole page."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">{head}'
        f"<style>:root{{{look.variables}}}{_CSS}</style></head>"
        f"<body><header>{look.brand} {html.escape(look.title)}</header><main>{main}</main></body></html>"
    )


def text_html(text: str) -> str:
    """Escaped text with links as anchors. Line breaks stay line breaks (the CSS shows them)."""
    shown, position = "", 0
    for match in URL.finditer(text):
        url = html.escape(match.group())
        shown += html.escape(text[position : match.start()])
        shown += f'<a href="{url}" rel="nofollow noopener">{url}</a>'
        position = match.end()
    return shown + html.escape(text[position:])


def post_page(post: Post, seen: EmulatedCounts, *, author: str, handle: str, url: str, image_base: str) -> str:
    """The page of one post as a logged-out reader sees it."""
    look = emulator(post.platform).look
    created = iso(post.created_at)
    day = datetime.fromtimestamp(post.created_at, UTC).strftime("%d %b %Y, %H:%M UTC")
    tags = {
        "og:type": "article",
        "og:site_name": look.title,
        "og:title": f"{author} on {look.title}",
        "og:description": post.text,
        "og:url": url,
        "article:published_time": created,
        "article:author": author,
    }
    images = ""
    for media in post.media:
        source = html.escape(f"{image_base}/{media['sha256']}")
        if media["kind"] == "video":
            images += f'<video src="{source}" aria-label="{html.escape(media["alt"])}" controls width="100%">'
            images += "".join(
                f'<track kind="captions" srclang="{html.escape(tag)}">' for tag in media.get("captions") or ()
            )
            images += "</video>"
        elif media["kind"] == "document":
            pages = f", {media['pages']} pages" if media.get("pages") else ""
            name = html.escape(media.get("title") or "Document")
            images += f'<a class="link-card" href="{source}"><b>{name}</b><span>Document{pages}</span></a>'
        else:
            images += f'<img src="{source}" alt="{html.escape(media["alt"])}">'
            tags.setdefault("og:image", f"{image_base}/{media['sha256']}")
    images += _card_html(post.card, image_base) if post.card is not None else ""
    head = f"<title>{html.escape(author)}: {html.escape(post.text[:60])}</title>"
    head += "".join(f'<meta property="{name}" content="{html.escape(value)}">' for name, value in tags.items())
    reply = '<p class="reply">A reply to another post</p>' if post.reply_to else ""
    numbers = "".join(f"<span><b>{getattr(seen, field)}</b> {word}</span>" for field, word in look.counts)
    main = (
        f'<article data-post-id="{html.escape(post.id)}" data-author="{html.escape(handle)}" '
        f'data-created-at="{created}">{reply}<div class="who">'
        f'<span class="face">{html.escape(author[:1].upper())}</span>'
        f'<div><b>{html.escape(author)}</b><span class="handle">{html.escape(handle)}</span></div></div>'
        f'<p class="text">{text_html(post.text)}</p>{images}'
        f'<time datetime="{created}">{day}</time><footer>{numbers}</footer></article>'
    )
    return shell(look, head, main)


def _card_html(card: dict[str, Any], image_base: str) -> str:
    picture = f'<img src="{html.escape(image_base)}/{card["sha256"]}" alt="">' if card["sha256"] else ""
    return (
        f'<a class="link-card" href="{html.escape(card["uri"])}" rel="nofollow noopener">{picture}'
        f"<b>{html.escape(card['title'])}</b><span>{html.escape(card['description'])}</span></a>"
    )


def profile_page(platform: str, name: str, handle: str) -> str:
    """The page of a person."""
    return shell(emulator(platform).look, f"<title>{html.escape(name)}</title>", f"<h1>{html.escape(handle)}</h1>")


def consent_page(platform: str) -> str:
    """A wall of cookies in front of the page."""
    main = "<h1>Before you continue</h1><p>We use cookies.</p><button>Accept all</button>"
    return shell(emulator(platform).look, "<title>Before you continue</title>", main)


def missing_page(platform: str) -> str:
    """What a logged-out reader gets for a post that is not there (or not for strangers)."""
    main = "<h1>This page doesn’t exist</h1><p>The post was removed, or the link is wrong.</p>"
    return shell(emulator(platform).look, "<title>Page not found</title>", main)
