"""Look at a post as a logged-out reader.

Steps: 1. where the platform answers programs without a token (X's oEmbed, Mastodon's status API, Bluesky's records),
ask there; 2. open the permalink page, which is what people open; 3. put both together: "gone" wins when it is clear,
a page that shows nothing useful never outweighs a clear answer of the API.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urljoin, urlsplit

from postprober.domain.mentions import without_hosts
from postprober.domain.platform import NAMES, Platform, PlatformConfig
from postprober.domain.remote import RemoteMedia
from postprober.domain.status_html import html_to_text
from postprober.domain.text import normalise
from postprober.errors import BadInput, PlatformError
from postprober.http import HttpClient, Reply
from postprober.probe.base import Look, Verdict
from postprober.probe.page import Block, Page, read_page, text_from_metas

X_WEB = "https://x.com"
X_OEMBED = "https://publish.x.com/oembed"  # developer.x.com/en/docs/x-for-websites/oembed-api
MAX_REDIRECTS = 3
# Where platforms send readers who must sign in: X /i/flow/login, LinkedIn /authwall and /uas/login, Instagram
# /accounts/login, Mastodon /auth/sign_in, and the checks before them.
_LOGIN_PATHS = ("/login", "/authwall", "/uas/", "/accounts/login", "/i/flow/login", "/auth/sign_in", "/checkpoint")
_GONE = frozenset({404, 410})
_BLOCKED = frozenset({403, 429, 451, 999})  # 999: LinkedIn's own answer to programs
_END = re.compile(r"</html\s*>", re.IGNORECASE)
_HTML = {"Accept": "text/html,application/xhtml+xml", "Accept-Language": "en"}


def look(
    http: HttpClient,
    platform: Platform,
    config: PlatformConfig,
    *,
    url: str,
    remote_id: str,
    instance: str = "",
    author: str = "",
) -> Look:
    """What a stranger gets for the post `remote_id` at `url` ("": no page is looked at). Never raises PlatformError:
    what cannot be read is `unsure`. `instance`: base URL of the account's server (Mastodon, Bluesky)."""
    ask = _APIS.get(platform)
    told = ask(http, config, url, remote_id, instance or config.api_url) if ask else None
    if told is not None and (told.verdict is Verdict.GONE or not url):
        return told
    if not url:
        return Look(Verdict.UNSURE, reason="the platform gave no address for this post")
    page = look_at_page(http, platform, url=url, remote_id=remote_id, author=author)
    return page if told is None else _together(told, page)


def _together(told: Look, page: Look) -> Look:
    if told.verdict is not Verdict.FOUND:
        return page if page.verdict is not Verdict.UNSURE else told
    if page.verdict is Verdict.GONE:
        return page
    if page.verdict is not Verdict.FOUND:
        return told
    if not page.partial:  # the whole post is on the page: that is what people see
        return replace(page, author=page.author or told.author, reply_to=told.reply_to)
    return replace(
        told, url=page.url, author=told.author or page.author, media=page.media if told.media is None else told.media
    )


# The permalink page


def look_at_page(http: HttpClient, platform: Platform, *, url: str, remote_id: str, author: str = "") -> Look:
    """Open `url` as a browser without cookies would, following redirects to the same host."""
    name, here = NAMES[platform], url
    for _ in range(MAX_REDIRECTS + 1):
        try:
            reply = http.read("GET", here, headers=_HTML)
        except (PlatformError, BadInput) as error:
            return Look(Verdict.UNSURE, url=here, reason=f"the page could not be read: {error.message}")
        target = urljoin(here, reply.headers.get("location", ""))
        if reply.status not in (301, 302, 303, 307, 308) or target == here:
            return read_html(name, here, reply.status, reply.text, remote_id, author, reply.excerpt)
        elsewhere = leads_elsewhere(name, here, target, reply.status, reply.excerpt)
        if elsewhere is not None:
            return elsewhere
        here = target
    return Look(Verdict.UNSURE, url=here, reason=f"{name} sends readers in a circle")


def look_at_author(http: HttpClient, platform: Platform, config: PlatformConfig, *, url: str, name: str) -> Verdict:
    """Whether a stranger gets the author's page. `url`: a post's permalink. Unsure where the address is not known
    (LinkedIn) or the page cannot be read."""
    handle = name.lstrip("@").split("@")[0]
    before = {Platform.X: "/status/", Platform.BLUESKY: "/post/"}.get(platform)
    if platform is Platform.INSTAGRAM and config.auth_url and handle:
        page = f"{config.auth_url}/{handle}/"
    elif platform is Platform.MASTODON and "/@" in url:
        page = url.rpartition("/")[0]
    elif before is not None and before in url and "/i/status/" not in url:
        page = url.partition(before)[0]
    else:
        return Verdict.UNSURE
    try:
        reply = http.read("GET", page, headers=_HTML)
    except (PlatformError, BadInput):
        return Verdict.UNSURE
    return Verdict.GONE if reply.status in _GONE else Verdict.FOUND if reply.ok else Verdict.UNSURE


def leads_elsewhere(name: str, here: str, target: str, status: int, excerpt: str = "") -> Look | None:
    """What it means that a reader of `here` ends at `target`; None when that is the same place."""
    if target == here:
        return None
    if _is_login(target):
        return _told(Verdict.LOGIN_WALL, here, status, excerpt, f"{name} asks readers to sign in")
    if urlsplit(target).hostname != urlsplit(here).hostname or urlsplit(target).path in ("", "/"):
        return _told(Verdict.UNSURE, here, status, excerpt, f"{name} sends readers to another place")
    return None


def _is_login(url: str) -> bool:
    path = urlsplit(url).path.lower()
    return any(path == mark.rstrip("/") or path.startswith(mark.rstrip("/") + "/") for mark in _LOGIN_PATHS)


def _seen(reply: Reply, url: str, verdict: Verdict, reason: str) -> Look:
    return _told(verdict, url, reply.status, reply.excerpt, reason)


def _told(verdict: Verdict, url: str, status: int, excerpt: str, reason: str) -> Look:
    return Look(verdict, url=url, http_status=status, excerpt=excerpt, reason=f"{reason}.")


def read_html(name: str, url: str, status: int, html: str, remote_id: str, author: str, excerpt: str = "") -> Look:
    """What the page `html`, which came with `status`, says about the post. `name`: the platform's, for sentences."""
    if status in _GONE:
        return _told(Verdict.GONE, url, status, excerpt, f"{name} says that there is no such page")
    if status == 401 or _is_login(url):
        return _told(Verdict.LOGIN_WALL, url, status, excerpt, f"{name} asks readers to sign in")
    if status in _BLOCKED:
        return _told(Verdict.BLOCKED, url, status, excerpt, f"{name} does not show the page to programs")
    if not 200 <= status < 300:
        return _told(Verdict.UNSURE, url, status, excerpt, f"{name} answered with status {status}")
    page = read_page(html)
    block = _the_article(page, remote_id)
    if block is not None:
        # A page that was cut off on its way may lack the end of the text and the pictures.
        cut = not _END.search(html[-4096:])
        media = None if cut else tuple(block.media)
        reason = f"{name} shows the post to everybody" + (", but the page was cut off." if cut else ".")
        return Look(Verdict.FOUND, block.text, block.author or None, media, url, status, excerpt, reason, partial=cut)
    if page.articles:
        return _told(Verdict.UNSURE, url, status, excerpt, f"{name} shows another post at this address")
    text = text_from_metas(page.metas)
    if text is None and page.entry is not None and page.entry.text:
        text = page.entry.text
    if page.asks_password and page.entry is None:
        return _told(Verdict.LOGIN_WALL, url, status, excerpt, f"{name} asks readers to sign in")
    if not text or not _is_a_post(page, url, author):
        return _told(Verdict.UNSURE, url, status, excerpt, f"{name}'s page does not show the post without a browser")
    return Look(
        Verdict.FOUND, text, None, _entry_media(page, text), url, status, excerpt,
        f"{name}'s page has the post in its preview.", partial=True,
    )  # fmt: skip


def _the_article(page: Page, remote_id: str) -> Block | None:
    return next((one for one in page.articles if one.post_id == remote_id), None)


def _is_a_post(page: Page, url: str, author: str) -> bool:
    """Whether preview tags speak of this post and not of the site: an `h-entry`, the right `og:url`, or the author."""
    if page.entry is not None:
        return True
    own = page.metas.get("og:url", "")
    if own and urlsplit(own).path.rstrip("/") == urlsplit(url).path.rstrip("/") != "":
        return True
    handle = author.lstrip("@").split("@")[0].casefold()
    title = (page.metas.get("og:title", "") + " " + page.metas.get("twitter:title", "")).casefold()
    return bool(handle) and handle in title


def _entry_media(page: Page, text: str) -> tuple[RemoteMedia, ...] | None:
    """The pictures of the entry, if it is the post that the preview speaks of (a page may show a whole thread)."""
    if page.entry is None:
        return None
    beginning = without_hosts(normalise(text).split("\n")[0])[:20]
    return tuple(page.entry.media) if beginning and beginning in without_hosts(normalise(page.entry.text)) else None


# Answers without a token


def _ask(http: HttpClient, url: str, params: dict[str, str] | None = None) -> Reply | Look:
    try:
        return http.read("GET", url, params=params)
    except (PlatformError, BadInput) as error:
        return Look(Verdict.UNSURE, url=url, reason=f"the platform could not be asked: {error.message}")


def _x(http: HttpClient, config: PlatformConfig, url: str, remote_id: str, base: str) -> Look:
    address = X_OEMBED if config.auth_url == X_WEB else f"{config.auth_url}/oembed"
    post_url = url or f"{config.auth_url}/i/status/{remote_id}"
    reply = _ask(http, address, {"url": post_url, "omit_script": "1", "dnt": "true"})
    if isinstance(reply, Look):
        return reply
    body = reply.json_or_none()
    if reply.ok and isinstance(body, dict) and isinstance(body.get("html"), str):
        quote = body["html"].split("&mdash;")[0]  # after it come the author's name and the date
        handle = str(body.get("author_url", "")).rstrip("/").rpartition("/")[2]
        text = html_to_text(quote)
        return replace(
            _seen(reply, address, Verdict.FOUND, "X gives the post to everybody"), text=text, author=handle or None
        )
    return _refused(reply, address, "X", gone=reply.status in _GONE)


def _mastodon(http: HttpClient, config: PlatformConfig, url: str, remote_id: str, base: str) -> Look:
    address = f"{base}/api/v1/statuses/{remote_id}"
    reply = _ask(http, address)
    if isinstance(reply, Look):
        return reply
    body = reply.json_or_none()
    if reply.ok and isinstance(body, dict) and str(body.get("id")) == remote_id:
        mentions = [one for one in body.get("mentions") or [] if isinstance(one, dict)]
        account = body.get("account")
        found = _seen(reply, address, Verdict.FOUND, "the server gives the post to everybody")
        return replace(
            found,
            text=html_to_text(str(body.get("content") or ""), mentions),
            author=str(account.get("acct") or "") or None if isinstance(account, dict) else None,
            media=tuple(_mastodon_media(item) for item in body.get("media_attachments") or []),
            reply_to=str(body["in_reply_to_id"] or "") if "in_reply_to_id" in body else None,
        )
    # "Record not found" comes as JSON; a bare 404 may be a server without this API.
    return _refused(reply, address, "The server", gone=reply.status in _GONE and isinstance(body, dict))


def _mastodon_media(item: object) -> RemoteMedia:
    values = item if isinstance(item, dict) else {}
    kind = {"gifv": "gif"}.get(str(values.get("type")), str(values.get("type")))
    return RemoteMedia(kind, str(values.get("description") or ""))


# com.atproto.repo.getRecord and com.atproto.sync.getRepo: the record, or its whole repository, is not given out.
_BLUESKY_GONE = frozenset({"RecordNotFound", "RepoTakendown", "RepoSuspended", "RepoDeactivated"})


def _bluesky(http: HttpClient, config: PlatformConfig, url: str, remote_id: str, base: str) -> Look:
    address = f"{base}/xrpc/com.atproto.repo.getRecord"
    parts = remote_id.split("/")
    if not remote_id.startswith("at://") or len(parts) != 5:
        return Look(Verdict.UNSURE, url=address, reason="the post's id is no at-uri.")
    reply = _ask(http, address, {"repo": parts[2], "collection": parts[3], "rkey": parts[4]})
    if isinstance(reply, Look):
        return reply
    body = reply.json_or_none()
    value = body.get("value") if isinstance(body, dict) else None
    if reply.ok and isinstance(value, dict):
        found = _seen(reply, address, Verdict.FOUND, "the server gives the record to everybody")
        parent = (value.get("reply") or {}).get("parent") if isinstance(value.get("reply") or {}, dict) else None
        return replace(
            found, text=str(value.get("text") or ""), media=_bluesky_media(value.get("embed")),
            reply_to=str(parent.get("uri") or "") if isinstance(parent, dict) else "",
        )  # fmt: skip
    gone = isinstance(body, dict) and body.get("error") in _BLUESKY_GONE
    return _refused(reply, address, "The server", gone=gone)


def _bluesky_media(embed: object) -> tuple[RemoteMedia, ...]:
    if not isinstance(embed, dict):
        return ()
    if isinstance(embed.get("media"), dict):
        return _bluesky_media(embed["media"])
    if "video" in embed:
        return (RemoteMedia("video", str(embed.get("alt") or "")),)
    images = embed.get("images") or embed.get("items") or []
    return tuple(RemoteMedia("image", str(item.get("alt") or "")) for item in images if isinstance(item, dict))


def _refused(reply: Reply, url: str, name: str, *, gone: bool) -> Look:
    if gone:
        return _seen(reply, url, Verdict.GONE, f"{name} says that there is no such post")
    if reply.status == 401:
        return _seen(reply, url, Verdict.LOGIN_WALL, f"{name} asks readers to sign in")
    if reply.status in _BLOCKED:
        return _seen(reply, url, Verdict.BLOCKED, f"{name} does not answer programs without a token")
    return _seen(reply, url, Verdict.UNSURE, f"{name} answered with status {reply.status}")


_APIS: dict[Platform, Callable[[HttpClient, PlatformConfig, str, str, str], Look]] = {
    Platform.X: _x,
    Platform.MASTODON: _mastodon,
    Platform.BLUESKY: _bluesky,
}
