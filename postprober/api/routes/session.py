"""The browser's session cookie and the way back from consent pages."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Cookie, Request
from fastapi.responses import RedirectResponse

from postprober.api.deps import COOKIE, CoreDep, UserDep
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
def begin(request: Request, ticket: str, core: CoreDep, next: str = "/") -> RedirectResponse:
    """Exchange a one-time ticket for the session cookie and go to the app, to the path `next`."""
    _from_our_site(request)
    if not _APP_PATH.fullmatch(next):
        raise BadInput("`next` must be a path of the app, such as /compose.", field="next")
    token = users.redeem_ticket(core, ticket)
    answer = RedirectResponse(core.settings.app_base + ("" if next == "/" else next), 303)
    answer.set_cookie(
        COOKIE, token, max_age=int(users.SESSION_LIFE.total_seconds()), httponly=True, samesite="lax", path="/",
        secure=core.settings.app_base.startswith("https://"),
    )  # fmt: skip
    return answer


@router.get(
    "/api/session/end",
    summary="End the browser session",
    status_code=303,
    response_class=RedirectResponse,
    responses=responses(403),
)
def end(
    request: Request,
    core: CoreDep,
    postprober_session: Annotated[str | None, Cookie(include_in_schema=False)] = None,
) -> RedirectResponse:
    """Sign out: the session is revoked, the cookie removed."""
    _from_our_site(request)
    if postprober_session:
        users.sign_out(core, postprober_session)
    answer = RedirectResponse(core.settings.app_base, 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


def _from_our_site(request: Request) -> None:
    """A foreign page could sign somebody in as its own author, or out."""
    if is_cross_site(request.headers):
        raise Forbidden("Another site sent you here; sign in and out in the app.")


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
