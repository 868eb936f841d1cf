"""The only importer of Playwright: one Chromium a process, for looking at pages that nobody has vouched for.

Playwright's objects belong to the thread that made them, so the browser lives in one thread and visits wait for their
turn. Each visit has a fresh context (no cookies, no storage of the one before) and reaches the network only through
`EgressProxy`. A visit whose time is over is ended by killing the browser, because a page's script can hold up any
call for ever; the next visit starts another one. So is a browser that died.
"""

from __future__ import annotations

import os
import queue
import re
import shutil
import signal
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from postprober import extras
from postprober.errors import Unavailable
from postprober.security.egress import Allow, EgressProxy
from postprober.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import BrowserContext as BrowserContext
    from playwright.sync_api import Page as Page
    from playwright.sync_api import Playwright

    Job = Callable[[BrowserContext], Any]

T = TypeVar("T")

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Chromium's switches (chromium.org, "List of Chromium Command Line Switches"): no QUIC and no WebRTC over UDP, which
# would go round the proxy; no name is resolved by the browser itself; nothing is fetched that no page asked for.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--mute-audio",
    "--no-pings",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--dns-prefetch-disable",
    "--js-flags=--max-old-space-size=512",
    "--disable-features=WebTransport,Prerender2,DnsOverHttps",
)
MAX_BYTES = 64 * 2**20  # of one visit; the heaviest pages of our platforms load about 5 MB
IDLE_SECONDS = 300.0
WAIT_SECONDS = 120.0  # how long a visit waits for its turn
GRACE = 5.0  # seconds between killing the browser and giving up on its thread
# Addresses that no page may open, and no job: local files, the browser's own pages.
_FOREIGN = re.compile(r"^(?!https?:|wss?:|data:|blob:|about:)")
PICTURE_TRIES = 4
PICTURE_PAUSE = 250  # milliseconds before the next try
_NO_PICTURE = "Unable to capture screenshot"  # Chromium's words (content/browser/devtools/protocol/page_handler.cc)
MAX_STARTS = 4  # of browsers for one visit, when they end before its turn


def environment() -> dict[str, str | float | bool]:
    """What the browser is told of this process's environment: no setting of ours, because they hold the keys."""
    return {name: value for name, value in os.environ.items() if not name.startswith("POSTPROBER_")}


def screenshot(page: Page, *, needed: bool = True, **options: Any) -> bytes | None:
    """A picture of the page as `Page.screenshot` takes it, asked for again when Chromium says that it cannot: on a machine that
    is busy it does at times of a page that is well (seen under load with Chromium 156; the next try succeeded). When it never
    can: Playwright's Error where it is `needed`, else None."""
    from playwright.sync_api import Error

    for left in range(PICTURE_TRIES - 1, -1, -1):
        try:
            return page.screenshot(**options)
        except Error as error:
            if _NO_PICTURE not in str(error):
                raise
            if not left and needed:
                raise
        page.wait_for_timeout(PICTURE_PAUSE)
    return None


class Browser:
    """Give it work with `visit`; thread safe. `allow(host, port)`: destinations that may be private; without it the
    sandbox in sandbox mode (and then nothing else at all), else the platforms' addresses that the operator named."""

    def __init__(self, settings: Settings, allow: Allow | None = None) -> None:
        self._settings = settings
        self._allow = allow or _named(settings)
        self._lock = threading.Lock()
        self._life: _Life | None = None
        self.starts = 0  # browsers started so far
        self.closed = False

    @property
    def path(self) -> str:
        """The program to be started; "": Playwright's own, or none. `BROWSER_PATH` first, then the PATH."""
        return self._settings.browser_path or next((p for name in NAMES if (p := shutil.which(name))), "")

    def trouble(self) -> str:
        """Why no browser can be started, in one sentence; "" when one can, as far as can be told without starting it."""
        if self._settings.browser == "off":
            return "The browser is switched off (POSTPROBER_BROWSER)."
        if not extras.has("browser"):
            return extras.sentence("browser")
        if self._settings.browser_path and not shutil.which(self._settings.browser_path):
            return f"There is no program {self._settings.browser_path}; correct POSTPROBER_BROWSER_PATH."
        if not self.path and not _bundled():
            return "There is no Chromium on this machine; install it, or set POSTPROBER_BROWSER_PATH."
        return ""

    def visit(
        self,
        job: Callable[[BrowserContext], T],
        *,
        seconds: float,
        storage_state: Mapping[str, Any] | None = None,
        offline: bool = False,
        javascript: bool = True,
        viewport: tuple[int, int] = (1280, 900),
        locale: str = "en-US",
    ) -> T:
        """Run `job` in a fresh context; blocks the caller, `seconds` at most from when its turn comes.

        `storage_state`: cookies and storage as Playwright keeps them. `offline`: no byte leaves. Raises Unavailable when
        there is no browser, it died, an error of Playwright came out of `job`, or the time is over; a `job` with an
        effect has to note by itself how far it came. Other errors of `job` pass through.
        """
        trouble = self.trouble()
        if trouble:
            raise Unavailable(trouble)
        options: dict[str, Any] = {
            "storage_state": dict(storage_state) if storage_state else None,
            "offline": offline,
            "java_script_enabled": javascript,
            "viewport": {"width": viewport[0], "height": viewport[1]},
            "locale": locale,
            "service_workers": "block",
            "accept_downloads": False,
        }
        for _ in range(MAX_STARTS):
            visit = _Visit(job, seconds, options, 0 if offline else MAX_BYTES)
            with suppress(_NotServed):
                result: T = visit.result(self._hand_over(visit))
                return result
        raise Unavailable("The browser ended again and again before this page was opened; try again later.")

    def close(self) -> None:
        """End the browser for good. What is open has GRACE seconds to finish; a later visit gets Unavailable."""
        with self._lock:
            self.closed = True
            life, self._life = self._life, None
        if life is not None:
            life.end()

    def _hand_over(self, visit: _Visit) -> _Life:
        with self._lock:
            if self.closed:
                raise Unavailable("The browser is closed, because this process ends.")
            if self._life is None or not self._life.take(visit):
                self._life = _Life(self.path, EgressProxy(self._allow, public=not self._settings.sandbox))
                self.starts += 1
                self._life.take(visit)
            return self._life


def _named(settings: Settings) -> Allow:
    named = settings.browser_destinations()
    return lambda host, port: (host, port) in named


def _bundled() -> bool:
    """Whether Playwright brought a browser of its own (`playwright install chromium`)."""
    named = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    usual = (Path.home() / ".cache" / "ms-playwright", Path.home() / "Library" / "Caches" / "ms-playwright")
    return any(any(folder.glob("chromium*")) for folder in ([Path(named)] if named else usual))


class _NotServed(Exception):
    """The browser ended before the job began; another one can do it."""


class _Visit:
    """One job on its way through the thread, with its deadline once it began."""

    def __init__(self, job: Job, seconds: float, options: dict[str, Any], limit: int) -> None:
        self.job, self.seconds, self.options, self.limit = job, seconds, options, limit
        self._begun = threading.Event()
        self._done: Future[Any] = Future()

    def begin(self) -> bool:
        """Whether the caller is still waiting."""
        self._begun.set()
        return self._done.set_running_or_notify_cancel()

    def finish(self, result: Any = None, error: BaseException | None = None) -> None:
        if not self._done.done():
            self._done.set_exception(error) if error is not None else self._done.set_result(result)

    def result(self, life: _Life) -> Any:
        if not self._begun.wait(WAIT_SECONDS) and self._done.cancel():
            raise Unavailable("The browser is busy with other pages; try again later.")
        try:
            return self._done.result(self.seconds)
        except TimeoutError:
            if self._done.done():  # the job's own, or it came at the last moment
                return self._done.result()
        life.kill()
        with suppress(TimeoutError):
            return self._done.result(GRACE)
        life.forget()
        raise Unavailable("The page took too long and was left.", f"more than {self.seconds} seconds")


class _Life:
    """One browser from its start to its end, with the thread that owns it. After the first sign of trouble it takes
    no further visit: `take` says False, and those that were waiting get Unavailable."""

    def __init__(self, path: str, proxy: EgressProxy) -> None:
        self._path = path
        self._proxy = proxy
        self._visits: queue.Queue[_Visit | None] = queue.Queue()
        self._lock = threading.Lock()
        self._over = False
        self._killed = False
        self._pid = 0
        self._thread = threading.Thread(target=self._run, name="browser", daemon=True)
        self._thread.start()

    def take(self, visit: _Visit) -> bool:
        with self._lock:
            if not self._over:
                self._visits.put(visit)
            return not self._over

    def kill(self) -> None:
        """End the visit at hand by ending the browser."""
        self._killed = True
        if self._pid:
            with suppress(ProcessLookupError, PermissionError):
                # Playwright starts it as the leader of a group: its renderers end with it.
                (os.killpg if os.getpgid(self._pid) == self._pid else os.kill)(self._pid, signal.SIGKILL)

    def forget(self) -> None:
        """The thread does not answer any more: let nobody else wait for it."""
        self._drain(_NotServed())

    def end(self) -> None:
        """Finish what is in hand, then end."""
        with self._lock:
            self._over = True
            self._visits.put(None)
        self._thread.join(GRACE)
        if self._thread.is_alive():
            self.kill()
            self._thread.join(GRACE)
            self.forget()

    def _drain(self, error: Unavailable | _NotServed) -> None:
        with self._lock:
            self._over = True
            while True:
                try:
                    visit = self._visits.get_nowait()
                except queue.Empty:
                    return
                if visit is not None and visit.begin():
                    visit.finish(error=error)

    def _run(self) -> None:
        from playwright.sync_api import Error, sync_playwright

        error: Unavailable | _NotServed = _NotServed()
        try:
            with sync_playwright() as playwright:
                browser = self._launch(playwright)
                with suppress(Error):  # ending what is dead already
                    self._serve(browser)
                    browser.close()
        except (Error, OSError) as trouble:
            error = Unavailable("The browser could not be started.", str(trouble)[:500])
        finally:
            self._pid = 0
            self._proxy.stop()
            self._drain(error)

    def _launch(self, playwright: Playwright) -> Chromium:
        port = self._proxy.start()
        browser = playwright.chromium.launch(
            executable_path=self._path or None,
            args=list(FLAGS),
            handle_sigint=False,
            handle_sigterm=False,
            handle_sighup=False,
            proxy={"server": f"http://127.0.0.1:{port}", "bypass": "<-loopback>"},
            env=environment(),
        )
        session = browser.new_browser_cdp_session()
        processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
        self._pid = next(int(p["id"]) for p in processes if p["type"] == "browser")
        session.detach()
        return browser

    def _serve(self, browser: Chromium) -> None:
        """One visit after another, until the end was asked for, nobody came for long, or the browser is dead."""
        while browser.is_connected() and not self._killed:
            try:
                visit = self._visits.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    self._over = self._visits.empty()
                if self._over:
                    return
                continue
            if visit is None:
                return
            if visit.begin():
                self._do(browser, visit)

    def _do(self, browser: Chromium, visit: _Visit) -> None:
        from playwright.sync_api import Error

        self._proxy.begin(visit.limit)
        began = False
        try:
            context = browser.new_context(**visit.options)
            try:
                context.set_default_timeout(visit.seconds * 1000)
                context.route(_FOREIGN, lambda route: route.abort())
                began = True
                result = visit.job(context)
            finally:
                with suppress(Error):
                    context.close()
        except Error as error:
            detail = str(error)[:500]
            if self._killed:
                visit.finish(error=Unavailable("The page took too long and was left.", detail))
            elif not began:
                self._killed = True
                visit.finish(error=_NotServed())
            elif not browser.is_connected():
                visit.finish(error=Unavailable("The browser died while the page was open.", detail))
            else:
                visit.finish(error=Unavailable("The page could not be read in the browser.", detail))
        except BaseException as error:  # noqa: BLE001 - the job runs for another thread, which gets its error
            visit.finish(error=error)
        else:
            visit.finish(result)
        finally:
            self._proxy.end()
