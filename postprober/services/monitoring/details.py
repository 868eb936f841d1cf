"""Everything about one delivery, for who looks closer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from postprober.domain.actor import Actor
from postprober.services.core import Core
from postprober.services.monitoring import old_details
from postprober.services.people import permits
from postprober.storage import deliveries, evidence_log, posts, sample_days
from postprober.storage.records import Attempt

COUNTED = ("likes", "reposts", "replies", "quotes", "bookmarks", "views")


@dataclass(frozen=True)
class EvidenceItem:
    """One piece of evidence: what was found (`kind`), when, the hash of its canonical JSON, the JSON itself, and whether
    there is a picture (`services.evidence`)."""

    kind: str
    at: datetime
    sha256: str
    body: dict[str, Any]
    id: int = 0
    pictured: bool = False


@dataclass(frozen=True)
class Details:
    """`tries`, `evidence`: oldest first. `samples`: engagement as rows of (time, name, count), oldest first; what the
    platform did not tell is left out."""

    tries: tuple[Attempt, ...]
    evidence: tuple[EvidenceItem, ...]
    samples: tuple[tuple[datetime, str, int], ...]


@permits.needs("monitoring:read")
def of(core: Core, actor: Actor, delivery_id: int) -> Details:
    """Raises NotFound, also for somebody else's."""
    from postprober.analytics import history  # loads Arrow, which only this look needs

    with core.db.read() as conn:
        delivery = deliveries.get(conn, delivery_id)
        posts.get(conn, delivery.post_id, actor.space)
    counts = history.of_delivery(core.db, core.settings.data_dir, delivery_id, delivery.published_at)
    with core.db.read() as conn:
        sample_days.one_moment(conn)
        return Details(
            tuple(old_details.attempts_of(conn, core.settings.data_dir, delivery_id)),
            tuple(
                EvidenceItem(row.kind, row.at, row.sha256, row.body, row.id, bool(row.picture))
                for row in evidence_log.of_delivery(conn, delivery_id)
            ),
            tuple((row.at, name, n) for row in counts for name in COUNTED if (n := row.count(name)) is not None),
        )
