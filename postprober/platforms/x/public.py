"""What X tells everybody: oEmbed (x/facts.md, 9)."""

from __future__ import annotations

from dataclasses import replace

from postprober.domain.nested import dig, text_at
from postprober.domain.platform import PlatformConfig
from postprober.domain.public_look import Look, Verdict
from postprober.domain.status_html import html_to_text
from postprober.http import HttpClient
from postprober.platforms.common.public import GONE, ask, refused, seen

WEB = "https://x.com"
OEMBED = "https://publish.x.com/oembed"  # developer.x.com/en/docs/x-for-websites/oembed-api


def read(http: HttpClient, config: PlatformConfig, url: str, remote_id: str, base: str) -> Look:
    address = OEMBED if config.auth_url == WEB else f"{config.auth_url}/oembed"
    post_url = url or f"{config.auth_url}/i/status/{remote_id}"
    reply = ask(http, address, {"url": post_url, "omit_script": "1", "dnt": "true"})
    if isinstance(reply, Look):
        return reply
    body = reply.json_or_none()
    html = dig(body, "html")
    if reply.ok and isinstance(html, str):
        quote = html.split("&mdash;")[0]  # after it come the author's name and the date
        handle = text_at(body, "author_url").rstrip("/").rpartition("/")[2]
        found = seen(reply, address, Verdict.FOUND, "X gives the post to everybody")
        return replace(found, text=html_to_text(quote), author=handle or None)
    return refused(reply, address, "X", gone=reply.status in GONE)


def author_page(_config: PlatformConfig, url: str, _handle: str) -> str:
    return url.partition("/status/")[0] if "/status/" in url and "/i/status/" not in url else ""
