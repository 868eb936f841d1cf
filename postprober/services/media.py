"""Files: taken in by content, kept by hash, handed out through signed URLs."""

from __future__ import annotations

import hashlib
import io
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from postprober.domain.limits import LIMITS
from postprober.domain.platform import Platform
from postprober.domain.post import MediaFile, MediaKind
from postprober.errors import BadInput, NotFound
from postprober.platforms.media import fit_image, inspect
from postprober.security.tokens import sign, verify
from postprober.services import permits
from postprober.services.core import Core, Mark, no_mark
from postprober.settings import Settings
from postprober.storage import media
from postprober.storage.records import MediaRecord

MAX_BYTES = 512 * 1024 * 1024  # the largest video any platform takes (X, CONTRACTS 1.2)
MAX_ALT = 10_000
BLOCK = 1024 * 1024  # bytes in memory while a file is taken in
LEFT_BEHIND = 24 * 3600.0  # seconds after which nobody is receiving a file any more
_INCOMING = "incoming"  # no hash begins like that
URL_LIFE = 24 * 3600.0  # Instagram's containers live as long (CONTRACTS 3.2)
_SUFFIX = {
    "image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp", "video/mp4": ".mp4",
    "video/quicktime": ".mov",
}  # fmt: skip


@dataclass(frozen=True)
class Received:
    """A whole file on disk that nobody has taken in yet. `size` in bytes, `digest`: SHA-256, hex."""

    path: Path
    digest: str
    size: int


@contextmanager
def received(core: Core, stream: BinaryIO) -> Iterator[Received]:
    """`stream`, copied to disk a block at a time; removed at the end of the block unless it was taken in. Raises
    BadInput when it is larger than MAX_BYTES."""
    folder = core.settings.data_dir / "media" / _INCOMING
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder, core.clock.now().timestamp())
    path, digest, size = folder / f"{uuid.uuid4().hex}.part", hashlib.sha256(), 0
    try:
        with path.open("wb") as target:
            while block := stream.read(BLOCK):
                size += len(block)
                if size > MAX_BYTES:
                    raise BadInput(f"The file is larger than {MAX_BYTES // 2**20} MB.", field="media")
                digest.update(block)
                target.write(block)
            target.flush()
            os.fsync(target.fileno())
        yield Received(path, digest.hexdigest(), size)
    finally:
        path.unlink(missing_ok=True)


def _sweep(folder: Path, now: float) -> None:
    """What a killed process left behind."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < now - LEFT_BEHIND:
                path.unlink()


def add_file(core: Core, user_id: int, path: Path, alt: str = "") -> int:
    """Take in a file from this machine; returns its id. Raises BadInput."""
    if not path.is_file():
        raise BadInput(f"There is no file {path}.", field="media")
    with path.open("rb") as stream, received(core, stream) as file:
        return add_received(core, user_id, path.name, file, alt)


def add_bytes(core: Core, user_id: int, name: str, content: bytes, alt: str = "", mark: Mark = no_mark) -> int:
    """`add_received` for what is in memory already."""
    with received(core, io.BytesIO(content)) as file:
        return add_received(core, user_id, name, file, alt, mark)


@permits.asks("media:write")
def add_received(core: Core, user_id: int, name: str, file: Received, alt: str = "", mark: Mark = no_mark) -> int:
    """Take in a file; what it is comes from its content, never from its name. Raises BadInput."""
    if len(alt) > MAX_ALT:
        raise BadInput(f"The alt text has more than {MAX_ALT} characters.", field="alt")
    facts = inspect(file.path)
    relative = Path("media") / file.digest[:2] / f"{file.digest}{_SUFFIX.get(facts.mime, '.bin')}"
    kept = core.settings.data_dir / relative
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        file.path.replace(kept)  # a file under its hash is always whole
    with core.db.write() as conn:
        media_id = media.add(
            conn, user_id=user_id, now=core.clock.now(), name=Path(name).name[:255] or "file", kind=str(facts.kind),
            mime=facts.mime, size=file.size, width=facts.width, height=facts.height, duration=facts.duration,
            sha256=file.digest, path=str(relative), alt=alt,
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


@permits.asks("media:read")
def get(core: Core, user_id: int, media_id: int) -> MediaRecord:
    """Raises NotFound."""
    with core.db.read() as conn:
        return media.get_many(conn, [media_id], user_id)[0]


@permits.asks("media:read")
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
    """What is served: the bytes of a fitted picture, or the file itself."""

    mime: str
    data: bytes = b""
    path: Path | None = None


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
        return Rendition(fitted.mime, fitted.data)
    return Rendition(record.mime, path=path)
