"""The shared browser: one at a time, bounded, and back after every death."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from postprober.browser import Browser
from postprober.errors import Unavailable
from tests.browser.conftest import Make
from tests.browser.hosts import Canary, Site
from tests.browser.kills import kill_in_mid_visit

pytestmark = pytest.mark.slow

World = tuple[Site, Canary]


def reading(url: str) -> Any:
    """A job that opens `url` and gives its text."""

    def job(context: Any) -> str:
        page = context.new_page()
        page.goto(url)
        return str(page.inner_text("body"))

    return job


def test_a_page_is_opened_and_what_the_job_returns_comes_back(browser: Browser, world: World) -> None:
    url = world[0].page("/", "<p>Hello</p><script>document.body.append('from a script')</script>")
    assert browser.visit(reading(url), seconds=20) == "Hello\n\nfrom a script"


def test_scripts_can_be_switched_off(browser: Browser, world: World) -> None:
    url = world[0].page("/", "<p>Hello</p><script>document.body.append('from a script')</script>")
    assert browser.visit(reading(url), seconds=20, javascript=False) == "Hello"


def test_a_visit_knows_nothing_of_the_one_before(browser: Browser, world: World) -> None:
    script = (
        "<script>localStorage.n = 1 + Number(localStorage.n || 0); document.cookie = 'a=' + localStorage.n</script>"
    )
    url = world[0].page("/", script + "<script>document.write(localStorage.n + document.cookie)</script>")
    assert [browser.visit(reading(url), seconds=20) for _ in range(2)] == ["1a=1", "1a=1"]
    assert browser.starts == 1


def test_a_stored_session_is_brought_along(browser: Browser, world: World) -> None:
    url = world[0].page("/", "<script>document.write(document.cookie)</script>")
    cookie = {"name": "sid", "value": "7", "domain": "127.0.0.1", "path": "/"}
    assert browser.visit(reading(url), seconds=20, storage_state={"cookies": [cookie], "origins": []}) == "sid=7"


def test_offline_lets_no_byte_out(browser: Browser, world: World) -> None:
    url = world[0].page("/", "Hello")
    with pytest.raises(Unavailable):
        browser.visit(reading(url), seconds=20, offline=True)
    assert browser.visit(reading(url), seconds=20) == "Hello"


def test_many_threads_share_one_browser_and_each_gets_its_own_answer(browser: Browser, world: World) -> None:
    urls = [world[0].page(f"/{n}", f"page {n}") for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda url: browser.visit(reading(url), seconds=20), urls))
    assert answers == [f"page {n}" for n in range(8)]
    assert browser.starts == 1


def test_a_script_that_never_ends_costs_its_time_and_no_more(browser: Browser, world: World) -> None:
    good = world[0].page("/", "Hello")
    spin = world[0].page("/spin", "<p>x</p><script>for(;;);</script>")
    browser.visit(reading(good), seconds=20)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="too long"):
        browser.visit(reading(spin), seconds=1)
    assert time.monotonic() - began < 30, "the script would never end"
    assert browser.visit(reading(good), seconds=20) == "Hello"


def test_a_job_that_does_not_come_back_is_left_behind(
    browser: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postprober.browser.GRACE", 0.5)
    good, let_go = world[0].page("/", "Hello"), threading.Event()
    with pytest.raises(Unavailable, match="too long"):
        browser.visit(lambda _: let_go.wait(60), seconds=0.2)
    assert browser.visit(reading(good), seconds=20) == "Hello"
    let_go.set()


def test_an_error_of_the_page_reads_as_unavailable_and_one_of_the_job_passes_through(
    browser: Browser, world: World
) -> None:
    with pytest.raises(Unavailable, match="could not be read"):
        browser.visit(reading("http://127.0.0.1:1/"), seconds=20)

    def wrong(_: Any) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        browser.visit(wrong, seconds=20)
    assert browser.visit(reading(world[0].page("/", "Hello")), seconds=20) == "Hello"


def test_it_starts_another_one_when_it_died_between_two_visits(browser: Browser, world: World) -> None:
    url = world[0].page("/", "Hello")
    browser.visit(reading(url), seconds=20)
    assert browser._life is not None
    browser._life.kill()
    browser._life._killed = False  # as if somebody else had killed it
    assert browser.visit(reading(url), seconds=20) == "Hello"
    assert browser.starts == 2


def test_it_goes_on_when_it_is_killed_in_the_middle_of_a_visit(browser: Browser, world: World) -> None:
    outcome = kill_in_mid_visit(browser, world[0], times=3)
    assert outcome.killed == 3 and outcome.served_after == 3 and outcome.starts >= 4


def test_without_a_program_it_says_what_to_do(make: Make) -> None:
    missing = make(browser_path="/nowhere/chromium")
    assert "POSTPROBER_BROWSER_PATH" in missing.trouble()
    with pytest.raises(Unavailable, match="/nowhere/chromium"):
        missing.visit(lambda _: None, seconds=1)
    off = make(browser="off")
    with pytest.raises(Unavailable, match="switched off"):
        off.visit(lambda _: None, seconds=1)


def test_a_program_that_is_no_browser_reads_as_unavailable(make: Make) -> None:
    wrong = make(browser_path="/bin/false")
    with pytest.raises(Unavailable, match="could not be started"):
        wrong.visit(lambda _: None, seconds=5)
    wrong.close()


def test_a_closed_browser_leaves_no_process_behind(browser: Browser, world: World) -> None:
    browser.visit(reading(world[0].page("/", "Hello")), seconds=20)
    life = browser._life
    assert life is not None and life._pid
    browser.close()
    assert not life._thread.is_alive() and life._pid == 0


def test_closing_ends_the_visit_at_hand_and_those_that_wait_within_seconds(
    browser: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postprober.browser.GRACE", 0.5)
    inside = threading.Event()

    def linger(context: Any) -> None:
        context.new_page()
        inside.set()
        context.pages[0].wait_for_timeout(60_000)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(browser.visit, linger, seconds=60)
        assert inside.wait(30)
        second = pool.submit(browser.visit, reading(world[0].page("/", "Hello")), seconds=60)
        browser.close()
        for visit in (first, second):
            with pytest.raises(Unavailable):
                visit.result(20)
    with pytest.raises(Unavailable, match="this process ends"):
        browser.visit(reading(world[0].page("/", "Hello")), seconds=5)
    assert browser.starts == 1


def test_the_browser_is_not_told_our_settings(browser: Browser, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They hold the keys, and a hostile page that breaks out of its sandbox is first of all in that process."""
    monkeypatch.setenv("POSTPROBER_SECRET_KEY", "key-of-this-installation")
    monkeypatch.setenv("SOMETHING_ELSE", "is-there")

    def look(_context: Any) -> bytes:
        assert browser._life is not None
        return Path(f"/proc/{browser._life._pid}/environ").read_bytes()

    told = browser.visit(look, seconds=20)
    assert b"is-there" in told
    assert b"key-of-this-installation" not in told


def test_what_it_may_open_inside_follows_from_the_settings(make: Make, tmp_path: Any) -> None:
    assert make(mode="sandbox", sandbox_port=8901)._allow("127.0.0.1", 8901)
    assert not make(mode="sandbox", sandbox_port=8901)._allow("localhost", 8901)
    assert not make(mode="sandbox", sandbox_port=8901)._allow("127.0.0.1", 8000)
    named = make(mastodon_api_url="https://social.lan", public_url="https://me.lan")
    assert named._allow("social.lan", 443)
    assert not named._allow("me.lan", 443) and not named._allow("social.lan", 80)
