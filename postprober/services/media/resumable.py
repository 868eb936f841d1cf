"""Files that come in pieces, over as many connections as it takes (the tus protocol; its words are in `api/routes/tus.py`).

An upload is a row that says whose it is and a file that grows (`storage/uploads.py`). Whoever has its address may send to it
and nothing else. Its steps: `begin` keeps room for all of it before a byte comes → `piece` appends, by one sender at a time
→ `finish` looks at the whole and makes it a file of the space, in the transaction that notes which one it became. Killed
between any two of them, the next piece goes on where the bytes end; finishing again answers with the same file.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import FileIO
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from postprober.domain.actor import Actor
from postprober.errors import BadInput, Conflict, NotFound
from postprober.security.tokens import keyed_hash, opaque
from postprober.services.core import Core
from postprober.services.media import media
from postprober.services.media.handing_in import MOST_OPEN
from postprober.services.media.media import BLOCK, NoRoom, Received
from postprober.services.people import permits, sessions
from postprober.services.people.sessions import KEPT_AFTER_END, UPLOAD, UPLOAD_PREFIX, Caller
from postprober.storage import uploads, users

LIFE = timedelta(hours=24)  # after its last piece; somebody may go on the next morning
OVER = "There is no such upload, or its time is over; begin it again."
_KEPT_DIGESTS = 256  # of uploads that this process has a part of; each takes a few hundred bytes


class OffsetMoved(Conflict):
    """The upload has another number of bytes, `offset`, than the sender thinks."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"{offset:,} bytes of this file have arrived; go on from there.")
        self.offset = offset


class InUse(Conflict):
    """Another connection is sending to the same upload."""


class Mismatch(BadInput):
    """What arrived is not what was sent; the upload begins again at `offset`."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message, field="file")
        self.offset = offset


class TooMuch(BadInput):
    """More bytes came than the upload was begun with."""


@dataclass(frozen=True)
class Incoming:
    """`length`: bytes of the whole, `offset`: of what has come; `media`: the file that it became, 0 before; `refused`: why it
    became none, "" else; `sha256`: what its sender says it has, hex, "" where nothing was said. `expires_at` is aware UTC."""

    id: int
    name: str
    alt: str
    length: int
    offset: int
    expires_at: datetime
    media: int = 0
    refused: str = ""
    sha256: str = ""


@permits.needs("media:write")
def begin(
    core: Core,
    actor: Actor,
    name: str,
    length: int,
    alt: str = "",
    *,
    sha256: str = "",
    session: int = 0,
    draft: str = "",
) -> tuple[str, Incoming]:
    """(the end of the upload's address, the upload). `session`: the sign-in or token with which it ends; `draft`: key of the
    draft that gets the file. Raises BadInput, NoRoom, Conflict (too many are open) or Unavailable (the disk is full)."""
    media.check_alt(alt)
    if length < 1:
        raise BadInput("The file is empty; choose another file.", field="file")
    media.check_size(core, actor.space, length)
    media.make_room(core, actor.space, length)
    now, secret = core.clock.now(), UPLOAD_PREFIX + opaque()
    data: dict[str, Any] = {"name": name[:255], "alt": alt, "token": session, "length": length}
    data |= {key: value for key, value in (("sha256", sha256.lower()), ("draft", draft)) if value}
    with core.db.write() as conn:
        users.lock(conn, actor.space)  # one after the other, or two would be promised the same room
        if actor.user != actor.space:
            users.lock(conn, actor.user)
        users.forget_sessions(conn, now - KEPT_AFTER_END)
        mine = [row for row in uploads.unfinished(conn, now, actor.space) if row["user_id"] == actor.user]
        if len(mine) >= MOST_OPEN:
            raise Conflict(f"{MOST_OPEN} uploads of yours are open already; finish or cancel them first.")
        media.check_room(core, conn, actor.space, length)
        media.check_disk(core, uploads.missing(conn, core.settings.data_dir, now) + length)
        row_id = users.add_session(
            conn,
            user_id=actor.user,
            kind=UPLOAD,
            token_hash=keyed_hash(core.settings.secret_key, secret),
            now=now,
            expires_at=now + LIFE,
            data=data,
        )
        # A database that was restored gives out numbers anew: what lies there is of another upload, perhaps of somebody else.
        uploads.part(core.settings.data_dir, row_id).unlink(missing_ok=True)
    return secret, Incoming(row_id, data["name"], alt, length, 0, now + LIFE, sha256=data.get("sha256", ""))


def find(core: Core, secret: str) -> tuple[Caller, Incoming]:
    """Whose upload it is and how far. Raises NotFound, or Forbidden when they may not upload any more."""
    caller = sessions.by_upload(core, secret)
    if caller is None:
        raise NotFound(OVER)
    permits.need_of_token(caller.actor, "media:write")
    return caller, _upload(core, int(caller.session))


def _upload(core: Core, row_id: int) -> Incoming:
    with core.db.read() as conn:
        row = users.session_by_id(conn, row_id, core.clock.now())
    if row is None or "length" not in row["data"]:
        raise NotFound(OVER)
    data = row["data"]
    made, refused = int(data.get("media") or 0), str(data.get("refused", ""))
    length = int(data["length"])
    offset = length if made or refused else min(length, uploads.size(core.settings.data_dir, row_id))
    expires = row["expires_at"]
    return Incoming(row_id, data["name"], data["alt"], length, offset, expires, made, refused, data.get("sha256", ""))


class Sending:
    """One connection that sends to an upload; nobody else does until it is closed. Not for several threads at once."""

    def __init__(self, core: Core, secret: str, upload: Incoming, file: FileIO) -> None:
        self._core, self._secret, self._upload, self._file = core, secret, upload, file
        self._start = self.offset = file.seek(0, os.SEEK_END)
        self._digest = _digests.take(_path(core, upload), self.offset, _changed(file))
        self._before = self._digest.copy() if self._digest else None
        self._unchecked = 0

    def write(self, block: bytes) -> None:
        """Append to what has come. Raises TooMuch, Unavailable (the disk is full), or NotFound when the upload was ended
        meanwhile."""
        if self.offset + len(block) > self._upload.length:
            raise TooMuch(f"The upload was begun with {self._upload.length:,} bytes, and more came.", field="file")
        self._unchecked += len(block)
        if self._unchecked >= media.CHECK_EVERY:
            self._unchecked = 0
            self.check()
        try:
            left = memoryview(block)
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            self._file.truncate(self.offset)
            self._file.seek(self.offset)
            raise media.disk_full(repr(error)) from error
        self.offset += len(block)
        if self._digest is not None:
            self._digest.update(block)

    def check(self) -> None:
        """Whether it may go on. Raises NotFound, Forbidden or Unavailable."""
        find(self._core, self._secret)
        with self._core.db.read() as conn:
            now = self._core.clock.now()
            missing = uploads.missing(conn, self._core.settings.data_dir, now, but=self._upload.id)
        media.check_disk(self._core, missing + self._upload.length - self.offset)

    def forget(self, offset: int | None = None) -> None:
        """Take back what came over this connection, or all behind `offset`."""
        self._file.truncate(self._start if offset is None else offset)
        self.offset = self._start if offset is None else offset
        self._digest = self._before if offset is None else hashlib.sha256() if not offset else None

    def digest(self) -> str:
        """SHA-256 of all that has come, hex; read anew only where another process took a part of it."""
        if self._digest is None:
            self._digest = hashlib.sha256()
            self._file.seek(0)
            while block := self._file.read(BLOCK):
                self._digest.update(block)
        return str(self._digest.hexdigest())

    def close(self) -> None:
        """What has come is on the disk before anybody is told so."""
        os.fsync(self._file.fileno())
        if self._digest is not None:
            _digests.put(_path(self._core, self._upload), self.offset, _changed(self._file), self._digest)


@contextmanager
def piece(core: Core, secret: str, upload: Incoming, offset: int) -> Iterator[Sending]:
    """Send to `upload` from byte `offset` on. Raises OffsetMoved or InUse."""
    path = _path(core, upload)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileIO(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # of all processes that share the data folder
        except OSError:
            raise InUse("Another connection is sending this file; wait until it has ended.") from None
        _extend(core, upload.id)  # first: who ended it after that finds a file to remove
        made = Sending(core, secret, upload, file)
        if made.offset != offset:
            raise OffsetMoved(made.offset)
        try:
            yield made
        finally:
            made.close()


def _extend(core: Core, row_id: int) -> None:
    """From now on it has its whole time again. Raises NotFound for one that has ended, or has become a file."""
    with core.db.write() as conn:
        now = core.clock.now()
        row = users.session_by_id(conn, row_id, now, hold=True)
        if row is None:
            raise NotFound(OVER)
        if row["data"].get("media") or row["data"].get("refused"):
            raise OffsetMoved(int(row["data"]["length"]))
        users.extend_session(conn, row_id, now + LIFE)


def finish(core: Core, caller: Caller, upload: Incoming, sent: Sending) -> int:
    """Make the file that `sent` has completed one of the space; returns its id. Raises Mismatch, NoRoom (both can be mended
    and tried again), or BadInput, after which the upload is over."""
    if upload.sha256 and not hmac.compare_digest(sent.digest(), upload.sha256):
        sent.forget(0)
        message = f"What arrived of {upload.name} is not what was sent (its SHA-256 differs). Send it again."
        raise Mismatch(message, 0)
    file = Received(_path(core, upload), sent.digest(), upload.length)

    def mark(conn: Connection, media_id: int) -> None:
        row = users.session_by_id(conn, upload.id, core.clock.now(), hold=True)
        if row is None or row["data"].get("media"):
            raise Conflict("This upload was cancelled, or is a file already.")
        users.put_session_data(conn, upload.id, {**row["data"], "media": media_id})

    try:
        made = media.add_received(core, caller.actor, upload.name, file, upload.alt, mark, upload.id)
    except FileNotFoundError:  # cancelled in this moment
        raise NotFound(OVER) from None
    except NoRoom:
        raise
    except BadInput as error:
        _refuse(core, upload, error)
        raise
    file.path.unlink(missing_ok=True)
    return made


def _refuse(core: Core, upload: Incoming, error: BadInput) -> None:
    with core.db.write() as conn:
        row = users.session_by_id(conn, upload.id, core.clock.now(), hold=True)
        if row is not None:
            users.put_session_data(conn, upload.id, {**row["data"], "refused": error.message})
    _path(core, upload).unlink(missing_ok=True)


def cancel(core: Core, secret: str) -> None:
    """End an upload and let its bytes go; a file that it has become stays. Raises NotFound."""
    caller, upload = find(core, secret)
    with core.db.write() as conn:
        users.end_session(conn, upload.id, core.clock.now(), user_id=caller.user.id, kind=UPLOAD)
    _path(core, upload).unlink(missing_ok=True)  # who still sends writes to what has no name any more


@permits.needs("media:read")
def arrived(core: Core, actor: Actor, drafts: Collection[str]) -> list[tuple[int, int]]:
    """(upload, file) of what this person has uploaded for one of these drafts and no page has put into it yet, oldest first."""
    with core.db.read() as conn:
        rows = users.sessions_of(conn, actor.user, UPLOAD, core.clock.now())
    mine = [row for row in rows if row["data"].get("draft") in drafts and not row["data"].get("taken")]
    return [(row["id"], int(row["data"]["media"])) for row in mine if row["data"].get("media")]


@permits.needs("media:read")
def taken(core: Core, actor: Actor, ids: Collection[int]) -> None:
    """These uploads are in their draft, which is stored: no page puts them there again."""
    with core.db.write() as conn:
        for row_id in ids:
            row = users.session_by_id(conn, row_id, core.clock.now(), hold=True)
            if row is not None and row["user_id"] == actor.user:
                users.put_session_data(conn, row_id, {**row["data"], "taken": True})


def _path(core: Core, upload: Incoming) -> Path:
    return uploads.part(core.settings.data_dir, upload.id)


def _changed(file: FileIO) -> int:
    return os.fstat(file.fileno()).st_mtime_ns


class _Digests:
    """How far the SHA-256 of each upload is, by the place where its next byte goes: what stands here was computed while the
    bytes came. What is not here (another process, or this one before it was started anew) is read from the disk."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[Path, tuple[int, int, Any]] = OrderedDict()

    def take(self, path: Path, offset: int, changed: int) -> Any:
        """None where it is not known. `changed`: when the file was, by its file system."""
        with self._lock:
            *place, digest = self._known.pop(path, (0, 0, None))
        if not offset:
            return hashlib.sha256()
        return digest if place == [offset, changed] else None

    def put(self, path: Path, offset: int, changed: int, digest: Any) -> None:
        with self._lock:
            self._known[path] = (offset, changed, digest)
            if len(self._known) > _KEPT_DIGESTS:
                self._known.popitem(last=False)


_digests = _Digests()
