"""What a server tells everybody: its statuses, unless it is closed (mastodon/facts.md, 9)."""

from __future__ import annotations

import re
from dataclasses import replace

from postprober.domain.nested import list_at, text_at
from postprober.domain.platform import PlatformConfig
from postprober.domain.public_look import Look, Verdict
from postprober.domain.status_html import html_to_text, links_in
from postprober.http import HttpClient
from postprober.platforms.common.public import GONE, ask, refused, seen
from postprober.platforms.mastodon import records
from postprober.platforms.mastodon.options import told as options_told
from postprober.platforms.mastodon.replies import counts_from, words_of

# og:description begins with the media it has (app/helpers/statuses_helper.rb, media_summary).
_ATTACHED = re.compile(r"^Attached: [^\n]*\n\n")
SIGN_IN_PATHS = ("/auth/sign_in",)
# The server's address may have a path; then the profile lies below it.
_PROFILE = re.compile(r"https?://[^/]+(?:/[^@/?#]+)*/@[^/?#]+")
_PIXELFED = re.compile(r"(https?://[^?#]+?)/p/([^/?#]+)/\d+$")
_NOTICE = re.compile(r"(https?://[^?#]+?)/notice/[^/?#]+$")


def read(http: HttpClient, config: PlatformConfig, url: str, remote_id: str, base: str) -> Look:
    address = f"{base}/api/v1/statuses/{remote_id}"
    reply = ask(http, address, headers={"Accept": "application/json"})
    if isinstance(reply, Look):
        return reply
    body = reply.json_or_none()
    if reply.ok and text_at(body, "id") == remote_id:
        mentions = [one for one in list_at(body, "mentions") if isinstance(one, dict)]
        content = text_at(body, "content")
        return replace(
            seen(reply, address, Verdict.FOUND, "the server gives the post to everybody"),
            text=html_to_text(content, mentions),
            author=text_at(body, "account", "acct") or None,
            media=tuple(records.media(item) for item in list_at(body, "media_attachments")),
            reply_to=text_at(body, "in_reply_to_id") if "in_reply_to_id" in body else None,
            links=links_in(content),
            counts=counts_from(body) if "favourites_count" in body else None,
            options=options_told(body),
        )
    closed = reply.status in (401, 403) or words_of(body).lower().startswith("unauthenticated")
    if closed and url and (found := _object(http, url)) is not None:
        return found
    if closed and reply.status >= 500:
        return seen(reply, address, Verdict.LOGIN_WALL, "the server asks readers to sign in")
    # "Record not found" comes as JSON; a bare 404 may be a server without this API.
    return refused(reply, address, "The server", gone=reply.status in GONE and isinstance(body, dict))


def _object(http: HttpClient, url: str) -> Look | None:
    """The post as its server hands it to every other server that asks (https://www.w3.org/TR/activitypub/#retrieving-objects);
    None where that needs a signature, as with GoToSocial (mastodon/facts.md, 9)."""
    reply = ask(http, url, headers={"Accept": "application/activity+json"})
    body = None if isinstance(reply, Look) or not reply.ok else reply.json_or_none()
    if isinstance(reply, Look) or url not in (text_at(body, "id"), text_at(body, "url")) or not isinstance(body, dict):
        return None
    content = text_at(body, "content")
    return replace(
        seen(reply, url, Verdict.FOUND, "the server gives the post to every server that asks"),
        text=html_to_text(content),
        author=text_at(body, "attributedTo").rstrip("/").rpartition("/")[2] or None,
        media=tuple(records.attachment(item) for item in list_at(body, "attachment")),
        links=links_in(content),
        options={"content_warning": warning} if (warning := text_at(body, "summary")) else {},
    )


def preview_text(told: str) -> str:
    """The text out of a preview tag."""
    return _ATTACHED.sub("", told)


def author_page(_config: PlatformConfig, url: str, handle: str) -> str:
    """The page before the post, which is deeper on other servers: /@ann/statuses/01J…; or beside it: /p/ann/1, /notice/1."""
    if profile := _PROFILE.match(url):
        return profile[0]
    pixelfed, notice = _PIXELFED.match(url), _NOTICE.match(url)
    if pixelfed:
        return f"{pixelfed[1]}/{pixelfed[2]}"
    return f"{notice[1]}/@{handle}" if notice and handle else ""
