"""People, sign-in and browser sessions."""

from __future__ import annotations

import re
from datetime import timedelta
from zoneinfo import available_timezones

from sqlalchemy.exc import IntegrityError

from postprober.errors import BadInput, Forbidden
from postprober.security.passwords import hash_password, verify_password
from postprober.security.tokens import keyed_hash, opaque
from postprober.services import throttle
from postprober.services.core import Core
from postprober.storage import users
from postprober.storage.records import User

SESSION_LIFE = timedelta(days=14)
TICKET_LIFE = timedelta(seconds=60)
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")


def create(core: Core, *, email: str, password: str, name: str = "", zone: str = "UTC", role: str = "owner") -> int:
    """A new user; returns the id. Raises BadInput."""
    address = email.strip().lower()
    if not _EMAIL.fullmatch(address):
        raise BadInput(f"{email!r} is not an e-mail address.", field="email")
    if zone not in available_timezones():
        raise BadInput(f"There is no time zone called {zone!r}; give one such as Europe/Berlin.", field="zone")
    hashed = hash_password(password)
    try:
        with core.db.write() as conn:
            return users.add(
                conn, email=address, password_hash=hashed, now=core.clock.now(), name=name.strip() or address,
                zone=zone, role=role,
            )  # fmt: skip
    except IntegrityError:
        raise BadInput("There is a user with this e-mail address already.", field="email") from None


def authenticate(core: Core, email: str, password: str, address: str = "") -> User:
    """The user. `address`: where the try comes from, "" for this machine.

    Raises Forbidden with the same sentence and in the same time for every reason, or TooManyTries.
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
    return user


def issue_ticket(core: Core, user: User) -> str:
    """A one-time ticket that the sidecar exchanges for the session cookie; lives for a minute."""
    return _issue(core, user.id, "ticket", TICKET_LIFE)


def redeem_ticket(core: Core, ticket: str) -> str:
    """The ticket's session token, for the cookie. Raises Forbidden."""
    now = core.clock.now()
    with core.db.write() as conn:
        row = users.use_once(conn, "ticket", keyed_hash(core.settings.secret_key, ticket), now)
    if row is None:
        raise Forbidden("This sign-in link was used already or is too old; sign in again.")
    return _issue(core, int(row["user_id"]), "browser", SESSION_LIFE)


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


def _issue(core: Core, user_id: int, kind: str, life: timedelta) -> str:
    token, now = opaque(), core.clock.now()
    with core.db.write() as conn:
        users.add_session(
            conn, user_id=user_id, kind=kind, token_hash=keyed_hash(core.settings.secret_key, token), now=now,
            expires_at=now + life,
        )  # fmt: skip
    return token
