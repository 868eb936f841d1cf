"""What the public pages of a channel say: t.me/s/NAME and t.me/NAME/42?embed=1 (telegram/facts.md, 9). Pure.

They are made for people and may change without a word. Whatever is not as it is described there is left out, and a
reading that lacks something proves nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from postprober.domain.moments import parse_time
from postprober.domain.remote import RemoteMedia
from postprober.domain.tolerant_html import TolerantParser

MAX_HTML = 4_000_000  # characters; a page of twenty posts has about 200,000
_POST = re.compile(r"([A-Za-z0-9_]+)/([1-9][0-9]{0,15})")
_HREF = re.compile(r"/([A-Za-z0-9_]+)/([1-9][0-9]{0,15})(?:\?.*)?$")
_BEFORE = re.compile(r"[1-9][0-9]{0,15}")
_END = re.compile(r"</html\s*>", re.IGNORECASE)
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
_BLOCKS = frozenset({"blockquote", "pre"})
# Only rounded numbers have a fraction, so "1,234" and "1.5" alone are no numbers of these pages.
_NUMBER = re.compile(r"([0-9]{1,12})|([0-9]{1,6}(?:[.,][0-9]{1,3})?)\s*([KM])")
_TIMES = {"K": 1_000, "M": 1_000_000}
# Classes of what stands in a message, and what it is for us; the first that fits counts.
_ROLES = (
    ("tgme_widget_message_reply", "reply"),
    ("js-message_reply_text", "quoted"),
    ("js-message_text", "text"),
    ("tgme_widget_message_date", "date"),
    ("tgme_widget_message_views", "views"),
    ("tgme_reaction", "reaction"),
    ("tgme_widget_message_forwarded_from", "forwarded"),
    ("message_media_not_supported", "unsupported"),
    ("tgme_widget_message_photo_wrap", "image"),
    ("tgme_widget_message_video_player", "video"),
    ("tgme_widget_message_document_wrap", "document"),
)
_MEDIA = frozenset({"image", "video", "document"})


@dataclass
class ShownMessage:
    """One message as it is shown. `number`: the lowest of those of an album; `reply_to`: the number of the message that it
    answers, None where it answers none; `views`, `reactions` None: the page does not show them; `links`: where the links of
    its text lead, mentions and tags left out. `media` None: something of it cannot be shown there."""

    username: str
    number: int
    text: str = ""
    created_at: datetime | None = None
    reply_to: int | None = None
    views: int | None = None
    reactions: int | None = None
    media: tuple[RemoteMedia, ...] | None = ()
    links: tuple[str, ...] = ()
    album: tuple[int, ...] = ()
    forwarded: bool = False
    service: bool = False


@dataclass(frozen=True)
class ChannelPage:
    """`messages` in the page's order, oldest first; `error`: what it shows instead of one; `before`: the number with which
    the page before this one is asked for, None at the channel's beginning. `whole`: it was not cut off on its way."""

    messages: tuple[ShownMessage, ...]
    error: str = ""
    before: int | None = None
    whole: bool = False

    def message(self, username: str, number: str) -> ShownMessage | None:
        """The message with this number, also one that is in an album."""
        wanted = int(number)
        return next(
            (
                one
                for one in self.messages
                if one.username.casefold() == username.casefold() and wanted in (one.number, *one.album)
            ),
            None,
        )


def read_page(html: str) -> ChannelPage:
    """Everything on a page."""
    reader = _Reader()
    reader.feed(html[:MAX_HTML])
    reader.close()
    return ChannelPage(
        tuple(one.shown() for one in reader.found),
        "".join(reader.error).strip(),
        reader.before,
        _END.search(html[-4096:]) is not None and len(html) <= MAX_HTML,
    )


def rounded(text: str) -> int | None:
    """A number as the pages write it: 873, 4.02K, 1.2M; None for anything else."""
    found = _NUMBER.fullmatch(text.strip().upper())
    if found is None:
        return None
    return int(found[1]) if found[1] else round(float(found[2].replace(",", ".")) * _TIMES[found[3]])


@dataclass
class _Message:
    username: str
    number: int
    service: bool
    text: list[str] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    reactions: list[list[str]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    media: list[RemoteMedia] = field(default_factory=list)
    numbers: set[int] = field(default_factory=set)
    created_at: datetime | None = None
    reply_to: int | None = None
    forwarded: bool = False
    unsupported: bool = False

    def shown(self) -> ShownMessage:
        album = tuple(sorted(self.numbers | {self.number})) if len(self.media) > 1 else ()
        told = [rounded(count_at_end("".join(one))) for one in self.reactions]
        known = [count for count in told if count is not None]
        return ShownMessage(
            self.username,
            min(album) if album else self.number,
            "".join(self.text).strip(),
            self.created_at,
            self.reply_to,
            rounded("".join(self.views)),
            sum(known) if known and len(known) == len(told) else None,  # a part of a sum is no sum
            None if self.unsupported else tuple(self.media),
            tuple(self.links),
            album,
            self.forwarded,
            self.service,
        )


_NUMBER_AT_END = re.compile(r"[0-9.,]{1,20}\s?[KM]?\s?$", re.IGNORECASE)


def count_at_end(text: str) -> str:
    """The count behind the sign of a reaction, "" where there is none."""
    found = _NUMBER_AT_END.search(text[-24:])
    return found[0] if found else ""


class _Reader(TolerantParser):
    """Follows which of the roles it is in. Only what lies in a message counts, and what lies in its words is words."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[_Message] = []
        self.error: list[str] = []
        self.before: int | None = None
        self._open: list[tuple[str, str]] = []  # tags with their roles
        self._tags, self._roles = Counter[str](), Counter[str]()  # of those: how often each is open
        self._label: list[str] = []
        self._link = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        classes = set(values.get("class", "").split())
        role = self._role(classes, values)
        if tag == "br" and self._in("text"):
            self._write("\n")
        if tag not in _VOID:
            self._open.append((tag, role))
            self._tags[tag] += 1
            self._roles[role] += 1
        if self._in("text") and not self._in("reply"):
            if tag in _BLOCKS:
                self._write("\n")
            elif tag == "a":
                self._link, self._label = values.get("href", ""), []
        if tag == "time" and self._in("date") and self.found:
            self.found[-1].created_at = parse_time(values.get("datetime", ""))
        if tag == "a" and "js-messages_more" in classes and not self._in("message"):
            before = _BEFORE.fullmatch(values.get("data-before", ""))
            self.before = int(before[0]) if before else self.before

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._tags[tag]:
            return
        if tag == "a":
            self._end_link()
        if tag in _BLOCKS and self._in("text"):
            self._write("\n")
        closed = ""
        while closed != tag:
            closed, role = self._open.pop()
            self._tags[closed] -= 1
            self._roles[role] -= 1

    def handle_data(self, data: str) -> None:
        if self._in("error"):
            self.error.append(data)
        elif not self.found or not self._in("message") or self._in("reply"):
            return
        elif self._in("text"):
            self._write(data)
        elif self._in("views"):
            self.found[-1].views.append(data)
        elif self._in("reaction") and self.found[-1].reactions:
            self.found[-1].reactions[-1].append(data)

    def _role(self, classes: set[str], values: dict[str, str]) -> str:
        """What an element is; marks in its message what needs no content.

        What lies in a message is no page and no other message, and what lies in its words has no role but to be words:
        whoever writes them must not be able to write a time, a count, a file or an end of the channel.
        """
        if not self._in("message"):
            if "tgme_widget_message_error" in classes:
                return "error"
            post = _POST.fullmatch(values.get("data-post", ""))
            if post and "tgme_widget_message" in classes:
                self.found.append(_Message(post[1], int(post[2]), "service_message" in classes))
                return "message"
            return ""
        role = next((role for name, role in _ROLES if name in classes), "")
        if not role or not self.found or self._in("text"):
            return ""
        message, href = self.found[-1], _HREF.search(values.get("href", ""))
        if self._in("reply"):
            return ""
        if role == "reply":
            message.reply_to = int(href[2]) if href else None
        elif role == "reaction":
            message.reactions.append([])
        elif role == "forwarded":
            message.forwarded = True
        elif role == "unsupported":
            message.unsupported = True
        elif role in _MEDIA:
            message.media.append(RemoteMedia(role))
            if href and href[1].casefold() == message.username.casefold():
                message.numbers.add(int(href[2]))
        return role

    def _in(self, role: str) -> bool:
        return self._roles[role] > 0

    def _write(self, text: str) -> None:
        self.found[-1].text.append(text)
        if self._link:
            self._label.append(text)

    def _end_link(self) -> None:
        label = "".join(self._label)
        if self._link.startswith(("http://", "https://")) and not label.startswith(("@", "#", "$")):
            self.found[-1].links.append(self._link)
        self._link, self._label = "", []
