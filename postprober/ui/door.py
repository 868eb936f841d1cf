"""What stands before Streamlit's own server: whose pages may open it, and who may leave files in its memory.

Streamlit believes every page of the same host name, whatever its port, asks the internet for its own address when a
page from elsewhere knocks, and keeps uploads of whoever names a session. Here the request ends before it does that.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from anyio import to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.runtime import Runtime, exists

from postprober.errors import ConfigurationError
from postprober.services.core import Core
from postprober.services.people import users
from postprober.settings import Settings
from postprober.ui import state

UPLOADS = "/_stcore/upload_file/"
HEALTH = "/_stcore/health"  # asked by address, whatever name that has
MAX_UPLOAD = (
    9 * 1024 * 1024
)  # bytes: `maxUploadSize` in .streamlit/config.toml and its frame; tables only, media go to the sidecar
MAX_OF_PERSON = 100 * 1024 * 1024  # bytes of the files of all open pages of one person
MAX_OF_ALL = 160 * 1024 * 1024  # bytes of everybody's; with the app's own 160 MB this stays well below 400
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_log = logging.getLogger("postprober.door")


class AppDoor:
    """`core` gives the installation when it is first needed."""

    def __init__(self, app: ASGIApp, core: Callable[[], Core] = state.core) -> None:
        self._app = app
        self._core = core
        self._made: Core | None = None
        self._room = _Room()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] == HEALTH:
            await self._app(scope, receive, send)
            return
        status, reason = await self._judge(scope, Headers(scope=scope))
        if status:
            await _refuse(scope, receive, send, status, reason)
            return
        try:
            await self._app(scope, receive, _unframed(send))
        finally:
            self._room.arrived(id(scope))

    async def _judge(self, scope: Scope, headers: Headers) -> tuple[int, str]:
        """(0, "") for what may pass, else a status and a sentence."""
        try:
            if self._made is None:
                self._made = await to_thread.run_sync(self._core)
        except ConfigurationError as error:
            return 503, error.message
        core = self._made
        if not is_known(core.settings, headers.get("host", "")):
            return 400, "Set POSTPROBER_APP_URL to this address."
        origin = headers.get("origin")
        if origin is not None and not is_own(core.settings, origin, headers.get("host", "")):
            return 403, "This page may not open the app."
        if scope["type"] == "http" and UPLOADS in scope["path"] and scope["method"] not in ("OPTIONS", "GET", "HEAD"):
            return await to_thread.run_sync(self._upload, core, scope, headers)
        return 0, ""

    def _upload(self, core: Core, scope: Scope, headers: Headers) -> tuple[int, str]:
        """(0, "") when this upload may begin."""
        user = users.session_user(core, _session(core.settings, headers))
        if user is None:
            return 401, "Sign in first."
        if scope["method"] == "DELETE":
            return 0, ""
        said = headers.get("content-length", "")
        if not (said.isascii() and said.isdigit() and len(said) < 12):
            return 411, "Say how long the file is."
        if int(said) > MAX_UPLOAD:
            return 413, f"A file may have {MAX_UPLOAD // 1024 // 1024 - 1} MB."
        session = scope["path"].partition(UPLOADS)[2].partition("/")[0]
        return self._room.take(id(scope), user.id, session, int(said))


class _Room:
    """How much lies in Streamlit's memory or is on its way there. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owners: dict[str, int] = {}  # of open pages
        self._coming: dict[int, tuple[int, str, int]] = {}  # by request: whose, for which page, and how many bytes

    def take(self, request: int, user: int, session: str, size: int) -> tuple[int, str]:
        """(0, "") when there is room, which is then taken until `arrived`."""
        with self._lock:
            kept = held()  # under the lock: what arrives meanwhile would be in neither of the two
            awaited = {page for _, page, _ in self._coming.values()}  # kept may not have them yet
            self._owners = {one: owner for one, owner in self._owners.items() if one in kept or one in awaited}
            self._owners[session] = user
            coming = sum(size for *_, size in self._coming.values())
            of_person = sum(size for one, size in kept.items() if self._owners.get(one) == user)
            of_person += sum(size for owner, _, size in self._coming.values() if owner == user)
            if of_person + size > MAX_OF_PERSON:
                most = MAX_OF_PERSON // 1024 // 1024
                return 413, f"The files of your open pages may have {most} MB together. Load the other pages again."
            if sum(kept.values()) + coming + size > MAX_OF_ALL:
                return 503, "Many files are arriving at the moment. Try again in a minute."
            self._coming[request] = user, session, size
        return 0, ""

    def arrived(self, request: int) -> None:
        """The request has ended: what came of it is kept now, or nothing is."""
        with self._lock:
            self._coming.pop(request, None)


def held() -> dict[str, int]:
    """Bytes of the files that Streamlit keeps, by open page."""
    if not exists():
        return {}
    kept = getattr(Runtime.instance().uploaded_file_mgr, "file_storage", {})
    return {session: sum(len(one.data) for one in list(files.values())) for session, files in list(kept.items())}


def is_known(settings: Settings, host: str) -> bool:
    """Whether this is a name of the app's: another one is a rebinding page or a forged link."""
    name = _parts(f"//{host}")[0]
    return bool(name) and name in {*_LOOPBACK, _parts(settings.app_base)[0]}


def is_own(settings: Settings, origin: str, host: str) -> bool:
    """Whether the page that asks is the app itself: its public address, or the very address that was asked."""
    asked = _parts(origin)
    public = _parts(settings.app_base)
    if asked == public and urlsplit(origin).scheme == urlsplit(settings.app_base).scheme:
        return True
    return asked[0] in _LOOPBACK and asked == _parts(f"http://{host}")


def _parts(url: str) -> tuple[str, int]:
    """Host name and port; ("", 0) for what cannot be read."""
    try:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return "", 0


def _session(settings: Settings, headers: Headers) -> str | None:
    try:
        found = SimpleCookie("; ".join(headers.getlist("cookie"))).get(settings.cookie_prefix + state.COOKIE)
    except CookieError:
        return None
    return found.value if found else None


def _unframed(send: Send) -> Send:
    """No other site may show the app in a frame and have people click on what they do not see."""

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("Content-Security-Policy", "frame-ancestors 'self'")
            headers.setdefault("X-Frame-Options", "SAMEORIGIN")
        await send(message)

    return answer


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, reason: str) -> None:
    _log.warning("refused %s with %s", scope["path"][:80], status)
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 4403, "reason": reason})
    else:
        await PlainTextResponse(reason, status, {"Connection": "close"})(scope, receive, send)
