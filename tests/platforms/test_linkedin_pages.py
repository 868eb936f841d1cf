"""The pages that LinkedIn says a member may post for."""

from __future__ import annotations

import httpx2
import pytest

from postprober.clock import SystemClock
from postprober.domain.account import Credentials, Identity
from postprober.domain.platform import Platform, PlatformConfig
from postprober.errors import PlatformError
from postprober.http import HttpClient, Pools
from postprober.platforms.linkedin.pages import listed

BASE = "https://api.linkedin.example"


def asking(status_of_second: int) -> tuple[Identity, ...]:
    urns = ["urn:li:organization:1", "urn:li:organization:2", "urn:li:organization:3/../../v2/me", "urn:li:person:4"]

    def answer(request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if path.endswith("/organizationAcls"):
            return httpx2.Response(200, json={"elements": [{"organization": u, "role": "ADMINISTRATOR"} for u in urns]})
        if path.endswith("/organizations/1"):
            return httpx2.Response(200, json={"localizedName": "Ours"})
        return httpx2.Response(status_of_second, json={"status": status_of_second, "message": "no"})

    http = HttpClient(Pools(allow_private=True, transport=httpx2.MockTransport(answer)))
    return listed(http, PlatformConfig(Platform("linkedin"), BASE, BASE), Credentials("AQ"), SystemClock())


@pytest.mark.parametrize("status", [403, 404])
def test_a_page_that_is_not_shown_leaves_the_others_to_be_linked(status: int) -> None:
    assert [(one.remote_id, one.name) for one in asking(status)] == [
        ("urn:li:organization:1", "Ours"),
        ("urn:li:organization:2", "urn:li:organization:2"),
    ]


def test_a_server_that_fails_is_no_page_without_a_name() -> None:
    with pytest.raises(PlatformError):
        asking(500)
