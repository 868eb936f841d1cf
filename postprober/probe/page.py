"""Reading a public permalink page: an article block, microformats, or the meta tags that previews are made from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from postprober.domain.remote import RemoteMedia
from postprober.domain.tolerant_html import TolerantParser

MAX_HTML = 2_000_000  # characters; X's and Instagram's pages are about 500,000
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
_SKIPPED = frozenset({"script", "style", "template", "noscript"})


@dataclass
class Block:
    """One post found in the page's body."""

    post_id: str = ""
    author: str = ""
    text: str = ""
    media: list[RemoteMedia] = field(default_factory=list)


@dataclass
class Page:
    """`metas`: names in lower case, first value wins. `article`: a marked post; `entry`: the first `e-content` of
    microformats (https://microformats.org/wiki/h-entry). `asks_password`: the page has a password field."""

    metas: dict[str, str] = field(default_factory=dict)
    articles: list[Block] = field(default_factory=list)
    entry: Block | None = None
    asks_password: bool = False


def read_page(html: str) -> Page:
    """What `html` says about a post. Never raises: broken HTML reads as far as it goes."""
    reader = _PageReader()
    reader.feed(html[:MAX_HTML])
    reader.close()
    return reader.finished()


class _PageReader(TolerantParser):
    """Keeps the stack of open elements; `_block` is the post being read and `_depth` where it began."""

    def __init__(self) -> None:
        super().__init__()
        self._page = Page()
        self._stack: list[str] = []
        self._block: Block | None = None
        self._depth = 0
        self._text_depth = 0
        self._out: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        classes = values.get("class", "").split()
        if tag == "meta":
            name = (values.get("property") or values.get("name", "")).lower()
            self._page.metas.setdefault(name, values.get("content", ""))
        elif tag == "input" and values.get("type", "").lower() == "password":
            self._page.asks_password = True
        if tag not in _VOID:
            self._stack.append(tag)
        if self._block is None:
            self._maybe_begin(tag, values, classes)
        else:
            self._inside(self._block, tag, values, classes)

    def _maybe_begin(self, tag: str, values: dict[str, str], classes: list[str]) -> None:
        if tag == "article" and "data-post-id" in values:
            self._block = Block(values["data-post-id"], values.get("data-author", ""))
            self._page.articles.append(self._block)
        elif "e-content" in classes and self._page.entry is None:
            self._block = self._page.entry = Block()
            self._text_depth = len(self._stack)
        else:
            return
        self._depth, self._out = len(self._stack), []

    def _inside(self, block: Block, tag: str, values: dict[str, str], classes: list[str]) -> None:
        if tag == "p" and "text" in classes and not self._text_depth:
            self._text_depth = len(self._stack)
        elif tag == "img" and "emoji" not in classes:
            block.media.append(RemoteMedia("image", values.get("alt", "")))
        elif tag == "video":
            label = values.get("aria-label") or values.get("title") or None
            block.media.append(RemoteMedia("video", label))
        elif tag in ("br", "p", "div") and self._text_depth:
            self._out.append("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self._stack:
            return
        while self._stack and self._stack.pop() != tag:
            pass  # what was left open inside ends here too
        if self._text_depth > len(self._stack):
            self._text_depth = 0
            if self._block is not None and not self._block.text:
                self._block.text = "".join(self._out).strip()
        if self._block is not None and self._depth > len(self._stack):
            self._block = None

    def handle_data(self, data: str) -> None:
        if self._text_depth and not (self._stack and self._stack[-1] in _SKIPPED):
            self._out.append(data)

    def finished(self) -> Page:
        """The page; a post that the end of the file cut off keeps what was read of it."""
        if self._block is not None and self._text_depth and not self._block.text:
            self._block.text = "".join(self._out).strip()
        return self._page


# Instagram's og:description: `12 likes, 3 comments - name on March 2, 2026: "caption". `; its og:title:
# `Name on Instagram: "caption"` (seen on public pages).
_INSTAGRAM = re.compile(r"(?:on Instagram|\d{4})\s*:\s*[\"“](?P<text>.*)[\"”]\.?\s*$", re.DOTALL)
# Mastodon's og:description begins with the media it has (app/helpers/statuses_helper.rb, media_summary).
_ATTACHED = re.compile(r"^Attached: [^\n]*\n\n")


def text_from_metas(metas: dict[str, str]) -> str | None:
    """The post's text in preview tags, None when there is none. It may be only the beginning."""
    for name in ("og:description", "twitter:description", "description", "og:title"):
        value = metas.get(name, "").strip()
        if value:
            match = _INSTAGRAM.search(value)
            return match["text"] if match else _ATTACHED.sub("", value)
    return None
