"""The composer in a real browser: a draft survives the end of the app; the QR code can be scanned from the screen."""

from __future__ import annotations

import io
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import Demo

# They wait for several processes at once.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def _signed_in(demo: Demo, context: BrowserContext) -> Page:
    page = context.new_page()
    page.goto(demo.url)
    page.get_by_label("E-mail address").fill(demo.email)
    page.get_by_label("Password").first.fill(demo.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    return page


def _open(page: Page, name: str) -> None:
    page.locator(".st-key-pp-menu").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def _kill_the_app(url: str) -> None:
    """As a crash would; the supervisor starts it anew."""
    port = str(urlsplit(url).port)
    running = [p for p in psutil.process_iter(["cmdline"]) if {"streamlit", port} <= set(p.info["cmdline"] or ())]
    assert running
    for process in running:
        process.kill()


def test_a_draft_survives_the_end_of_the_app_with_its_own_texts_pictures_and_last_words(
    demo: Demo, context: BrowserContext, tmp_path: Path
) -> None:
    page = _signed_in(demo, context)
    _open(page, "Compose")
    page.get_by_role("button", name="All", exact=True).click()
    expect(page.locator(".pp-likeness")).to_have_count(1)
    box = page.get_by_role("textbox", name="Text", exact=True)
    box.click()
    box.press_sequentially("Words for everybody", delay=5)
    expect(page.get_by_text("Draft saved")).to_be_visible()
    Image.new("RGB", (600, 600), "#336699").save(tmp_path / "blue.png")
    page.locator("input[type=file]").set_input_files(tmp_path / "blue.png")
    alt = page.get_by_label("Describe image 1")
    alt.fill("A blue square")
    alt.press("Enter")
    expect(page.get_by_role("img", name="A blue square").first).to_be_visible()
    box.click()
    box.press("End")
    box.press_sequentially(" and the last ones", delay=1)
    with page.expect_event("websocket", timeout=90_000):  # the browser comes back by itself
        _kill_the_app(demo.url)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-connection-state", "CONNECTED", timeout=90_000)
    expect(box).to_have_value("Words for everybody and the last ones")
    expect(page.get_by_label("Describe image 1")).to_have_value("A blue square")
    expect(
        page.get_by_text(re.compile(r"\b37 of 280\b")).first
    ).to_be_visible()  # the app has them, and they are stored
    second = context.new_page()
    second.goto(page.url)
    expect(second.get_by_role("textbox", name="Text", exact=True)).to_have_value(
        "Words for everybody and the last ones"
    )
    page.get_by_role("button", name="Publish now").click()
    expect(page.get_by_role("button", name="View progress")).to_be_visible()
    second.get_by_role("button", name="Publish now").click()
    expect(second.get_by_text("Nothing was sent again.")).to_be_visible()


def test_words_are_handed_over_before_a_finger_leaves_a_link(demo: Demo, context: BrowserContext) -> None:
    """Streamlit sends them behind the link otherwise, and the tap leads nowhere."""
    page = _signed_in(demo, context)
    _open(page, "Compose")
    page.get_by_role("textbox", name="Text", exact=True).wait_for()
    assert page.evaluate("""() => {
        const box = document.querySelector("[class*='st-key-pp-text'] textarea");
        let handed = 0;
        box.addEventListener("keydown", (event) => { handed += event.ctrlKey && event.key === "Enter"; });
        const press = () => document.body.dispatchEvent(new PointerEvent("pointerdown", {bubbles: true}));
        const seen = [];
        press();
        seen.push(handed);
        box.dispatchEvent(new Event("input", {bubbles: true}));
        seen.push(handed);
        press();
        press();
        seen.push(handed);
        return seen;
    }""") == [0, 0, 1]


def test_an_authenticator_reads_the_code_from_the_screen_in_light_and_dark(demo: Demo, context: BrowserContext) -> None:
    page = _signed_in(demo, context)
    _open(page, "Settings")
    page.get_by_role("tab", name="Sign-in").click()
    page.get_by_role("button", name="Set up").click()
    key = page.get_by_test_id("stCode").first.inner_text().strip()
    expect(page.locator(".stImage img")).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            page.locator(".stImage img").scroll_into_view_if_needed()
            (found,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(page.screenshot())))
            assert found.text.startswith("otpauth://totp/")
            assert parse_qs(urlsplit(found.text).query)["secret"] == [re.sub(r"\s", "", key)]
