"""What was seen of a post, with the picture where one was taken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from postprober.domain.actor import Actor
from postprober.errors import NotFound
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.storage import deliveries, evidence_log, pictures, posts


@dataclass(frozen=True)
class EvidencePicture:
    """A PNG of a page and when it was taken; `sha256` is of its bytes."""

    png: bytes
    sha256: str
    at: datetime


@permits.needs("monitoring:read")
def picture(core: Core, actor: Actor, evidence_id: int) -> EvidencePicture:
    """The picture of one piece of evidence. Raises NotFound, also for somebody else's and where there is none."""
    with core.db.read() as conn:
        row = evidence_log.one(conn, evidence_id)
        posts.get(conn, deliveries.get(conn, row.delivery_id).post_id, actor.space)
    png = pictures.read(pictures.folder(core.settings.data_dir), row.picture) if row.picture else None
    if png is None or row.picture is None:
        raise NotFound(f"The evidence {evidence_id} has no picture.")
    return EvidencePicture(png, row.picture, row.at)
