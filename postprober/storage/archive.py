"""Details of old posts that lie in the data folder as Parquet files, and the notes that say whose details are in which.

What nobody asks for again is folded: the steps but the newest of each kind, the attempts but the sends, the changes of state but the
newest and those to trouble. What stays is all that a decision about sending, a list, a report or an id of an event rests on.
A file counts for a delivery only while `folded` names it, which is written in the transaction that takes the rows away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, Table, delete, func, select

from postprober.domain.attempt import Act
from postprober.domain.delivery import DeliveryState
from postprober.storage import sql
from postprober.storage.database import Database
from postprober.storage.tables import archives, attempts, deliveries, folded, monitoring_logs, transitions

SUFFIX = ".parquet"
UNNAMED = timedelta(days=30)  # a file that no note names may be that of a database that somebody puts back
# Nothing follows: what goes on by itself or can be sent again keeps all it has.
_ENDED = (DeliveryState.VERIFIED.value, DeliveryState.CANCELLED.value)
_TROUBLE = tuple(
    one.value
    for one in (
        DeliveryState.HELD,
        DeliveryState.GHOST,
        DeliveryState.FAILED,
        DeliveryState.PARTIAL,
        DeliveryState.UNCONFIRMED,
    )
)


@dataclass(frozen=True)
class OldPost:
    """A post that can be folded: its deliveries, and when the last of them changed."""

    id: int
    deliveries: tuple[int, ...]
    changed_at: datetime


def folder(data_dir: Path) -> Path:
    return data_dir / "archive"


def ready(conn: Connection, before: datetime, *, after: int, most: int) -> list[OldPost]:
    """Posts with ids above `after` that ended before then, are not watched any more and are not folded, by id."""
    d = deliveries.c
    restless = select(d.post_id).where(
        d.state.not_in(_ENDED) | d.next_at.is_not(None) | d.lease_until.is_not(None) | (d.updated_at >= before)
    )
    rows = conn.execute(
        select(d.post_id, func.max(d.updated_at).label("changed_at"))
        .outerjoin(folded, folded.c.delivery_id == d.id)
        .where(d.post_id > after, folded.c.delivery_id.is_(None), d.post_id.not_in(restless))
        .group_by(d.post_id)
        .order_by(d.post_id)
        .limit(most)
    ).all()
    ids: dict[int, list[int]] = {row.post_id: [] for row in rows}
    for delivery_id, post_id in conn.execute(
        select(d.id, d.post_id)
        .outerjoin(folded, folded.c.delivery_id == d.id)
        .where(d.post_id.in_(ids), folded.c.delivery_id.is_(None))
        .order_by(d.id)
    ):
        ids[post_id].append(delivery_id)
    return [OldPost(row.post_id, tuple(ids[row.post_id]), row.changed_at) for row in rows]


def details(conn: Connection, delivery_ids: Sequence[int]) -> dict[Table, list[dict[str, Any]]]:
    """The rows of these deliveries that are folded, by table, oldest first."""
    return {
        table: [dict(row._mapping) for row in conn.execute(query.order_by(table.c.id))]
        for table, query in _queries(delivery_ids).items()
    }


def _queries(ids: Sequence[int]) -> dict[Table, Select[Any]]:
    log, t, a = monitoring_logs, transitions, attempts
    newest_steps = select(func.max(log.c.id)).where(log.c.delivery_id.in_(ids)).group_by(log.c.delivery_id, log.c.step)
    newest_states = select(func.max(t.c.id)).where(t.c.delivery_id.in_(ids)).group_by(t.c.delivery_id)
    return {
        log: select(log).where(log.c.delivery_id.in_(ids), log.c.id.not_in(newest_steps)),
        t: select(t).where(t.c.delivery_id.in_(ids), t.c.id.not_in(newest_states), t.c.new.not_in(_TROUBLE)),
        a: select(a).where(a.c.delivery_id.in_(ids), a.c.act != Act.PUBLISH),
    }


def note_file(conn: Connection, name: str, size: int, now: datetime, newest_at: datetime) -> int:
    """The file is there; nobody's details count in it yet. Returns its id."""
    values = {"name": name, "size": size, "made_at": now, "newest_at": newest_at}
    return sql.new_id(conn.execute(archives.insert(), values))


def move_over(
    conn: Connection, archive_id: int, post: OldPost, rows: dict[Table, list[int]], tries: dict[int, int]
) -> bool:
    """From this transaction on the details of the post are in the file and not in the tables. False, and nothing is changed, when they
    are not what was written any more."""
    if {table: [row["id"] for row in found] for table, found in details(conn, post.deliveries).items()} != rows:
        return False
    states = conn.execute(
        select(func.count()).where(deliveries.c.id.in_(post.deliveries), deliveries.c.state.in_(_ENDED))
    ).scalar_one()
    if states != len(post.deliveries):
        return False
    for table, ids in rows.items():
        if ids:
            conn.execute(delete(table).where(table.c.id.in_(ids)))
    conn.execute(
        folded.insert(),
        [{"delivery_id": one, "archive_id": archive_id, "tries": tries.get(one, 0)} for one in post.deliveries],
    )
    return True


def files_of(conn: Connection, delivery_ids: Sequence[int]) -> dict[str, list[int]]:
    """Names of the files that have details of these deliveries, and of which."""
    found: dict[str, list[int]] = {}
    if not delivery_ids:
        return found
    query = select(archives.c.name, folded.c.delivery_id).join(folded, folded.c.archive_id == archives.c.id)
    for name, delivery_id in conn.execute(query.where(folded.c.delivery_id.in_(delivery_ids))):
        found.setdefault(name, []).append(delivery_id)
    return found


def sizes(conn: Connection) -> dict[str, int]:
    """Every file that a note names, and how many bytes it had."""
    return {row.name: int(row.size) for row in conn.execute(select(archives.c.name, archives.c.size))}


def drop_before(db: Database, where: Path, moment: datetime) -> int:
    """Forget and remove the files whose deliveries all ended before `moment`; returns how many went. The notes go first."""
    with db.write() as conn:
        old = conn.execute(select(archives.c.id, archives.c.name).where(archives.c.newest_at < moment)).all()
        if old:
            conn.execute(delete(folded).where(folded.c.archive_id.in_([row.id for row in old])))
            conn.execute(delete(archives).where(archives.c.id.in_([row.id for row in old])))
    for row in old:
        (where / row.name).unlink(missing_ok=True)
    return len(old)


def sweep(db: Database, where: Path, now: datetime) -> int:
    """Remove files that no note names and that are old; returns how many went."""
    with db.read() as conn:
        named = sizes(conn)
    gone = 0
    for file in where.glob(f"*{SUFFIX}"):
        if file.name not in named and file.stat().st_mtime < (now - UNNAMED).timestamp():
            file.unlink(missing_ok=True)
            gone += 1
    return gone
