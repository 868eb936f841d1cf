"""Videos that a platform would refuse, converted before they are sent: one at a time, by the scheduler, in a process of its
own. A delivery that comes before its file is ready waits for it.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from postprober import extras
from postprober.domain.delivery import DeliveryState, Step
from postprober.domain.post import Conversion, Draft, MediaKind, Part
from postprober.domain.preflight import check
from postprober.domain.target import VideoTarget
from postprober.errors import BadInput, PlatformError, PostRejected, Unavailable
from postprober.pipeline.core.claimed_delivery import ClaimedDelivery, media_files
from postprober.pipeline.core.context import Context, ExchangeRecorder
from postprober.pipeline.publishing.failures import fail
from postprober.platforms.common import video_process
from postprober.platforms.common.media import RENDITIONS
from postprober.storage import conversions, media
from postprober.storage.conversions import ConversionRecord, ConversionState
from postprober.storage.records import PartRecord, replace

log = logging.getLogger("postprober.conversions")
UNFIT = "picture"  # code of the PostRejected that says: a file of the post cannot be made fit
TRIES = 3  # of a conversion that took its process down
CLAIM = timedelta(seconds=60)  # after which a conversion that nobody tells of may be taken by another process
PAUSE = timedelta(seconds=60)  # before another try when the machine could not
TELL = 1.0  # seconds between two writes of the progress
LEAST_WAIT, MOST_WAIT = timedelta(seconds=1), timedelta(seconds=30)  # of a delivery, before it looks again
BLOCK = 1024 * 1024  # bytes


# What a delivery waits for


def fitted(work: ClaimedDelivery, part: PartRecord) -> PartRecord | None:
    """`part` with the files that are sent instead of those that the platform would refuse, fixed from now on; None when the
    delivery waits for one, or has failed because there will be none. What somebody deleted is made again."""
    if part.staged is not None or (part.made and _there(work.ctx, part)):
        return part
    wanted = _wanted(work, part)
    if not wanted:
        return replace(part, made={})
    made: dict[str, Any] = {}
    for one in wanted:
        record = _ordered(work, one)
        if record.state == ConversionState.FAILED:
            fail(work, PostRejected(record.message, code=UNFIT), Step.POSTING)
            return None
        if record.state != ConversionState.DONE or record.made is None:
            _wait(work, record)
            return None
        made[str(one.media_id)] = record.made
    part = replace(part, made=made)
    with work.ctx.db.write() as conn:
        work.touch(conn, parts=work.delivery.with_part(part))
    return part


def _wanted(work: ClaimedDelivery, part: PartRecord) -> tuple[Conversion, ...]:
    """By the limits of the account as they are now."""
    files = media_files(work.ctx, work.delivery, replace(part, made={}))  # what was made of them may be gone
    if all(file.kind is MediaKind.IMAGE or not file.converts for file in files):
        return ()
    adapter = work.adapter(work.http(ExchangeRecorder(), ""))
    try:
        limits = adapter.limits(work.cred)
    except PlatformError:
        limits = adapter.limits(None)  # it is away at this moment: its usual numbers hold
    return check(Draft((Part(part.text, files),), options=part.options), limits).conversions


def _ordered(work: ClaimedDelivery, wanted: Conversion) -> ConversionRecord:
    with work.ctx.db.write() as conn:
        (record,) = media.get_many(conn, [wanted.media_id])
        found = conversions.order(conn, record.path, wanted.target, work.now())
        if found.state == ConversionState.DONE and not _exists(work.ctx, found.made):
            conversions.anew(conn, found, work.now())
            found = conversions.order(conn, record.path, wanted.target, work.now())
        return found


def _exists(ctx: Context, made: Mapping[str, Any] | None) -> bool:
    """Whether the file is there, whole: a copy of the folder that was cut short leaves shorter ones."""
    try:
        return made is not None and (ctx.data_dir / made["path"]).stat().st_size == made["size"]
    except OSError:
        return False


def _there(ctx: Context, part: PartRecord) -> bool:
    return all(_exists(ctx, made) for made in part.made.values())


def _wait(work: ClaimedDelivery, record: ConversionRecord) -> None:
    """No try of the delivery. The longer it takes, the less often it looks."""
    now = work.now()
    pause = min(MOST_WAIT, max(LEAST_WAIT, (now - record.created_at) / 8))
    reason = record.message or f"The video is being converted ({record.progress:.0%})."
    with work.ctx.db.write() as conn:
        work.move(conn, DeliveryState.WAITING, reason, next_at=now + pause, lease_until=None)


# Who makes them


class Converter:
    """The job: one conversion at a time, in a thread that watches the helper."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._served: Counter[int] = Counter()  # space -> how many were begun while others waited, too

    def tick(self) -> bool:
        """Start what is due unless one is being made; returns at once, whether one was started."""
        if self.busy() or self._ended.is_set():
            return False
        wanted = self._claimed()
        if wanted is None:
            return False
        self._thread = threading.Thread(target=self._guarded, args=(wanted,), name="conversion", daemon=True)
        self._thread.start()
        return True

    def busy(self) -> int:
        """How many are being made."""
        return int(self._thread is not None and self._thread.is_alive())

    def stop(self) -> None:
        """Give up what is being made; another process, or this one after its start, makes it anew."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _claimed(self) -> ConversionRecord | None:
        ctx, now = self._ctx, self._ctx.clock.now()
        with ctx.db.read() as conn:
            wanted = conversions.next_due(conn, now, self._served)
            spaces = conversions.spaces_of(conn, wanted.source) if wanted is not None else ()
        if wanted is None:
            self._served.clear()
            return None
        self._served.update(spaces)
        with ctx.db.write() as conn:
            if not conversions.claim(conn, wanted, now + CLAIM):
                return None
        return replace(wanted, tries=wanted.tries + 1, state=ConversionState.WORKING.value)

    def _guarded(self, wanted: ConversionRecord) -> None:
        try:
            self._make(wanted)
        except SQLAlchemyError as error:  # the claim runs out, and it is made again
            log.error("conversion %s could not be noted: %s", wanted.id, error)
        except Exception:  # strangers make the files: one that meets a mistake of ours is not the next one's
            log.exception("conversion %s failed", wanted.id)
            with self._ctx.db.write() as conn:
                conversions.fail(conn, wanted, "The video could not be converted; export it as MP4 with H.264.")

    def _make(self, wanted: ConversionRecord) -> None:
        ctx = self._ctx
        if wanted.tries > TRIES:
            with ctx.db.write() as conn:
                conversions.fail(
                    conn, wanted, f"Converting the video was cut short {TRIES} times; export it as MP4 with H.264."
                )
            return
        if not extras.has("video"):
            self._later(wanted, extras.sentence("video"))
            return
        try:
            made = self._converted(wanted)
        except BadInput as error:
            log.info("conversion %s cannot be made: %s %s", wanted.id, error.message, error.detail)
            with ctx.db.write() as conn:
                conversions.fail(conn, wanted, error.message)
        except (Unavailable, OSError) as error:
            log.error("conversion %s has to wait: %s", wanted.id, error)
            self._later(wanted, "")
        except video_process.Stopped:
            self._later(wanted, "", timedelta(0))
        else:
            with ctx.db.write() as conn:
                conversions.finish(conn, wanted, made)

    def _later(self, wanted: ConversionRecord, why: str, pause: timedelta = PAUSE) -> None:
        with self._ctx.db.write() as conn:
            conversions.again(conn, wanted, self._ctx.clock.now() + pause, why)

    def _converted(self, wanted: ConversionRecord) -> dict[str, Any]:
        """The file, whole or not at all, and what the row says of it."""
        source, target = self._ctx.data_dir / wanted.source, VideoTarget.from_json(wanted.target)
        if not source.is_file():
            raise BadInput("The file of this post is gone; add it again.")
        kept = source.parent.parent / RENDITIONS / f"{source.stem}.{wanted.key}.mp4"
        kept.parent.mkdir(exist_ok=True)
        for left in kept.parent.glob(f".{kept.name}.*"):
            left.unlink(missing_ok=True)
        part = kept.with_name(f".{kept.name}.{wanted.tries}")
        try:
            found = video_process.encode(str(source), target, str(part), self._teller(wanted), self._ended)
            told = {
                "path": str(kept.relative_to(self._ctx.data_dir)),
                "sha256": _digest(part),
                "size": part.stat().st_size,
            }
            part.replace(kept)
        finally:
            part.unlink(missing_ok=True)
        return {**told, **{name: found[name] for name in ("width", "height", "duration")}}

    def _teller(self, wanted: ConversionRecord) -> video_process.Tell:
        due = 0.0

        def tell(progress: float) -> bool:
            nonlocal due
            if time.monotonic() < due:
                return True
            due = time.monotonic() + TELL
            with self._ctx.db.write() as conn:
                return conversions.tell(conn, wanted, progress, self._ctx.clock.now() + CLAIM)

        return tell


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
