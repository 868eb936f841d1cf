"""Accounts under one name, so that a post for all of them is one choice, and the accounts that a person chose last."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from postprober.domain.actor import Actor
from postprober.domain.text import nfc
from postprober.errors import BadInput, NotFound
from postprober.services.accounts import accounts
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.storage import preferences

MOST = 50  # ours: groups of a space
MAX_NAME = 60  # ours: characters; a name has to fit on a button
_GROUP = "account-group:"  # in preferences of the space, with what tells the name
_LAST = "compose-accounts"  # in preferences of the person, with the space


@dataclass(frozen=True)
class AccountGroup:
    """`account_ids`: those that are still linked, in the order in which they were chosen; none once all are disconnected."""

    name: str
    account_ids: tuple[int, ...]


@permits.needs("accounts:read")
def listing(core: Core, actor: Actor) -> list[AccountGroup]:
    """The groups of the space, by name."""
    linked = _linked(core, actor)
    with core.db.read() as conn:
        return _groups(conn, actor, linked)


@permits.needs("accounts:write")
def save(core: Core, actor: Actor, name: str, account_ids: Iterable[int]) -> AccountGroup:
    """Make the group, or give the one of this name these accounts. Raises BadInput."""
    name, chosen = _spelled(name), tuple(dict.fromkeys(account_ids))
    if not name or len(name) > MAX_NAME:
        raise BadInput(f"Give the group a name of at most {MAX_NAME} characters.", field="name")
    if "/" in name or not name.isprintable():
        raise BadInput("A group's name has no slash and no control characters in it.", field="name")
    if name in (".", ".."):  # in an address (RFC 3986, 5.2.4) these lead elsewhere
        raise BadInput("Give the group a name that is not dots alone.", field="name")
    linked = _linked(core, actor)
    if not chosen:
        raise BadInput("Select at least one account for the group.", field="account_ids")
    if any(one not in linked for one in chosen):
        raise BadInput("One of these accounts is not linked; select others.", field="account_ids")
    key = _key(name)
    with core.db.write() as conn:
        others = {one for one in preferences.named(conn, actor.space, _GROUP) if one != key}
        if len(others) >= MOST:
            raise BadInput(f"There are {MOST} groups already. Delete one first.", field="name")
        preferences.put(conn, actor.space, key, {"name": name, "accounts": chosen})
    return AccountGroup(name, chosen)


@permits.needs("accounts:write")
def remove(core: Core, actor: Actor, name: str) -> None:
    """Forget the group; its accounts stay linked. Raises NotFound."""
    with core.db.write() as conn:
        if not preferences.drop(conn, actor.space, _key(name)):
            raise NotFound(f"There is no group of accounts “{name.strip()[:MAX_NAME]}”.")


@permits.needs("accounts:read")
def last_choice(core: Core, actor: Actor) -> tuple[int, ...]:
    """The accounts of the person's last post from the composer that are still linked; without one, the only account there
    is, else none: nobody publishes to all by not looking."""
    linked = _linked(core, actor)
    with core.db.read() as conn:
        stored = preferences.get(conn, actor.user, f"{_LAST}:{actor.space}")
    known = tuple(one for one in stored if one in linked) if isinstance(stored, list) else ()
    return known or (linked if len(linked) == 1 else ())


@permits.needs("posts:draft")
def remember(core: Core, actor: Actor, account_ids: Iterable[int]) -> None:
    """What the next post begins with."""
    with core.db.write() as conn:
        preferences.put(conn, actor.user, f"{_LAST}:{actor.space}", list(dict.fromkeys(account_ids)))


def _linked(core: Core, actor: Actor) -> tuple[int, ...]:
    return tuple(one.id for one in accounts.listing(core, actor))


def _groups(conn: Connection, actor: Actor, linked: tuple[int, ...]) -> list[AccountGroup]:
    stored = preferences.named(conn, actor.space, _GROUP).values()
    return sorted((_group(one, linked) for one in stored), key=lambda group: group.name.casefold())


def _group(stored: Any, linked: tuple[int, ...]) -> AccountGroup:
    return AccountGroup(str(stored["name"]), tuple(one for one in stored["accounts"] if one in linked))


def _spelled(name: str) -> str:
    """Without blanks too many, and each letter in one spelling (é is one sign or two)."""
    return nfc(" ".join(name.split()))


def _key(name: str) -> str:
    """Of one length whatever the name (the column has 40 characters)."""
    told = nfc(_spelled(name).casefold())
    return _GROUP + hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()[:24]
