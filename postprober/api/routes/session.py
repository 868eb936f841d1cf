"""The browser's session cookie and the way back from consent pages."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Cookie, Request
from fastapi.responses import RedirectResponse

from postprober.api.deps import COOKIE, CoreDep, UserDep
from postprober.domain.platform import NAMES, parse_platform
from postprober.errors import PostProberError
from postprober.services import linking, users

router = APIRouter(tags=["session"])


@router.get("/api/session/begin")
def begin(ticket: str, core: CoreDep) -> RedirectResponse:
    """Exchange a one-time ticket for the session cookie and go to the app."""
    token = users.redeem_ticket(core, ticket)
    answer = RedirectResponse(core.settings.app_base, 303)
    answer.set_cookie(
        COOKIE, token, max_age=int(users.SESSION_LIFE.total_seconds()), httponly=True, samesite="lax", path="/",
        secure=core.settings.app_base.startswith("https://"),
    )  # fmt: skip
    return answer


@router.get("/api/session/end")
def end(core: CoreDep, postprober_session: Annotated[str | None, Cookie()] = None) -> RedirectResponse:
    """Sign out: the session is revoked, the cookie removed."""
    if postprober_session:
        users.sign_out(core, postprober_session)
    answer = RedirectResponse(core.settings.app_base, 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


@router.get("/oauth/{platform}/callback")
def callback(platform: str, request: Request, core: CoreDep, user: UserDep) -> RedirectResponse:
    """Where a platform's consent page sends the browser back to; ends in the app with a clear result."""
    try:
        chosen = parse_platform(platform)
        account = linking.finish(core, chosen, dict(request.query_params), user.id if user else None)
        result = {"linked": f"{NAMES[chosen]}: {account.account_name}"}
    except PostProberError as error:
        result = {"link_error": str(error)}
    return RedirectResponse(f"{core.settings.app_base}/?{urlencode(result)}", 303)
