"""Who is acting, and what they may do. A page may hide a button, but only this refuses.

The doors (pages, API, command line, the scheduler's jobs) make one `Actor` for each request, page run or command, with
`actor` or `of_user`. Between then and the use case somebody may have lost their role, so each use case is decorated with
`needs`: it reads the person once more, refuses, or goes on with the actor as they are now. What it calls in turn does not
ask again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from postprober.domain.access import READ_SCOPES, SCOPES, scopes_of_role
from postprober.domain.actor import Actor, Door, Via
from postprober.errors import Forbidden
from postprober.services.core import Core
from postprober.storage import users
from postprober.storage.records import User

VIEWER_MAY_NOT = "Your role is viewer: you can see everything but not change anything. An owner can make you an editor."
US = "PostProber"  # in histories: nobody did it but the program
P = ParamSpec("P")
R = TypeVar("R")
UseCase = Callable[Concatenate[Core, Actor, P], R]


def actor(core: Core, user_id: int, via: Via) -> Actor:
    """This person, who came by this door. Raises NotFound."""
    with core.db.read() as conn:
        return of_user(users.get(conn, user_id), via)


def of_user(user: User, via: Via) -> Actor:
    """The same for doors that have just read who it is."""
    return Actor(user.id, user.space, user.role, user.zone, via)


def as_now(core: Core, who: Actor) -> Actor:
    """The same person by the same door, with the role and the zone that they have at this moment. Raises NotFound."""
    return actor(core, who.user, who.via)


def again(who: Actor) -> Actor:
    """For a use case of many steps, between which somebody may lose their role: the next step asks anew."""
    return replace(who, asked=False)


def allows(user: User, scope: str) -> bool:
    """Whether the user's role has `scope` (one of `domain.access.SCOPES`)."""
    return user.is_active and scope in scopes_of_role(user.role)


def need(core: Core, who: Actor, scope: str) -> Actor:
    """The actor as they are now. Raises Forbidden unless their role has `scope`, and the token that they came with, or
    when they were deactivated; NotFound when there is no such user. What a use case calls in turn is part of it, so there
    the token is not asked; nor is it for what is only read, which shows what became of an act: that is asked at the door."""
    if who.asked:
        if scope not in scopes_of_role(who.role):
            raise Forbidden(VIEWER_MAY_NOT)
        return who
    if scope not in READ_SCOPES:
        need_of_token(who, scope)
    with core.db.read() as conn:
        user = users.get(conn, who.user)
    if not allows(user, scope):
        raise Forbidden(VIEWER_MAY_NOT)
    return replace(of_user(user, who.via), asked=True)


def need_of_token(who: Actor, scope: str) -> None:
    """For what only a part of a use case does. Raises Forbidden when the token that they came with has no such scope."""
    if not who.via.allows(scope):
        raise Forbidden(f"This needs the permission {scope}, which this token does not have.")


def needs(scope: str) -> Callable[[UseCase[P, R]], UseCase[P, R]]:
    """For a use case `f(core, actor, …)`: only who has `scope` gets in."""
    if scope not in SCOPES:
        raise ValueError(f"there is no scope {scope!r}")

    def decorate(service: UseCase[P, R]) -> UseCase[P, R]:
        @functools.wraps(service)
        def asked(core: Core, actor: Actor, /, *args: P.args, **named: P.kwargs) -> R:
            return service(core, need(core, actor, scope), *args, **named)

        asked.scope = scope  # type: ignore[attr-defined]
        return asked

    return decorate


def name_of(conn: Connection, who: Actor) -> str:
    """What to call them in a history that the people of the space read."""
    if who.via.door is Door.PROGRAM:
        return US
    return called(users.get(conn, who.user))


def called(user: User) -> str:
    """A person's name, or their address where they gave none."""
    return user.name or user.email
