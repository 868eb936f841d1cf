"""What is kept for how long, and deleting what is older: little by little, so that nobody waits for it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, Table, delete, select, update

from postprober.storage import pictures, processes, sample_days
from postprober.storage.database import Database
from postprober.storage.tables import alerts, attempts, evidence, health_signs, outbox, samples

FACT = "retention"
BATCH = 500  # rows a transaction
SENT_LETTERS = timedelta(days=30)  # done rows of the outbox
HEALTH_SIGNS = timedelta(days=14)  # what canaries saw; pages show a day of it


@dataclass(frozen=True)
class Keep:
    """Days; 0 keeps for ever."""

    evidence: int = 365
    replies: int = 90
    alerts: int = 180
    samples: int = 0


def get(conn: Connection) -> Keep:
    """The installation's choice, else the defaults."""
    stored = json.loads(processes.get_fact(conn, FACT) or "{}")
    return Keep(**{f.name: int(stored[f.name]) for f in fields(Keep) if f.name in stored})


def put(conn: Connection, keep: Keep) -> None:
    processes.set_fact(conn, FACT, json.dumps(asdict(keep)))


def tidy(db: Database, now: datetime, data_dir: Path | None = None) -> int:
    """Delete what is older than it is kept; returns how many rows, days of samples (Parquet files in `data_dir`) and
    pictures that no evidence names went. Killed anywhere, the next call goes on."""
    with db.read() as conn:
        keep = get(conn)
    gone = _delete(db, outbox, (outbox.c.next_at.is_(None), outbox.c.created_at < now - SENT_LETTERS))
    gone += _delete(db, health_signs, (health_signs.c.at < now - HEALTH_SIGNS,))
    if keep.evidence:
        gone += _delete(db, evidence, (evidence.c.at < now - timedelta(days=keep.evidence),))
    if data_dir is not None:
        gone += pictures.sweep(db, pictures.folder(data_dir), now)
    if keep.alerts:
        old = now - timedelta(days=keep.alerts)
        gone += _delete(db, alerts, (alerts.c.is_read.is_(True), alerts.c.created_at < old))
    if keep.samples:
        old = now - timedelta(days=keep.samples)
        gone += _delete(db, samples, (samples.c.at < old,))
        if data_dir is not None:
            gone += sample_days.drop_before(db, sample_days.folder(data_dir), old)
    if keep.replies:
        gone += _blank_replies(db, now - timedelta(days=keep.replies))
    return gone


def _delete(db: Database, table: Table, where: tuple[ColumnElement[bool], ...]) -> int:
    gone = 0
    while True:
        with db.write() as conn:
            ids = [row[0] for row in conn.execute(select(table.c.id).where(*where).limit(BATCH))]
            if not ids:
                return gone
            gone += conn.execute(delete(table).where(table.c.id.in_(ids))).rowcount


def _blank_replies(db: Database, before: datetime) -> int:
    gone = 0
    while True:
        with db.write() as conn:
            old = select(attempts.c.id).where(attempts.c.started_at < before, attempts.c.reply != "").limit(BATCH)
            ids = [row[0] for row in conn.execute(old)]
            if not ids:
                return gone
            gone += conn.execute(update(attempts).where(attempts.c.id.in_(ids)).values(reply="")).rowcount
