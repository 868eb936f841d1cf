"""People, sign-in and browser sessions."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from zoneinfo import available_timezones

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from postprober.errors import BadInput, Forbidden, NotSignedIn, SecondFactorNeeded
from postprober.security.passwords import hash_password, verify_password
from postprober.security.tokens import keyed_hash, opaque
from postprober.services.core import Core, Mark, no_mark
from postprober.services.people import second_factor, throttle
from postprober.storage import users
from postprober.storage.records import User

SESSION_LIFE = timedelta(days=14)
TICKET_LIFE = timedelta(seconds=60)
MAX_NAME = 120
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")


def create(
    core: Core,
    *,
    email: str,
    password: str,
    name: str = "",
    zone: str = "UTC",
    role: str = "owner",
    owner_id: int | None = None,
    mark: Mark = no_mark,
) -> int:
    """A new user; returns the id. `owner_id`: whose space they work in, None for one of their own. Raises BadInput."""
    address = tidy_email(email)
    check_zone(zone)
    hashed = hash_password(password)
    try:
        with core.db.write() as conn:
            made = users.add(
                conn,
                email=address,
                password_hash=hashed,
                now=core.clock.now(),
                name=tidy_name(name) or address,
                zone=zone,
                role=role,
                owner_id=owner_id,
            )
            mark(conn, made)
            return made
    except IntegrityError:
        raise BadInput("There is a user with this e-mail address already.", field="email") from None


def tidy_email(email: str) -> str:
    """An address as it is stored. Raises BadInput."""
    address = email.strip().lower()
    if not _EMAIL.fullmatch(address) or not address.isprintable():
        raise BadInput(f"{email!r} is not an e-mail address.", field="email")
    return address


def check_zone(zone: str) -> str:
    """`zone` if it is an IANA time zone. Raises BadInput."""
    if zone not in available_timezones():
        raise BadInput(f"There is no time zone called {zone!r}; give one such as Europe/Berlin.", field="zone")
    return zone


def tidy_name(name: str) -> str:
    """A person's name as it is stored. Raises BadInput."""
    tidy = " ".join(name.split())
    if len(tidy) > MAX_NAME or not tidy.isprintable():
        raise BadInput(f"A name has at most {MAX_NAME} characters, without control characters.", field="name")
    return tidy


def authenticate(core: Core, email: str, password: str, address: str = "", code: str = "") -> User:
    """The user. `address`: where the try comes from, "" for this machine; `code`: of the second factor.

    Raises Forbidden with the same sentence and in the same time for every reason, TooManyTries, or SecondFactorNeeded
    when the password was right and the code is missing.
    """
    account = email.strip().lower()
    account = account if _EMAIL.fullmatch(account) and account.isprintable() else ""  # no database is asked for those
    throttle.count(core, account, address)
    with core.db.read() as conn:
        user = users.by_email(conn, account) if account else None
    fits = verify_password(user.password_hash if user else None, password)
    if user is None or not fits or not user.is_active:
        raise Forbidden("E-mail address or password is wrong.")
    throttle.forgive(core, account, address)
    if user.totp_secret is not None:
        if not code:
            raise SecondFactorNeeded(
                "Type the code of your authenticator app, or a recovery code.",
                ticket=_issue(core, user, "second", second_factor.TICKET_LIFE),
            )
        second_factor.check(core, user, code)
    return user


def hold(conn: Connection, user: User) -> None:
    """Raises NotSignedIn when the password was changed, or the person deactivated, since `user` was read."""
    if not users.hold(conn, user):
        raise NotSignedIn("Your password was changed meanwhile. Sign in again.")


def with_code(core: Core, ticket: str, code: str) -> User:
    """The user whose password was right a moment ago, now with the code. Raises Forbidden or TooManyTries."""
    now, hashed = core.clock.now(), keyed_hash(core.settings.secret_key, ticket)
    with core.db.read() as conn:
        row = users.find_session(conn, "second", hashed, now)
        user = users.get(conn, row["user_id"]) if row and row["used_at"] is None else None
    if user is None or not user.is_active:
        raise Forbidden("That took too long; sign in again.")
    second_factor.check(core, user, code)
    with core.db.write() as conn:
        if users.use_once(conn, "second", hashed, now) is None:
            raise Forbidden("That took too long; sign in again.")
    return user


def issue_ticket(core: Core, user: User, device: str = "", address: str = "") -> str:
    """A one-time ticket that the sidecar exchanges for the session cookie; lives for a minute. `device` (the browser's
    User-Agent) and `address` help the person to recognise the session in the list."""
    return _issue(core, user, "ticket", TICKET_LIFE, {"device": device[:300], "address": address[:64]})


def redeem_ticket(core: Core, ticket: str) -> str:
    """The ticket's session token, for the cookie. Raises Forbidden."""
    now, token, hashed = core.clock.now(), opaque(), keyed_hash(core.settings.secret_key, ticket)
    with core.db.write() as conn:  # the person first, as in a change of the password, which ends tickets and sessions
        found = users.find_session(conn, "ticket", hashed, now)
        if found is not None:
            hold(conn, users.get(conn, found["user_id"]))
        row = users.use_once(conn, "ticket", hashed, now)
        if row is None:
            raise Forbidden("This sign-in link was used already or is too old; sign in again.")
        users.add_session(
            conn,
            user_id=row["user_id"],
            kind="browser",
            token_hash=keyed_hash(core.settings.secret_key, token),
            now=now,
            expires_at=now + SESSION_LIFE,
            data=row["data"],
        )
    return token


def session_user(core: Core, token: str | None) -> User | None:
    """Who the session cookie belongs to, None when it is missing, expired or revoked."""
    if not token:
        return None
    with core.db.read() as conn:
        hashed = keyed_hash(core.settings.secret_key, token)
        row = users.find_session(conn, "browser", hashed, core.clock.now())
        user = users.get(conn, row["user_id"]) if row else None
    return user if user is not None and user.is_active else None


def sign_out(core: Core, token: str) -> None:
    """The session is over everywhere, at once."""
    with core.db.write() as conn:
        users.revoke_session(conn, keyed_hash(core.settings.secret_key, token), core.clock.now())


def _issue(core: Core, user: User, kind: str, life: timedelta, data: dict[str, Any] | None = None) -> str:
    token, now = opaque(), core.clock.now()
    with core.db.write() as conn:
        hold(conn, user)
        users.add_session(
            conn,
            user_id=user.id,
            kind=kind,
            token_hash=keyed_hash(core.settings.secret_key, token),
            now=now,
            expires_at=now + life,
            data=data,
        )
    return token
