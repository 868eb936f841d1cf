"""The posts that wait to be looked at in a browser."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from postprober.storage.tables import looks


@dataclass(frozen=True)
class Wanted:
    """`why`: proof, ghost, gone or drift."""

    id: int
    delivery_id: int
    why: str
    tries: int


def ask(conn: Connection, delivery_id: int, why: str, now: datetime) -> None:
    """Have the delivery looked at; one that waits already keeps its place."""
    waiting = conn.execute(select(looks.c.id).where(looks.c.delivery_id == delivery_id, looks.c.why == why)).first()
    if waiting is None:
        conn.execute(insert(looks).values(delivery_id=delivery_id, why=why, due_at=now))


def next_due(conn: Connection, now: datetime) -> Wanted | None:
    row = conn.execute(select(looks).where(looks.c.due_at <= now).order_by(looks.c.due_at, looks.c.id).limit(1)).first()
    return Wanted(row.id, row.delivery_id, row.why, row.tries) if row is not None else None


def claim(conn: Connection, wanted: Wanted, again: datetime) -> bool:
    """Count a try and store when the next one may come, before the page is opened: whatever it does to us, the others
    have their turn. False when somebody else was faster."""
    mine = (looks.c.id == wanted.id, looks.c.tries == wanted.tries)
    return conn.execute(update(looks).where(*mine).values(due_at=again, tries=wanted.tries + 1)).rowcount == 1


def unclaim(conn: Connection, wanted: Wanted, now: datetime) -> None:
    """It was no try: nothing was opened."""
    conn.execute(update(looks).where(looks.c.id == wanted.id).values(due_at=now, tries=wanted.tries))


def done(conn: Connection, look_id: int) -> bool:
    """Take it off the list; returns whether it was still on it."""
    return conn.execute(delete(looks).where(looks.c.id == look_id)).rowcount == 1
