"""Reading a public permalink page: an article block, microformats, or the meta tags that previews are made from."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from postprober.domain.remote import RemoteCard, RemoteMedia
from postprober.domain.tolerant_html import TolerantParser

MAX_HTML = 2_000_000  # characters; the largest pages of our platforms have about 500,000
MOST_ENTRIES = 100  # ours: a thread on one page is shorter; more are read past, so that no page keeps us busy
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
_SKIPPED = frozenset({"script", "style", "template", "noscript"})
_INVISIBLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_ABOUT = frozenset({"has", "hide", "no", "show", "with", "without"})  # `has-avatar` is said of what contains one
_BESIDE = frozenset({"alt", "attachment", "attachments"})  # snac writes them, in words, inside of the text's element


@dataclass
class Block:
    """One post found in the page's body. `post_id`: of the element that it stands in."""

    post_id: str = ""
    author: str = ""
    text: str = ""
    media: list[RemoteMedia] = field(default_factory=list)
    cards: list[RemoteCard] = field(default_factory=list)


@dataclass
class Page:
    """`metas`: names in lower case, first value wins. `articles`: marked posts; `entries`: the first
    MOST_ENTRIES `e-content` of microformats (https://microformats.org/wiki/h-entry), each with the media of its `h-entry`,
    which may stand beside the text.
    `asks_password`: the page has a password field."""

    metas: dict[str, str] = field(default_factory=dict)
    articles: list[Block] = field(default_factory=list)
    entries: list[Block] = field(default_factory=list)
    asks_password: bool = False

    @property
    def entry(self) -> Block | None:
        """The first entry: the post itself, unless the page shows what it answers above it."""
        return self.entries[0] if self.entries else None


def picture_kind(src: str) -> str:
    """gif or image, by the address of a picture (a page does not say whether one moves)."""
    return "gif" if src.split("?")[0].lower().endswith(".gif") else "image"


def _may_move(src: str) -> bool:
    """Whether a picture of this address may be a moving one: it ends like neither a still nor a GIF."""
    return not src.split("?")[0].lower().endswith((".jpg", ".jpeg", ".png"))


def read_page(html: str) -> Page:
    """What `html` says about a post. Never raises: broken HTML reads as far as it goes."""
    reader = _PageReader()
    reader.feed(html[:MAX_HTML])
    reader.close()
    return reader.finished()


class _PageReader(TolerantParser):
    """Keeps the stack of open elements; `_block` is the post being read and `_depth` where it began. An entry goes on to the
    end of its `h-entry` or, without one, of its `article` (`_roots`: where those that are open began), or, without both, of the
    element that its text stands in. Pictures of people (`h-card`, avatars) and emoji are no media; an entry that stands inside of what is marked as
    a person has its own. What stands beside the text (`_beside`: attachments and their descriptions) is none of it, and
    neither is what nobody sees inside of it (`_hidden`). A picture in a `<summary>` (`_summaries`) stands in for the medium that its
    `<details>` shows.

    Every step takes the same time however long the page is: `_open` counts the open elements of each name."""

    def __init__(self) -> None:
        super().__init__()
        self._page = Page()
        self._stack: list[str] = []
        self._open: Counter[str] = Counter()
        self._roots: list[int] = []
        self._root_id = ""
        self._people: list[int] = []
        self._beside: list[int] = []
        self._hidden: list[int] = []
        self._summaries: list[int] = []
        self._early: list[RemoteMedia] = []  # of the h-entry, before its text
        self._block: Block | None = None
        self._is_entry = False
        self._depth = 0
        self._text_depth = 0
        self._out: list[str] = []
        self._card: _Card | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        classes = values.get("class", "").split()
        if tag == "meta":
            name = (values.get("property") or values.get("name", "")).lower()
            self._page.metas.setdefault(name, values.get("content", ""))
        elif tag == "input" and values.get("type", "").lower() == "password":
            self._page.asks_password = True
        if tag not in _VOID:
            if tag in ("p", "li") and self._hidden[-1:] == [len(self._stack)] and self._stack[-1] == tag:
                self.handle_endtag(tag)  # browsers end it here too, and with it what is hidden
            self._stack.append(tag)
            self._open[tag] += 1
            self._begin_parts(tag, values, classes)
            if self._text_depth and (
                tag in _SKIPPED or "hidden" in values or _INVISIBLE.search(values.get("style", ""))
            ):
                self._hidden.append(len(self._stack))
        if self._block is None or (self._is_entry and "e-content" in classes):
            self._maybe_begin(tag, values, classes)
        else:
            self._inside(self._block, tag, values, classes)

    def _begins_entry(self, classes: list[str]) -> bool:
        return "e-content" in classes and len(self._page.entries) < MOST_ENTRIES

    def _maybe_begin(self, tag: str, values: dict[str, str], classes: list[str]) -> None:
        if tag == "article" and "data-post-id" in values:
            self._block = Block(values["data-post-id"], values.get("data-author", ""))
            self._is_entry = False
            self._page.articles.append(self._block)
        elif self._begins_entry(classes):
            self._block = Block(self._root_id if self._roots else "", media=self._early)
            self._is_entry = True
            self._page.entries.append(self._block)
            self._early, self._text_depth = [], len(self._stack)
        else:
            self._block = None  # an entry after the last that is read
            if self._roots and (found := self._medium(tag, values, classes)):
                self._early.append(found)
            return
        if self._is_entry:
            self._depth = self._roots[-1] if self._roots else len(self._stack) - 1
        else:
            self._depth = len(self._stack)
        self._out = []

    def _begin_parts(self, tag: str, values: dict[str, str], classes: list[str]) -> None:
        if "h-entry" in classes or (tag == "article" and not self._roots):
            self._roots.append(len(self._stack))
            self._root_id = values.get("id", "")
            self._early = []
        elif tag == "summary":
            self._summaries.append(len(self._stack))
        elif tag not in ("html", "body") and ({"h-card", "p-author"} & set(classes) or _is_avatar(classes)):
            self._people.append(len(self._stack))
        if self._text_depth and _words(classes) & _BESIDE:
            self._beside.append(len(self._stack))

    def _medium(self, tag: str, values: dict[str, str], classes: list[str]) -> RemoteMedia | None:
        """The medium that this element shows, None when it shows none of the post's."""
        root = self._roots[-1] if self._roots else 0
        if self._summaries or (self._people and self._people[-1] > root):
            return None
        if _is_avatar(classes) or any("emoji" in one for one in classes):
            return None
        if tag == "img":
            src = values.get("src", "")
            return RemoteMedia(picture_kind(src), values.get("alt", ""), _may_move(src))
        if tag == "video":
            return RemoteMedia("video", values.get("aria-label") or values.get("title") or None)
        return None

    def _inside(self, block: Block, tag: str, values: dict[str, str], classes: list[str]) -> None:
        if self._card is not None:
            self._card.inside(tag)
        elif tag == "a" and "link-card" in classes and not self._is_entry:
            self._card = _Card(len(self._stack), values.get("href", ""))
        elif tag == "p" and "text" in classes and not self._text_depth:
            self._text_depth = len(self._stack)
        elif found := self._medium(tag, values, classes):
            block.media.append(found)
        elif tag in ("br", "p", "div") and self._text_depth and not self._hidden:
            self._out.append("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open[tag]:
            return
        ended = ""
        while ended != tag:  # what was left open inside ends here too
            ended = self._stack.pop()
            self._open[ended] -= 1
        if self._text_depth > len(self._stack):
            self._text_depth = 0
            if self._block is not None and not self._block.text:
                self._block.text = "".join(self._out).strip()
            self._out = []
        if self._card is not None and self._card.depth > len(self._stack):
            if self._block is not None:
                self._block.cards.append(self._card.read())
            self._card = None
        if self._block is not None and self._depth > len(self._stack):
            self._block = None
        for begun in (self._roots, self._people, self._beside, self._hidden, self._summaries):
            while begun and begun[-1] > len(self._stack):
                begun.pop()

    def handle_data(self, data: str) -> None:
        if self._card is not None:
            self._card.words[self._card.part] += data
        elif self._text_depth and not self._beside and not self._hidden:
            self._out.append(data)

    def finished(self) -> Page:
        """The page; a post that the end of the file cut off keeps what was read of it."""
        if self._block is not None and self._text_depth and not self._block.text:
            self._block.text = "".join(self._out).strip()
        return self._page


@dataclass
class _Card:
    """The card of a link that is being read: a link, in it the title in bold, the description, and perhaps a picture."""

    depth: int
    url: str
    part: str = ""
    picture: bool = False
    words: dict[str, str] = field(default_factory=lambda: {"": "", "b": "", "span": ""})

    def inside(self, tag: str) -> None:
        self.picture = self.picture or tag == "img"
        self.part = tag if tag in self.words else self.part

    def read(self) -> RemoteCard:
        return RemoteCard(self.url, self.words["b"].strip(), self.words["span"].strip(), self.picture)


def _is_avatar(classes: list[str]) -> bool:
    """Whether one of the class names (`avatar`, `snac-avatar`, `AccountAvatar`) says that this shows a person."""
    for name in classes:
        words = _words([name])
        if words & {"avatar", "avatars"} and not words & _ABOUT:
            return True
    return False


def _words(classes: list[str]) -> set[str]:
    return {word.lower() for name in classes for word in _WORDS.findall(name)}


def text_from_metas(metas: dict[str, str]) -> str | None:
    """What preview tags say of the post, None when they say nothing: its text or the beginning of it, on some platforms with
    words around it (`PlatformSpec.preview_text`)."""
    for name in ("og:description", "twitter:description", "description", "og:title"):
        value = metas.get(name, "").strip()
        if value:
            return value
    return None
