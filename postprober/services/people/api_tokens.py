"""Personal API tokens: shown once, stored as a keyed hash, limited to scopes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from postprober.domain.access import GRANTABLE, meant
from postprober.domain.actor import Actor
from postprober.errors import BadInput, NotFound
from postprober.security.tokens import keyed_hash, opaque
from postprober.services.accounts.accounts import owned
from postprober.services.core import Core, Mark, no_mark
from postprober.services.people import token_limits
from postprober.services.people import users as users_service
from postprober.services.people.sessions import API_TOKEN_PREFIX, Caller
from postprober.services.people.token_limits import MOST_A_DAY, TokenLimits
from postprober.storage import sql, users

KIND = "api_token"
MAX_DAYS = 3650
MAX_TOKENS = 100  # of one user, live
MAX_NAME = 120


@dataclass(frozen=True)
class ApiToken:
    """One token without its secret. `hint`: its last four characters; `limits`: what it may do beside its scopes."""

    id: int
    name: str
    scopes: tuple[str, ...]
    hint: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    limits: TokenLimits


def create(
    core: Core,
    caller: Caller,
    *,
    name: str,
    scopes: Sequence[str],
    days: int,
    accounts: Sequence[int] | None = None,
    ceiling: int | None = None,
    unasked: bool = False,
    mark: Mark = no_mark,
    instead_of: int | None = None,
) -> tuple[ApiToken, str]:
    """A new token and its secret, which is never shown again. `accounts`, `ceiling`, `unasked`: see `TokenLimits`;
    `instead_of`: one whose secret nobody was shown; it ends. Raises BadInput or NotFound."""
    wanted = tuple(sorted(meant(scopes)))
    allowed = caller.scopes & GRANTABLE
    if not wanted or not allowed.issuperset(wanted):
        raise BadInput(f"Choose scopes from: {', '.join(sorted(allowed))}.", field="scopes")
    label = name.strip()
    if not label or len(label) > MAX_NAME or not label.isprintable():
        raise BadInput(f"Give the token a name of at most {MAX_NAME} characters.", field="name")
    if not 1 <= days <= MAX_DAYS:
        raise BadInput(f"A token lives 1 to {MAX_DAYS} days.", field="days")
    _check_limits(wanted, accounts, ceiling, unasked=unasked)
    secret, now = API_TOKEN_PREFIX + opaque(), core.clock.now()
    hint = secret[-4:]
    data: dict[str, Any] = {"name": label, "scopes": list(wanted), "hint": hint}
    if accounts is not None:
        data["accounts"] = sorted(set(accounts))
    if ceiling is not None:
        data["ceiling"] = ceiling
    if unasked:
        data["unasked"] = True
    ends = now + timedelta(days=days)
    with core.db.write() as conn:
        users_service.hold(conn, caller.user)
        for account_id in accounts or ():
            owned(conn, caller.user.space, account_id)
        if instead_of is not None:
            users.end_session(conn, instead_of, now, user_id=caller.user.id, kind=KIND)
        if len(users.sessions_of(conn, caller.user.id, KIND, now)) >= MAX_TOKENS:
            raise BadInput(f"There are {MAX_TOKENS} tokens already; remove one first.", field="name")
        token_id = users.add_session(
            conn,
            user_id=caller.user.id,
            kind=KIND,
            token_hash=keyed_hash(core.settings.secret_key, secret),
            now=now,
            expires_at=ends,
            data=data,
        )
        mark(conn, token_id)
    return ApiToken(token_id, label, wanted, hint, now, ends, None, token_limits.of_data(data)), secret


def _check_limits(scopes: Sequence[str], accounts: Sequence[int] | None, ceiling: int | None, *, unasked: bool) -> None:
    if accounts is not None and not accounts:
        raise BadInput("Choose at least one account, or leave the choice out for all of them.", field="accounts")
    if ceiling is not None and not 1 <= ceiling <= MOST_A_DAY:
        raise BadInput(f"The ceiling is 1 to {MOST_A_DAY:,} posts a day.", field="ceiling")
    if unasked and not {"posts:propose", "posts:publish"}.issubset(scopes):
        raise BadInput("Publishing without asking needs the scopes posts:propose and posts:publish.", field="scopes")
    if unasked and (accounts is None or ceiling is None):
        raise BadInput(
            "Say on which accounts the token may publish without asking, and how often a day.", field="accounts"
        )


def listing(core: Core, actor: Actor) -> list[ApiToken]:
    """The user's live tokens, oldest first."""
    with core.db.read() as conn:
        rows = users.sessions_of(conn, actor.user, KIND, core.clock.now())
    return [
        ApiToken(
            row["id"],
            row["data"]["name"],
            tuple(sorted(meant(row["data"]["scopes"]))),
            row["data"]["hint"],
            row["created_at"],
            row["expires_at"],
            row["used_at"],
            token_limits.of_data(row["data"]),
        )
        for row in rows
    ]


def remove(core: Core, actor: Actor, token_id: int) -> None:
    """The token is worth nothing from now on. Raises NotFound, also for somebody else's."""
    with core.db.write() as conn:
        known = sql.is_id(token_id)
        if not known or not users.end_session(conn, token_id, core.clock.now(), user_id=actor.user, kind=KIND):
            raise NotFound(f"There is no API token {token_id}.")
