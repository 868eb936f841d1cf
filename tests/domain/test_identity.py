"""What makes two spellings one server, and one account."""

from __future__ import annotations

import pytest

from postprober.domain.identity import account_id, server_name
from postprober.domain.platform import Platform


@pytest.mark.parametrize(
    "spelled",
    [
        "https://social.example",
        "https://SOCIAL.example/",
        "HTTPS://social.example:443",
        "http://social.example.:80/",
        "social.example",
        "https://social.example/@somebody",
    ],
)
def test_one_server_however_it_is_spelled(spelled: str) -> None:
    assert server_name(Platform("mastodon"), spelled) == "social.example"


@pytest.mark.parametrize("other", ["https://social.example:8443", "https://other.example", "http://social.example:443"])
def test_another_server_stays_another(other: str) -> None:
    assert server_name(Platform("mastodon"), other) != "social.example"


def test_this_machine_is_one_server_by_each_of_its_names() -> None:
    names = {server_name(Platform("mastodon"), f"http://{host}:8900") for host in ("localhost", "127.0.0.1", "[::1]")}
    assert names == {"127.0.0.1:8900"}


def test_letters_outside_ascii_are_one_server_with_their_punycode() -> None:
    assert server_name(Platform("mastodon"), "https://BÜCHER.example") == "xn--bcher-kva.example"


def test_a_platform_with_one_server_has_no_name_for_it() -> None:
    assert server_name(Platform("x"), "") == ""
    assert server_name(Platform("bluesky"), "https://a.example") == server_name(
        Platform("bluesky"), "https://b.example"
    )


def test_a_member_is_one_account_with_and_without_the_prefix() -> None:
    assert account_id(Platform("linkedin"), "urn:li:person:7") == account_id(Platform("linkedin"), "7") == "7"
    assert account_id(Platform("linkedin"), "urn:li:organization:7") == "urn:li:organization:7"


def test_what_is_no_address_raises_nothing() -> None:
    assert server_name(Platform("mastodon"), "http://[x") == "http://[x"
    assert server_name(Platform("mastodon"), "https://h:99999/") == "https://h:99999/"


@pytest.mark.parametrize(
    ("platform", "instance", "name"),
    [
        ("wordpress", "https://Example.org/blog/", "example.org/blog"),
        ("wordpress", "https://example.org/news", "example.org/news"),
        ("wordpress", "https://example.org", "example.org"),
        ("wordpress", "https://example.org/web", "example.org/web"),
        ("wordpress", "https://example.org/home/@team/", "example.org/home/@team"),
        ("wordpress", "http://[x", "http://[x"),
        ("mastodon", "https://example.org/blog", "example.org"),
        ("bluesky", "https://example.org", ""),
    ],
)
def test_sites_of_one_host_are_servers_of_their_own_where_a_platform_has_such(
    platform: str, instance: str, name: str
) -> None:
    assert server_name(Platform(platform), instance) == name
