"""Who is asking: `CallerDep` and `require`.

A caller shows one of three things: `Authorization: Bearer` with an access token, the same with an API token (`pp_…`),
or the browser's session cookie. A header that is there decides alone, so that a bad token never falls back to the
cookie. With the cookie, methods that change something must come from a page of ours (cross-site request forgery).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPBearer

from postprober.api.deps import COOKIE, CoreDep, cookie_of
from postprober.api.origins import SAFE_METHODS, is_own
from postprober.domain.access import SCOPES
from postprober.errors import Forbidden, NotSignedIn
from postprober.services.people import sessions
from postprober.services.people.sessions import Caller

__all__ = ["Caller", "CallerDep", "bearer_token", "require"]

# For the OpenAPI file only; the check is ours.
_bearer = HTTPBearer(auto_error=False, scheme_name="bearer", description="Access token or API token (`pp_…`)")
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, scheme_name="session", description="The browser's session")


def bearer_token(header: str) -> str:
    """The token of an `Authorization` header; "" for another scheme."""
    scheme, _, token = header.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def get_caller(
    request: Request,
    core: CoreDep,
    _scheme: Annotated[object, Security(_bearer)],
    _session: Annotated[object, Security(_cookie)],
) -> Caller:
    """Raises NotSignedIn, or Forbidden for a foreign page."""
    header = request.headers.get("authorization")
    caller: Caller | None = None
    if header is not None:
        caller = sessions.by_bearer(core, bearer_token(header))
    elif cookie := cookie_of(core, request.cookies):
        caller = sessions.by_cookie(core, cookie)
        if caller and request.method not in SAFE_METHODS and not is_own(core.settings, request.headers):
            raise Forbidden("This page may not use your session; do it in the app.")
    if caller is None:
        raise NotSignedIn("Sign in first.")
    request.state.user_id = caller.user.id  # for the request log
    return caller


CallerDep = Annotated[Caller, Depends(get_caller)]


def require(caller: Caller, *scopes: str) -> None:
    """Raises Forbidden unless the caller has all of `scopes`, which are among `domain.access.SCOPES`."""
    for scope in scopes:
        if scope not in SCOPES:
            raise ValueError(f"there is no scope {scope!r}")
        if scope not in caller.scopes:
            raise Forbidden(f"This needs the permission {scope}, which this sign-in or token does not have.")
