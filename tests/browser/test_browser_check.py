"""A post as a browser shows it: found, gone, walls, and a picture of bounded size without anything hidden in it."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin
from playwright.sync_api import Error

from postprober.browser import PICTURE_TRIES, Browser, screenshot
from postprober.domain.platform import Platform
from postprober.domain.public_look import Look, Verdict
from postprober.domain.remote import RemoteMedia
from postprober.probe import browser_check
from postprober.probe.browser_check import HEIGHT, MAX_PICTURE, WIDTH, look_in_browser, shrink
from postprober.probe.compare import compare
from postprober.sandbox.serve import SandboxServer
from postprober.settings import load_settings
from tests.browser.conftest import Make
from tests.browser.hosts import Canary, Site, reply

pytestmark = pytest.mark.slow

World = tuple[Site, Canary]
LATER = """<!doctype html><body><main id=m>Loading</main><script>setTimeout(() => { m.innerHTML =
'<article data-post-id="7" data-author="@ann"><p class="text">Hello from a script</p><img alt="a cat" src="/c"></article>'
}, 400)</script></body>"""


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


def chunks(png: bytes) -> set[bytes]:
    """The kinds of chunks in a PNG (https://www.w3.org/TR/png-3/#5Chunk-layout)."""
    found, at = set(), 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        found.add(png[at + 4 : at + 8])
        at += 12 + length
    return found


def at(browser: Browser, url: str, **named: str) -> tuple[Look, bytes | None]:
    return look_in_browser(browser, Platform("x"), url=url, remote_id=named.get("remote_id", "7"), seconds=10)


def test_a_post_that_a_script_draws_is_found_with_text_author_and_media(browser: Browser, world: World) -> None:
    seen, png = at(browser, world[0].page("/ann/status/7", LATER))
    assert (seen.verdict, seen.text, seen.author) == (Verdict.FOUND, "Hello from a script", "@ann")
    assert seen.media == (RemoteMedia("image", "a cat"),) and not seen.partial
    assert compare("Hello from a script", (), seen).differences == ("1 media are shown and 0 were sent.",)
    assert png is not None and Image.open(io.BytesIO(png)).width == WIDTH


def test_gone_walls_and_blocks_are_told_apart(browser: Browser, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_check, "PATIENCE", 1.0)
    site, _ = world
    for status, path in ((404, "/gone"), (403, "/blocked"), (503, "/broken")):
        site.pages[path] = lambda handler, status=status: reply(handler, status, "<h1>Sorry</h1>")
    site.pages["/walled"] = lambda handler: reply(handler, 302, "", Location="/login?next=x")
    site.page("/login", "<form><input type=password></form>")
    site.page("/script-wall", "<script>location.replace('/accounts/login/')</script>")
    site.page("/accounts/login/", "<h1>Log in</h1><input type=password>")
    wanted = {
        "/gone": Verdict.GONE,
        "/blocked": Verdict.BLOCKED,
        "/broken": Verdict.UNSURE,
        "/walled": Verdict.LOGIN_WALL,
        "/script-wall": Verdict.LOGIN_WALL,
    }
    for path, verdict in wanted.items():
        seen, png = look_in_browser(browser, Platform("instagram"), url=site.url + path, remote_id="7", seconds=30)
        assert (path, seen.verdict) == (path, verdict)
        assert png is not None and seen.reason


def test_a_browser_that_dies_twice_leaves_the_question_open(browser: Browser, world: World) -> None:
    seen, png = look_in_browser(
        browser, Platform("x"), url=world[0].page("/", "<script>for(;;);</script>"), remote_id="7", seconds=1
    )
    assert (seen.verdict, png) == (Verdict.UNSURE, None)
    assert "too long" in seen.reason


def test_a_page_of_any_size_makes_a_small_picture(browser: Browser, world: World) -> None:
    noise = "<canvas id=c width=1280 height=2200></canvas><script>const x=c.getContext('2d'),d=x.createImageData(1280,"
    noise += "2200);for(let i=0;i<d.data.length;i++)d.data[i]=Math.random()*256;x.putImageData(d,0,0)</script>"
    _, png = at(browser, world[0].page("/", noise))
    assert png is not None and len(png) <= MAX_PICTURE
    size = Image.open(io.BytesIO(png)).size
    assert size[0] <= WIDTH and size[1] <= HEIGHT


def test_a_picture_carries_nothing_but_its_pixels() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "secret")
    out = io.BytesIO()
    Image.new("RGB", (1500, 2500), "green").save(out, "PNG", pnginfo=info, exif=b"Exif\0\0secret")
    assert b"secret" in out.getvalue()
    made = shrink(out.getvalue())
    assert made is not None and b"secret" not in made
    assert chunks(made) <= {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
    assert Image.open(io.BytesIO(made)).size == (WIDTH, HEIGHT)
    assert shrink(b"no picture") is None


@pytest.mark.parametrize("platform", ["x", "linkedin", "mastodon", "bluesky"])
def test_the_sandboxs_posts_are_found_and_gone(
    make: Make, sandbox: SandboxServer, tmp_path: Path, platform: str
) -> None:
    from tests.probe.test_public import TEXT, post_to

    browser = make(None, **load_settings(data_dir=tmp_path, sandbox_port=sandbox.port, _env_file=None).model_dump())
    truth = post_to(sandbox, Platform(platform))
    one = {"url": truth["url"], "remote_id": truth["id"], "author": truth["author"]}
    seen, png = look_in_browser(browser, Platform(platform), **one)
    assert compare(TEXT, (), seen).matches is True, seen
    if folder := os.environ.get("KEEP_PICTURES_IN"):
        assert png is not None
        Path(folder, f"{platform}.png").write_bytes(png)
    sandbox.control.delete_post(platform, truth["id"])
    assert look_in_browser(browser, Platform(platform), **one)[0].verdict is Verdict.GONE


def test_a_page_that_lies_to_its_scripts_is_measured_by_the_browser(browser: Browser, world: World) -> None:
    lies = LATER + "<script>Math.max = () => 'x'; Math.min = Math.max; Object.defineProperty(document.documentElement, "
    lies += "'scrollHeight', {get() { throw 1 }})</script><meta property='og:url' content='http://[x'>"
    seen, png = at(browser, world[0].page("/ann/status/7", lies))
    assert seen.verdict is Verdict.FOUND and png is not None


class Weary:
    """A page whose first `refused` pictures Chromium cannot take."""

    def __init__(self, refused: int, words: str = "Page.captureScreenshot: Unable to capture screenshot") -> None:
        self.refused, self.words, self.waits = refused, words, 0

    def screenshot(self, **options: object) -> bytes:
        if self.refused:
            self.refused -= 1
            raise Error(self.words)
        return b"a picture"

    def wait_for_timeout(self, _: float) -> None:
        self.waits += 1


def test_a_picture_that_chromium_cannot_take_is_asked_for_again() -> None:
    page = Weary(PICTURE_TRIES - 1)
    assert screenshot(page) == b"a picture" and page.waits == PICTURE_TRIES - 1  # type: ignore[arg-type]
    with pytest.raises(Error, match="Unable to capture"):
        screenshot(Weary(PICTURE_TRIES))  # type: ignore[arg-type]
    assert screenshot(Weary(PICTURE_TRIES), needed=False) is None  # type: ignore[arg-type]
    page = Weary(1, "Page.screenshot: Target crashed")
    with pytest.raises(Error, match="crashed"):
        screenshot(page)  # type: ignore[arg-type]
    assert not page.waits, "another trouble is not asked for again"


def test_what_was_read_of_a_page_counts_without_a_picture(
    browser: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = world[0].page("/ann/status/7", LATER)

    def none(*_: object, needed: bool = True, **__: object) -> None:
        assert not needed

    monkeypatch.setattr(browser_check, "screenshot", none)
    seen, png = at(browser, url)
    assert (seen.verdict, seen.text, png) == (Verdict.FOUND, "Hello from a script", None)
