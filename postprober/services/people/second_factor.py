"""The second factor: codes of an authenticator app, and recovery codes for the day on which it is gone.

The secret is sealed in `users.totp_secret`; recovery codes are single-use rows of `sessions`, stored as keyed hashes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from postprober.domain.actor import Actor
from postprober.domain.alert import AlertKind, AlertType
from postprober.errors import BadInput, Conflict, Forbidden
from postprober.security import totp
from postprober.security.passwords import verify_password
from postprober.security.tokens import keyed_hash
from postprober.security.vault import Place
from postprober.services.core import Core
from postprober.services.people import throttle
from postprober.storage import alert_log, users
from postprober.storage.records import User

TICKET_LIFE = timedelta(minutes=5)  # to find the telephone
FREE_TRIES = 5  # wrong codes that cost no waiting; a million codes, three of them good at any time
_RECOVERY_LIFE = timedelta(days=3650)
_RECOVERY = "recovery"


@dataclass(frozen=True)
class Enrolment:
    """What an authenticator app is given; nothing is stored before a code of it was typed."""

    secret: str
    uri: str


def enrol(core: Core, actor: Actor) -> Enrolment:
    """A new secret for this person's app."""
    with core.db.read() as conn:
        email = users.get(conn, actor.user).email
    secret = totp.new_secret()
    return Enrolment(secret, totp.provisioning_uri(secret, email))


def enable(core: Core, actor: Actor, secret: str, code: str, password: str, address: str) -> list[str]:
    """Ask for codes from now on; returns the recovery codes, which are never shown again. Raises Forbidden or
    TooManyTries (the password), BadInput (the code) or Conflict."""
    confirm(core, actor, password, address)
    now = core.clock.now()
    step = totp.matching_step(secret, code, now.timestamp(), 0)
    if step is None:
        raise BadInput("This code does not fit; type the one that your app shows now.", field="code")
    sealed = core.vault.seal(secret, _place(actor.user))
    with core.db.write() as conn:
        if users.get(conn, actor.user).totp_secret is not None:
            raise Conflict("A second factor is set up already; switch it off first.")
        users.write(conn, actor.user, now, totp_secret=sealed, totp_last=step)
        return _new_codes(core, conn, actor.user)


def disable(core: Core, actor: Actor, password: str, address: str) -> None:
    """Ask for the password only from now on. Raises Forbidden or TooManyTries."""
    confirm(core, actor, password, address)
    now = core.clock.now()
    with core.db.write() as conn:
        users.write(conn, actor.user, now, totp_secret=None)
        users.end_sessions(conn, actor.user, (_RECOVERY,), now)


def take_off(core: Core, user: User, by: str) -> None:
    """For a person who lost app and recovery codes: their password alone lets them in. `by`: who did it, for the alert
    that everybody in the space sees."""
    now = core.clock.now()
    with core.db.write() as conn:
        if users.get(conn, user.id).totp_secret is None:
            raise Conflict("Two-factor authentication is off already.")
        users.write(conn, user.id, now, totp_secret=None)
        users.end_sessions(conn, user.id, (_RECOVERY, "second"), now)
        alert_log.add(
            conn,
            user_id=user.space,
            post_id=None,
            delivery_id=None,
            type=AlertType.WARNING,
            kind=AlertKind.OTHER,
            message=f"{by} turned off two-factor authentication for {user.email}.",
            now=now,
            dedupe_key=f"second-factor:off:{user.id}:{int(now.timestamp())}",
        )


def renew_codes(core: Core, actor: Actor, password: str, address: str) -> list[str]:
    """New recovery codes; the old ones are worth nothing. Raises Forbidden or TooManyTries."""
    confirm(core, actor, password, address)
    with core.db.write() as conn:
        return _new_codes(core, conn, actor.user)


def codes_left(core: Core, actor: Actor) -> int:
    """How many recovery codes have not been used."""
    with core.db.read() as conn:
        rows = users.sessions_of(conn, actor.user, _RECOVERY, core.clock.now())
    return sum(row["used_at"] is None for row in rows)


def check(core: Core, user: User, code: str) -> None:
    """Raises Forbidden when `code` is wrong or was used before, TooManyTries after many of them."""
    what = f"second|{user.id}"
    throttle.count_alone(core, what, FREE_TRIES)
    if not (_is_app_code(core, user, code) or _is_recovery_code(core, user, code)):
        raise Forbidden("This code is wrong or was used before; wait for the next one.")
    throttle.forgive_alone(core, what)


def confirm(core: Core, actor: Actor, password: str, address: str) -> None:
    """Whoever changes how people sign in shows the password again. Raises Forbidden or TooManyTries."""
    with core.db.read() as conn:
        email = users.get(conn, actor.user).email
    throttle.count(core, email, address)
    with core.db.read() as conn:  # once the try is counted, not before
        stored = users.get(conn, actor.user).password_hash
    if not verify_password(stored, password):
        raise Forbidden("The password is wrong.")
    throttle.forgive(core, email, address)


def _is_app_code(core: Core, user: User, code: str) -> bool:
    if user.totp_secret is None:
        return False
    secret = core.vault.open(user.totp_secret, _place(user.id))
    step = totp.matching_step(secret, code, core.clock.now().timestamp(), user.totp_last)
    if step is None:
        return False
    with core.db.write() as conn:
        return users.use_step(conn, user.id, step)


def _is_recovery_code(core: Core, user: User, code: str) -> bool:
    tidy = totp.tidy(code)
    with core.db.write() as conn:
        row = users.use_once(conn, _RECOVERY, _hash(core, user.id, tidy), core.clock.now())
    return row is not None


def _new_codes(core: Core, conn: Connection, user_id: int) -> list[str]:
    now = core.clock.now()
    users.end_sessions(conn, user_id, (_RECOVERY,), now)
    codes = totp.recovery_codes()
    for code in codes:
        users.add_session(
            conn,
            user_id=user_id,
            kind=_RECOVERY,
            token_hash=_hash(core, user_id, totp.tidy(code)),
            now=now,
            expires_at=now + _RECOVERY_LIFE,
        )
    return codes


def _hash(core: Core, user_id: int, code: str) -> str:
    return keyed_hash(core.settings.secret_key, f"{_RECOVERY}|{user_id}|{code}")


def _place(user_id: int) -> Place:
    return Place("users", "totp_secret", str(user_id))
