"""Where somebody is signed in, to look at and to end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from postprober.domain.actor import Actor
from postprober.errors import NotFound
from postprober.security.tokens import keyed_hash
from postprober.services.core import Core
from postprober.storage import sql, users

KINDS = {"browser": "Browser", "login": "Program"}


@dataclass(frozen=True)
class SignInAttempt:
    """One live session. `device`: what the browser says of itself; `address` as it was at sign-in; `current`: this
    one."""

    id: int
    kind: str
    device: str
    address: str
    created_at: datetime
    expires_at: datetime
    current: bool


def listing(core: Core, actor: Actor, token: str | None = None) -> list[SignInAttempt]:
    """Live sessions, newest first. `token`: the cookie of the browser that asks."""
    hashed = keyed_hash(core.settings.secret_key, token) if token else ""
    with core.db.read() as conn:
        rows = [row for kind in KINDS for row in users.sessions_of(conn, actor.user, kind, core.clock.now())]
    found = [
        SignInAttempt(
            row["id"],
            row["kind"],
            str(row["data"].get("device", "")),
            str(row["data"].get("address", "")),
            row["created_at"],
            row["expires_at"],
            row["token_hash"] == hashed,
        )
        for row in rows
    ]
    return sorted(found, key=lambda one: one.created_at, reverse=True)


def end(core: Core, actor: Actor, session_id: int) -> None:
    """Sign out there, at once. Raises NotFound, also for somebody else's."""
    now = core.clock.now()
    with core.db.write() as conn:
        if not sql.is_id(session_id) or not any(
            users.end_session(conn, session_id, now, user_id=actor.user, kind=kind) for kind in KINDS
        ):
            raise NotFound(f"There is no session {session_id}.")


def end_others(core: Core, actor: Actor, keep: int | None) -> int:
    """Sign out everywhere except in the session `keep`; returns how many ended."""
    with core.db.write() as conn:
        return users.end_sessions(
            conn, actor.user, tuple(KINDS), core.clock.now(), keep=(keep,) if keep is not None else ()
        )
