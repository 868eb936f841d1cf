"""How long things are kept."""

from __future__ import annotations

from dataclasses import astuple

from postprober.domain.actor import Actor
from postprober.errors import BadInput, Forbidden
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.storage import retention, users
from postprober.storage.retention import Keep

__all__ = ["LONGEST", "Keep", "get", "may_put", "put"]

LONGEST = 3650  # days


def get(core: Core) -> Keep:
    with core.db.read() as conn:
        return retention.get(conn)


def may_put(core: Core, actor: Actor) -> bool:
    """It concerns all spaces, and where registration is open, strangers own some of them: so the first owner only."""
    with core.db.read() as conn:
        first = next(iter(users.owners(conn)), None)
    return permits.as_now(core, actor).owns and first is not None and first.id == actor.user


def put(core: Core, actor: Actor, keep: Keep) -> None:
    """Raises Forbidden or BadInput."""
    if not may_put(core, actor):
        raise Forbidden("Only the first owner of this installation decides how long things are kept.")
    if not all(0 <= days <= LONGEST for days in astuple(keep)):
        raise BadInput(f"Give days from 0 (for ever) to {LONGEST}.", field="days")
    with core.db.write() as conn:
        retention.put(conn, keep)
