"""Pages (organisations) that a member may post for, and those that can be mentioned (linkedin/facts.md, 1 and 3)."""

from __future__ import annotations

import re

from postprober.clock import Clock
from postprober.domain.account import Credentials, Identity
from postprober.domain.nested import count_at, list_at, text_at
from postprober.domain.platform import PlatformConfig
from postprober.errors import BadInput
from postprober.http import HttpClient
from postprober.platforms.common.errors import RequestKind
from postprober.platforms.common.replies import require_object
from postprober.platforms.common.spec import Mentionable
from postprober.platforms.linkedin.adapter import headers_for
from postprober.platforms.linkedin.errors import refused

_PREFIX = "urn:li:organization:"
_PAGE = re.compile(f"{_PREFIX}[0-9]+")
# Who may post for a page (linkedin/facts.md, 1).
_ROLES = frozenset({"ADMINISTRATOR", "CONTENT_ADMINISTRATOR", "DIRECT_SPONSORED_CONTENT_POSTER", "RECRUITING_POSTER"})
_MOST = 100  # of one page of the finder
# The name in a page's address, as it is or in that address; ours: at most 100 characters.
_VANITY = re.compile(
    r"(?:(?:https?://)?(?:[a-z]{2,3}\.)?linkedin\.com/(?:company|school|showcase)/)?([\w&.'-]{1,100})/?", re.IGNORECASE
)
_SIGNS = re.compile(r"[\[\]\n]")  # what the name of a mention cannot have (text.py)


def listed(http: HttpClient, config: PlatformConfig, cred: Credentials, clock: Clock) -> tuple[Identity, ...]:
    """Id (a URN) and name of each; one that LinkedIn does not show is called by its id, so that the others can be linked. Raises a
    PlatformError, such as that the consent does not include pages."""
    headers = headers_for(config, cred)

    def read(path: str, hidden: tuple[int, ...] = ()) -> dict[str, object]:
        reply = http.read("GET", f"{config.api_url}/rest/{path}", headers=headers)
        if reply.status in hidden:
            return {}
        if not reply.ok:
            raise refused(reply, RequestKind.READ, clock.now())
        return require_object(reply)

    def name_of(urn: str) -> str:
        return text_at(read(f"organizations/{urn.removeprefix(_PREFIX)}", (403, 404)), "localizedName") or urn

    found = read(f"organizationAcls?q=roleAssignee&state=APPROVED&count={_MOST}")
    urns = dict.fromkeys(
        text_at(one, "organization") for one in list_at(found, "elements") if text_at(one, "role") in _ROLES
    )
    return tuple(Identity(urn, name_of(urn)) for urn in urns if _PAGE.fullmatch(urn))


def mentionable(
    http: HttpClient, config: PlatformConfig, cred: Credentials, clock: Clock, typed: str
) -> tuple[Mentionable, ...]:
    """The pages whose address has this name; members cannot be found by theirs. Raises BadInput or a PlatformError."""
    found = _VANITY.fullmatch(typed.strip().removeprefix("@"))
    if found is None:
        raise BadInput(
            "Type the name in the page's address, such as acme of linkedin.com/company/acme, or that address.",
            field="name",
        )
    params = {"q": "vanityName", "vanityName": found[1]}
    reply = http.read("GET", f"{config.api_url}/rest/organizations", headers=headers_for(config, cred), params=params)
    if not reply.ok:
        raise refused(reply, RequestKind.READ, clock.now())
    told = [
        (count_at(one, "id"), _SIGNS.sub(" ", text_at(one, "localizedName")).strip()[:200])
        for one in list_at(require_object(reply), "elements")
    ]
    return tuple(Mentionable(name, f"@[{name}]({_PREFIX}{number})") for number, name in told if number and name)
