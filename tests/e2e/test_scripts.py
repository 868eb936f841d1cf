"""No text from outside runs as script: eighty payloads in every place where such a text is shown, in a real browser."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from bench.ports import free_ports
from postprober.cli.demo import demo_picture
from postprober.domain.attempt import Act, Outcome
from postprober.domain.delivery import DeliveryState as S
from postprober.domain.delivery import Step, StepStatus
from postprober.domain.diagnosis import Cause, Diagnosis, Fix
from postprober.pipeline.core import transitions
from postprober.services.accounts import linking
from postprober.services.core import Core
from postprober.services.media import media
from postprober.services.people import users
from postprober.services.posts import drafts
from postprober.services.posts.posts import NewPost
from postprober.storage import accounts, attempts, deliveries, evidence_log, posts, repairs, step_log
from postprober.storage.records import PartRecord
from postprober.ui.state import COOKIE
from postprober.wiring import build_core, close_core
from tests.e2e.conftest import ROOT
from tests.e2e.payloads import PAYLOADS
from tests.people import acting

# They wait for minutes of the clock and for several processes at once.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

DETECTOR = """
window.ppHits = [];
window.ppHit = (which) => { window.ppHits.push(which); return ''; };
window.alert = window.confirm = window.prompt = () => window.ppHit('dialog');
"""
# What a person could still be made to click, or what would run a little later.
TRACES = """() => [...document.querySelectorAll('*')].filter((e) =>
  e.getAttributeNames().some((n) => (n.startsWith('on') && e.getAttribute(n).includes('ppHit'))
    || (['href', 'src', 'action', 'formaction', 'data', 'xlink:href', 'srcdoc'].includes(n)
        && /ppHit/.test(e.getAttribute(n)) && /^\\s*(java\\s*script|data:text)|</i.test(e.getAttribute(n))))
).map((e) => e.outerHTML.slice(0, 200))"""
START_LIMIT = 180


@dataclass
class House:
    url: str
    token: str
    results: dict[str, str]  # query with the result of a linking that is a payload, by name and number


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The app alone, on a database in which every text that comes from outside is a payload."""
    folder = tmp_path_factory.mktemp("poisoned") / "data"
    (port,) = free_ports(1)
    core = build_core(data_dir=folder, sandbox_port=1, app_port=port, _env_file=None)
    token = _fill(core)
    user = users.session_user(core, token)
    assert user is not None
    results = {
        f"{name} {number}": urllib.parse.urlencode(linking.result_for_app(core, acting(core, user.id), name, payload))
        for name in ("linked", "link_error")
        for number, payload in enumerate(PAYLOADS)
    }
    close_core(core)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("POSTPROBER_")}
    chosen = {"POSTPROBER_DATA_DIR": str(folder), "POSTPROBER_APP_PORT": str(port), "POSTPROBER_SANDBOX_PORT": "1"}
    with (folder / "app.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
            cwd=ROOT,
            env=kept | chosen,
            stdout=log,
            stderr=log,
        )
    try:
        _wait(f"http://127.0.0.1:{port}/_stcore/health")
        yield House(f"http://127.0.0.1:{port}", token, results)
    finally:
        process.terminate()
        process.wait(20)


def _wait(url: str) -> None:
    pause = Event()
    for _ in range(START_LIMIT * 10):
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except (urllib.error.URLError, OSError):
            pause.wait(0.1)
    raise RuntimeError(f"nothing answers at {url}")


def _fill(core: Core) -> str:
    """Payload n is in post n and all that belongs to it; returns a session token."""
    user = users.create(core, email="x@example.org", password="0123456789abc", name=PAYLOADS[10])
    now = core.clock.now()
    for number, payload in enumerate(PAYLOADS):
        with core.db.write() as conn:
            account = accounts.add(
                conn,
                space=user,
                platform="x",
                account_name=payload[:250],
                now=now,
                remote_id=str(number),
            )
            accounts.write(
                conn,
                account,
                status="ok" if number % 2 else "reconnect",
                status_reason=payload,
                scopes=[payload],
                settings={"label": payload, "language": payload},
            )
            post = posts.add(
                conn,
                space=user,
                content=payload,
                platforms=["x"],
                status="scheduled",
                scheduled_at=now + timedelta(hours=number * 4),
                options={"parts": [payload], "media": []},
                now=now,
            )  # type: ignore[arg-type]
            new = deliveries.add(
                conn,
                post_id=post,
                account_id=account,
                space=user,
                platform="x",
                key=f"key-{number}",
                due_at=now,
                parts=[PartRecord(0, payload)],
                now=now,
            )
            one = deliveries.get(conn, new)
            one = transitions.move(conn, one, S.CLAIMED, reason=payload, now=now)
            one = transitions.move(conn, one, S.FAILED, reason=payload, now=now, url=f"javascript:ppHit({number})")
            step_log.add(conn, one, Step.POSTING, StepStatus.FAILED, now, message=payload, next=payload)
            evidence_log.keep(conn, one.id, "proof", {"text": payload}, now)
            (row,) = repairs.of_delivery(conn, one.id)
            found = Diagnosis(Cause.UNKNOWN, 0.5, (1,), True, Fix.SHORTEN, payload, payload, payload)
            repairs.diagnosed(conn, row, found, "proposed", {"before": [payload], "after": [payload * 2]}, now)
            conn.execute(posts.posts.update().where(posts.posts.c.id == post).values(status="failed"))
    _tries(core)
    keep = tuple(a for a in range(1, 2))
    file = media.add_bytes(core, acting(core, user), PAYLOADS[0], demo_picture(), PAYLOADS[11])
    half = len(PAYLOADS) // 2
    for some in (PAYLOADS[:half], PAYLOADS[half:]):
        drafts.save(core, acting(core, user), NewPost(("\n".join(some),), keep, (file,)))
    with core.db.read() as conn:
        found_user = users.users.get(conn, user)
    return users.redeem_ticket(core, users.issue_ticket(core, found_user))


def _tries(core: Core) -> None:
    """Ten payloads as replies and messages of the tries of each of the newest eight posts."""
    now = core.clock.now()
    newest = len(PAYLOADS)
    with core.db.write() as conn:
        for group in range(8):
            one = deliveries.get(conn, newest - group)
            for payload in PAYLOADS[group * 10 : group * 10 + 10]:
                opened = attempts.open_attempt(
                    conn, one, part=0, act=Act.PUBLISH, request_id="r", worker=payload[:70], now=now
                )
                attempts.close_attempt(conn, opened, Outcome.REJECTED, now=now, reply=payload, message=payload)


@pytest.fixture
def page(poisoned: House, context: BrowserContext) -> Page:
    context.add_init_script(DETECTOR)
    context.add_cookies([{"name": COOKIE, "value": poisoned.token, "url": poisoned.url}])
    return context.new_page()


def _settled(page: Page) -> None:
    """The run is over, and what it drew had time to act."""
    expect(page.locator("[data-testid=stStatusWidget]")).to_have_count(0)
    page.wait_for_timeout(400)


def _unharmed(page: Page) -> None:
    assert page.evaluate("window.ppHits") == []
    assert page.evaluate(TRACES) == []


def test_the_detector_sees_a_script_that_does_run(page: Page, poisoned: House) -> None:
    """Without this, the tests below could not fail."""
    page.goto(poisoned.url)
    page.get_by_role("heading", name="Overview").wait_for()
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=ppHit(1)>')")
    page.wait_for_function("window.ppHits.length === 1")
    page.evaluate("""document.body.insertAdjacentHTML('beforeend', '<a href="javascript:ppHit(2)">x</a>')""")
    assert len(page.evaluate(TRACES)) == 2


def test_the_monitor_runs_none_of_them(page: Page, poisoned: House) -> None:
    page.goto(f"{poisoned.url}/monitor")
    older = page.get_by_role("button", name="Show older posts")
    older.wait_for()
    cards = page.locator("[class*=st-key-post-]")
    for shown in range(20, len(PAYLOADS) + 1, 10):
        older.click()
        expect(cards).to_have_count(shown)
    _settled(page)
    assert page.locator("body").inner_text().count("ppHit(") >= len(PAYLOADS)
    for group in range(8):
        cards.nth(group).get_by_text("Activity and evidence").click()
        expect(page.locator("[data-testid=stCode]").nth(11 * group + 10)).to_be_visible(timeout=30_000)
    _settled(page)
    _unharmed(page)


@pytest.mark.parametrize("path", ["", "calendar", "accounts", "compose"])
def test_the_other_pages_run_none_of_them(page: Page, poisoned: House, path: str) -> None:
    page.goto(f"{poisoned.url}/{path}")
    page.get_by_role("heading", name=(path or "overview").title(), exact=True).wait_for()
    _settled(page)
    if path == "calendar":
        page.get_by_text("List", exact=True).click()
        expect(page.locator("[class*=st-key-cal-entry-]").nth(20)).to_be_visible()
        page.locator("[class*=st-key-cal-entry-] button").first.click()
        page.get_by_role("dialog").wait_for()
    _settled(page)
    assert "ppHit(" in page.locator("body").inner_text()
    _unharmed(page)


def test_the_composer_shows_drafts_previews_and_a_table_of_them_without_running_any(
    page: Page, poisoned: House, tmp_path: Path
) -> None:
    for number in range(2):
        page.goto(f"{poisoned.url}/compose")
        page.get_by_text("Drafts (").click()
        page.locator("[class*=st-key-draft-open-] button").nth(number).click()  # another button is called Open, too
        expect(page.locator(".pp-said")).to_contain_text("ppHit(")
        _settled(page)
        _unharmed(page)
    page.get_by_role("button", name="Bulk import (CSV)").click()
    rows = "".join('"' + payload.replace('"', '""') + f'","{number}",,\n' for number, payload in enumerate(PAYLOADS))
    table = tmp_path / "many.csv"
    table.write_text("text,accounts,time,language\n" + rows)
    page.get_by_role("dialog").locator("input[type=file]").set_input_files(table)
    expect(page.locator(".pp-import tbody tr")).to_have_count(len(PAYLOADS))
    _settled(page)
    _unharmed(page)


@pytest.mark.parametrize("number", [0, 11, 26, 37, 61, 65, 74])
def test_an_address_brings_none_of_them_in(page: Page, poisoned: House, number: int) -> None:
    for name in ("linked", "link_error"):
        page.goto(f"{poisoned.url}/?{poisoned.results[f'{name} {number}']}")
        page.get_by_role("heading", name="Accounts", exact=True).wait_for()
        _settled(page)
        assert "ppHit(" in page.locator("[data-testid=stAlert]").first.inner_text()
        _unharmed(page)
