"""What a person may do, asked where it is done: a page may hide a button, but only this refuses.

The people of a space work with the same things (`User.space`). So a service that is `asks`-decorated is given whoever
is acting, and goes on with the id of the space. What is the person's own (their time zone, what they chose) cannot be
found by that id: a service that needs it is `knows`-decorated and gets an `Actor`, who keeps both apart.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar

from postprober.domain.access import scopes_of_role
from postprober.errors import Forbidden
from postprober.services.core import Core
from postprober.storage import users
from postprober.storage.records import User

VIEWER_MAY_NOT = "Your role is viewer: you can see everything but not change anything. An owner can make you an editor."
P = ParamSpec("P")
R = TypeVar("R")
Service = Callable[Concatenate[Core, int, P], R]


@dataclass(frozen=True)
class Actor:
    """Whoever is acting. `id`: the person, for calling other services; `space`: whose posts and accounts they work with;
    `zone`: the IANA name of the time zone that this person reads and types times in."""

    id: int
    space: int
    zone: str


Known = Callable[Concatenate[Core, Actor, P], R]


def allows(user: User, scope: str) -> bool:
    """Whether the user's role has `scope` (one of `domain.access.SCOPES`)."""
    return user.is_active and scope in scopes_of_role(user.role)


def need(core: Core, user_id: int, scope: str) -> int:
    """The id of the space that this person works in. Raises Forbidden unless their role, as it is now, has `scope`;
    NotFound when there is no such user."""
    return _allowed(core, user_id, scope).space


def _allowed(core: Core, user_id: int, scope: str) -> User:
    with core.db.read() as conn:
        user = users.get(conn, user_id)
    if not allows(user, scope):
        raise Forbidden(VIEWER_MAY_NOT)
    return user


def asks(scope: str) -> Callable[[Service[P, R]], Service[P, R]]:
    """For a service `f(core, user_id, …)`: whoever calls it says who is acting, and must have `scope`; the service gets
    the id of that person's space."""

    def decorate(service: Service[P, R]) -> Service[P, R]:
        @functools.wraps(service)
        def asked(core: Core, user_id: int, /, *args: P.args, **named: P.kwargs) -> R:
            return service(core, need(core, user_id, scope), *args, **named)

        return asked

    return decorate


def knows(scope: str) -> Callable[[Known[P, R]], Service[P, R]]:
    """As `asks`, for a service `f(core, actor, …)` in which the person matters, and not only their space."""

    def decorate(service: Known[P, R]) -> Service[P, R]:
        @functools.wraps(service)
        def asked(core: Core, user_id: int, /, *args: P.args, **named: P.kwargs) -> R:
            user = _allowed(core, user_id, scope)
            return service(core, Actor(user.id, user.space, user.zone), *args, **named)

        return asked

    return decorate
