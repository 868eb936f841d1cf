"""Finding the API of a site, and signing in there (wordpress/facts.md, 1)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import replace

from postprober.clock import SystemClock
from postprober.domain.account import Credentials
from postprober.domain.addresses import join, split
from postprober.domain.identity import base_address, host_name
from postprober.domain.platform import PlatformConfig
from postprober.errors import BadInput, ReconnectNeeded, UnexpectedReply
from postprober.http import HttpClient, Reply
from postprober.platforms.common.errors import RequestKind
from postprober.platforms.common.replies import dig, text_at
from postprober.platforms.wordpress.errors import refused

REDIRECTS = frozenset({301, 302, 307, 308})
MOST_LINKS = 8 * 1024  # characters of a header that are read; ours
MAX_HOPS = 3  # ours: from http to https, and to or from www
_ROOT = re.compile(r'<([^<>]+)>\s*;[^,<]*rel="?https://api\.w\.org/"?')
_POSTS = re.compile(r"<([^<>]*(?:/wp/v2/posts/|%2Fwp%2Fv2%2Fposts%2F)(\d+)[^<>]*)>\s*;[^,<]*rel=\"?alternate")
_SHORT = re.compile(r"<[^<>]*[?&]p=(\d+)>\s*;[^,<]*rel=\"?shortlink")


def credentials(http: HttpClient, _config: PlatformConfig, server: str, typed: Mapping[str, str]) -> Credentials:
    """Of a user and an application password at the site `server`. Raises BadInput, ReconnectNeeded or another PlatformError.

    People sign in by their name or their e-mail address. Kept is the name, whatever was typed: two links with one password have
    to be known as that, because withdrawing the older one would end the newer one."""
    root, home = find_api(http, server)
    user, password = typed["user"], "".join(typed["password"].split())  # it is shown in groups of four
    cred = Credentials(
        basic(user, password), instance=home, secret={"identifier": user, "password": password, "api_root": root}
    )
    asked = with_query(api_url(root, "wp/v2/users/me"), "context=edit&_fields=id,username")
    reply = http.bound(secrets=[cred.access_token, password]).read("GET", asked, headers=authorization(cred))
    if not reply.ok:
        raise refused(reply, RequestKind.READ, SystemClock().now())
    me = reply.json_or_none()
    name = text_at(me, "username") or user
    more = {**cred.secret, "identifier": name}
    return replace(cred, access_token=basic(name, password), remote_id=text_at(me, "id"), secret=more)


def basic(user: str, password: str) -> str:
    """What is sent as proof of who asks (RFC 7617)."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def authorization(cred: Credentials) -> dict[str, str]:
    return {"Authorization": f"Basic {cred.access_token}"}


def api_url(root: str, path: str) -> str:
    """The address of `path` below the root of an API, which may be a parameter (`?rest_route=/`)."""
    return f"{root.rstrip('/')}/{path}"


def with_query(url: str, query: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url


def find_api(http: HttpClient, server: str) -> tuple[str, str]:
    """(root of the API, address of the site), as the site tells in its header. Raises BadInput where it has none that can be
    used, with the reason."""
    reply, where = _front(http.for_typed(), server)
    named = root_named(reply.headers)
    if not named:
        told = (
            "This address answers, but not as a WordPress site with an open REST API. Give the address of the site itself, "
            "or have its owner allow the REST API (security plugins turn it off)."
        )
        raise BadInput(told, reply.excerpt[:200], field="instance")
    root = join(where, named)
    if not _same_server(root, where):
        raise BadInput("The site names an API at another address, which is not used.", root[:200], field="instance")
    index = http.for_typed().read("GET", with_query(root, "_fields=home,authentication,namespaces"))
    body = index.json_or_none()
    if not index.ok or not isinstance(dig(body, "namespaces"), list):
        told = "This site's REST API is closed; have its owner open it for users who sign in."
        raise BadInput(told, index.excerpt[:200], field="instance")
    if dig(body, "authentication", "application-passwords") is None:
        told = "This site takes no application passwords: they need https, and a plugin or its host may have turned them off."
        raise BadInput(told, field="instance")
    home = base_address(text_at(body, "home"), whole=True)
    return root, home if _same_server(home, where) else base_address(where.partition("?")[0], whole=True)


def _same_server(one: str, other: str) -> bool:
    return (split(one).scheme, host_name(one)) == (split(other).scheme, host_name(other))


def _front(http: HttpClient, server: str) -> tuple[Reply, str]:
    here = f"{server.rstrip('/')}/"
    for _ in range(MAX_HOPS + 1):
        reply = http.read("HEAD", here)
        if reply.status == 405:
            reply = http.read("GET", here)
        target = reply.headers.get("location", "")
        if reply.status not in REDIRECTS or not target:
            return reply, here
        there = join(here, target)
        if split(here).scheme == "https" and split(there).scheme != "https":  # the password would be for all to read
            raise BadInput(
                "The site sends visitors to a place without https; have its owner correct that.", field="instance"
            )
        here = there
    raise BadInput("The site sends visitors in a circle.", field="instance")


def root_named(headers: Mapping[str, str]) -> str:
    """The root of the API that a page names, "" where it names none."""
    found = _ROOT.search(headers.get("link", "")[:MOST_LINKS])
    return found[1] if found else ""


def post_named(headers: Mapping[str, str]) -> tuple[str, str]:
    """(number of the post whose page this is, address of it in the API), "" for what the headers do not say."""
    link = headers.get("link", "")[:MOST_LINKS]
    if found := _POSTS.search(link):
        return found[2], found[1]
    short = _SHORT.search(link)
    return (short[1] if short else ""), ""


def may_publish(me: object) -> None:
    """Raises ReconnectNeeded, with one sentence, for a user who cannot publish."""
    rights = dig(me, "capabilities")
    if not isinstance(rights, dict):
        raise UnexpectedReply("The site did not say what this user may do.")
    if rights.get("publish_posts"):
        return
    if rights.get("edit_posts"):
        told = "This user may write drafts and not publish them; give it the role of an author or editor."
    else:
        told = "This user may not write posts; give it the role of an author or editor."
    raise ReconnectNeeded(told, code="publish_posts")
