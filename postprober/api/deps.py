"""What routes ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Request

from postprober.api.slow_work import SlowWork
from postprober.services.core import Core
from postprober.services.people import sessions
from postprober.services.people.sessions import Caller

COOKIE = "postprober_session"
TICKET = "postprober_ticket"  # set by the app's own page, for one minute and one use


async def get_core(request: Request) -> Core:
    """Asynchronous, so that it takes no thread, for which it would wait."""
    core: Core = request.app.state.core
    return core


CoreDep = Annotated[Core, Depends(get_core)]


async def get_slow(request: Request) -> SlowWork:
    """Where work of seconds is done."""
    slow: SlowWork = request.app.state.slow
    return slow


SlowDep = Annotated[SlowWork, Depends(get_slow)]


def cookie_of(core: Core, cookies: Mapping[str, str], name: str = COOKIE) -> str | None:
    """The value of one of our cookies."""
    return cookies.get(core.settings.cookie_prefix + name)


def by_session(request: Request, core: CoreDep) -> Caller | None:
    """Who the session cookie belongs to, None without a live session."""
    cookie = cookie_of(core, request.cookies)
    return sessions.by_cookie(core, cookie) if cookie else None


SessionDep = Annotated[Caller | None, Depends(by_session)]
