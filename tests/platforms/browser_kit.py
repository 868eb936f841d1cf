"""Instagram by browser on the sandbox's web pages: one Chromium for the session, a signed-in account for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from postprober.browser import Browser
from postprober.domain.account import Credentials
from postprober.domain.platform import Platform, PlatformConfig
from postprober.http import HttpClient
from postprober.platforms.common.adapter import Adapter
from postprober.platforms.instagram.browser_adapter import InstagramBrowserAdapter, session_of
from postprober.sandbox.instagram.web_html import session
from postprober.sandbox.serve import SandboxServer
from postprober.settings import Settings
from tests.platforms.adapter_kit import Link, Linked

NO_BROWSER = "there is no Chromium on this machine"


@dataclass
class LinkedByBrowser(Linked):
    """One sandbox account, used through its web pages."""

    browser: Browser | None = None

    @property
    def adapter(self) -> Adapter:
        http = HttpClient(self.pools).bound(gate=lambda: self.visible.append("sent"))
        return InstagramBrowserAdapter(http, self.config, None, self.browser)


def base_of(server: SandboxServer) -> str:
    return f"{server.url}/instagram-web"


def signed_in(server: SandboxServer, account: dict[str, Any]) -> Credentials:
    base = base_of(server)
    return replace(session_of(session(base, account), base), name=account["name"])


@pytest.fixture(scope="session")
def browser(emulator: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Reaches the sandbox and nothing else."""
    folder: Path = tmp_path_factory.mktemp("browser")
    made = Browser(Settings(_env_file=None, data_dir=folder, sandbox_port=emulator.port, secret_key="s" * 40))
    if made.trouble():
        pytest.skip(NO_BROWSER)
    yield made
    made.close()


ByBrowser = Callable[..., LinkedByBrowser]


@pytest.fixture
def by_browser(link: Link, emulator: SandboxServer, browser: Browser) -> ByBrowser:
    """`by_browser()`: a fresh account with a stored session."""

    def make(**settings: str) -> LinkedByBrowser:
        api = link(Platform("instagram"))
        account = emulator.control.account("instagram", api.name)
        config = PlatformConfig(
            Platform("instagram"),
            api.config.api_url,
            api.config.auth_url,
            settings={"browser_seconds": "30", "settle_seconds": "0", **settings},
        )
        return LinkedByBrowser(
            Platform("instagram"), emulator.control, config, signed_in(emulator, account), api.pools, browser=browser
        )

    return make
