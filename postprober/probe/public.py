"""Look at a post as a logged-out reader.

Steps: 1. where the platform answers programs without a token (oEmbed, an API of statuses, public records),
ask there; 2. open the permalink page, which is what people open, unless the first answer says all that it shows; 3. put both together: "gone" wins when it is clear,
a page that shows nothing useful never outweighs a clear answer of the API.
"""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import SequenceMatcher
from functools import cache

from postprober.domain.addresses import join, split
from postprober.domain.mentions import without_hosts
from postprober.domain.platform import NAMES, Platform, PlatformConfig
from postprober.domain.public_look import Look, Verdict
from postprober.domain.text import normalise
from postprober.errors import BadInput, PlatformError
from postprober.http import HttpClient
from postprober.platforms.common.public import BLOCKED, GONE, told
from postprober.platforms.registry import SPECS
from postprober.probe.page import Block, Page, read_page, text_from_metas

MAX_REDIRECTS = 3
# Where readers are sent who must sign in, on any platform; more of them in `PlatformSpec.sign_in_paths`.
_LOGIN_PATHS = ("/login",)
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
    brief: bool = False,
    options: frozenset[str] = frozenset(),
) -> Look:
    """What a stranger gets for the post `remote_id` at `url` ("": no page is looked at). Never raises PlatformError:
    what cannot be read is `unsure`. `instance`: base URL of the account's server, where accounts have one. `brief`: the page is
    left out where the platform's answer to programs shows the whole post with its author and its media. `options`: names of what it
    asked for, of which the platform may tell more at another place."""
    spec, base = SPECS[platform], instance or config.api_url
    api = spec.public(http, config, url, remote_id, base) if spec.public else None
    if (
        api is not None
        and api.verdict is Verdict.FOUND
        and spec.more_options
        and (missing := options - api.options.keys())
    ):
        api = replace(api, options={**api.options, **spec.more_options(http, remote_id, base, missing)})
    if api is not None and (api.verdict is Verdict.GONE or api.final or not url):
        return api
    if brief and api is not None and api.verdict is Verdict.FOUND and None not in (api.text, api.author, api.media):
        return api
    if not url:
        return Look(Verdict.UNSURE, reason="the platform gave no address for this post")
    page = look_at_page(http, platform, url=url, remote_id=remote_id, author=author)
    return page if api is None else _together(api, page)


def _together(told: Look, page: Look) -> Look:
    if told.verdict is not Verdict.FOUND:
        return page if page.verdict is not Verdict.UNSURE else told
    if page.verdict is Verdict.GONE:
        return page
    if page.verdict is not Verdict.FOUND:
        return told
    if not page.partial:  # the whole post is on the page: that is what people see
        links = told.links if page.links is None else page.links
        return replace(
            page,
            author=page.author or told.author,
            reply_to=told.reply_to,
            links=links,
            counts=told.counts,
            options=told.options,
            cards=told.cards if page.cards is None else page.cards,
        )
    return replace(
        told,
        url=page.url,
        author=told.author or page.author,
        media=page.media if told.media is None else told.media,
        links=page.links if told.links is None else told.links,
        cards=page.cards if told.cards is None else told.cards,
    )


# The permalink page


def look_at_page(http: HttpClient, platform: Platform, *, url: str, remote_id: str, author: str = "") -> Look:
    """Open `url` as a browser without cookies would, following redirects to the same host."""
    name, here = NAMES[platform], url
    for _ in range(MAX_REDIRECTS + 1):
        try:
            reply = http.read_again(here, headers=_HTML)
        except (PlatformError, BadInput) as error:
            return Look(Verdict.UNSURE, url=here, reason=f"the page could not be read: {error.message}")
        target = join(here, reply.headers.get("location", ""))
        if reply.status not in (301, 302, 303, 307, 308) or target == here:
            return read_html(platform, here, reply.status, reply.text, remote_id, author, reply.excerpt)
        elsewhere = leads_elsewhere(name, here, target, reply.status, reply.excerpt)
        if elsewhere is not None:
            return elsewhere
        here = target
    return Look(Verdict.UNSURE, url=here, reason=f"{name} sends readers in a circle")


def look_at_author(http: HttpClient, platform: Platform, config: PlatformConfig, *, url: str, name: str) -> Verdict:
    """Whether a stranger gets the author's page. `url`: a post's permalink. Unsure where the address is not known
    or the page cannot be read."""
    handle = name.lstrip("@").split("@")[0]
    find = SPECS[platform].author_page
    page = find(config, url, handle) if find is not None else ""
    if not page:
        return Verdict.UNSURE
    try:
        reply = http.read("GET", page, headers=_HTML)
    except (PlatformError, BadInput):
        return Verdict.UNSURE
    return Verdict.GONE if reply.status in GONE else Verdict.FOUND if reply.ok else Verdict.UNSURE


def leads_elsewhere(name: str, here: str, target: str, status: int, excerpt: str = "") -> Look | None:
    """What it means that a reader of `here` ends at `target`; None when that is the same place."""
    if target == here:
        return None
    if _is_login(target):
        return told(Verdict.LOGIN_WALL, here, status, excerpt, f"{name} asks readers to sign in")
    if split(target).hostname != split(here).hostname or split(target).path in ("", "/"):
        return told(Verdict.UNSURE, here, status, excerpt, f"{name} sends readers to another place")
    return None


def _is_login(url: str) -> bool:
    path = split(url).path.lower()
    return any(path == mark.rstrip("/") or path.startswith(mark.rstrip("/") + "/") for mark in _login_paths())


@cache
def _login_paths() -> tuple[str, ...]:
    return (*_LOGIN_PATHS, *(path for spec in SPECS.values() for path in spec.sign_in_paths))


def read_html(
    platform: Platform, url: str, status: int, html: str, remote_id: str, author: str, excerpt: str = ""
) -> Look:
    """What the page `html`, which came with `status`, says about the post."""
    name = NAMES[platform]
    if status in GONE:
        return told(Verdict.GONE, url, status, excerpt, f"{name} says that there is no such page")
    if status == 401 or _is_login(url):
        return told(Verdict.LOGIN_WALL, url, status, excerpt, f"{name} asks readers to sign in")
    if status in BLOCKED:
        return told(Verdict.BLOCKED, url, status, excerpt, f"{name} does not show the page to programs")
    if not 200 <= status < 300:
        return told(Verdict.UNSURE, url, status, excerpt, f"{name} answered with status {status}")
    page = read_page(html)
    block = _the_article(page, remote_id)
    if block is not None:
        # A page that was cut off on its way may lack the end of the text and the pictures.
        cut = not _END.search(html[-4096:])
        media, cards = (None, None) if cut else (tuple(block.media), tuple(block.cards))
        reason = f"{name} shows the post to everybody" + (", but the page was cut off." if cut else ".")
        by = block.author or None
        return Look(Verdict.FOUND, block.text, by, media, url, status, excerpt, reason, partial=cut, cards=cards)
    if page.articles:
        return told(Verdict.UNSURE, url, status, excerpt, f"{name} shows another post at this address")
    preview = _preview(platform, page)
    entry = _the_entry(page, preview, remote_id)
    if entry is not None:  # the whole post: previews shorten it, and some rewrite it
        cut = not _END.search(html[-4096:])
        reason = f"{name} shows the post to everybody" + (", but the page was cut off." if cut else ".")
        media = None if cut else tuple(entry.media)
        return Look(Verdict.FOUND, entry.text, None, media, url, status, excerpt, reason, partial=cut)
    text = preview
    if page.asks_password and page.entry is None:
        return told(Verdict.LOGIN_WALL, url, status, excerpt, f"{name} asks readers to sign in")
    if not text or not _is_a_post(page, url, author):
        return told(Verdict.UNSURE, url, status, excerpt, f"{name}'s page does not show the post without a browser")
    return Look(
        Verdict.FOUND,
        text,
        None,
        None,
        url,
        status,
        excerpt,
        f"{name}'s page has the post in its preview.",
        partial=True,
    )


def _the_article(page: Page, remote_id: str) -> Block | None:
    return next((one for one in page.articles if one.post_id == remote_id), None)


def _is_a_post(page: Page, url: str, author: str) -> bool:
    """Whether preview tags speak of this post and not of the site: an `h-entry`, the right `og:url`, or the author."""
    if page.entry is not None:
        return True
    own = page.metas.get("og:url", "")
    if own and split(own).path.rstrip("/") == split(url).path.rstrip("/") != "":
        return True
    handle = author.lstrip("@").split("@")[0].casefold()
    title = (page.metas.get("og:title", "") + " " + page.metas.get("twitter:title", "")).casefold()
    return bool(handle) and handle in title


ALIKE = 0.6  # ours, of difflib's ratio: a preview that was shortened or rewritten is still nearer to its own post


def _preview(platform: Platform, page: Page) -> str | None:
    """The post's text in preview tags, None when there is none. It may be only the beginning."""
    told = text_from_metas(page.metas)
    return None if told is None else SPECS[platform].preview_text(told)


def _the_entry(page: Page, preview: str | None, remote_id: str) -> Block | None:
    """The entry that is the post of this page: the one that bears its id. Alone it is; among several (a thread) it is the
    one that the preview speaks of, and without a preview nobody can tell."""
    with_text = [entry for entry in page.entries if entry.text]
    named = next((entry for entry in with_text if entry.post_id == remote_id != ""), None)
    if named is not None:
        return named
    if len(page.entries) == 1:
        return with_text[0] if with_text else None
    beginning = _comparable(preview or "")
    if not beginning:
        return None

    ranked = sorted(((_likeness(beginning, entry), entry) for entry in with_text), key=lambda one: one[0], reverse=True)
    if not ranked or ranked[0][0] < ALIKE:
        return None
    if len(ranked) > 1 and ranked[1][0] == ranked[0][0]:
        return None
    return ranked[0][1]


def _likeness(preview: str, entry: Block) -> float:
    beginning = _comparable(entry.text)[: len(preview)]
    return SequenceMatcher(None, preview[:300], beginning[:300], autojunk=False).ratio()


def _comparable(text: str) -> str:
    return " ".join(without_hosts(normalise(text)).casefold().split()).rstrip("…. ")
