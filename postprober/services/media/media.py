"""Files: taken in by content, kept by hash, handed out through signed URLs."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection

from postprober import extras
from postprober.domain import crops
from postprober.domain.actor import Actor
from postprober.domain.crops import Rect
from postprober.domain.platform import Platform
from postprober.domain.post import MediaFile, MediaKind
from postprober.domain.subtitles import read as read_subtitles
from postprober.domain.text import has_half_character
from postprober.errors import HERE, BadInput, Conflict, NotFound, Unavailable
from postprober.pipeline.core.files import file_of
from postprober.platforms.common.documents import DOCUMENTS
from postprober.platforms.common.media import (
    MAX_IMAGE_BYTES,
    RENDITIONS,
    MediaFacts,
    as_gif,
    fit_image,
    inspect,
    renditions_of,
)
from postprober.platforms.common.media import thumbnail as small_picture
from postprober.platforms.registry import LIMITS, SPECS
from postprober.security.tokens import sign, verify
from postprober.services.core import Core, Mark, no_mark
from postprober.services.people import permits
from postprober.settings import Settings
from postprober.storage import accounts, conversions, media, posts, retention, uploads, users
from postprober.storage.records import MediaRecord

MAX_READ = 512 * 1024 * 1024  # bytes of a video that is converted to what a platform takes
MAX_ALT = 10_000
BLOCK = 1024 * 1024  # bytes in memory while a file is taken in
DISK_LEFT = 512 * 1024 * 1024  # bytes that no file may take from the database beside it
_UNSTORED = re.compile("[\0\ud800-\udfff]")  # no text; half a character stands for a byte of a name that is not UTF-8
CHECK_EVERY = 64 * 1024 * 1024  # bytes after which it is asked again whether a file may go on
UNUSED = timedelta(days=7)
LEFT_BEHIND = 24 * 3600.0  # seconds after which nobody is receiving a file any more
URL_LIFE = (
    24 * 3600.0
)  # as long as the longest-lived container that a platform fetches media for (platforms/NAME/facts.md, 2)
_SUFFIX = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/heic": ".heic",
    "image/avif": ".avif",
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
    "text/vtt": ".vtt",
    **{mime: f".{suffix}" for suffix, mime in DOCUMENTS.items()},
}


class NoRoom(BadInput):
    """The space is full: the same file can be taken when something was deleted."""


class Readable(Protocol):
    """A file that is open, or what is left of it in memory."""

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True)
class Received:
    """A whole file on disk that nobody has taken in yet. `size` in bytes, `digest`: SHA-256, hex."""

    path: Path
    digest: str
    size: int


_Change = Callable[[Received, Path, MediaFacts], tuple[Received, MediaFacts]]


def largest_of_all() -> int:
    """Bytes of the largest file that any platform takes, or that is converted for one."""
    return max(MAX_READ, *(_takes(platform) for platform in SPECS))


def largest(core: Core, space: int) -> int:
    """Bytes of the largest file that some linked account of the space takes, or that is converted for it; without any
    account, that any platform takes."""
    with core.db.read() as conn:
        linked = {one.platform for one in accounts.of_user(conn, space)}
    takes = [_takes(platform) for platform in linked or set(SPECS)]
    converted = extras.has("video") and any(SPECS[platform].limits.video for platform in linked or set(SPECS))
    return max(MAX_IMAGE_BYTES, *takes, MAX_READ if converted else 0)


def _takes(platform: Platform) -> int:
    spec = SPECS[platform]
    return max(limits.largest_file for limits in (spec.limits, spec.long_limits) if limits is not None)


def check_size(core: Core, space: int, size: int) -> None:
    """Raises BadInput for a file that is larger than any account of the space takes."""
    if size > (most := largest(core, space)):
        raise _too_large(most)


def _too_large(most: int) -> BadInput:
    return BadInput(
        f"The file is larger than {most // 1_000_000:,} MB, the most that your accounts take.", field="media"
    )


@contextmanager
def received(core: Core, space: int, stream: Readable) -> Iterator[Received]:
    """`stream`, copied to disk a block at a time; removed at the end of the block unless it was taken in. Raises
    BadInput when it is larger than the space's accounts take."""
    most = largest(core, space)
    folder = uploads.folder(core.settings.data_dir)
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder, core.clock.now().timestamp())
    path, digest, size = folder / f"{uuid.uuid4().hex}.part", hashlib.sha256(), 0
    try:
        with path.open("wb") as target:
            while block := stream.read(BLOCK):
                if size % CHECK_EVERY < BLOCK:
                    check_disk(core, len(block))
                size += len(block)
                if size > most:
                    raise _too_large(most)
                digest.update(block)
                target.write(block)
            target.flush()
            os.fsync(target.fileno())
        yield Received(path, digest.hexdigest(), size)
    finally:
        path.unlink(missing_ok=True)


def check_disk(core: Core, wanted: int) -> None:
    """Raises Unavailable when so many bytes more would leave too little of the disk."""
    core.settings.data_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(core.settings.data_dir).free
    if free - wanted < DISK_LEFT:
        raise disk_full(f"{free} bytes are free, {wanted} are wanted")


def disk_full(detail: str) -> Unavailable:
    """Whoever runs the installation has to do something."""
    message = (
        "The disk of this installation has no room for the file. Ask whoever runs PostProber to free some, then go on."
    )
    return Unavailable(message, detail, code=HERE)


def _sweep(folder: Path, now: float) -> None:
    """What a killed process left behind."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if not uploads.is_part(path) and path.stat().st_mtime < now - LEFT_BEHIND:
                path.unlink()


def add_file(core: Core, actor: Actor, path: Path, alt: str = "") -> int:
    """Take in a file from this machine; returns its id. Raises BadInput."""
    if not path.is_file():
        raise BadInput(f"There is no file {path}.", field="media")
    with path.open("rb") as stream, received(core, actor.space, stream) as file:
        return add_received(core, actor, path.name, file, alt)


def add_bytes(core: Core, actor: Actor, name: str, content: bytes, alt: str = "", mark: Mark = no_mark) -> int:
    """`add_received` for what is in memory already."""
    with received(core, actor.space, io.BytesIO(content)) as file:
        return add_received(core, actor, name, file, alt, mark)


@permits.needs("media:write")
def add_received(
    core: Core, actor: Actor, name: str, file: Received, alt: str = "", mark: Mark = no_mark, upload: int = 0
) -> int:
    """Take in a file; what it is comes from its content, never from its name. `upload`: whose room it takes, which was kept
    for it. Its bytes at `file.path` stay as they are, for whoever begins again after a kill. Raises BadInput."""
    check_alt(alt)
    facts = inspect(file.path)
    changed = _changed(facts)
    if changed is None:
        return _add(core, actor, name, file, facts, alt, mark, upload)
    made = file.path.with_name(f"{uuid.uuid4().hex}.part")
    try:
        other, facts = changed(file, made, facts)
        return _add(core, actor, name, other, facts, alt, mark, upload)
    finally:
        made.unlink(missing_ok=True)


def _changed(facts: MediaFacts) -> _Change | None:
    """What makes another file of this one before it is kept."""
    if facts.kind is MediaKind.GIF and facts.mime != "image/gif":
        return _made_gif
    return _made_vtt if facts.kind is MediaKind.SUBTITLES else None


def _add(
    core: Core, actor: Actor, name: str, file: Received, facts: MediaFacts, alt: str, mark: Mark, upload: int
) -> int:
    relative = Path("media") / file.digest[:2] / f"{file.digest}{_SUFFIX.get(facts.mime, '.bin')}"
    make_room(core, actor.space, file.size, str(relative), upload)
    kept = core.settings.data_dir / relative
    with core.db.write() as conn:
        media.lock(conn)
        check_room(core, conn, actor.space, file.size, str(relative), upload)
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            _put(file.path, kept)
            conversions.forget_failed(conn, str(relative))
        media_id = media.add(
            conn,
            space=actor.space,
            now=core.clock.now(),
            name=_UNSTORED.sub("_", Path(name).name[:255]) or "file",
            kind=str(facts.kind),
            mime=facts.mime,
            size=file.size,
            width=facts.width,
            height=facts.height,
            duration=facts.duration,
            frames=facts.frames,
            codec=facts.codec[:20],
            pixel_format=facts.pixel_format[:20],
            rate=facts.rate,
            audio=facts.audio[:30] if facts.audio is not None else None,
            damage=facts.damage,
            pages=facts.pages,
            sha256=file.digest,
            path=str(relative),
            alt=alt,
        )
        mark(conn, media_id)
        return media_id


@permits.needs("media:write")
def describe(core: Core, actor: Actor, media_id: int, alt: str) -> None:
    """Change the alt text of a file that one draft uses, or none yet. In every other post it is a part of what was
    reviewed, approved or planned, or of another draft; that post gets a `copy`. Raises BadInput, NotFound or Conflict."""
    check_alt(alt)
    with core.db.write() as conn:
        # First: a post that is being planned holds its files until it is.
        media.describe(conn, actor.space, media_id, alt)
        if posts.uses_beyond_one_draft(conn, actor.space, media_id):
            raise Conflict(
                "This file belongs to a post that is no draft any more; change the post to change its alt text."
            )


def refuse_described(conn: Connection, space: int, judged: Sequence[MediaFile]) -> None:
    """What is planned in this transaction has the alt texts that were checked and reviewed: no file of `judged` has got
    another one since, and none gets one before the transaction ends. Raises Conflict, or NotFound for a file that is gone."""
    stored = media.get_many(conn, [file.id for file in judged], space, hold=True)
    if [record.alt for record in stored] != [file.alt for file in judged]:
        raise Conflict("An alt text was changed while this post was checked. Look at it and try again.")


@permits.needs("media:write")
def copy(core: Core, actor: Actor, media_id: int, alt: str) -> int:
    """The same file with another alt text, for one post: others that use it, planned or published, keep theirs. Returns
    the new id. Raises BadInput or NotFound."""
    check_alt(alt)
    with core.db.write() as conn:
        return copied(conn, actor.space, media_id, alt, core.clock.now())


def copied(conn: Connection, space: int, media_id: int, alt: str, now: datetime) -> int:
    """`copy` within a transaction."""
    (record,) = media.get_many(conn, [media_id], space)
    columns = {f.name: getattr(record, f.name) for f in fields(record) if f.name not in ("id", "user_id", "created_at")}
    return media.add(conn, space=space, now=now, **{**columns, "alt": alt})


def check_alt(alt: str) -> None:
    """Raises BadInput for one that is too long, or that PostgreSQL could not store."""
    if len(alt) > MAX_ALT:
        raise BadInput(f"The alt text has more than {MAX_ALT} characters.", field="alt")
    if "\0" in alt or has_half_character(alt):
        text = "Remove the characters of the alt text that are no text (NUL, or half of a surrogate pair)."
        raise BadInput(text, field="alt")


def _put(source: Path, kept: Path) -> None:
    """A file under its hash is always whole. Where the disk can, the bytes have both names until the row is written."""
    try:
        os.link(source, kept)
    except FileExistsError:
        return
    except OSError:  # a file system without second names
        source.replace(kept)


def _fits(core: Core, conn: Connection, space: int, size: int, path: str, upload: int) -> bool:
    others = uploads.promised(conn, core.clock.now(), space, upload)
    return media.bytes_of(conn, space, path) + others + size <= core.settings.media_mb_per_space * 2**20


def make_room(core: Core, space: int, size: int, path: str = "", upload: int = 0) -> None:
    """When the space's files would take more than they may, those go that no post has named for a week."""
    with core.db.write() as conn:
        if _fits(core, conn, space, size, path, upload):
            return
        old = media.older(conn, space, core.clock.now() - UNUSED)
        used = posts.media_in_use(conn, space)  # after: who plans a post with one of them has done so by now
        left = [record for record in old if record.id not in used]
        media.remove(conn, [record.id for record in left])
    _delete(core, {record.path for record in left})


def drop_unused(core: Core) -> int:
    """Delete files that no post has named for as long as the installation keeps them; returns how many."""
    with core.db.read() as conn:
        days, spaces = retention.get(conn).unused_media, [one.id for one in users.owners(conn)]
    if not days:
        return 0
    gone = 0
    for space in spaces:
        with core.db.write() as conn:
            old = media.older(conn, space, core.clock.now() - timedelta(days=days))
            used = posts.media_in_use(conn, space) if old else set()  # after, as above
            left = [record for record in old if record.id not in used]
            media.remove(conn, [record.id for record in left])
        _delete(core, {record.path for record in left})
        gone += len(left)
    return gone


def _delete(core: Core, paths: set[str]) -> None:
    """Those that no row names any more; nobody takes one of them in meanwhile."""
    with core.db.write() as conn:
        media.lock(conn)
        for path in paths:
            if not media.uses(conn, path):
                conversions.forget(conn, path)
                stored = core.settings.data_dir / path
                for file in (stored, *renditions_of(stored)):
                    file.unlink(missing_ok=True)


def check_room(core: Core, conn: Connection, space: int, size: int, path: str = "", upload: int = 0) -> None:
    """Raises NoRoom when the space's files would take more than they may, with what is on its way to it but for `upload`."""
    most = core.settings.media_mb_per_space
    if not _fits(core, conn, space, size, path, upload):
        raise NoRoom(
            f"The files of your space would take more than {most:,} MB, which is the limit. Delete drafts with files "
            "that you no longer need, or ask whoever runs PostProber for more.",
            field="media",
        )


def _made_gif(file: Received, path: Path, _facts: MediaFacts) -> tuple[Received, MediaFacts]:
    """A moving WebP, PNG or AVIF made a GIF at `path`, the one moving picture that platforms take. Raises BadInput."""
    content = as_gif(file.path)
    path.write_bytes(content)
    facts = inspect(path)
    return Received(path, hashlib.sha256(content).hexdigest(), len(content)), facts


def _made_vtt(file: Received, path: Path, facts: MediaFacts) -> tuple[Received, MediaFacts]:
    """Subtitles as WebVTT at `path`, which is what platforms take of them."""
    content = read_subtitles(file.path.read_bytes()).text.encode()
    path.write_bytes(content)
    return Received(path, hashlib.sha256(content).hexdigest(), len(content)), facts


def thumbnail(core: Core, record: MediaRecord, side: int, crop: Rect | None = None) -> bytes:
    """A small JPEG of a stored picture, as it will look, of it what `crop` says. Raises BadInput when it cannot be read."""
    return small_picture(core.settings.data_dir / record.path, side, crop)


def discard(core: Core, actor: Actor, ids: list[int]) -> None:
    """Take back files whose post was refused, so that nothing is left of it. Raises NotFound."""
    with core.db.write() as conn:
        records = media.get_many(conn, ids, actor.space)
        media.remove(conn, ids)
    _delete(core, {record.path for record in records})


@permits.needs("media:read")
def get(core: Core, actor: Actor, media_id: int) -> MediaRecord:
    """Raises NotFound."""
    with core.db.read() as conn:
        return media.get_many(conn, [media_id], actor.space)[0]


@permits.needs("media:read")
def files(core: Core, actor: Actor, ids: list[int]) -> tuple[MediaFile, ...]:
    """The files as the domain knows them, without public URLs. Raises NotFound."""
    with core.db.read() as conn:
        records = media.get_many(conn, ids, actor.space)
    return tuple(file_of(record, core.settings.data_dir) for record in records)


def public_url(
    settings: Settings, now: float, record: MediaRecord, platform: Platform, crop: Rect | None = None
) -> str:
    """A signed, expiring URL under which the sidecar serves the file as `platform` wants it. A record with the path of what
    the file was converted to stands for that; `crop`: what of a picture it is."""
    suffix = ".jpg" if record.kind == MediaKind.IMAGE else _SUFFIX.get(record.mime, "")
    claims: dict[str, Any] = {"id": record.id, "p": platform.value}
    if crop is not None:
        claims["c"] = list(crop)
    if Path(record.path).parent.name == RENDITIONS:
        claims["r"] = Path(record.path).name
    return f"{settings.public_base}/api/media/public/{sign(settings.secret_key, 'media', claims, now=now, lifetime=URL_LIFE)}{suffix}"


@dataclass(frozen=True)
class Rendition:
    """What is served: the bytes of a fitted picture, or the file itself."""

    mime: str
    data: bytes = b""
    path: Path | None = None


def check_signed(core: Core, token: str) -> dict[str, Any]:
    """The claims of a signed URL; quick, reads nothing. Raises Forbidden."""
    return verify(core.settings.secret_key, "media", token, now=core.clock.now().timestamp())


def open_public(core: Core, token: str) -> Rendition:
    """What a signed URL stands for: images fitted to the platform. Raises Forbidden or NotFound."""
    claims = check_signed(core, token)
    with core.db.read() as conn:
        record = media.get_many(conn, [int(claims["id"])])[0]
    path, mime = core.settings.data_dir / record.path, record.mime
    if made := claims.get("r"):
        path, mime = path.parent.parent / RENDITIONS / Path(str(made)).name, "video/mp4"
    if not path.is_file():
        raise NotFound("The file is gone.")
    if record.kind == MediaKind.IMAGE and not made:
        fitted = fit_image(str(path), LIMITS[Platform(claims["p"])].images, crops.told(claims.get("c")))
        return Rendition(fitted.mime, fitted.data)
    return Rendition(mime, path=path)
