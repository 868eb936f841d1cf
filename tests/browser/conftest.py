"""A browser of ours, and pages for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from postprober.browser import Browser
from postprober.security.egress import Allow
from postprober.settings import Settings
from tests.browser.hosts import Canary, Site, site_and_canary

Make = Callable[..., Browser]


def some_settings(folder: Path, **more: object) -> Settings:
    """Settings of a live installation, not read from anywhere."""
    return Settings(**{"_env_file": None, "mode": "live", "data_dir": folder, **more})


@pytest.fixture
def world() -> Iterator[tuple[Site, Canary]]:
    """A public server and a canary inside."""
    with site_and_canary() as made:
        yield made


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Builds browsers that are closed at the end; without a Chromium the test is skipped, in CI it fails."""
    made: list[Browser] = []

    def build(allow: Allow | None = None, **more: object) -> Browser:
        browser = Browser(some_settings(tmp_path, **more), allow)
        if browser.trouble() and not more:
            if os.environ.get("CI") == "true":
                pytest.fail(browser.trouble())
            pytest.skip(browser.trouble())
        made.append(browser)
        return browser

    yield build
    for browser in made:
        browser.close()


@pytest.fixture
def browser(make: Make, world: tuple[Site, Canary]) -> Browser:
    """One that may open the public server only (of private addresses)."""
    site, _ = world
    return make(lambda host, port: (host, port) == ("127.0.0.1", site.port))
