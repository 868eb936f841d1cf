"""What a site shows to everybody (wordpress/facts.md, 9).

Two things have to be there: the page that people open, and what the site tells programs of the post. The page is asked for by
the post's number (`?p=12`), never by its address alone: where a post is gone, WordPress leads readers of its old address to another
post whose address is like it. A page counts only if it says itself that it is the page of this number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from postprober.domain.addresses import join, split
from postprober.domain.platform import PlatformConfig
from postprober.domain.public_look import Look, Verdict
from postprober.domain.tolerant_html import TolerantParser
from postprober.domain.withheld import Withheld
from postprober.errors import BadInput, PlatformError
from postprober.http import HttpClient, Reply
from postprober.platforms.common.public import GONE, refused, seen
from postprober.platforms.common.replies import dig, is_number, text_at
from postprober.platforms.wordpress.options import told
from postprober.platforms.wordpress.posts import EMBEDDED, author_of, media_of
from postprober.platforms.wordpress.site import MAX_HOPS, REDIRECTS, api_url, post_named, root_named, with_query
from postprober.platforms.wordpress.text import MAX_HTML, read_content, read_plain

_HTML = {"Accept": "text/html,application/xhtml+xml", "Accept-Language": "en"}
_BODY_CLASS = re.compile(r"postid-(\d+)")
_SHORT = re.compile(r"[?&]p=(\d+)$")
_POST = re.compile(r"(?:/wp/v2/posts/|%2Fwp%2Fv2%2Fposts%2F)(\d+)$")
# The element that themes put the text in (facts.md, 9).
_AREAS = frozenset({"entry-content", "wp-block-post-content", "post-content"})


@dataclass
class SitePage:
    """A page of a site: the numbers of the posts that it says to be the page of, and the HTML of the text in it. `marked`: its HTML
    says so, and not its headers alone, which WordPress also sends with what plugins show instead of a post."""

    numbers: set[str] = field(default_factory=set)
    marked: bool = False
    api: str = ""
    content: str = ""
    asks_password: bool = False


def read(http: HttpClient, _config: PlatformConfig, _url: str, remote_id: str, base: str) -> Look:
    """Final: the page has been opened."""
    return replace(_read(http, remote_id, base), final=True)


def _read(http: HttpClient, remote_id: str, base: str) -> Look:
    if not is_number(remote_id) or not base:
        return Look(Verdict.UNSURE, url=base, reason="the post's id is no number of a post.")
    opened = _open(http, f"{base}/?p={remote_id}")
    if isinstance(opened, Look):
        return opened
    reply, where = opened
    if reply.status in GONE:
        return refused(reply, where, "The site", gone=True)
    if not reply.ok:
        return refused(reply, where, "The site", gone=False)
    page = read_page(reply)
    if page.numbers and remote_id not in page.numbers:
        return seen(reply, where, Verdict.UNSURE, "The site leads readers of this post to another one")
    told_by = _asked(http, _api_of(reply, where, page, remote_id, base), remote_id)
    if page.asks_password or (told_by is not None and dig(told_by, "content", "protected") is True):
        look = seen(reply, where, Verdict.LOGIN_WALL, "The site asks readers of this post for its password")
        return replace(look, withheld=Withheld.PASSWORD)
    if told_by is not None:
        return _told(reply, where, page, told_by)
    return _read_alone(reply, where, page)


def _open(http: HttpClient, url: str) -> tuple[Reply, str] | Look:
    """The page at the end of the site's own redirects, which stay on its host."""
    here = url
    for _ in range(MAX_HOPS + 1):
        try:
            reply = http.read_again(here, headers=_HTML)
        except (PlatformError, BadInput) as error:
            return Look(Verdict.UNSURE, url=here, reason=f"the page could not be read: {error.message}")
        target = reply.headers.get("location", "")
        if reply.status not in REDIRECTS or not target:
            return reply, here
        there = join(here, target)
        if split(there).hostname != split(here).hostname:
            return seen(reply, here, Verdict.UNSURE, "The site sends readers to another place")
        if "wp-login.php" in split(there).path:
            look = seen(reply, here, Verdict.LOGIN_WALL, "The site asks readers to sign in")
            return replace(look, withheld=Withheld.CLOSED)
        here = there
    return Look(Verdict.UNSURE, url=here, reason="the site sends readers in a circle.")


def _asked(http: HttpClient, api: str, remote_id: str) -> object | None:
    """What the site tells programs; None where it tells strangers nothing, which some sites do."""
    try:
        reply = http.read_again(with_query(api, urlencode(EMBEDDED)))
    except (PlatformError, BadInput):
        return None
    body = reply.json_or_none() if reply.ok else None
    return body if text_at(body, "id") == remote_id else None


def _told(reply: Reply, where: str, page: SitePage, row: object) -> Look:
    """The API has the post; what counts is what the page shows of it."""
    if _shows(reply, page, row):
        return _of_api(seen(reply, where, Verdict.FOUND, "The site shows the post to everybody"), row)
    if not (page.marked or page.content):
        look = seen(reply, where, Verdict.LOGIN_WALL, "The site shows readers another page instead of its posts")
        return replace(look, withheld=Withheld.CLOSED)
    return seen(reply, where, Verdict.UNSURE, "The site's page of this post does not show what the post says")


def _shows(reply: Reply, page: SitePage, row: object) -> bool:
    """Whether the pieces of the text are on the page, one after the other, whatever stands between them; of a post without words,
    its title or a file."""
    content, said = read_content(text_at(row, "content", "rendered")), read_content(reply.text[:MAX_HTML])
    words, title = _squeezed(said.text), read_plain(text_at(row, "title", "rendered"))
    if pieces := [_squeezed(one) for one in content.text.split("\n\n") if one.strip()]:
        at = 0
        for piece in pieces:
            if (begin := words.find(piece, at)) < 0:
                return False
            at = begin + len(piece)
        return True
    return bool(page.marked or (title and _squeezed(title) in words) or (content.media and said.media))


def _read_alone(reply: Reply, where: str, page: SitePage) -> Look:
    """The site tells strangers nothing of the post but its page."""
    if not page.numbers:
        return seen(reply, where, Verdict.UNSURE, "The site's page does not say which post it shows")
    if not (page.marked or page.content):
        return seen(reply, where, Verdict.UNSURE, "The site's page of this post does not show what the post says")
    found = seen(reply, where, Verdict.FOUND, "The site shows the post to everybody")
    if not page.content:
        return found
    content = read_content(page.content)
    return replace(found, text=content.text, links=tuple(content.links) or None)


def _api_of(reply: Reply, where: str, page: SitePage, remote_id: str, base: str) -> str:
    """Where the site tells programs of the post: as the page says it, else below the API that every page names."""
    root = join(where, root_named(reply.headers)) if root_named(reply.headers) else ""
    for named in (page.api, api_url(root, f"wp/v2/posts/{remote_id}") if root else ""):
        if named and _same_place(named, base):
            return named
    return f"{base}/?rest_route=/wp/v2/posts/{remote_id}"


def _same_place(one: str, other: str) -> bool:
    return (split(one).scheme, split(one).netloc) == (split(other).scheme, split(other).netloc)


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _of_api(found: Look, row: object) -> Look:
    content = read_content(text_at(row, "content", "rendered"))
    return replace(
        found,
        text=content.text,
        author=author_of(row) or None,
        media=media_of(row, content.media),
        links=tuple(content.links) or None,
        options=told(row, owner=False),
    )


def read_page(reply: Reply) -> SitePage:
    """What a page says of itself, in its headers and in its HTML."""
    reader = _SiteReader()
    reader.feed(reply.text[:MAX_HTML])
    reader.close()
    page = reader.page
    page.marked = bool(page.numbers)
    number, api = post_named(reply.headers)
    if number:
        page.numbers.add(number)
    page.api = api or page.api
    page.content = reader.content()
    return page


class _SiteReader(TolerantParser):
    """Keeps the HTML of the first area of text, with everything open inside it."""

    def __init__(self) -> None:
        super().__init__()
        self.page = SitePage()
        self._area = ""
        self._depth = 0
        self._kept: list[str] = []
        self._over = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        classes = values.get("class", "").split()
        self._identity(tag, values, classes)
        if "post-password-form" in classes:
            self.page.asks_password = True
        if self._area:
            self._depth += tag == self._area
            self._kept.append(self.get_starttag_text() or "")
        elif not self._over and _AREAS & set(classes):
            self._area, self._depth = tag, 1

    def _identity(self, tag: str, values: dict[str, str], classes: list[str]) -> None:
        if tag == "body":
            self.page.numbers |= {found[1] for one in classes if (found := _BODY_CLASS.fullmatch(one))}
        elif tag == "link" and values.get("rel") == "shortlink" and (found := _SHORT.search(values.get("href", ""))):
            self.page.numbers.add(found[1])
        elif (
            tag == "link"
            and (values.get("rel"), values.get("type")) == ("alternate", "application/json")
            and (found := _POST.search(values.get("href", "")))
        ):
            self.page.numbers.add(found[1])
            self.page.api = values["href"]

    def handle_endtag(self, tag: str) -> None:
        if not self._area:
            return
        self._depth -= tag == self._area
        if self._depth == 0:
            self._area, self._over = "", True
        else:
            self._kept.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self._area:
            self._kept.append(data.replace("&", "&amp;").replace("<", "&lt;"))

    def content(self) -> str:
        return "".join(self._kept)


def preview_text(_said: str) -> str:
    """A preview shortens the text, and the page itself has been read."""
    return ""
