"""Counters and histograms of the whole installation: every process adds what it has counted, and nothing ever takes away."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import Connection, select

from postprober.domain.meters import Entry
from postprober.storage import sql
from postprober.storage.tables import meters


def add(conn: Connection, amounts: Mapping[Entry, float]) -> None:
    """In one order for all, so that two processes never wait for each other."""
    rows = sorted((json.dumps([name, *labels]), amount) for (name, labels), amount in amounts.items())
    if not rows:
        return
    new = sql.upsert(conn, meters)
    conn.execute(
        new.on_conflict_do_update(index_elements=["name"], set_={"value": meters.c.value + new.excluded.value}),
        [{"name": name, "value": amount} for name, amount in rows],
    )


def read(conn: Connection) -> dict[Entry, float]:
    found = {}
    for told, value in conn.execute(select(meters.c.name, meters.c.value)):
        name, *labels = json.loads(told)
        found[name, tuple(labels)] = value
    return found
