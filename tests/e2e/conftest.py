"""The whole program as a person meets it: all processes on free ports, a real browser in front."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from bench.ports import free_ports

ROOT = Path(__file__).resolve().parent.parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Milliseconds, as long as nobody says otherwise. Only a failing test waits so long; beside other work a page was seen to need
# more than 30 s.
PATIENCE = 90_000
expect.set_options(timeout=PATIENCE)
START_LIMIT = 180.0  # seconds; six interpreters start on two cores


@dataclass
class Demo:
    """A running demonstration."""

    url: str
    email: str
    password: str
    sandbox_url: str
    data: Path


@dataclass
class Watch:
    """What a browser complained about and whom it asked, apart from this machine."""

    complaints: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def on(self, page: Page) -> None:
        """Listen from now on."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _request(self, request: Request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")):
            self.strangers.append(request.url)


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(50)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def said_up_to(process: subprocess.Popen[str], last: str) -> str:
    """What the process prints up to the line with `last`; ends early when the process does."""
    assert process.stdout is not None
    alarm = threading.Timer(START_LIMIT, process.kill)
    alarm.start()
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if last in line:
            break
    alarm.cancel()
    return "".join(lines)


@contextmanager
def running(command: str, folder: Path, last: str) -> Iterator[tuple[str, dict[str, str]]]:
    """`python -m postprober <command>` in a data folder of its own: what it said up to the line with `last`, and the
    settings it runs with."""
    app, api, sandbox = free_ports(3)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("POSTPROBER_")}
    chosen = {
        "POSTPROBER_MODE": "sandbox",
        "POSTPROBER_DATA_DIR": str(folder),
        "POSTPROBER_APP_PORT": str(app),
        "POSTPROBER_API_PORT": str(api),
        "POSTPROBER_SANDBOX_PORT": str(sandbox),
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "postprober", command],
        cwd=ROOT,
        env=kept | chosen,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield said_up_to(process, last), chosen
    finally:
        kill(process)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demonstration, shared by the stories."""
    with running("demo", tmp_path_factory.mktemp("demo") / "data", "Stop with") as (said, settings):
        found = re.search(r"Open +(\S+)\s+Sign in +(\S+)\s+Password +(\S+)", said)
        assert found, f"the demonstration did not start:\n{said}"
        yield Demo(
            found[1],
            found[2],
            found[3],
            f"http://127.0.0.1:{settings['POSTPROBER_SANDBOX_PORT']}",
            Path(settings["POSTPROBER_DATA_DIR"]),
        )


@pytest.fixture
def browser() -> Iterator[Browser]:
    """The system's Chromium; without one the test is skipped, in CI it fails."""
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        reason = "no Chromium on this machine; install one to run the browser tests"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield started
        started.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure says what the open pages showed: what happens by chance is not seen a second time."""
    report = yield
    opened = getattr(item, "funcargs", {}).get("context")
    if report.failed and isinstance(opened, BrowserContext):
        for page in opened.pages:
            with suppress(PlaywrightError):
                shown = page.locator("body").inner_text(timeout=2_000)
                report.sections.append((f"Shown at {page.url}", shown))
    return report


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser profile without a past."""
    opened = browser.new_context(viewport={"width": 1280, "height": 900})
    opened.set_default_timeout(PATIENCE)
    yield opened
    opened.close()
