"""Take the pictures of the pages: `python docs/make_pictures.py`. Needs a Chromium; writes docs/pictures/.

Starts a demonstration of its own in a temporary folder, adds a post that meets trouble, and looks at every page at 1280
and 390 pixels, light and dark. The README shows the first screen of two of them.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from postprober.browser import screenshot  # noqa: E402
from postprober.cli.demo import demo_picture  # noqa: E402
from postprober.domain.actor import COMMAND_LINE  # noqa: E402
from postprober.domain.platform import Platform  # noqa: E402  the path is set above
from postprober.sandbox.control.client import Control  # noqa: E402
from postprober.services.accounts import accounts  # noqa: E402
from postprober.services.media import media  # noqa: E402
from postprober.services.people import permits  # noqa: E402
from postprober.services.posts import posts  # noqa: E402
from postprober.wiring import build_core, close_core  # noqa: E402

PICTURES = Path(__file__).parent / "pictures"
PORTS = {"APP": "21501", "API": "21502", "SANDBOX": "21503"}
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
TALLEST = 2400  # pixels; longer pages are cut, nobody reads them in a document
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PLANNED = (  # days and hours from now, text, platforms
    (1, 2, "Office hours today at five: bring your questions", ("x", "mastodon")),
    (1, 6, "What surprised us, part one", ("bluesky",)),
    (2, 1, "We are hiring a measurement engineer https://www.iana.org/jobs", ("linkedin",)),
    (4, 3, "What surprised us, part two", ("bluesky", "mastodon")),
    (7, 2, "The data of the spring notes is online https://www.iana.org/data", ("x", "linkedin")),
)
TEXT = "Our spring notes are out: what we measured, what surprised us, and the data to check it yourself."


def main() -> None:
    """Everything, one after the other."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("There is no Chromium on this machine.")
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update({f"POSTPROBER_{name}_PORT": port for name, port in PORTS.items()})
        os.environ.update({"POSTPROBER_DATA_DIR": f"{folder}/data", "POSTPROBER_MODE": "sandbox"})
        demo = subprocess.Popen(
            [sys.executable, "-m", "postprober", "demo"],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        try:
            email, password = _ready(demo)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
                _take_all(browser, email, password)
                browser.close()
        finally:
            demo.send_signal(signal.SIGTERM)
            demo.wait(60)


def _ready(demo: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait until the demonstration runs and make the trouble; the sign-in."""
    said = ""
    for line in demo.stdout or ():
        said += line
        if "Stop with" in line:
            break
    found = re.search(r"Sign in +(\S+)\s+Password +(\S+)", said)
    if not found:
        sys.exit(f"The demonstration did not start:\n{said}")
    return found[1], found[2]


def _make_trouble() -> None:
    """Posts of the coming days, and one whose answer gets lost on LinkedIn (held) and that nobody can see on Bluesky
    (ghost)."""
    core = build_core()
    actor = permits.actor(core, 1, COMMAND_LINE)
    control = Control(core.settings.sandbox_url)
    ids = {account.platform: account.id for account in accounts.listing(core, actor)}
    now = core.clock.now().replace(minute=0, second=0, microsecond=0)
    for days, hours, text, where in PLANNED:
        at = now + timedelta(days=days, hours=hours)
        posts.create(core, actor, posts.NewPost((text,), tuple(ids[Platform(name)] for name in where), at=at))
    control.fault("linkedin", "cut_after_accept", account="demo")
    control.fault("bluesky", "ghost", account="demo")
    picture = media.add_bytes(core, actor, "proof.png", demo_picture(), "A green tick on a dark blue ground")
    chosen = tuple(ids[Platform(name)] for name in ("linkedin", "bluesky", "mastodon"))
    posts.create(core, actor, posts.NewPost((TEXT,), chosen, (picture,)))
    close_core(core)


def _take_all(browser: Browser, email: str, password: str) -> None:
    troubled = False
    for scheme in ("light", "dark"):
        for size, (width, height) in SIZES.items():
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            context.set_default_timeout(60_000)
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{PORTS['APP']}")
            page.get_by_label("E-mail address").wait_for()
            _shoot(page, f"sign-in-{size}-{scheme}", height)
            page.get_by_label("E-mail address").fill(email)
            page.get_by_label("Password", exact=True).fill(password)
            page.get_by_role("button", name="Sign in").click()
            page.get_by_role("heading", name="Overview").wait_for()
            if not troubled:
                expect(page.locator(".pp-tile").nth(3)).to_contain_text("8", timeout=90_000)
                _make_trouble()
                page.wait_for_timeout(45_000)  # the faults run their course, and engagement grows
                troubled = True
            _pages(page, f"{size}-{scheme}", height)
            context.close()


def _pages(page: Page, suffix: str, height: int) -> None:
    page.locator(".pp-health").last.wait_for()
    _shoot(page, f"overview-{suffix}", height)
    _open(page, "Calendar")
    page.locator("[class*=st-key-cal-entry-]").first.wait_for()
    _shoot(page, f"calendar-{suffix}", height)
    _open(page, "Monitor")
    first = page.locator("[class*=st-key-post-]").filter(has_text=TEXT).first
    first.wait_for()
    page.wait_for_timeout(1_500)
    if suffix == "desktop-light":
        screenshot(page, path=PICTURES / "readme.png")
    first.get_by_text("Activity and evidence").click()
    first.get_by_role("radiogroup").get_by_text("Mastodon").click()
    page.locator("[data-testid=stVegaLiteChart]").first.wait_for()
    page.get_by_text("Publish, attempt 1").first.wait_for()
    _shoot(page, f"monitor-{suffix}", height)
    _open(page, "Compose")
    box = page.get_by_role("textbox", name="Text")
    box.fill(TEXT + " " + "There is much to tell about it. " * 7)
    box.press("Control+Enter")
    page.locator("input[type=file]").first.set_input_files(
        {"name": "proof.png", "mimeType": "image/png", "buffer": demo_picture()}
    )
    page.locator(".pp-likeness img").wait_for()
    page.locator(".pp-suggestion").first.wait_for()
    if suffix == "desktop-light":
        screenshot(page, path=PICTURES / "readme-compose.png")
    _shoot(page, f"compose-{suffix}", height)
    _open(page, "Accounts")
    page.locator(".pp-facts").first.wait_for()
    _shoot(page, f"accounts-{suffix}", height)
    for name in ("Alerts", "Analytics", "Settings"):
        if page.locator(".st-key-pp-menu").get_by_role("link", name=name).count():
            _open(page, name)
            _shoot(page, f"{name.lower()}-{suffix}", height)


def _open(page: Page, name: str) -> None:
    """By the menu."""
    page.locator(".st-key-pp-menu").get_by_role("link", name=name).click()
    page.get_by_role("heading", name=name, exact=True).wait_for()


def _shoot(page: Page, name: str, height: int) -> None:
    """The whole page, as high as it is."""
    width = (page.viewport_size or {"width": 1280})["width"]
    expect(page.locator("[data-testid=stStatusWidget]")).to_have_count(0, timeout=30_000)
    expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0, timeout=30_000)
    tall = _height(page)
    for _ in range(20):  # charts come one after another
        before, tall = tall, _height(page)
        if tall == before:
            break
    page.set_viewport_size({"width": width, "height": min(max(tall, height), TALLEST)})
    page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
    page.wait_for_timeout(600)  # fonts and the sliding side bar
    screenshot(page, path=PICTURES / f"{name}.png")
    page.set_viewport_size({"width": width, "height": height})


def _height(page: Page) -> int:
    """Of what the page shows, a moment from now."""
    page.wait_for_timeout(700)
    return int(page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight"))


if __name__ == "__main__":
    main()
