"""Look at a post in a browser, as people do who are not signed in, and take a picture of what they see."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any

from PIL import Image, UnidentifiedImageError

from postprober.browser import Browser, screenshot
from postprober.domain.platform import NAMES, Platform
from postprober.domain.public_look import Look, Verdict
from postprober.errors import Unavailable
from postprober.probe.public import leads_elsewhere, read_html

if TYPE_CHECKING:
    from postprober.browser import BrowserContext, Page

TRIES = 2  # a browser that died under a page is started again
SECONDS = 20.0  # of one visit altogether
PATIENCE = 8.0  # seconds for the post to appear after the page has loaded
WIDTH, HEIGHT = 1280, 2000  # pixels of a picture at most
MAX_PICTURE = 500_000  # bytes
_STEP = 300  # milliseconds between two looks at the same page
_SETTLE = 400  # milliseconds for pictures and fonts, once the post is there
_COLOURS = (0, 256, 64, 16)  # 0: all of them
_CLEAR = (Verdict.FOUND, Verdict.GONE)


def look_in_browser(
    browser: Browser, platform: Platform, *, url: str, remote_id: str, author: str = "", seconds: float = SECONDS
) -> tuple[Look, bytes | None]:
    """What the page at `url` shows once its scripts have run, and a PNG of it (None when none could be taken).

    Never raises PlatformError: what cannot be read is `unsure`.
    """

    def job(context: BrowserContext) -> tuple[Look, bytes | None]:
        page = context.new_page()
        reply = page.goto(url, wait_until="domcontentloaded")
        status = reply.status if reply is not None else 200
        end = time.monotonic() + min(PATIENCE, seconds / 2)
        while True:
            seen = _read(page, platform, url, status, remote_id, author)
            if seen.verdict in _CLEAR or time.monotonic() > end:
                break
            page.wait_for_timeout(_STEP)
        page.wait_for_timeout(_SETTLE)
        return seen, _picture(page)

    reason = ""
    for _ in range(TRIES):
        try:
            seen, raw = browser.visit(job, seconds=seconds, viewport=(WIDTH, 900))
        except Unavailable as error:
            reason = error.message
        else:
            return seen, shrink(raw) if raw is not None else None
    return Look(Verdict.UNSURE, url=url, reason=f"The browser could not show it. {reason}"), None


def _read(page: Page, platform: Platform, url: str, status: int, remote_id: str, author: str) -> Look:
    elsewhere = leads_elsewhere(NAMES[platform], url, page.url, status)
    if elsewhere is not None:
        return elsewhere
    return read_html(platform, page.url, status, page.content(), remote_id, author)


def _picture(page: Page) -> bytes | None:
    """None when none can be taken: what was read of the page counts without it."""
    session = page.context.new_cdp_session(page)  # the browser's own measure: a page may answer its scripts anything
    height = session.send("Page.getLayoutMetrics")["cssContentSize"]["height"]
    session.detach()
    clip: Any = {"x": 0, "y": 0, "width": WIDTH, "height": max(1, min(int(height), HEIGHT))}
    return screenshot(page, needed=False, full_page=True, clip=clip, animations="disabled", caret="hide", type="png")


def shrink(raw: bytes) -> bytes | None:
    """The picture anew, without anything but its pixels, at most WIDTH x HEIGHT and MAX_PICTURE bytes: first with fewer
    colours, then smaller. None when it is no picture."""
    try:
        with Image.open(io.BytesIO(raw), formats=("PNG",)) as opened:
            whole = opened.convert("RGB").crop((0, 0, min(opened.width, WIDTH), min(opened.height, HEIGHT)))
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return None
    while True:
        for colours in _COLOURS:
            made = _png(whole.quantize(colours, dither=Image.Dither.NONE) if colours else whole)
            if len(made) <= MAX_PICTURE:
                return made
        whole = whole.resize((max(1, whole.width // 2), max(1, whole.height // 2)))


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()
