"""Categories and tags: names become numbers before anything is visible (wordpress/facts.md, 2)."""

from __future__ import annotations

from collections.abc import Sequence
from html import unescape
from urllib.parse import urlencode

from postprober.clock import Clock
from postprober.domain.account import Credentials
from postprober.domain.text import normalise
from postprober.errors import PostRejected, Unavailable
from postprober.http import HttpClient
from postprober.platforms.common.errors import RequestKind
from postprober.platforms.common.replies import dig, invisible, text_at
from postprober.platforms.wordpress.errors import is_code, refused
from postprober.platforms.wordpress.site import api_url, authorization, with_query

_MOST = "100"  # of a search: the largest page (facts.md, 5)


class Terms:
    """What the site has, and what is made of what it has not."""

    def __init__(self, http: HttpClient, root: str, cred: Credentials, clock: Clock) -> None:
        self._http = http
        self._root = root
        self._cred = cred
        self._clock = clock

    def categories(self, names: Sequence[str]) -> list[int]:
        """Raises PostRejected for one that the site has not: where a post belongs is the site's plan, not the post's."""
        found = []
        for name in names:
            number = self._find("categories", name)
            if number is None:
                told = f"The site has no category {name[:60]!r}; choose one that it has, or make it there."
                raise PostRejected(told, code="category_missing")
            found.append(number)
        return found

    def tags(self, names: Sequence[str]) -> list[int]:
        """A tag that the site has not is made; one without posts shows nowhere."""
        return [self._find("tags", name) or self._make_tag(name) for name in names]

    def _find(self, kind: str, name: str) -> int | None:
        asked = urlencode({"search": name, "per_page": _MOST, "_fields": "id,name"})
        reply = self._http.read("GET", with_query(api_url(self._root, f"wp/v2/{kind}"), asked), headers=self._headers())
        if not reply.ok:
            raise refused(reply, RequestKind.READ, self._clock.now())
        rows = reply.json_or_none()
        for row in rows if isinstance(rows, list) else ():
            number = dig(row, "id")
            if _same(unescape(text_at(row, "name")), name) and isinstance(number, int):
                return number
        return None

    def _make_tag(self, name: str) -> int:
        url = api_url(self._root, "wp/v2/tags")
        reply = invisible(lambda: self._http.send("POST", url, headers=self._headers(), json={"name": name}))
        body = reply.json_or_none()
        number = dig(body, "data", "term_id") if is_code(reply, "term_exists") else dig(body, "id")
        if isinstance(number, int):
            return number
        if reply.ok:
            raise Unavailable("The site did not confirm a tag; it is asked again.", reply.excerpt)
        raise refused(reply, RequestKind.STAGE, self._clock.now())

    def _headers(self) -> dict[str, str]:
        return authorization(self._cred)


def _same(one: str, other: str) -> bool:
    return normalise(one).casefold() == normalise(other).casefold()
