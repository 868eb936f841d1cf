"""What an API token may do beside its scopes: on which accounts, how much on one day, and whether it may publish without
a person's word.

A token of an earlier version says nothing of this and keeps what it could do: every account, without a ceiling.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from postprober.domain.actor import Actor
from postprober.errors import Forbidden
from postprober.services.people import permits
from postprober.storage import users

MOST_A_DAY = 1000  # of a ceiling; ours


@dataclass(frozen=True)
class TokenLimits:
    """`accounts`: the only ones that its posts may name, None for all; `ceiling`: how many deliveries it may plan on one day
    of its owner's time zone, None for any number; `unasked`: an agent that has it publishes without asking a person."""

    name: str
    accounts: frozenset[int] | None = None
    ceiling: int | None = None
    unasked: bool = False


def of_data(data: Mapping[str, Any]) -> TokenLimits:
    """From what is stored with a token."""
    accounts = data.get("accounts")
    return TokenLimits(
        str(data.get("name", "")),
        None if accounts is None else frozenset(int(one) for one in accounts),
        data.get("ceiling"),
        bool(data.get("unasked", False)),
    )


def of(conn: Connection, actor: Actor, now: datetime) -> TokenLimits | None:
    """Those of the token that somebody came with; None where they came with none. Raises Forbidden when it was removed
    meanwhile."""
    return of_data(_row(conn, actor, now)["data"]) if actor.via.is_token else None


def refuse_accounts(conn: Connection, actor: Actor, accounts: Collection[int], now: datetime) -> None:
    """Raises Forbidden when the token may not be used for one of these accounts."""
    limits = of(conn, actor, now)
    if limits is not None and limits.accounts is not None and not limits.accounts.issuperset(accounts):
        raise Forbidden(
            "This token may be used for other accounts only; ask its owner for one that names this account."
        )


def spend(conn: Connection, actor: Actor, accounts: Collection[int], now: datetime) -> None:
    """Count a delivery for each of `accounts`, in the transaction that plans them. Raises Forbidden when the token may
    not be used for one of them, or when its day's ceiling would be passed; then nothing may be planned."""
    if not actor.via.is_token:
        return
    refuse_accounts(conn, actor, accounts, now)
    data = dict(_row(conn, actor, now, hold=True)["data"])
    ceiling = of_data(data).ceiling
    if ceiling is None or not accounts:
        return
    today = now.astimezone(ZoneInfo(actor.zone)).date().isoformat()
    planned = data.get("planned") or {}
    count = (planned.get("count", 0) if planned.get("day") == today else 0) + len(accounts)
    if count > ceiling:
        raise Forbidden(
            f"This token may publish {ceiling} times a day, and today's are used up. Ask a person to publish it."
        )
    users.put_session_data(conn, actor.via.id, {**data, "planned": {"day": today, "count": count}})


def called(conn: Connection, actor: Actor, now: datetime) -> str:
    """The token's name, or the person's where somebody came with none: for sentences about who proposes something."""
    limits = of(conn, actor, now)
    return limits.name if limits is not None else permits.name_of(conn, actor)


def planner(conn: Connection, actor: Actor, now: datetime) -> tuple[str, str]:
    """(who plans a post, for its history; the token's name where that publishes without asking, else "")."""
    limits = of(conn, actor, now)
    person = permits.name_of(conn, actor)
    if limits is None or not limits.unasked:
        return person, ""
    return f"the token {limits.name} of {person}, without asking", limits.name


def _row(conn: Connection, actor: Actor, now: datetime, *, hold: bool = False) -> dict[str, Any]:
    row = users.session_by_id(conn, actor.via.id, now, hold=hold)
    if row is None:
        raise Forbidden("This token was removed, or its time is over.")
    return row
