"""How long things are kept."""

from __future__ import annotations

from dataclasses import astuple

from postprober.errors import BadInput, Forbidden
from postprober.services.core import Core
from postprober.services.people import manages_people
from postprober.storage import retention
from postprober.storage.records import User
from postprober.storage.retention import Keep

__all__ = ["LONGEST", "Keep", "get", "put"]

LONGEST = 3650  # days


def get(core: Core) -> Keep:
    with core.db.read() as conn:
        return retention.get(conn)


def put(core: Core, user: User, keep: Keep) -> None:
    """Raises Forbidden or BadInput."""
    if not manages_people(user):
        raise Forbidden("Only an owner decides how long things are kept.")
    if not all(0 <= days <= LONGEST for days in astuple(keep)):
        raise BadInput(f"Give days from 0 (for ever) to {LONGEST}.", field="days")
    with core.db.write() as conn:
        retention.put(conn, keep)
