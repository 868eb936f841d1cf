"""Who works here: the first person, people that register, and those whom an owner invites into their space.

A space is one owner's posts, accounts and alerts. The people in it work with the same things in their own role: an
editor changes them, a viewer only looks.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta
from urllib.parse import urlencode

from sqlalchemy import Connection

from postprober.domain.access import ROLES
from postprober.domain.actor import Actor
from postprober.errors import BadInput, Forbidden, NotFound
from postprober.security.passwords import hash_password
from postprober.security.tokens import keyed_hash, opaque, sign, verify
from postprober.services.core import Core
from postprober.services.people import passwords, second_factor, throttle
from postprober.services.people import users as user_service
from postprober.storage import mails, processes, users
from postprober.storage.records import User

FREE_REGISTRATIONS = 5  # from one address
FREE_INVITATIONS = 10  # of one owner
REMOVED = "@removed.invalid"
REGISTER_LIFE = timedelta(hours=1)
_REGISTER = "register"
_SETUP, _FIRST = "setup_token", "first_user"
INVITED_ROLES = ("editor", "viewer")


def nobody_yet(core: Core) -> bool:
    """Whether the first person has still to be made."""
    with core.db.read() as conn:
        return users.count(conn) == 0


def setup_token(core: Core) -> str:
    """A fresh token with which the first person is made; the one before is worth nothing."""
    token = opaque()
    with core.db.write() as conn:
        processes.set_fact(conn, _SETUP, keyed_hash(core.settings.secret_key, token))
    return token


def may_set_up(core: Core, token: str) -> bool:
    """Whether this visitor may make the first person: only with the token printed at start. Where a browser is cannot
    be told: a TCP forwarder makes everybody local."""
    with core.db.read() as conn:
        stored = processes.get_fact(conn, _SETUP)
    return bool(stored and token) and hmac.compare_digest(stored or "", keyed_hash(core.settings.secret_key, token))


def make_first(core: Core, *, email: str, password: str, name: str, zone: str, token: str) -> User:
    """The first person, an owner. Raises Forbidden when there is one already or the visitor may not, or BadInput."""
    if not may_set_up(core, token):
        raise Forbidden("Open the set-up link that PostProber printed when it was started.")

    def only_one(conn: Connection, user_id: int) -> None:
        if users.count(conn) != 1 or not processes.claim_fact(conn, _FIRST, str(user_id)):
            raise Forbidden("An account was created in the meantime. Sign in.")

    made = user_service.create(core, email=email, password=password, name=name, zone=zone, mark=only_one)
    return _user(core, made)


def register(core: Core, *, email: str, address: str) -> None:
    """Mail a link to `email`, under which its owner makes an account. What is said is the same for a known address: who
    has one here is told so by mail. Raises Forbidden, TooManyTries or BadInput."""
    if core.settings.registration != "open" or core.settings.mail is None:
        raise Forbidden("Registration is switched off here; ask for an invitation.")
    account = user_service.tidy_email(email)
    throttle.count_alone(core, f"register|{throttle.network(address)}", FREE_REGISTRATIONS)
    throttle.count_alone(core, f"register|{account}", FREE_REGISTRATIONS)
    with core.db.write() as conn:
        mails.add(conn, core.vault, {"kind": "register", "to": account}, core.clock.now())


def registration_link(core: Core, email: str) -> str:
    """Whoever reads the mail to `email` may make an account for it, within an hour."""
    now = core.clock.now().timestamp()
    token = sign(core.settings.secret_key, _REGISTER, {"email": email}, now=now, lifetime=REGISTER_LIFE.total_seconds())
    return f"{core.settings.app_base}/?{urlencode({'register': token})}"


def registering(core: Core, token: str) -> str | None:
    """Whose address the link proves; None when it is too old, invented, or there is an account by now."""
    try:
        email = str(verify(core.settings.secret_key, _REGISTER, token, now=core.clock.now().timestamp())["email"])
    except (Forbidden, KeyError):
        return None
    with core.db.read() as conn:
        return None if users.by_email(conn, email) else email


def finish_registration(core: Core, token: str, *, password: str, name: str, zone: str) -> User:
    """The account that the link is for, with a space of its own. Raises Forbidden or BadInput."""
    email = registering(core, token) if core.settings.registration == "open" else None
    if email is None:
        raise Forbidden("This link was used already or is too old. Start again.")
    return _user(core, user_service.create(core, email=email, password=password, name=name, zone=zone))


def listing(core: Core, actor: Actor) -> list[User]:
    """The people of the space, its owner first. Raises Forbidden."""
    with core.db.read() as conn:
        owner = _owner(conn, actor)
        return [one for one in users.members(conn, owner.id) if not one.email.endswith(REMOVED)]


def invite(core: Core, actor: Actor, *, email: str, name: str, role: str) -> tuple[User | None, str]:
    """A new person in the owner's space, and the link under which they choose their password. Where there is a mail
    server the link is mailed and "" is returned: only who reads that mail is that person, and the answer is the same
    for an address that has an account already. Somebody of this space, whose invitation may have got lost, is mailed a
    new link. Raises Forbidden, TooManyTries or BadInput."""
    with core.db.read() as conn:
        owner = _owner(conn, actor)
    _check_role(role)
    if core.settings.mail is not None and (ours := _of_this_space(core, owner, email)) is not None:
        return ours, new_link(core, actor, ours.id)
    throttle.count_alone(core, f"invite|{owner.id}", FREE_INVITATIONS)
    if core.settings.mail is not None:
        with core.db.write() as conn:
            known = users.by_email(conn, user_service.tidy_email(email))
            if known is not None:
                body = {"kind": "invite", "to": known.email, "link": "", "by": owner.email}
                mails.add(conn, core.vault, body, core.clock.now())
                return None, ""
    made = user_service.create(
        core, email=email, password=secrets.token_urlsafe(32), name=name, zone=owner.zone, role=role, owner_id=owner.id
    )
    link = passwords.link(core, made, passwords.INVITE_LIFE)
    user = _user(core, made)
    if core.settings.mail is not None:
        with core.db.write() as conn:
            body = {"kind": "invite", "to": user.email, "link": link, "by": owner.email}
            mails.add(conn, core.vault, body, core.clock.now())
        return user, ""
    return user, link


def _of_this_space(core: Core, owner: User, email: str) -> User | None:
    with core.db.read() as conn:
        known = users.by_email(conn, user_service.tidy_email(email))
    return (
        known if known is not None and known.space == owner.space and known.id != owner.id and known.is_active else None
    )


def set_role(core: Core, actor: Actor, member_id: int, role: str) -> None:
    """Another role, from the next request on. Raises Forbidden, NotFound or BadInput."""
    _check_role(role)
    with core.db.write() as conn:
        users.write(conn, _member(conn, _owner(conn, actor), member_id).id, core.clock.now(), role=role)


def set_active(core: Core, actor: Actor, member_id: int, active: bool) -> None:
    """Let somebody in (again), or shut them out: their sessions and API tokens end at once. Raises Forbidden or
    NotFound."""
    now = core.clock.now()
    with core.db.write() as conn:
        member = _member(conn, _owner(conn, actor), member_id)
        users.write(conn, member.id, now, is_active=active)
        if not active:
            users.end_sessions(conn, member.id, passwords.EVERYTHING, now)


def take_off_second_factor(core: Core, actor: Actor, member_id: int) -> None:
    """For somebody who lost app and recovery codes; everybody in the space sees an alert. Raises Forbidden or NotFound."""
    with core.db.read() as conn:
        owner = _owner(conn, actor)
        member = _member(conn, owner, member_id)
    second_factor.take_off(core, member, owner.name)


def remove(core: Core, actor: Actor, member_id: int) -> None:
    """Somebody does not work here any more: signed out everywhere, and the address is free for an account of their own.
    What they wrote stays. Raises Forbidden or NotFound."""
    now = core.clock.now()
    with core.db.write() as conn:
        member = _member(conn, _owner(conn, actor), member_id)
        users.write(
            conn,
            member.id,
            now,
            is_active=False,
            email=f"removed-{member.id}{REMOVED}",
            totp_secret=None,
            password_hash=hash_password(secrets.token_urlsafe(32)),
        )
        users.end_sessions(conn, member.id, (*passwords.EVERYTHING, "recovery"), now)


def new_link(core: Core, actor: Actor, member_id: int) -> str:
    """A fresh link for somebody who lost theirs; where there is a mail server it is mailed and "" is returned. Raises
    Forbidden, NotFound or TooManyTries."""
    throttle.count_alone(core, f"invite|{actor.user}", FREE_INVITATIONS)
    with core.db.read() as conn:
        owner = _owner(conn, actor)
        member = _member(conn, owner, member_id)
    link = passwords.link(core, member.id, passwords.INVITE_LIFE)
    if core.settings.mail is None:
        return link
    with core.db.write() as conn:
        body = {"kind": "invite", "to": member.email, "link": link, "by": owner.email}
        mails.add(conn, core.vault, body, core.clock.now())
    return ""


def change_profile(core: Core, actor: Actor, *, name: str, zone: str) -> None:
    """One's own name and time zone. Raises BadInput."""
    tidy = user_service.tidy_name(name)
    with core.db.write() as conn:
        tidy = tidy or users.get(conn, actor.user).email
        users.write(conn, actor.user, core.clock.now(), name=tidy, zone=user_service.check_zone(zone))


def _owner(conn: Connection, actor: Actor) -> User:
    """The person, if they decide who works in the space. Raises Forbidden."""
    user = users.get(conn, actor.user)
    if user.owner_id is not None or user.role != "owner":
        raise Forbidden("Only an owner manages the team.")
    return user


def _check_role(role: str) -> None:
    if role not in INVITED_ROLES:
        raise BadInput(f"A role is one of: {', '.join(r for r in ROLES if r in INVITED_ROLES)}.", field="role")


def _member(conn: Connection, owner: User, member_id: int) -> User:
    found = next((m for m in users.members(conn, owner.id) if m.id == member_id and m.id != owner.id), None)
    if found is None:
        raise NotFound(f"There is nobody with the number {member_id} in your space.")
    return found


def _user(core: Core, user_id: int) -> User:
    with core.db.read() as conn:
        return users.get(conn, user_id)
