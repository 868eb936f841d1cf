"""Reading what a page says of itself for a link card: Open Graph (https://ogp.me), the tags of preview cards, oEmbed (https://oembed.com) and plain HTML.

Whoever owns the page decides what is in it, and how slowly it comes. So everything is bounded: its size, that of the
picture, the redirects, and the time of all of it together; each address passes the guard of the client; and the picture
is decoded and written anew before anybody keeps it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from postprober.domain.addresses import join, split
from postprober.domain.card import MAX_DESCRIPTION, MAX_TITLE, MAX_URL, one_line
from postprober.domain.charsets import text_of
from postprober.domain.tolerant_html import TolerantParser
from postprober.errors import BadInput, PlatformError
from postprober.http import HttpClient, Reply
from postprober.platforms.common.media import inspect, thumbnail

SECONDS = 5.0  # ours, for the page, its oEmbed and its picture together: somebody is waiting
MAX_PAGE = 1_000_000  # bytes; what is said in the head stands in the first few thousand
MAX_OEMBED = 100_000  # bytes; an answer has about one thousand
MAX_PICTURE = 10_000_000  # bytes; ours; sites are told by those who make such cards to stay below 5 or 8 MB
MAX_REDIRECTS = 5
MAX_TAGS = 20_000  # ours: tags that are read of one page; its head has a few hundred
SIDES = (1200, 800, 500)  # pixels; 1200 by 630 is what sites make such pictures in
PICTURE_BYTES = 1_000_000  # the smallest limit of our platforms (platforms/NAME/facts.md, 3)
_PAGES = ("text/html", "application/xhtml+xml")
_HTML = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.1", "Accept-Language": "en;q=0.5,*;q=0.1"}
_OEMBED = "application/json+oembed"
_UNREAD = frozenset({"script", "style", "template", "noscript", "textarea", "svg", "iframe"})
_TITLES = ("og:title", "twitter:title")
_DESCRIPTIONS = ("og:description", "twitter:description", "description")
_PICTURES = ("og:image:secure_url", "og:image", "og:image:url", "twitter:image", "twitter:image:src")


@dataclass(frozen=True)
class CardImage:
    """A JPEG of at most PICTURE_BYTES; `width`, `height` in pixels."""

    data: bytes
    width: int
    height: int


@dataclass(frozen=True)
class PageCard:
    """What a page says of itself. `problem`: why there is no card, one sentence for whoever wrote the link; `passing`: a later
    reading may well succeed; `silent`: its server did not answer at all."""

    title: str = ""
    description: str = ""
    picture: CardImage | None = None
    problem: str = ""
    passing: bool = False
    silent: bool = False


@dataclass
class Told:
    """Names in small letters, the first value wins. `base`: what relative addresses are relative to, "" for the page;
    `oembed`: where the page says more of itself as JSON."""

    metas: dict[str, str] = field(default_factory=dict)
    title: str = ""
    base: str = ""
    oembed: str = ""

    def first(self, names: tuple[str, ...]) -> str:
        return next((value for name in names if (value := self.metas.get(name, "").strip())), "")


class _Stopped(Exception):
    """The page cannot be read."""

    def __init__(self, reason: str, *, passing: bool, silent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.passing = passing
        self.silent = silent


def read(
    http: HttpClient, url: str, *, seconds: float = SECONDS, now: Callable[[], float] = time.monotonic
) -> PageCard:
    """What the page at `url` says of itself, at most `seconds` later. Never raises for what a page or its server does."""
    until = now() + seconds
    host = split(url).hostname or url

    def left() -> float:
        return until - now()

    try:
        where, reply = _page(http.for_typed().bound(), url, left)
    except _Stopped as stop:
        return PageCard(problem=f"No link card: {host} {stop.reason}.", passing=stop.passing, silent=stop.silent)
    told = told_by(text_of(reply.body, reply.headers.get("content-type", "")))
    title, description = told.first(_TITLES) or told.title.strip(), told.first(_DESCRIPTIONS)
    base = join(where, told.base) if told.base else where
    picture_url = told.first(_PICTURES)
    if told.oembed and not (told.first(_TITLES) and picture_url):
        more_title, more_picture = _oembed(http.for_typed().bound(), join(base, told.oembed), left)
        title, picture_url = title or more_title, picture_url or more_picture
    picture = _picture(http.for_typed().bound(), join(base, picture_url.strip()), left) if picture_url else None
    title, description = one_line(title, MAX_TITLE), one_line(description, MAX_DESCRIPTION)
    if not (title or description or picture):
        return PageCard(problem=f"No link card: the page on {host} has no title, description or picture.")
    return PageCard(title or host, description, picture)


def told_by(html: str) -> Told:
    """What `html` says. Never raises: broken HTML reads as far as it goes."""
    reader = _HeadReader()
    try:
        reader.feed(html)
        reader.close()
    except _Enough:
        pass
    return reader.told


class _Enough(Exception):
    """Nothing more is read of this page."""


class _HeadReader(TolerantParser):
    """Tags of the body count as well, behind those of the head: pages put them there by mistake."""

    def __init__(self) -> None:
        super().__init__()
        self.told = Told()
        self._inside = ""  # the element whose content is none of the page's own words
        self._in_title = False
        self._title: list[str] = []
        self._tags = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tags += 1
        if self._tags > MAX_TAGS:
            raise _Enough
        if self._inside:
            return
        self._end_title()
        values = {key: value or "" for key, value in reversed(attrs)}  # the first of two alike counts
        if tag in _UNREAD:
            self._inside = tag
        elif tag == "meta":
            name = (values.get("property") or values.get("name") or "").strip().lower()
            if name and values.get("content", "").strip():
                self.told.metas.setdefault(name, values["content"])
        elif tag == "title" and not self.told.title:
            self._in_title = True
        elif tag == "base" and not self.told.base:
            self.told.base = values.get("href", "").strip()
        elif tag == "link" and not self.told.oembed and values.get("type", "").strip().lower() == _OEMBED:
            self.told.oembed = values.get("href", "").strip()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._inside == tag:
            self._inside = ""
        self._end_title()

    def handle_data(self, data: str) -> None:
        if self._in_title and len(self._title) < MAX_TITLE:
            self._title.append(data[: MAX_TITLE * 20])

    def close(self) -> None:
        super().close()
        self._end_title()

    def _end_title(self) -> None:
        if self._in_title:
            self.told.title, self._in_title = "".join(self._title), False


def _page(http: HttpClient, url: str, left: Callable[[], float]) -> tuple[str, Reply]:
    """Where the page is, and its beginning."""
    where, reply = _get(http, url, left, MAX_PAGE, _HTML, cut=True)
    if not reply.ok:
        passing = reply.status == 429 or reply.status >= 500
        raise _Stopped(f"answered with status {reply.status}", passing=passing)
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind not in _PAGES:
        raise _Stopped("has no web page at this address", passing=False)
    return where, reply


def _get(
    http: HttpClient, url: str, left: Callable[[], float], most: int, headers: dict[str, str], *, cut: bool
) -> tuple[str, Reply]:
    """The reply that is no redirect any more, and its address. Each address passes the guard. Raises _Stopped."""
    where = url
    for hop in range(MAX_REDIRECTS + 1):
        where = _safe(http, where)
        own = hop == 0  # a shortener that leads to a dead server has answered
        if left() <= 0:
            raise _Stopped("did not answer in time", passing=True, silent=own)
        try:
            reply = http.look_into(where, most=most, seconds=left(), headers=headers, cut=cut)
        except BadInput as error:
            raise _Stopped(_why_not_called(http, where), passing=False) from error
        except PlatformError as error:
            if error.code == "too_large":
                raise _Stopped("answered with more than is read", passing=False) from error
            reason = "did not answer in time" if error.code == "timeout" else "could not be reached"
            raise _Stopped(reason, passing=True, silent=own) from error
        location = reply.headers.get("location", "").strip()
        if reply.status not in (301, 302, 303, 307, 308) or not location:
            return where, reply
        where = join(where, location)
        if len(where) > MAX_URL or split(where).scheme not in ("http", "https"):
            raise _Stopped("leads to an address that is no web page", passing=False)
    raise _Stopped(f"leads on more than {MAX_REDIRECTS} times", passing=False)


def _safe(http: HttpClient, url: str) -> str:
    """`url` without what stays in a browser. Where plain HTTP is not spoken, a page is asked for by HTTPS, as browsers do."""
    parts = split(url)
    if parts.scheme == "http" and parts.port in (None, 80) and not http.pools.may_be_private(parts.hostname or ""):
        parts = parts._replace(scheme="https", netloc=parts.netloc.removesuffix(":80"))
    return parts._replace(fragment="").geturl()


def _why_not_called(http: HttpClient, url: str) -> str:
    try:
        http.pools.check_inside(split(url).hostname or "")
    except BadInput:
        return "is not called in sandbox mode, in which nothing leaves this machine"
    return "is at, or leads to, an address that is not called from here"


def _oembed(http: HttpClient, url: str, left: Callable[[], float]) -> tuple[str, str]:
    """Title and address of a picture, "" for what is not told: a page that says more elsewhere need not keep its word."""
    try:
        _, reply = _get(http, url, left, MAX_OEMBED, {"Accept": "application/json"}, cut=False)
    except _Stopped:
        return "", ""
    try:
        body = json.loads(text_of(reply.body)) if reply.ok else None
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        return "", ""
    title = body.get("title")
    picture = body.get("thumbnail_url") or (body.get("url") if body.get("type") == "photo" else "")
    return title if isinstance(title, str) else "", picture if isinstance(picture, str) else ""


def _picture(http: HttpClient, url: str, left: Callable[[], float]) -> CardImage | None:
    """The picture, made small; None for whatever is none, too large, or not there in time: the card goes without."""
    if split(url).scheme not in ("http", "https") or len(url) > MAX_URL:
        return None
    try:
        _, reply = _get(http, url, left, MAX_PICTURE, {"Accept": "image/*"}, cut=False)
        return made_small(reply.body) if reply.ok and reply.body else None
    except (_Stopped, BadInput, PlatformError, OSError):
        return None


def made_small(data: bytes) -> CardImage:
    """The first picture in `data` as a JPEG of at most PICTURE_BYTES. Raises BadInput, or Unavailable when too much is being
    decoded."""
    with TemporaryDirectory(prefix="postprober-card-") as folder:
        path = Path(folder) / "picture"
        path.write_bytes(data)
        for side in SIDES:
            small = thumbnail(path, side)
            if len(small) <= PICTURE_BYTES:
                facts = inspect(small)
                return CardImage(small, facts.width, facts.height)
    raise BadInput("The picture cannot be made small enough.", field="media")
