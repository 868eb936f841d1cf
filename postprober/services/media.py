"""Files: taken in by content, kept by hash, handed out through signed URLs."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from postprober.domain.limits import LIMITS
from postprober.domain.platform import Platform
from postprober.domain.post import MediaFile, MediaKind
from postprober.errors import BadInput, NotFound
from postprober.platforms.media import fit_image, inspect
from postprober.security.tokens import sign, verify
from postprober.services.core import Core, Mark, no_mark
from postprober.settings import Settings
from postprober.storage import media
from postprober.storage.records import MediaRecord

MAX_BYTES = 512 * 1024 * 1024  # the largest video any platform takes (X, CONTRACTS 1.2)
MAX_ALT = 10_000
URL_LIFE = 24 * 3600.0  # Instagram's containers live as long (CONTRACTS 3.2)
_SUFFIX = {
    "image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp", "video/mp4": ".mp4",
    "video/quicktime": ".mov",
}  # fmt: skip


def add_file(core: Core, user_id: int, path: Path, alt: str = "") -> int:
    """Take in a file from this machine; returns its id. Raises BadInput."""
    if not path.is_file():
        raise BadInput(f"There is no file {path}.", field="media")
    if path.stat().st_size > MAX_BYTES:
        raise BadInput(f"{path.name} is larger than {MAX_BYTES // 2**20} MB.", field="media")
    return add_bytes(core, user_id, path.name, path.read_bytes(), alt)


def add_bytes(core: Core, user_id: int, name: str, content: bytes, alt: str = "", mark: Mark = no_mark) -> int:
    """Take in a file; what it is comes from its content, never from its name. Raises BadInput."""
    if len(alt) > MAX_ALT:
        raise BadInput(f"The alt text has more than {MAX_ALT} characters.", field="alt")
    facts = inspect(content)
    digest = hashlib.sha256(content).hexdigest()
    relative = Path("media") / digest[:2] / f"{digest}{_SUFFIX.get(facts.mime, '.bin')}"
    _keep(core.settings.data_dir / relative, content)
    with core.db.write() as conn:
        media_id = media.add(
            conn, user_id=user_id, now=core.clock.now(), name=Path(name).name[:255] or "file", kind=str(facts.kind),
            mime=facts.mime, size=len(content), width=facts.width, height=facts.height, duration=facts.duration,
            sha256=digest, path=str(relative), alt=alt,
        )  # fmt: skip
        mark(conn, media_id)
        return media_id


def discard(core: Core, user_id: int, ids: list[int]) -> None:
    """Take back files whose post was refused, so that nothing is left of it. Raises NotFound."""
    with core.db.write() as conn:
        records = media.get_many(conn, ids, user_id)
        media.remove(conn, ids)
        unused = {record.path for record in records if not media.uses(conn, record.path)}
    for path in unused:
        (core.settings.data_dir / path).unlink(missing_ok=True)


def _keep(path: Path, content: bytes) -> None:
    """Atomic: a file under its hash is always whole."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    with temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def get(core: Core, user_id: int, media_id: int) -> MediaRecord:
    """Raises NotFound."""
    with core.db.read() as conn:
        return media.get_many(conn, [media_id], user_id)[0]


def files(core: Core, user_id: int, ids: list[int]) -> tuple[MediaFile, ...]:
    """The files as the domain knows them, without public URLs. Raises NotFound."""
    with core.db.read() as conn:
        records = media.get_many(conn, ids, user_id)
    return tuple(
        MediaFile(
            id=r.id, kind=MediaKind(r.kind), mime=r.mime, size=r.size, width=r.width, height=r.height,
            sha256=r.sha256, path=str(core.settings.data_dir / r.path), alt=r.alt, duration=r.duration,
        )
        for r in records
    )  # fmt: skip


def public_url(settings: Settings, now: float, record: MediaRecord, platform: Platform) -> str:
    """A signed, expiring URL under which the sidecar serves the file as `platform` wants it."""
    suffix = ".jpg" if record.kind == MediaKind.IMAGE else _SUFFIX.get(record.mime, "")
    claims = {"id": record.id, "p": platform.value}
    return f"{settings.public_base}/api/media/public/{sign(settings.secret_key, 'media', claims, now=now, lifetime=URL_LIFE)}{suffix}"


@dataclass(frozen=True)
class Rendition:
    """Bytes ready to be served."""

    data: bytes
    mime: str


def open_public(core: Core, token: str) -> Rendition:
    """What a signed URL stands for: images fitted to the platform. Raises Forbidden or NotFound."""
    claims = verify(core.settings.secret_key, "media", token, now=core.clock.now().timestamp())
    with core.db.read() as conn:
        record = media.get_many(conn, [int(claims["id"])])[0]
    path = core.settings.data_dir / record.path
    if not path.is_file():
        raise NotFound("The file is gone.")
    if record.kind == MediaKind.IMAGE:
        fitted = fit_image(str(path), LIMITS[Platform(claims["p"])].images)
        return Rendition(fitted.data, fitted.mime)
    return Rendition(path.read_bytes(), record.mime)
