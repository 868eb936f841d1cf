"""Changing a password, and a new one for somebody who has forgotten it.

A reset is asked for by anybody, for any address: what is written and said is the same whether the address is known or
not. Only the scheduler, which nobody waits for, looks the address up and sends the mail (pipeline/notifications/outbox.py).
"""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

from postprober.domain.actor import Actor
from postprober.errors import BadInput, Forbidden
from postprober.security.passwords import hash_password
from postprober.security.tokens import keyed_hash, opaque
from postprober.services.core import Core
from postprober.services.people import second_factor, throttle
from postprober.services.people.users import tidy_email
from postprober.storage import mails, users
from postprober.storage.records import User

RESET_LIFE = timedelta(minutes=30)
INVITE_LIFE = timedelta(days=7)
FREE_RESETS = 5  # mails asked for from one address that cost no waiting
SESSION_KINDS = ("browser", "login", "refresh", "ticket", "second")  # what a new password ends
EVERYTHING = (*SESSION_KINDS, "api_token", "reset")  # what somebody else may have made


def change(core: Core, actor: Actor, current: str, new: str, *, address: str, keep: int | None) -> int:
    """A new password. All sessions end, except the one with the id `keep`; returns how many.

    Raises Forbidden (the current one is wrong), TooManyTries or BadInput.
    """
    second_factor.confirm(core, actor, current, address)
    if new == current:
        raise BadInput("The new password is the old one.", field="password")
    return _set(core, actor.user, new, keep=(keep,) if keep is not None else ())


def ask_reset(core: Core, email: str, address: str) -> None:
    """Mail a link to `email`, if it belongs to somebody. Raises BadInput, TooManyTries, or Forbidden without a server."""
    if core.settings.mail is None:
        raise Forbidden(
            "No mail server is set up here; ask the person who runs this installation for a link (user reset)."
        )
    account = tidy_email(email)
    throttle.count_alone(core, f"reset|{throttle.network(address)}", FREE_RESETS)
    throttle.count_alone(core, f"reset|{account}", FREE_RESETS)
    with core.db.write() as conn:
        mails.add(conn, core.vault, {"kind": "reset", "to": account}, core.clock.now())


def link(core: Core, user_id: int, life: timedelta = RESET_LIFE) -> str:
    """A link, for one use, under which this user chooses a new password."""
    token, now = opaque(), core.clock.now()
    with core.db.write() as conn:
        users.add_session(
            conn,
            user_id=user_id,
            kind="reset",
            token_hash=keyed_hash(core.settings.secret_key, token),
            now=now,
            expires_at=now + life,
        )
    return f"{core.settings.app_base}/?{urlencode({'reset': token})}"


def owner_of(core: Core, token: str) -> User | None:
    """Whose reset link this is, None when it is used, expired or invented. Looking does not use it: mail programs
    open links before people do."""
    with core.db.read() as conn:
        row = users.find_session(conn, "reset", keyed_hash(core.settings.secret_key, token), core.clock.now())
        return users.get(conn, row["user_id"]) if row and row["used_at"] is None else None


def reset(core: Core, token: str, password: str) -> User:
    """Set the password that the link is for, and end all sessions and API tokens: whoever asks for a reset may not be
    the one who made them. Raises Forbidden or BadInput; then it can be used again."""
    hashed, now = hash_password(password), core.clock.now()
    with core.db.write() as conn:
        row = users.use_once(conn, "reset", keyed_hash(core.settings.secret_key, token), now)
        if row is None:
            raise Forbidden("This link was used already or is too old; ask for a new one.")
        users.write(conn, row["user_id"], now, password_hash=hashed)
        users.end_sessions(conn, row["user_id"], EVERYTHING, now)
        return users.get(conn, row["user_id"])


def _set(core: Core, user_id: int, password: str, *, keep: tuple[int, ...]) -> int:
    hashed, now = hash_password(password), core.clock.now()
    with core.db.write() as conn:
        users.write(conn, user_id, now, password_hash=hashed)
        ended = users.end_sessions(conn, user_id, SESSION_KINDS, now, keep=keep)
        users.end_sessions(conn, user_id, ("reset",), now)
    return ended
