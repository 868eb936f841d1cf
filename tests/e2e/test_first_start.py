"""The first start, with nobody there yet: make the first person, choose a password; and what happens to a process that dies."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.e2e.conftest import Watch, running
from tests.scaled.house import wait_until

# They wait for minutes of the clock and for several processes at once.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PASSWORD = "a first good password"


@pytest.mark.timeout(240)
def test_the_first_visitor_makes_the_first_person_and_nobody_else_can(
    browser: Browser, context: BrowserContext, tmp_path: Path
) -> None:
    watch, page = Watch(), context.new_page()
    watch.on(page)
    with running("up", tmp_path / "data", "No users yet") as (said, _):
        link = re.search(r"(http://\S+)/\?setup=\S+", said)
        assert link, said
        page.goto(link[0])
        expect(page.get_by_role("heading", name="Create your account")).to_be_visible(timeout=60_000)
        page.get_by_label("E-mail address").fill("first@example.org")
        page.get_by_label("Name", exact=True).fill("Ada")
        page.get_by_label("Password", exact=True).fill("short")
        page.get_by_role("button", name="Get started").click()
        expect(page.get_by_text("at least 10 characters").last).to_be_visible()
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Get started").click()
        expect(page.get_by_role("heading", name="Overview")).to_be_visible(timeout=60_000)
        page.locator(".st-key-pp-menu").get_by_role("link", name="Settings").click()
        page.get_by_role("tab", name="Sign-in").click()
        expect(page.get_by_text("This browser")).to_be_visible()
        page.locator(".st-key-pp-menu").get_by_role("link", name="Alerts").click()
        expect(page.get_by_text("No unread alerts.")).to_be_visible()
        other = browser.new_context().new_page()
        other.goto(said[said.index("http", said.index("No users yet")) :].split()[0])
        expect(other.get_by_role("button", name="Sign in")).to_be_visible(timeout=60_000)
        expect(other.get_by_role("heading", name="Create your account")).to_have_count(0)
        other.context.close()
        assert watch.complaints == [] and watch.strangers == []


def _processes(data_dir: str) -> dict[str, int]:
    """The children of the program that works in this folder, by the word that tells them apart."""
    words = {
        "postprober.sandbox": "sandbox",
        "postprober.api": "sidecar",
        "scheduler.py": "scheduler",
        "streamlit": "app",
    }
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"POSTPROBER_DATA_DIR={data_dir}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                command = (folder / "cmdline").read_bytes().decode().split("\0")
                found |= {name: int(folder.name) for word, name in words.items() if word in command}
    return found


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as reply:
        return bool(reply.status == 200)
    return False


@pytest.mark.parametrize("victim", ["sandbox", "sidecar", "scheduler", "app"])
def test_whichever_process_is_killed_is_started_again_and_the_others_go_on(victim: str, tmp_path: Path) -> None:
    with running("up", tmp_path / "data", "No users yet") as (_, settings):
        data_dir = settings["POSTPROBER_DATA_DIR"]
        before = _processes(data_dir)
        assert len(before) == 4
        os.kill(before[victim], signal.SIGKILL)
        wait_until(lambda: _processes(data_dir).get(victim, before[victim]) != before[victim], 60)
        answers = {
            "sandbox": f"http://127.0.0.1:{settings['POSTPROBER_SANDBOX_PORT']}/_sandbox/settings",
            "sidecar": f"http://127.0.0.1:{settings['POSTPROBER_API_PORT']}/healthz",
            "scheduler": f"http://127.0.0.1:{settings['POSTPROBER_API_PORT']}/readyz",
            "app": f"http://127.0.0.1:{settings['POSTPROBER_APP_PORT']}/_stcore/health",
        }
        wait_until(lambda: all(_answers(url) for url in answers.values()), 60)
        assert {name: pid for name, pid in _processes(data_dir).items() if name != victim} == {
            name: pid for name, pid in before.items() if name != victim
        }
