"""Whatever a stranger writes where an address belongs is taken apart without an error."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postprober.domain.addresses import NOWHERE, join, split
from postprober.domain.platform import Platform
from postprober.domain.public_look import Verdict
from postprober.probe.public import leads_elsewhere, read_html

ODD = ["http://[x", "https://[::1", "http://a:99999/", "http://a:x/", "http://[::ffff:1.2.3]/", "//[", "http://\u2100/"]
# Addresses of our own or of the settings, and places that expect the error: no stranger's reach the others.
TRUSTED = {
    "postprober/domain/addresses.py",
    "postprober/settings.py",
    "postprober/ui/door.py",
    "postprober/ui/entrance.py",
    "postprober/services/accounts/account_names.py",
    "postprober/services/notifications/channels.py",
    "postprober/agent/outgoing.py",
    "postprober/library_http.py",
    "postprober/api/middleware.py",
    "postprober/api/origins.py",
    "postprober/platforms/linkedin/adapter.py",
    "postprober/platforms/instagram/browser_adapter.py",
    "postprober/platforms/common/links.py",
    "postprober/domain/links.py",
    "postprober/domain/identity.py",
    "postprober/domain/status_html.py",
    "postprober/security/urlguard.py",
    "postprober/security/egress.py",
}


@pytest.mark.parametrize("url", ODD)
def test_what_is_no_address_leads_nowhere(url: str) -> None:
    assert split(url) == NOWHERE
    assert join("https://example.org/", url)
    page = f'<meta property="og:url" content="{url}"><meta property="og:description" content="Hello"></html>'
    seen = read_html(Platform("x"), "https://example.org/ann/status/7", 200, page, "7", "@ann")
    assert seen.verdict is Verdict.UNSURE
    told = leads_elsewhere("X", "https://example.org/ann/status/7", join("https://example.org/", url), 302)
    assert told is not None and told.verdict is Verdict.UNSURE


@given(st.text())
def test_nothing_raises(text: str) -> None:
    parts = split(f"http://{text}")
    assert (parts.hostname, parts.port) is not None
    join("https://example.org/", text)


def test_an_address_is_taken_apart() -> None:
    assert split("https://example.org:8/a?b")[:4] == ("https", "example.org:8", "/a", "b")
    assert join("https://example.org/a/b", "../c") == "https://example.org/c"


def test_strangers_addresses_are_split_by_nothing_else() -> None:
    using = {
        str(path)
        for path in Path("postprober").rglob("*.py")
        if "sandbox" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "urllib.parse"
        for name in node.names
        if name.name in ("urlsplit", "urlparse", "urljoin")
    }
    assert using <= TRUSTED, "use postprober.domain.addresses for addresses that strangers wrote"
