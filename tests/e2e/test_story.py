"""One person's first minutes: sign in, watch the posts being proved and repaired, look closer, sign out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from postprober.sandbox.control.client import Control
from postprober.ui.words import utc_moment
from tests.e2e.conftest import Demo, Watch

# They wait for minutes of the clock and for several processes at once.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

COOKIE = "postprober_session"
PROVED = 75_000  # milliseconds until the seeded posts are out, proved and repaired
VERIFIED = ".pp-row .pp-state:text-is('Verified')"


def _sign_in(page: Page, email: str, password: str) -> None:
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def _card(page: Page, text: str) -> Locator:
    """The post with this text on the Monitor."""
    return page.locator("[class*=st-key-post-]").filter(has_text=text)


def _only_the_form(page: Page) -> None:
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    for name in ("Overview", "Monitor"):
        expect(page.get_by_role("heading", name=name)).to_have_count(0)
    expect(page.locator(".st-key-pp-menu")).to_have_count(0)


def _watch_the_proof(page: Page, demo: Demo) -> None:
    """All platforms of the first post and both of the second end proved; the second says how it was repaired."""
    first, second = _card(page, "Hello from PostProber"), _card(page, "This one met a fault")
    expect(first.locator(VERIFIED)).to_have_count(9, timeout=PROVED)
    expect(second.locator(VERIFIED)).to_have_count(2, timeout=PROVED)
    for platform in ("X", "LinkedIn", "Instagram", "Mastodon", "Bluesky", "Telegram", "Discord", "Nostr", "WordPress"):
        row = first.get_by_role("region", name=platform, exact=True)
        seen = "the account can read it" if platform == "Discord" else "the public sees exactly what you sent"
        expect(row).to_contain_text(seen)
        link = row.get_by_role("link", name="Open the post").get_attribute("href") or ""
        assert link.startswith(demo.sandbox_url)
        assert page.request.get(link).ok
    expect(second).to_contain_text("we checked and found the post. Nothing was sent twice.")
    expect(second).to_contain_text("We confirmed that the post was not there and sent it again.")
    expect(second.locator(".pp-post .pp-state")).to_have_text("Published")


def _look_closer(page: Page) -> None:
    second = _card(page, "This one met a fault")
    second.get_by_text("Activity and evidence").click()
    second.get_by_role("radiogroup").get_by_text("Mastodon").click()
    expect(second.get_by_text("Publish, attempt 1: outcome unknown")).to_be_visible()
    expect(second.get_by_text("Check whether it was published, attempt 2: not found")).to_be_visible()
    expect(second.get_by_text("Publish, attempt 2: done")).to_be_visible()
    expect(second.locator(".pp-history").last).to_contain_text("Checking")
    expect(second.locator("code").first).to_be_visible()


def _open(page: Page, name: str) -> None:
    """By the menu."""
    page.locator(".st-key-pp-menu").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def _only(page: Page, platform: str) -> None:
    """Choose its account alone, whatever the last post was for."""
    page.get_by_role("button", name="None", exact=True).click()
    expect(page.locator(".pp-likeness")).to_have_count(0)
    page.get_by_role("button", name=f"{platform} · demo").click()
    expect(page.locator(".pp-likeness")).to_have_count(1)


def _at(page: Page, moment: datetime) -> None:
    """Choose a day and a time, in UTC as the demonstration's person does."""
    page.get_by_text("Later", exact=True).click()
    for first, typed in (("day, Date", f"{moment:%d%m%Y}"), ("hour, Time", f"{moment:%H%M}")):
        page.get_by_role("spinbutton", name=first).click()
        page.keyboard.type(typed)
        page.keyboard.press("Tab")
    expect(page.get_by_text(f"That is {utc_moment(moment)}.")).to_be_visible()


def _fits_a_phone(page: Page) -> None:
    """No page is wider than a screen of 390 pixels, and the menu stands along the bottom."""
    page.set_viewport_size({"width": 390, "height": 844})
    for name in ("Overview", "Compose", "Calendar", "Monitor", "Accounts"):
        _open(page, name)
        expect(page.locator("[data-testid=stStatusWidget]")).to_have_count(0)
        for box in ("html", "[data-testid=stMain]"):
            assert page.evaluate("s => document.querySelector(s).scrollWidth", box) <= 390, f"{name} is too wide"
        menu = page.locator(".st-key-pp-menu").bounding_box()
        assert menu is not None and menu["y"] > 700 and menu["width"] <= 390


def _sign_out(page: Page) -> None:
    page.locator(".st-key-pp-person button").first.click()
    page.get_by_role("button", name="Sign out").click()
    _only_the_form(page)


def test_a_person_signs_in_watches_the_proof_and_signs_out(
    demo: Demo, browser: Browser, context: BrowserContext
) -> None:
    watch, page = Watch(), context.new_page()
    watch.on(page)
    page.goto(demo.url)
    _only_the_form(page)
    _sign_in(page, demo.email, "not the password")
    expect(page.get_by_text("E-mail address or password is wrong.")).to_be_visible()
    _sign_in(page, demo.email, demo.password)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()

    cookie = next(c for c in context.cookies() if c["name"] == COOKIE)
    assert cookie["httpOnly"] and cookie["sameSite"] == "Lax"
    assert COOKIE not in page.evaluate("document.cookie")
    assert "ticket" not in page.url

    _open(page, "Monitor")
    _watch_the_proof(page, demo)
    _look_closer(page)
    _sign_out(page)
    assert not [c for c in context.cookies() if c["name"] == COOKIE]
    assert watch.complaints == []
    assert watch.strangers == []

    thief = browser.new_context()
    thief.add_cookies([{"name": COOKIE, "value": cookie["value"], "url": demo.url}])
    stolen = thief.new_page()
    for address in ("", "/compose", "/accounts", "/monitor", "/calendar"):
        stolen.goto(demo.url + address)
        _only_the_form(stolen)
        expect(stolen.get_by_role("heading", name="Accounts")).to_have_count(0)
    thief.close()


def test_a_person_links_an_account_by_its_consent_page_and_publishes_on_it(demo: Demo, context: BrowserContext) -> None:
    watch, page = Watch(), context.new_page()
    page.goto(demo.url)
    _sign_in(page, demo.email, demo.password)
    _open(page, "Accounts")
    page.get_by_role("button", name="Link Mastodon").click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_text("The account was not linked.")).to_be_visible()
    page.get_by_role("button", name="Link Mastodon").click()
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("Linked. Mastodon: demo")).to_be_visible()
    watch.on(page)

    _open(page, "Compose")
    _only(page, "Mastodon")
    page.get_by_role("textbox", name="Text").fill("Written by hand, <b>not interpreted</b> & *never twice*")
    page.get_by_role("textbox", name="Text").press("Control+Enter")
    expect(page.locator(".st-key-pp-checks .pp-check")).to_have_count(1)
    expect(page.locator(".st-key-pp-checks .pp-check")).to_contain_text("Ready")
    page.get_by_role("button", name="Publish now").dblclick()
    expect(page.get_by_text("<b> is markup that readers would see as it is.")).to_be_visible()
    page.get_by_role("button", name="Approve").dblclick()
    page.get_by_role("button", name="View progress").click()
    mine = _card(page, "Written by hand, <b>not interpreted</b> & *never twice*")
    expect(mine.locator(VERIFIED)).to_have_count(1, timeout=PROVED)
    expect(mine).to_have_count(1)
    _fits_a_phone(page)
    assert watch.complaints == []
    assert watch.strangers == []


def test_a_person_shortens_a_post_by_accepting_a_suggestion_schedules_it_and_sees_it_proved_and_repaired(
    demo: Demo, context: BrowserContext
) -> None:
    watch, page = Watch(), context.new_page()
    page.goto(demo.url)
    _sign_in(page, demo.email, demo.password)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    _open(page, "Accounts")
    page.get_by_role("button", name="Link X", exact=True).click()
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("Linked. X: demo")).to_be_visible()
    watch.on(page)

    _open(page, "Compose")
    _only(page, "X")
    box = page.get_by_role("textbox", name="Text")
    box.click()
    box.press_sequentially("Read our spring notes at https://www.iana.org/spring today. ", delay=5)
    box.press_sequentially("We are so happy! Thank you so much! " * 8, delay=1)
    expect(page.locator(".pp-counter.pp-red")).to_contain_text("of 280")
    expect(page.get_by_role("button", name="Publish now")).to_be_disabled()
    expect(page.locator(".pp-suggestion").first).to_contain_text("As a thread")
    shorter = page.locator(".pp-suggestion").nth(1)
    expect(shorter).to_contain_text("A text that fits")
    expect(shorter.get_by_role("listitem").first).to_contain_text("We are so happy!")
    page.get_by_role("button", name="Apply").nth(1).click()
    expect(page.locator(".st-key-pp-checks .pp-state")).to_have_text("Ready")
    # A whole minute, and never so soon that it goes out before the Monitor has shown it as planned.
    due = (datetime.now(UTC) + timedelta(seconds=105)).replace(second=0, microsecond=0)
    _at(page, due)
    # The answer to this one will get lost: PostProber has to find out by itself what became of it.
    Control(demo.sandbox_url).fault("x", "cut_after_accept", account="demo")
    page.get_by_role("button", name="Schedule", exact=True).click()
    expect(page.get_by_text("Scheduled for")).to_be_visible()
    page.get_by_role("button", name="View progress").click()

    mine = _card(page, "Read our spring notes")
    expect(mine.locator(".pp-row .pp-state")).to_have_text("Scheduled")
    expect(mine.locator(".pp-step.pp-s-success")).to_have_count(4, timeout=195_000)
    expect(mine.locator(VERIFIED)).to_have_count(1)
    expect(mine).to_contain_text("Repaired: the response was lost, but we checked and found the post.")
    _watch_the_agent(page)
    assert watch.complaints == []
    assert watch.strangers == []
    cookie = next(c for c in context.cookies() if c["name"] == COOKIE)
    _sign_out(page)
    context.add_cookies([{"name": COOKIE, "value": cookie["value"], "url": demo.url}])
    page.goto(demo.url)
    _only_the_form(page)


def _watch_the_agent(page: Page) -> None:
    """The demonstration's faults: one repaired by itself, one that waits for a word, and the alerts that tell of them."""
    renewed = _card(page, "This one met a sign-in")
    expect(renewed).to_contain_text("Renew the connection and retry", timeout=PROVED)
    expect(renewed.locator(".pp-diagnosis .pp-state").first).to_have_text("Applied")
    expect(renewed.locator(VERIFIED)).to_have_count(1, timeout=PROVED)
    waiting = _card(page, "This one fitted when it was planned")
    expect(waiting.locator(".pp-diff")).to_be_visible(timeout=PROVED)
    waiting.get_by_role("button", name="Apply the repair").click()
    expect(waiting.locator(VERIFIED)).to_have_count(1, timeout=PROVED)
    review = _card(page, "Great news")
    expect(review).to_contain_text("looks like a placeholder")
    _open(page, "Overview")
    expect(page.locator(".pp-alerts li").filter(has_text="not published").first).to_be_visible()
    expect(page.locator(".st-key-pp-bell .stMarkdownBadge").first).to_be_visible()
