"""The browser's session cookie and the way back from consent pages."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Cookie, Request
from fastapi.responses import RedirectResponse

from postprober.api.deps import COOKIE, TICKET, CoreDep, UserDep
from postprober.api.origins import is_cross_site
from postprober.api.problems import responses
from postprober.domain.platform import NAMES, parse_platform
from postprober.errors import BadInput, Forbidden, PostProberError
from postprober.services import linking, users

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
    postprober_ticket: Annotated[str | None, Cookie(include_in_schema=False)] = None,
) -> RedirectResponse:
    """Exchange the one-time ticket for the session cookie and go to the app, to the path `next`. The ticket is a cookie
    that the sign-in page sets in the browser in which the password was typed, so nobody can be led into another
    person's session by a link."""
    if is_cross_site(request.headers):
        raise Forbidden("Another site sent you here; sign in in the app.")
    if not _APP_PATH.fullmatch(next):
        raise BadInput("`next` must be a path of the app, such as /compose.", field="next")
    token = users.redeem_ticket(core, postprober_ticket or "")
    answer = RedirectResponse(core.settings.app_base + ("" if next == "/" else next), 303)
    answer.delete_cookie(TICKET, path=request.url.path.removesuffix("/begin"))
    answer.set_cookie(
        COOKIE, token, max_age=int(users.SESSION_LIFE.total_seconds()), httponly=True, samesite="lax", path="/",
        secure=core.settings.app_base.startswith("https://"),
    )  # fmt: skip
    return answer


@router.get(
    "/api/session/end",
    summary="Take away the cookie of a session that is over",
    status_code=303,
    response_class=RedirectResponse,
    responses=responses(),
)
def end(core: CoreDep, user: UserDep) -> RedirectResponse:
    """The last step of signing out in the app, which has ended the session by then. A live session is left alone: any
    link may lead here. Programs and pages sign out with `POST /api/auth/logout`."""
    answer = RedirectResponse(core.settings.app_base, 303)
    if user is None:
        answer.delete_cookie(COOKIE, path="/")
    return answer


@router.get(
    "/oauth/{platform}/callback",
    summary="Come back from a consent page",
    status_code=303,
    response_class=RedirectResponse,
    responses=responses(),
)
def callback(platform: str, request: Request, core: CoreDep, user: UserDep) -> RedirectResponse:
    """Where a platform's consent page sends the browser back to; ends in the app with a clear result."""
    try:
        chosen = parse_platform(platform)
        account = linking.finish(core, chosen, dict(request.query_params), user.id if user else None)
        result = {"linked": f"{NAMES[chosen]}: {account.account_name}"}
    except PostProberError as error:
        result = {"link_error": str(error)}
    return RedirectResponse(f"{core.settings.app_base}/?{urlencode(result)}", 303)
