"""The browser's session cookie and the way back from consent pages."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse

from postprober.api.deps import COOKIE, TICKET, CoreDep, SessionDep, cookie_of
from postprober.api.origins import is_from_app
from postprober.api.problems import responses
from postprober.domain.platform import NAMES, parse_platform
from postprober.errors import BadInput, Forbidden, PostProberError
from postprober.services.accounts import linking
from postprober.services.core import Core
from postprober.services.people import users
from postprober.services.people.sessions import Caller

router = APIRouter(tags=["session"])


_APP_PATH = re.compile(r"/(?!/)[A-Za-z0-9_./?=&%~-]{0,200}")  # no second slash or backslash: it would name a host


@router.get(
    "/api/session/begin",
    summary="Begin a browser session",
    status_code=303,
    response_class=RedirectResponse,
    responses=responses(403, 422),
)
def begin(
    request: Request,
    core: CoreDep,
    next: str = "/",
) -> RedirectResponse:
    """Exchange the one-time ticket for the session cookie and go to the app, to the path `next`. The ticket is a cookie
    that the sign-in page sets in the browser in which the password was typed, so nobody can be led into another
    person's session by a link."""
    if not is_from_app(core.settings, request.headers):
        raise Forbidden("Another site sent you here; sign in in the app.")
    if not _APP_PATH.fullmatch(next):
        raise BadInput("`next` must be a path of the app, such as /compose.", field="next")
    settings = core.settings
    token = users.redeem_ticket(core, cookie_of(core, request.cookies, TICKET) or "")
    answer = RedirectResponse(core.settings.app_base + ("" if next == "/" else next), 303)
    path = "/" if settings.https else request.url.path.removesuffix("/begin")
    answer.delete_cookie(settings.cookie_prefix + TICKET, path=path, secure=settings.https)
    answer.set_cookie(
        settings.cookie_prefix + COOKIE,
        token,
        max_age=int(users.SESSION_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",
        path="/",
        secure=settings.https,
    )
    return answer


@router.get(
    "/api/session/end",
    summary="Take away the cookie of a session that is over",
    status_code=303,
    response_class=RedirectResponse,
    responses=responses(),
)
def end(core: CoreDep, caller: SessionDep) -> RedirectResponse:
    """The last step of signing out in the app, which has ended the session by then. A live session is left alone: any
    link may lead here. Programs and pages sign out with `POST /api/auth/logout`."""
    answer = RedirectResponse(core.settings.app_base, 303)
    if caller is None:
        answer.delete_cookie(core.settings.cookie_prefix + COOKIE, path="/", secure=core.settings.https)
    return answer


_BACK: dict[str, Any] = {"status_code": 303, "response_class": RedirectResponse, "responses": responses()}


@router.get("/oauth/{platform}/callback", summary="Come back from a consent page", **_BACK)
def callback(platform: str, request: Request, core: CoreDep, caller: SessionDep) -> RedirectResponse:
    """Where a platform's consent page sends the browser back to; ends in the app with a clear result."""
    return _finish(platform, "", request, core, caller)


@router.get("/oauth/{platform}/callback/{issuer}", summary="Come back from one server's consent page", **_BACK)
def callback_of_server(
    platform: str, issuer: str, request: Request, core: CoreDep, caller: SessionDep
) -> RedirectResponse:
    """The same for platforms of many servers: each has an address of its own, and only its own answer counts
    there."""
    return _finish(platform, issuer, request, core, caller)


@router.get(
    "/oauth/{platform}/client/{issuer}",
    summary="What a platform's server reads of this installation",
    responses=responses(404, 422),
)
def client_document(platform: str, issuer: str, core: CoreDep) -> dict[str, Any]:
    """The public description of our client at one server, where its address is the client's id; without secrets."""
    return linking.client_document(core, parse_platform(platform), issuer)


def _finish(platform: str, issuer: str, request: Request, core: Core, caller: Caller | None) -> RedirectResponse:
    actor = caller.actor if caller else None
    try:
        chosen = parse_platform(platform)
        account = linking.finish(core, actor, chosen, dict(request.query_params), issuer)
        name, text = "linked", f"{NAMES[chosen]}: {account.account_name}"
    except PostProberError as error:
        name, text = "link_error", str(error)
    result = linking.result_for_app(core, actor, name, text)
    return RedirectResponse(f"{core.settings.app_base}/?{urlencode(result)}", 303)
