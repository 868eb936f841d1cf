"""The first start, with nobody there yet: make the first person, choose a password, hear of trouble."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.e2e.conftest import Watch, running

# They wait for minutes of the clock and for several processes at once.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PASSWORD = "a first good password"


@pytest.mark.timeout(240)
def test_the_first_visitor_makes_the_first_person_and_nobody_else_can(
    browser: Browser, context: BrowserContext, tmp_path: Path
) -> None:
    watch, page = Watch(), context.new_page()
    watch.on(page)
    with running("up", tmp_path / "data", "Nobody works here yet") as (said, _):
        link = re.search(r"(http://\S+)/\?setup=\S+", said)
        assert link, said
        page.goto(link[1])
        expect(page.get_by_role("heading", name="Make the first user")).to_be_visible(timeout=60_000)
        page.get_by_label("E-mail address").fill("first@example.org")
        page.get_by_label("Name", exact=True).fill("Ada")
        page.get_by_label("Password", exact=True).fill("short")
        page.get_by_role("button", name="Begin").click()
        expect(page.get_by_text("at least 10 characters").last).to_be_visible()
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Begin").click()
        expect(page.get_by_role("heading", name="Overview")).to_be_visible(timeout=60_000)
        page.locator(".st-key-pp-menu").get_by_role("link", name="Settings").click()
        page.get_by_role("tab", name="Sign-in").click()
        expect(page.get_by_text("This browser")).to_be_visible()
        page.locator(".st-key-pp-menu").get_by_role("link", name="Alerts").click()
        expect(page.get_by_text("Nothing needs you.")).to_be_visible()
        other = browser.new_context().new_page()
        other.goto(said[said.index("http", said.index("Nobody works")) :].split()[0])
        expect(other.get_by_role("button", name="Sign in")).to_be_visible(timeout=60_000)
        expect(other.get_by_role("heading", name="Make the first user")).to_have_count(0)
        other.context.close()
        assert watch.complaints == [] and watch.strangers == []
