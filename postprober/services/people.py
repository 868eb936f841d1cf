"""Who works here: the first person, people that register, and those whom an owner invites into their space.

A space is one owner's posts, accounts and alerts. The people in it work with the same things in their own role: an
editor changes them, a viewer only looks.
"""

from __future__ import annotations

import hmac
import secrets

from sqlalchemy import Connection

from postprober.domain.access import ROLES
from postprober.errors import BadInput, Forbidden, NotFound
from postprober.security.tokens import keyed_hash, opaque
from postprober.services import passwords, throttle
from postprober.services import users as user_service
from postprober.services.core import Core
from postprober.storage import mails, processes, users
from postprober.storage.records import User

FREE_REGISTRATIONS = 5  # from one address
_SETUP, _FIRST = "setup_token", "first_user"
INVITED_ROLES = ("editor", "viewer")


def nobody_yet(core: Core) -> bool:
    """Whether the first person has still to be made."""
    with core.db.read() as conn:
        return users.count(conn) == 0


def setup_token(core: Core) -> str:
    """A fresh token with which the first person may be made from another machine; the one before is worth nothing."""
    token = opaque()
    with core.db.write() as conn:
        processes.set_fact(conn, _SETUP, keyed_hash(core.settings.secret_key, token))
    return token


def may_set_up(core: Core, token: str, *, local: bool) -> bool:
    """Whether this visitor may make the first person: on this machine itself, or with the token printed at start."""
    if local:
        return True
    with core.db.read() as conn:
        stored = processes.get_fact(conn, _SETUP)
    return bool(stored and token) and hmac.compare_digest(stored or "", keyed_hash(core.settings.secret_key, token))


def make_first(core: Core, *, email: str, password: str, name: str, zone: str, token: str, local: bool) -> User:
    """The first person, an owner. Raises Forbidden when there is one already or the visitor may not, or BadInput."""
    if not may_set_up(core, token, local=local):
        raise Forbidden("Open this page on the machine itself, or with the set-up token printed at start.")

    def only_one(conn: Connection, user_id: int) -> None:
        if users.count(conn) != 1 or not processes.claim_fact(conn, _FIRST, str(user_id)):
            raise Forbidden("Somebody else was faster; sign in.")

    made = user_service.create(core, email=email, password=password, name=name, zone=zone, mark=only_one)
    return _user(core, made)


def register(core: Core, *, email: str, password: str, name: str, zone: str, address: str) -> User:
    """Somebody makes themselves a user, with a space of their own. Raises Forbidden, TooManyTries or BadInput."""
    if core.settings.registration != "open":
        raise Forbidden("Registration is switched off here; ask for an invitation.")
    throttle.count_alone(core, f"register|{throttle.network(address)}", FREE_REGISTRATIONS)
    return _user(core, user_service.create(core, email=email, password=password, name=name, zone=zone))


def listing(core: Core, owner: User) -> list[User]:
    """The people of the space, its owner first. Raises Forbidden."""
    _must_own(owner)
    with core.db.read() as conn:
        return users.members(conn, owner.id)


def invite(core: Core, owner: User, *, email: str, name: str, role: str) -> tuple[User, str]:
    """A new person in the owner's space, and the link under which they choose their password (mailed too, where there
    is a mail server). Raises Forbidden or BadInput."""
    _must_own(owner)
    _check_role(role)
    made = user_service.create(
        core, email=email, password=secrets.token_urlsafe(32), name=name, zone=owner.zone, role=role, owner_id=owner.id
    )
    link = passwords.link(core, made, passwords.INVITE_LIFE)
    user = _user(core, made)
    if core.settings.mail is not None:
        with core.db.write() as conn:
            body = {"kind": "invite", "to": user.email, "link": link, "by": owner.name}
            mails.add(conn, core.vault, body, core.clock.now())
    return user, link


def set_role(core: Core, owner: User, user_id: int, role: str) -> None:
    """Another role, from the next request on. Raises Forbidden, NotFound or BadInput."""
    _check_role(role)
    with core.db.write() as conn:
        users.write(conn, _member(conn, owner, user_id).id, core.clock.now(), role=role)


def set_active(core: Core, owner: User, user_id: int, active: bool) -> None:
    """Let somebody in (again), or shut them out: their sessions and API tokens end at once. Raises Forbidden or
    NotFound."""
    now = core.clock.now()
    with core.db.write() as conn:
        member = _member(conn, owner, user_id)
        users.write(conn, member.id, now, is_active=active)
        if not active:
            users.end_sessions(conn, member.id, (*passwords.SESSION_KINDS, "api_token", "reset"), now)


def new_link(core: Core, owner: User, user_id: int) -> str:
    """A fresh link for somebody who lost theirs. Raises Forbidden or NotFound."""
    with core.db.read() as conn:
        member = _member(conn, owner, user_id)
    return passwords.link(core, member.id, passwords.INVITE_LIFE)


def change_profile(core: Core, user: User, *, name: str, zone: str) -> None:
    """One's own name and time zone. Raises BadInput."""
    tidy = user_service.tidy_name(name) or user.email
    with core.db.write() as conn:
        users.write(conn, user.id, core.clock.now(), name=tidy, zone=user_service.check_zone(zone))


def manages_people(user: User) -> bool:
    """Whether this person decides who works in the space."""
    return user.owner_id is None and user.role == "owner"


def _must_own(user: User) -> None:
    if not manages_people(user):
        raise Forbidden("Only the owner decides who works here.")


def _check_role(role: str) -> None:
    if role not in INVITED_ROLES:
        raise BadInput(f"A role is one of: {', '.join(r for r in ROLES if r in INVITED_ROLES)}.", field="role")


def _member(conn: Connection, owner: User, user_id: int) -> User:
    _must_own(owner)
    found = next((m for m in users.members(conn, owner.id) if m.id == user_id and m.id != owner.id), None)
    if found is None:
        raise NotFound(f"There is nobody with the number {user_id} in your space.")
    return found


def _user(core: Core, user_id: int) -> User:
    with core.db.read() as conn:
        return users.get(conn, user_id)
