"""Pages that try to reach what is inside reach nothing; pages that try to last for ever are left in time."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest
from playwright.sync_api import Error, sync_playwright

from postprober.browser import FLAGS, Browser, screenshot
from postprober.errors import Unavailable
from tests.browser.conftest import Make
from tests.browser.hostile import publish, tiresome
from tests.browser.hosts import Canary, Site

pytestmark = pytest.mark.slow

World = tuple[Site, Canary]
LINGER = 2.5  # seconds that pages stay open; the control's hits come within 2 s on two busy cores
BATCH = 24  # tabs at the same time
_lookup = socket.getaddrinfo


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> None:
    """`inside.example` is a public name for this machine's own address."""

    def getaddrinfo(host: str, port: Any, *rest: Any, **more: Any) -> Any:
        inside = host == "inside.example" or host.rstrip(".").lower().endswith("localhost")
        return _lookup("127.0.0.1" if inside else host, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def open_all(browser: Browser, urls: list[str], until: Any, seconds: float = LINGER) -> None:
    """Open every page in a tab of its own, and leave them open until `until()` or for `seconds`."""

    def job(context: Any) -> None:
        pages = [context.new_page() for _ in urls]
        for page, url in zip(pages, urls, strict=True):
            page.evaluate("url => { setTimeout(() => location = url, 1) }", url)
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            pages[0].wait_for_timeout(100)

    browser.visit(job, seconds=60)


def test_no_page_reaches_an_address_inside(browser: Browser, world: World) -> None:
    site, canary = world
    told, untold = publish(site, canary)
    urls = [*told.values(), *untold.values()]
    for start in range(0, len(urls), BATCH):
        open_all(browser, urls[start : start + BATCH], lambda: False)
    assert (canary.hits, canary.packets, canary.paths) == (0, 0, set())
    assert browser._life is not None and browser._life._proxy.refused >= len(told)  # they did try


@pytest.mark.allow_hosts(["127.0.0.1", "::1", "localhost", "0.0.0.0", "::ffff:7f00:1", "::ffff:127.0.0.1"])
def test_the_same_pages_reach_it_once_its_address_is_allowed(make: Make, world: World) -> None:
    """The positive control: the pages work, and it is the proxy that stops them."""
    site, canary = world
    told, _ = publish(site, canary)
    browser = make(lambda host, port: port in (site.port, canary.port))
    names = list(told)
    for start in range(0, len(names), BATCH):
        some = set(names[start : start + BATCH])
        open_all(browser, [told[name] for name in some], lambda wanted=some: wanted <= canary.paths, seconds=15)
    assert set(names) - canary.paths == set()


def test_webrtc_reaches_it_in_a_browser_started_without_our_switches(make: Make, world: World) -> None:
    """The positive control for what does not pass a proxy at all."""
    site, canary = world
    _, untold = publish(site, canary)
    path = make().path
    with sync_playwright() as playwright:
        plain = playwright.chromium.launch(executable_path=path or None, args=["--no-sandbox", "--disable-gpu"])
        page = plain.new_page()
        page.goto(untold["webrtc"])
        end = time.monotonic() + 10
        while not canary.packets and time.monotonic() < end:
            page.wait_for_timeout(50)
        plain.close()
    assert canary.packets > 0
    assert "--disable-quic" in FLAGS


def test_a_name_that_changes_its_address_gains_nothing(
    browser: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the name stands for a public address and its page is shown; then it stands for one inside."""
    site, canary = world
    asked: list[str] = []
    dialled: list[str] = []
    before = asyncio.open_connection

    def getaddrinfo(host: str, port: Any, *rest: Any, **more: Any) -> Any:
        if host != "rebind.example":
            return _lookup(host, port, *rest, **more)
        asked.append(host)
        address = "1.1.1.1" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    async def dial(host: str, port: int, **more: Any) -> Any:
        if host == "1.1.1.1":  # nothing leaves this machine: the site plays that address
            dialled.append(host)
            host, port = "127.0.0.1", site.port
        return await before(host, port, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(asyncio, "open_connection", dial)
    site.page("/rebind", "<p>public</p>")

    def job(context: Any) -> tuple[str, str]:
        page = context.new_page()
        page.goto(f"http://rebind.example:{canary.port}/rebind")
        said = page.inner_text("p")
        return said, page.evaluate("fetch('/rebind').then(r => r.status + '', e => 'no answer')")

    assert browser.visit(job, seconds=20) == ("public", "403")
    assert (len(asked), dialled, canary.hits) == (2, ["1.1.1.1"], 0)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "view-source:file:///etc/passwd"])
def test_no_job_opens_a_local_file(browser: Browser, world: World, address: str) -> None:
    def job(context: Any) -> str:
        page = context.new_page()
        page.goto(address)
        return str(page.content())

    with pytest.raises(Unavailable):
        browser.visit(job, seconds=5)


def test_a_frame_with_a_local_file_stays_empty(browser: Browser, world: World) -> None:
    url = world[0].page("/", "<iframe src='file:///etc/passwd'></iframe><object data='file:///etc/passwd'></object>")

    def job(context: Any) -> list[str]:
        page = context.new_page()
        page.goto(url)
        page.wait_for_timeout(300)
        session = context.new_cdp_session(page)
        shown = session.send("Page.captureSnapshot")["data"]  # with what every frame shows
        return [str(shown)]

    (shown,) = browser.visit(job, seconds=20)
    assert "iframe" in shown and "root:" not in shown


def test_a_download_leaves_no_file(browser: Browser, world: World) -> None:
    site, _ = world
    site.page("/file", "payload", "application/octet-stream", Content_Disposition="attachment; filename=x.bin")
    url = site.page("/", "<a id=a href='/file'>x</a><script>onload = () => setTimeout(() => a.click(), 50)</script>")

    before = set(kept())

    def job(context: Any) -> list[str]:
        page = context.new_page()
        seen: list[str] = []
        page.on("download", lambda one: seen.append(one.suggested_filename))
        page.goto(url)
        page.wait_for_timeout(500)
        return [*seen, *(set(kept()) - before)]

    assert browser.visit(job, seconds=20) == ["x.bin"]  # it did try, and there is no file


def kept() -> list[str]:
    """What a browser would have saved: the folders of Playwright and of people."""
    places = (*Path(gettempdir()).glob("playwright-artifacts-*"), Path.home() / "Downloads", Path.cwd())
    return [str(file) for place in places for file in (place.iterdir() if place.is_dir() else ())]


def test_pages_without_end_are_left_in_time_and_the_next_one_opens(browser: Browser, world: World) -> None:
    good = world[0].page("/good", "Hello")

    def look(url: str, seconds: float = 1.5) -> str:
        def job(context: Any) -> str:
            page = context.new_page()
            page.goto(url)
            page.wait_for_timeout(200)
            screenshot(page)
            return str(page.inner_text("body"))

        return browser.visit(job, seconds=seconds)

    left: list[str] = []
    for name, url in tiresome(world[0]).items():
        began = time.monotonic()
        try:
            look(url)
        except Unavailable:
            left.append(name)
        assert time.monotonic() - began < 1.5 + 20, name  # with the time that a new browser takes to start
    assert {"spin", "dom", "memory", "drip", "head", "circle"} <= set(left)
    assert look(good, 20) == "Hello"


def test_the_bytes_of_a_visit_are_bounded(browser: Browser, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postprober.browser.MAX_BYTES", 100_000)
    url = world[0].page("/", "<p>x</p>" + " " * 300_000 + "<p id=end>end</p>")

    def job(context: Any) -> int:
        page = context.new_page()
        with suppress(Error):  # the rest never comes
            page.goto(url, timeout=1500)
        return len(page.evaluate("document.documentElement.outerHTML"))

    assert browser.visit(job, seconds=20) < 150_000
