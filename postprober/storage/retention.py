"""What is kept for how long, and deleting what is older: little by little, so that nobody waits for it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Column, ColumnElement, Connection, Table, delete, exists, select, update
from sqlalchemy.exc import SQLAlchemyError

from postprober.storage import archive, pictures, sample_days, uploads
from postprober.storage import link_cards as cards
from postprober.storage import processes as facts
from postprober.storage.database import Database
from postprober.storage.tables import (
    ai_usage,
    alerts,
    attempts,
    deliveries,
    evidence,
    health_signs,
    idempotency_keys,
    link_cards,
    notifications,
    outbox,
    processes,
    proof_pages,
    samples,
    sessions,
)

log = logging.getLogger("postprober.retention")

FACT = "retention"
BATCH = 500  # rows a transaction
MODEL_USE = timedelta(days=400)  # a space's day and month are counted from it
SIGNED_OUT = timedelta(days=30)  # sessions and links that have ended
GONE_PROCESSES = timedelta(days=30)  # killed, so that they said no goodbye
SENT_LETTERS = timedelta(days=30)  # done rows of the outbox
LINK_CARDS = timedelta(days=3)  # what pages said of themselves; it holds for a day
HEALTH_SIGNS = timedelta(days=14)  # what account checks saw; pages show a day of it


@dataclass(frozen=True)
class Keep:
    """Days; 0 keeps for ever."""

    evidence: int = 365
    replies: int = 90
    alerts: int = 180
    samples: int = 0
    details: int = 90  # of posts that ended: then into files (storage.archive)
    archive: int = 0
    unused_media: int = 365


def get(conn: Connection) -> Keep:
    """The installation's choice, else the defaults."""
    stored = json.loads(facts.get_fact(conn, FACT) or "{}")
    return Keep(**{f.name: int(stored[f.name]) for f in fields(Keep) if f.name in stored})


def put(conn: Connection, keep: Keep) -> None:
    facts.set_fact(conn, FACT, json.dumps(asdict(keep)))


def tidy(db: Database, now: datetime, data_dir: Path | None = None) -> int:
    """Delete what is older than it is kept; returns how many rows, days of samples (Parquet files in `data_dir`) and
    pictures that no evidence names went. Killed anywhere, the next call goes on. One kind that cannot be deleted is
    logged and never keeps the others from going."""
    with db.read() as conn:
        keep = get(conn)
    return sum(_guarded(name, part) for name, part in _parts(db, keep, now, data_dir))


def _parts(db: Database, keep: Keep, now: datetime, data_dir: Path | None) -> Iterator[tuple[str, Callable[[], int]]]:
    """What there is to delete, each kind on its own."""

    def old(days: int) -> datetime:
        return now - timedelta(days=days)

    yield (
        "sent letters",
        lambda: _delete(db, outbox, outbox.c.next_at.is_(None), outbox.c.created_at < now - SENT_LETTERS),
    )
    yield "health signs", lambda: _delete(db, health_signs, health_signs.c.at < now - HEALTH_SIGNS)
    yield "link cards", lambda: _delete(db, link_cards, link_cards.c.at < now - LINK_CARDS)
    yield "use of models", lambda: _delete(db, ai_usage, ai_usage.c.at < now - MODEL_USE)
    yield "sessions", lambda: _delete(db, sessions, sessions.c.expires_at < now - SIGNED_OUT)
    yield "idempotency keys", lambda: _delete(db, idempotency_keys, idempotency_keys.c.expires_at < now - SIGNED_OUT)
    yield "processes", lambda: _delete(db, processes, processes.c.beat_at < now - GONE_PROCESSES)
    if data_dir is not None:
        yield "pictures of link cards", lambda: cards.sweep(db, cards.folder(data_dir), now)
        yield "uploads", lambda: uploads.sweep(db, data_dir, now)
    if keep.evidence:
        yield "evidence", lambda: _delete(db, evidence, evidence.c.at < old(keep.evidence), _NOT_SHARED)
    if data_dir is not None:
        yield "pictures", lambda: pictures.sweep(db, pictures.folder(data_dir), now)
    if keep.alerts:
        yield "alerts", lambda: _delete(db, alerts, alerts.c.is_read.is_(True), alerts.c.created_at < old(keep.alerts))
    if keep.samples:
        yield "samples", lambda: _delete(db, samples, samples.c.at < old(keep.samples))
        if data_dir is not None:
            folder = sample_days.folder(data_dir)
            yield "days of samples", lambda: sample_days.drop_before(db, folder, old(keep.samples))
    if data_dir is not None:
        where = archive.folder(data_dir)
        yield "archives that no note names", lambda: archive.sweep(db, where, now)
        if keep.archive:
            yield "archives", lambda: archive.drop_before(db, where, old(keep.archive))
    if keep.replies:
        yield "replies", lambda: _blank_replies(db, old(keep.replies))


def _guarded(name: str, part: Callable[[], int]) -> int:
    try:
        return part()
    except (SQLAlchemyError, OSError) as error:
        log.error("old %s could not be deleted: %s", name, error)
        return 0


# The proof of a shared post lives as long as its link.
_NOT_SHARED = ~exists(
    select(deliveries.c.id)
    .join(proof_pages, proof_pages.c.post_id == deliveries.c.post_id)
    .where(deliveries.c.id == evidence.c.delivery_id, proof_pages.c.withdrawn_at.is_(None))
    .correlate(evidence)
)
# Rows that mean nothing without the one they name, and go with it. A test finds every table that is missing here.
CHILDREN: dict[Table, tuple[Column[int], ...]] = {alerts: (notifications.c.alert_id,)}


def _delete(db: Database, table: Table, *where: ColumnElement[bool]) -> int:
    """Rows of `table` with what hangs on them, a batch a transaction; returns how many of `table`."""
    gone = 0
    while True:
        with db.write() as conn:
            (key,) = table.primary_key.columns
            ids = [row[0] for row in conn.execute(select(key).where(*where).limit(BATCH))]
            if not ids:
                return gone
            for column in CHILDREN.get(table, ()):
                conn.execute(delete(column.table).where(column.in_(ids)))
            gone += conn.execute(delete(table).where(key.in_(ids))).rowcount


def _blank_replies(db: Database, before: datetime) -> int:
    gone = 0
    while True:
        with db.write() as conn:
            old = select(attempts.c.id).where(attempts.c.started_at < before, attempts.c.reply != "").limit(BATCH)
            ids = [row[0] for row in conn.execute(old)]
            if not ids:
                return gone
            gone += conn.execute(update(attempts).where(attempts.c.id.in_(ids)).values(reply="")).rowcount
