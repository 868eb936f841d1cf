"""Details of deliveries, wherever they are: in the tables, or in the files that old ones are folded into.

Every function wants a `read` that began with `sample_days.one_moment`: else a post that is folded meanwhile is seen twice, or not
at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, select

from postprober.storage import archive, attempts, step_log
from postprober.storage.records import Attempt, StepRecord
from postprober.storage.tables import attempts as attempts_table
from postprober.storage.tables import deliveries, monitoring_logs


def of(conn: Connection, data_dir: Path, delivery_ids: Sequence[int], table: Table) -> list[dict[str, Any]]:
    """Folded rows of the table, by id; none where nothing was folded, which costs one look."""
    files = archive.files_of(conn, delivery_ids)
    if not files:
        return []
    from postprober.analytics import folding

    return folding.read(data_dir, files, table)


def attempts_of(conn: Connection, data_dir: Path, delivery_id: int) -> list[Attempt]:
    """All attempts, oldest first."""
    old = [Attempt(**row) for row in of(conn, data_dir, [delivery_id], attempts_table)]
    return sorted([*old, *attempts.of_delivery(conn, delivery_id)], key=lambda one: one.id)


def steps_of(
    conn: Connection, data_dir: Path, post_id: int, *, after: int = 0, limit: int | None = None
) -> list[StepRecord]:
    """Rows of the step log with ids greater than `after`, oldest first; at most `limit` of them."""
    here = step_log.of_post(conn, post_id, after=after, limit=limit)
    ids = list(conn.execute(select(deliveries.c.id).where(deliveries.c.post_id == post_id)).scalars())
    old = [StepRecord(**row) for row in of(conn, data_dir, ids, monitoring_logs)]
    return sorted([*(one for one in old if one.id > after), *here], key=lambda one: one.id)[:limit]
