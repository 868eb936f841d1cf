"""What a person may do, asked where it is done: a page may hide a button, but only this refuses."""

from __future__ import annotations

from postprober.domain.access import scopes_of_role
from postprober.errors import Forbidden
from postprober.services.core import Core
from postprober.storage import users
from postprober.storage.records import User

VIEWER_MAY_NOT = "Your role is viewer: you may look at everything and change nothing. An owner can make you an editor."


def allows(user: User, scope: str) -> bool:
    """Whether the user's role has `scope` (one of `domain.access.SCOPES`)."""
    return user.is_active and scope in scopes_of_role(user.role)


def need(core: Core, user_id: int, scope: str) -> None:
    """Raises Forbidden unless the user's role, as it is now, has `scope`; NotFound when there is no such user."""
    with core.db.read() as conn:
        user = users.get(conn, user_id)
    if not allows(user, scope):
        raise Forbidden(VIEWER_MAY_NOT)
