"""What routes ask for."""

from __future__ import annotations

from typing import Annotated

from fastapi import Cookie, Depends, Request

from postprober.services import users
from postprober.services.core import Core
from postprober.storage.records import User

COOKIE = "postprober_session"
TICKET = "postprober_ticket"  # set by the app's own page, for one minute and one use


def get_core(request: Request) -> Core:
    core: Core = request.app.state.core
    return core


CoreDep = Annotated[Core, Depends(get_core)]


def current_user(core: CoreDep, postprober_session: Annotated[str | None, Cookie()] = None) -> User | None:
    """Who the session cookie belongs to, None without a live session."""
    return users.session_user(core, postprober_session)


UserDep = Annotated[User | None, Depends(current_user)]
