"""Killing the browser while a page is open: the visit fails in plain words, the next one is served."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Any

from postprober.browser import Browser
from postprober.errors import Unavailable
from tests.browser.hosts import Site


@dataclass(frozen=True)
class Kills:
    killed: int
    served_after: int
    starts: int


def kill_in_mid_visit(browser: Browser, site: Site, times: int) -> Kills:
    """`times`: open a page, SIGKILL the browser's process from outside of its library, then open another page."""
    url = site.page("/", "Hello")
    killed = served = 0

    def cut(context: Any) -> str:
        page = context.new_page()
        page.goto(url)
        assert browser._life is not None
        os.kill(browser._life._pid, signal.SIGKILL)
        page.wait_for_timeout(30_000)
        return "survived"

    def read(context: Any) -> str:
        page = context.new_page()
        page.goto(url)
        return str(page.inner_text("body"))

    for _ in range(times):
        try:
            browser.visit(cut, seconds=20)
        except Unavailable:
            killed += 1
        served += browser.visit(read, seconds=20) == "Hello"
    return Kills(killed, served, browser.starts)
