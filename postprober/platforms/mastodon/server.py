"""What a Mastodon server says about itself: under which address it is the same server, whatever alias it was asked by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from postprober.domain.identity import base_address, host_name
from postprober.errors import BadInput, PlatformError
from postprober.http import HttpClient
from postprober.platforms.common.replies import text_at

_SECONDS = 10.0  # ours: a name that does not answer by then is not worth waiting for
_ME = "/api/v1/accounts/verify_credentials"


def own_address(http: HttpClient, base: str, headers: Mapping[str, str], me: Mapping[str, object]) -> str:
    """The address by which the server of `base` names itself; "" where that is `base` or cannot be proved.

    Any server may claim any name, so a name counts only where its server accepts the same token for the same account.
    `me`: its answer to verify_credentials.
    """
    here = host_name(base)
    for claimed in _claims(http, base, me):
        if "?" in claimed or "#" in claimed:  # what we append would not be its path
            continue
        if host_name(claimed) == here:
            return ""
        if _is_there(http.for_typed(), claimed, headers, text_at(me, "id")):
            return claimed
    return ""


def _claims(http: HttpClient, base: str, me: Mapping[str, object]) -> Iterator[str]:
    """Always in the same order, so that two aliases come to the same name."""
    page = text_at(me, "url").rstrip("/")
    address = base_address(page)
    yield address if address != page else page.rpartition("/")[0]  # snac: the profile lies right below
    scheme = base.partition("://")[0]
    for path, field in (("/api/v2/instance", "domain"), ("/api/v1/instance", "uri")):
        said = text_at(_asked(http, base + path, {}), field)
        if said:
            yield base_address(said if "://" in said else f"{scheme}://{said}")


def _is_there(http: HttpClient, claimed: str, headers: Mapping[str, str], account: str) -> bool:
    """Whether the server of `claimed`, an address that a stranger named, knows the token as that of `account`."""
    return text_at(_asked(http, claimed + _ME, headers), "id") == account


def _asked(http: HttpClient, url: str, headers: Mapping[str, str]) -> object:
    """The JSON at `url`; None without."""
    try:
        reply = http.read("GET", url, headers=headers, timeout=_SECONDS)
    except (PlatformError, BadInput):
        return None
    return reply.json_or_none() if reply.ok else None
