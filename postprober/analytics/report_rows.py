"""One row for each delivery of a report: what a spreadsheet or a notebook can recompute everything from."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Select, func, or_, select

from postprober.analytics.figures import Figures
from postprober.analytics.report_queries import COUNTS, Reached
from postprober.storage.tables import accounts, attempts, deliveries, evidence, folded, posts, repairs, transitions

if TYPE_CHECKING:
    import pyarrow as pa

_TROUBLE = ("failed", "partial", "held", "ghost")


@dataclass(frozen=True)
class ReportLine:
    """One delivery. Times are aware UTC; `late_seconds`: from the planned time to the first byte, below 0 when it left
    early; counts are None where the platform told none; `engagement`: what people did, all acts together; `failures`:
    how often it failed, was held or could not be seen; `evidence_sha256`: of the newest piece of evidence."""

    post_id: int
    delivery_id: int
    platform: str
    account: str
    text: str
    state: str
    proof: str
    due_at: datetime
    first_byte_at: datetime | None
    late_seconds: float | None
    published_at: datetime | None
    verified_at: datetime | None
    url: str
    likes: int | None
    reposts: int | None
    replies: int | None
    quotes: int | None
    bookmarks: int | None
    views: int | None
    engagement: int | None
    counted_at: datetime | None
    attempts: int
    failures: int
    repairs: int
    reason: str
    evidence_sha256: str


NAMES = tuple(field.name for field in fields(ReportLine))


@cache
def schema() -> pa.Schema:
    """Of a row in a Parquet file."""
    import pyarrow as pa  # this module is read where it is not installed, too

    moment = pa.timestamp("us", tz="UTC")
    types: dict[str, pa.DataType] = {
        "int": pa.int64(),
        "int | None": pa.int64(),
        "float | None": pa.float64(),
        "str": pa.string(),
        "datetime": moment,
        "datetime | None": moment,
    }
    return pa.schema([(field.name, types[str(field.type)]) for field in fields(ReportLine)])


def of_period(
    conn: Connection, space: int, since: datetime, until: datetime, found: Sequence[Reached]
) -> list[ReportLine]:
    """The deliveries of `found`, all of which were due or went out between the two moments."""
    d = deliveries.c
    return _lines(
        conn, (d.user_id == space, or_(d.due_at.between(since, until), d.published_at.between(since, until))), found
    )


def of_post(conn: Connection, space: int, post_id: int, found: Sequence[Reached]) -> list[ReportLine]:
    """The deliveries of one post."""
    return _lines(conn, (deliveries.c.user_id == space, deliveries.c.post_id == post_id), found)


def to_csv(lines: Sequence[ReportLine], zone: str) -> bytes:
    """With the names of the columns, times on the clock of `zone`; texts that a spreadsheet would run are defused
    (`figures`)."""
    return Figures(NAMES, [tuple(asdict(line).values()) for line in lines], zone).csv()


def to_parquet(lines: Sequence[ReportLine]) -> bytes:
    """The same, typed; texts as they are, because nothing in this format is ever run."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([asdict(line) for line in lines], schema=schema()), sink, compression="zstd")
    return sink.getvalue()


def _lines(conn: Connection, where: tuple[ColumnElement[bool], ...], found: Sequence[Reached]) -> list[ReportLine]:
    ids = select(deliveries.c.id).where(*where)
    tries = _count(conn, attempts.c.delivery_id, ids)
    for delivery_id, more in conn.execute(
        select(folded.c.delivery_id, folded.c.tries).where(folded.c.delivery_id.in_(ids))
    ):
        tries[delivery_id] = tries.get(delivery_id, 0) + more
    failures = _count(conn, transitions.c.delivery_id, ids, transitions.c.new.in_(_TROUBLE))
    mended = _count(conn, repairs.c.delivery_id, ids, repairs.c.state == "applied")
    hashes = _newest_hash(conn, ids)
    rows = {row.id: row._mapping for row in conn.execute(_query(where))}
    return [
        _line(rows[one.delivery_id], one, (tries, failures, mended), hashes) for one in found if one.delivery_id in rows
    ]


def _query(where: tuple[ColumnElement[bool], ...]) -> Select[Any]:
    d = deliveries.c
    return (
        select(
            d.id,
            d.post_id,
            d.platform,
            accounts.c.account_name,
            posts.c.content,
            d.state,
            d.proof,
            d.due_at,
            d.first_byte_at,
            d.published_at,
            d.verified_at,
            d.url,
            d.reason,
        )
        .join(posts, posts.c.id == d.post_id)
        .join(accounts, accounts.c.id == d.account_id)
        .where(*where)
    )


def _count(
    conn: Connection, column: ColumnElement[int], ids: Select[tuple[int]], *where: ColumnElement[bool]
) -> dict[int, int]:
    rows = conn.execute(select(column, func.count()).where(column.in_(ids), *where).group_by(column))
    return {int(delivery): int(count) for delivery, count in rows}


def _newest_hash(conn: Connection, ids: Select[tuple[int]]) -> dict[int, str]:
    newest = select(func.max(evidence.c.id)).where(evidence.c.delivery_id.in_(ids)).group_by(evidence.c.delivery_id)
    rows = conn.execute(select(evidence.c.delivery_id, evidence.c.sha256).where(evidence.c.id.in_(newest)))
    return {int(delivery): str(digest) for delivery, digest in rows}


def _line(row: Any, one: Reached, counted: tuple[dict[int, int], ...], hashes: dict[int, str]) -> ReportLine:
    tries, failures, mended = (by_id.get(one.delivery_id, 0) for by_id in counted)
    first, due = row["first_byte_at"], row["due_at"]
    return ReportLine(
        post_id=row["post_id"],
        delivery_id=one.delivery_id,
        platform=row["platform"],
        account=row["account_name"],
        text=row["content"],
        state=row["state"],
        proof=row["proof"],
        due_at=due,
        first_byte_at=first,
        late_seconds=(first - due).total_seconds() if first else None,
        published_at=row["published_at"],
        verified_at=row["verified_at"],
        url=row["url"] or "",
        **{name: one.counts[name] for name in COUNTS},
        engagement=one.engagement,
        counted_at=one.counted_at,
        attempts=tries,
        failures=failures,
        repairs=mended,
        reason=row["reason"],
        evidence_sha256=hashes.get(one.delivery_id, ""),
    )
