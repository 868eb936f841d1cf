"""Instagram by browser: EXPERIMENTAL, opt-in, for accounts without API access. Decision 0015.

It drives the web pages with the person's own stored session. The click on Share is the one visible act: the lease is
checked before it, and whatever happens after it that is not a plain "shared" with the post's code is an unknown
outcome. Nothing but the way to Share is ever clicked; a page that asks the person something ends the visit.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

from postprober.browser import Browser
from postprober.clock import Clock, SystemClock
from postprober.domain import crops
from postprober.domain.account import Credentials, Identity
from postprober.domain.limits import Limits
from postprober.domain.platform import PlatformConfig, ReconcileMode
from postprober.domain.post import Draft, MediaKind, Preflight
from postprober.domain.preflight import check
from postprober.domain.remote import (
    Counts,
    PartJob,
    Progress,
    Reading,
    Receipt,
    Ref,
    RemotePost,
    Search,
    Sighting,
    SightingState,
    Staged,
    Timeline,
)
from postprober.domain.text import normalise
from postprober.errors import (
    BadInput,
    OutcomeUnknown,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.http import Exchange, HttpClient
from postprober.platforms.common.adapter import READY, Traits, sighting_in
from postprober.platforms.common.media import FittedImage, fit_image
from postprober.platforms.common.replies import text_at
from postprober.platforms.instagram import browser_pages as on
from postprober.platforms.instagram.about import ABOUT
from postprober.platforms.instagram.limits import LIMITS
from postprober.platforms.instagram.options import InstagramOptions

T = TypeVar("T")
READ_SECONDS = 60.0  # ours: a page takes a few seconds; settings["browser_seconds"] overrides both
PUBLISH_SECONDS = 120.0
SETTLE_SECONDS = 60.0  # ours, as for the API; settings["settle_seconds"]
STORED = "storage_state"  # in Credentials.secret: cookies in Playwright's form, as JSON
MOST_READ = 12  # newest posts whose pages are opened in one reading
AFTER_CLICK = 50  # milliseconds: by then the page has begun to send

# Instagram's Terms of Use, "How You Can't Use Instagram": no access "in an automated way without our express
# permission" (https://help.instagram.com/581066165581870).
TERMS = (
    "Instagram's terms forbid using it in an automated way without its permission. It may restrict or close the account, "
    "and its pages may change at any time. PostProber can only prove this way of posting against its own sandbox. Use it "
    "only for an account that you can afford to lose, and that has no access to the API."
)
TRAITS = Traits(
    platform=ABOUT.platform,
    # No source says how soon the grid of a profile shows a post: "not found" is never proof, a person looks.
    mode=ReconcileMode.STRICT,
    settle=timedelta(seconds=SETTLE_SECONDS),
    threads=False,
    video=False,
    deletes=False,
    lists_own=True,
    refreshes=False,
    pkce=False,
)


@dataclass
class _Step:
    """How far a publish came: what is decided after the visit, whatever error it ended with."""

    clicked: bool = False
    replies: list[Any] = field(default_factory=list)
    code: str = ""
    status: int | None = None


class InstagramBrowserAdapter:
    """Instagram's web pages, seen by the owner of an account. `browser` None: there is none on this machine."""

    def __init__(
        self, http: HttpClient, config: PlatformConfig, clock: Clock | None = None, browser: Browser | None = None
    ) -> None:
        self.http = http
        self.config = config
        self.clock = clock or SystemClock()
        self.browser = browser
        seconds = float(config.settings.get("settle_seconds", SETTLE_SECONDS))
        self.traits = replace(TRAITS, settle=timedelta(seconds=seconds))

    def identify(self, cred: Credentials) -> Identity:
        def look(page: Any) -> Identity:
            on.open_page(page, f"{cred.instance}/")
            name = on.own_name(page)
            cookies = {c["name"]: c["value"] for c in page.context.cookies()}
            remote_id = str(cookies.get(on.USER_COOKIE, ""))
            on.open_page(page, f"{cred.instance}/{name}/")
            shown, _ = on.grid(page)
            newest = next((code for code, pinned in shown if not pinned), "")
            return Identity(remote_id, name, on.id_of(newest) or None)

        found = self._visit(cred, look, READ_SECONDS)
        if not found.remote_id:
            raise UnexpectedReply("The stored session does not say whose it is; import it again.")
        return found

    def refresh(self, cred: Credentials) -> Credentials:
        raise ReconnectNeeded("A browser session cannot be renewed from here; import it again.")

    def revoke(self, cred: Credentials) -> bool:
        return False  # the person ends the session in Instagram's settings

    def limits(self, cred: Credentials | None) -> Limits:
        """As with the API, without its options but the crop: the web page's dialog is clicked through, and these are not in it."""
        return replace(LIMITS, lacks=frozenset(InstagramOptions.model_fields) - {crops.OPTION})

    def preflight(self, draft: Draft, limits: Limits) -> Preflight:
        return check(draft, limits)

    def new_handle(self, key: str, index: int, composed_at: datetime) -> str:
        return ""

    def submit(self, cred: Credentials, job: PartJob) -> Staged:
        """Nothing is handed over before Share; what cannot go this way is refused here."""
        if len(job.media) != 1 or job.media[0].kind is not MediaKind.IMAGE:
            message = "By browser, PostProber posts exactly one picture; link the account by its API for anything else."
            raise PostRejected(message, code="one_picture")
        _picture(job)  # a file that cannot go is refused before the intent
        return Staged()

    def check(self, cred: Credentials, staged: Staged) -> Progress:
        return READY

    def finalize(self, cred: Credentials, job: PartJob, staged: Staged) -> Receipt:
        picture = _picture(job)
        step = _Step()
        try:
            self._visit(cred, lambda page: self._publish(page, cred, job, picture, step), PUBLISH_SECONDS, step)
        except PlatformError as error:
            if step.clicked:
                message = "It is not known whether Instagram took the post after the click on Share."
                raise OutcomeUnknown(message, error.detail or error.message, http_status=step.status) from error
            if isinstance(error, OutcomeUnknown):
                raise Unavailable(error.message, error.detail) from error
            raise
        if not step.code:
            message = "Instagram's page does not say clearly whether the post was shared."
            raise OutcomeUnknown(message, http_status=step.status)
        return Receipt(Ref(on.id_of(step.code), self._permalink(step.code)))

    def _publish(self, page: Any, cred: Credentials, job: PartJob, picture: FittedImage, step: _Step) -> None:
        """Through the dialog to Share, and what the page says then. Clicks Share at most once."""
        on.open_page(page, f"{cred.instance}/")
        self._fill_in(page, job, picture)
        share = _button(page, on.SHARE)
        share.click(trial=True, timeout=on.WAIT)  # everything short of the click: visible, enabled, not covered
        on.stop_at_checks(page)
        page.on("response", lambda reply: step.replies.append(reply) if on.SHARE_CALL in reply.url else None)
        self.http.checkpoint("connected")
        if self.http.gate is not None:
            self.http.gate()
        step.clicked = True
        share.click(timeout=on.WAIT, no_wait_after=True)
        page.wait_for_timeout(AFTER_CLICK)
        self.http.checkpoint("request_sent")
        page.locator(f"{on.SHARED}, {on.NOT_SHARED}, {on.ASKED}").first.wait_for(
            timeout=self._seconds(PUBLISH_SECONDS) * 500
        )
        self.http.checkpoint("reply_headers")
        shared = page.locator(on.SHARED).count() > 0
        for reply in step.replies:
            step.status = int(reply.status)
            if shared and reply.ok:
                step.code = _code_in(reply.text())
        self.http.checkpoint("reply_body")

    def _fill_in(self, page: Any, job: PartJob, picture: FittedImage) -> None:
        """Picture, caption and its description; reads the caption back, because editors have minds of their own."""
        page.locator(on.NEW_POST).first.click(timeout=on.WAIT)
        file = {"name": "picture.jpg", "mimeType": picture.mime, "buffer": picture.data}
        page.locator(on.FILE_INPUT).set_input_files(file, timeout=on.WAIT)
        for _ in range(2):  # crop, then edit
            _button(page, on.NEXT).click(timeout=on.WAIT)
        caption = page.locator(on.CAPTION)
        caption.fill(job.text, timeout=on.WAIT)
        if normalise(str(caption.evaluate(on.TYPED))) != normalise(job.text):
            raise UnexpectedReply("Instagram's page changed the caption while it was typed; nothing was published.")
        if job.media[0].alt:
            _button(page, on.ACCESSIBILITY).click(timeout=on.WAIT)
            page.locator(on.ALT_TEXT).first.fill(job.media[0].alt, timeout=on.WAIT)

    def locate(self, cred: Credentials, search: Search) -> Sighting:
        try:
            return sighting_in(self.recent(cred, search.since - timedelta(minutes=2)), search)
        except (ReconnectNeeded, Throttled):
            raise
        except PlatformError as error:
            return Sighting(SightingState.UNSURE, None, error.message)

    def fetch(self, cred: Credentials, remote_id: str) -> RemotePost | None:
        code = on.code_for(remote_id)

        def look(page: Any) -> RemotePost | None:
            status = on.open_page(page, f"{cred.instance}/p/{code}/")
            if on.is_gone(page, status):
                return None
            return on.read_post(page, code, self._permalink(code))

        return self._visit(cred, look, READ_SECONDS)

    def recent(self, cred: Credentials, since: datetime) -> Timeline:
        """From the profile's grid; each post's page is opened, because only there stand its time and its caption."""

        def look(page: Any) -> Timeline:
            on.open_page(page, f"{cred.instance}/{cred.name}/")
            shown, total = on.grid(page)
            posts: list[RemotePost] = []
            for code, pinned in shown[:MOST_READ]:
                status = on.open_page(page, f"{cred.instance}/p/{code}/")
                if on.is_gone(page, status):
                    raise Unavailable("Instagram lists a post that it does not show.", code)
                posts.append(on.read_post(page, code, self._permalink(code)))
                made = posts[-1].created_at
                if not pinned and made is not None and made < since:
                    return Timeline(tuple(posts), True)
            return Timeline(tuple(posts), total is not None and len(posts) >= total)

        return self._visit(cred, look, READ_SECONDS)

    def read_many(self, cred: Credentials, ids: Sequence[str]) -> dict[str, Reading]:
        return {one: self._read_one(cred, one) for one in ids}

    def _read_one(self, cred: Credentials, remote_id: str) -> Reading:
        code = on.code_for(remote_id)

        def look(page: Any) -> Reading:
            status = on.open_page(page, f"{cred.instance}/p/{code}/")
            if on.is_gone(page, status):
                return Reading(None)
            return Reading(on.read_post(page, code, self._permalink(code)), Counts(likes=on.likes(page)))

        return self._visit(cred, look, READ_SECONDS)

    def delete(self, cred: Credentials, remote_id: str) -> None:
        message = "By browser, PostProber deletes nothing; delete the post in the Instagram app."
        raise PostRejected(message, code="not_supported")

    def _visit(self, cred: Credentials, look: Callable[[Any], T], seconds: float, step: _Step | None = None) -> T:
        """One visit with the stored session, reported like any exchange. Raises what `look` raises, or Unavailable."""
        if self.browser is None:
            raise Unavailable("No browser can be started here, and this account is used by browser.")
        began = time.monotonic()
        try:
            return self.browser.visit(
                lambda context: look(context.new_page()), seconds=self._seconds(seconds), storage_state=_stored(cred)
            )
        finally:
            took = round((time.monotonic() - began) * 1000)
            visible = step is not None and step.clicked
            status = step.status if step is not None else None
            self.http.observer(Exchange("BROWSER", cred.instance, self.http.request_id, status, took, "", visible))

    def _seconds(self, usual: float) -> float:
        return float(self.config.settings.get("browser_seconds", usual))

    def _permalink(self, code: str) -> str:
        return f"{self.config.auth_url}/p/{code}/"


def _picture(job: PartJob) -> FittedImage:
    """The job's one picture as it is sent. Raises PostRejected when it cannot be made fit."""
    try:
        return fit_image(job.media[0].path, LIMITS.images, job.media[0].crop)
    except BadInput as error:
        raise PostRejected(error.message, error.detail, code="picture") from error


def _button(page: Any, name: str) -> Any:
    """The dialog's visible button of this name."""
    return page.locator(on.DIALOG).get_by_role("button", name=name, exact=True)


def _code_in(text: str) -> str:
    try:
        return text_at(json.loads(text), "media", "code")
    except (ValueError, RecursionError):
        return ""


def _stored(cred: Credentials) -> Mapping[str, Any]:
    """The session. Raises ReconnectNeeded when there is none."""
    try:
        found = json.loads(cred.secret.get(STORED, ""))
    except ValueError:
        raise ReconnectNeeded("The stored browser session cannot be read; import it again.") from None
    return found if isinstance(found, dict) else {}


def session_of(state: object, base: str) -> Credentials:
    """Credentials from a browser's stored state (Playwright's `storage_state`): only the cookies of the site at `base`
    are kept, and no other site's. Raises ValueError with one sentence when it holds no session of Instagram."""
    host = urlsplit(base).hostname or ""
    cookies = state.get("cookies") if isinstance(state, dict) else None
    if not isinstance(cookies, list):
        raise ValueError('This is no stored browser session: it has no list of "cookies".')
    own = [c for c in cookies if isinstance(c, dict) and _belongs(str(c.get("domain", "")), host)]
    values = {str(c.get("name")): str(c.get("value") or "") for c in own}
    session, user = values.get(on.SESSION_COOKIE, ""), values.get(on.USER_COOKIE, "")
    if not session or not user:
        raise ValueError("Nobody is signed in to Instagram in this stored session; sign in and store it again.")
    kept = json.dumps({"cookies": own, "origins": []})
    return Credentials(session, remote_id=user, instance=base, secret={STORED: kept})


def _belongs(domain: str, host: str) -> bool:
    """RFC 6265, 5.1.3: a cookie of `instagram.com` is sent to `www.instagram.com`."""
    bare = domain.lstrip(".").lower()
    return bool(bare) and (host == bare or host.endswith(f".{bare}")) and ("." in bare or bare == "localhost")
