"""The hands of the agent: each fix of the closed set, first planned (what exactly would change), then applied.

Planning looks and computes; applying is one transaction, conditional on the delivery being where the diagnosis saw it.
A plan that its validator does not pass is no plan: then a person is asked. No plan can name another account, add a
link or a mention, or touch who may see the post: there is no field for it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from postprober.agent import rewrite, rewrite_guard
from postprober.agent.diagnose import may
from postprober.agent.evidence import Evidence
from postprober.clock import utc_iso
from postprober.domain.card import LinkCard, first_link
from postprober.domain.delivery import DeliveryState
from postprober.domain.diagnosis import CHANGES_WORDS, MAX_REPAIRS, REPAIRABLE, Cause, Diagnosis, Fix
from postprober.domain.limits import Limits
from postprober.domain.links import whole_links
from postprober.domain.post import Draft, MediaFile, MediaKind, Part
from postprober.domain.preflight import check
from postprober.domain.retry import one_more
from postprober.errors import BadInput, Conflict
from postprober.pipeline.core import transitions
from postprober.pipeline.core.claimed_delivery import media_files
from postprober.pipeline.core.context import Context
from postprober.platforms.common.media import fit_image
from postprober.storage import accounts, attempts, media, repairs
from postprober.storage.records import Delivery, MediaRecord, PartRecord, replace
from postprober.storage.repairs import Repair

S = DeliveryState
Plan = dict[str, Any]

# Ours: how long to wait before it is tried again, by what the wait is for.
_WAITS: dict[Cause, timedelta] = {
    Cause.PLATFORM_DOWN: timedelta(hours=1),
    Cause.QUOTA_USED: timedelta(hours=6),
    Cause.RATE_LIMITED: timedelta(minutes=15),
}
_SHORT_WAIT = timedelta(minutes=5)
_NEXT_DAY = timedelta(
    hours=24
)  # ours: platforms that block for spam say only "wait"; most count their limits by the day
_REENCODED = "converted to JPEG, upright and without metadata"


def plan(ctx: Context, delivery: Delivery, diagnosis: Diagnosis, evidence: Evidence) -> Plan | None:
    """What applying the fix would do; None when it cannot be done or its validator refuses it. No transaction is open."""
    fix = diagnosis.fix
    if not may(fix, evidence):
        return None
    now = ctx.clock.now()
    if fix is Fix.WAIT_UNTIL:
        pause = _WAITS.get(diagnosis.cause, _SHORT_WAIT) * ctx.timing.repair_scale
        return {"until": utc_iso(now + pause)}
    if fix is Fix.CHANGE_TIME:
        return {"until": utc_iso(now + _NEXT_DAY * ctx.timing.repair_scale)}
    if fix is Fix.REUPLOAD:
        return {"files": f"{', '.join(evidence.files) or 'The files'}: uploaded again"}
    if fix is Fix.REENCODE_MEDIA:
        return _reencoded(ctx, delivery, evidence)
    if fix in CHANGES_WORDS:
        return _reworded(ctx, delivery, fix, evidence)
    return {} if fix is Fix.REFRESH_TOKEN else None


def _reworded(ctx: Context, delivery: Delivery, fix: Fix, evidence: Evidence) -> Plan | None:
    before = evidence.texts
    files = _open_files(ctx, delivery)
    limits = evidence.limits.of_part(with_media=bool(files))
    if fix is Fix.SHORTEN:
        after = tuple(rewrite.shortened(text, limits) for text in before)
    elif fix is Fix.SPLIT_THREAD:
        after = tuple(piece for text in before for piece in rewrite.split(text, limits))
    else:
        after = rewrite.cut_links(before)
    return {"before": list(before), "after": list(after)} if words_pass(fix, before, after, files, limits) else None


def words_pass(
    fix: Fix, before: tuple[str, ...], after: tuple[str, ...], files: tuple[MediaFile, ...], limits: Limits
) -> bool:
    """The validator of every fix that changes words."""
    if not after or after == before or rewrite_guard.problems(before, after, may_cut_links=fix is Fix.CUT_LINK):
        return False
    parts = tuple(Part(text, files if index == 0 else ()) for index, text in enumerate(after))
    return check(Draft(parts), limits).ok


def _open_files(ctx: Context, delivery: Delivery) -> tuple[MediaFile, ...]:
    part = delivery.open_part()
    return media_files(ctx, delivery, part) if part else ()


def _reencoded(ctx: Context, delivery: Delivery, evidence: Evidence) -> Plan | None:
    """New files beside the old ones, stored under their hash; nothing refers to them before the plan is applied."""
    made: dict[str, Plan] = {}
    for file in _open_files(ctx, delivery):
        if file.kind is not MediaKind.IMAGE:
            continue
        try:
            fitted = fit_image(file.path, replace(evidence.limits.images, mimes=("image/jpeg",)))
        except BadInput:
            return None
        digest = hashlib.sha256(fitted.data).hexdigest()
        relative = Path("media") / digest[:2] / f"{digest}.jpg"
        _keep(ctx.data_dir / relative, fitted.data)
        made[str(file.id)] = {
            "mime": fitted.mime,
            "size": len(fitted.data),
            "width": fitted.width,
            "height": fitted.height,
            "sha256": digest,
            "path": str(relative),
        }
    names = [name for name, kind in zip(evidence.files, evidence.media, strict=False) if kind is MediaKind.IMAGE]
    return {"media": made, "files": f"{', '.join(names) or 'The pictures'}: {_REENCODED}"} if made else None


def _keep(path: Path, content: bytes) -> None:
    """Atomic: a file under its hash is always whole."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def check_still_right(conn: Connection, repair: Repair, delivery: Delivery) -> None:
    """Raises Conflict when the delivery is not where the diagnosis saw it, or has had its share of repairs."""
    if repairs.applied(conn, delivery.id) >= MAX_REPAIRS:
        raise Conflict(f"This delivery was repaired {MAX_REPAIRS} times already; please decide by hand.")
    if delivery.state not in REPAIRABLE or delivery.unknown_at is not None:
        raise Conflict(f"This repair is over: the delivery is {delivery.state.value} by now.")
    before = repair.plan.get("before")
    doubtful = attempts.doubtful_parts(conn, delivery.id) if before is not None else set()
    if any(part.index in doubtful for part in delivery.parts if part.ref is None):
        raise Conflict("An earlier try got no answer and may still appear, so its words cannot be changed.")
    if before is not None and before != open_texts(delivery):
        raise Conflict("The text was changed since this repair was proposed.")


def open_texts(delivery: Delivery) -> list[str]:
    """The texts of the parts that are not out yet."""
    return [part.text for part in delivery.parts if part.ref is None]


def apply(conn: Connection, repair: Repair, delivery: Delivery, reason: str, now: datetime) -> Delivery:
    """Put the plan into the delivery and plan it again. Call `check_still_right` before, in the same transaction.

    Raises Conflict when the delivery moved meanwhile.
    """
    parts = delivery.parts
    if "after" in repair.plan:
        parts = _with_texts(parts, repair.plan["after"])
    if "media" in repair.plan:
        parts = _with_media(conn, parts, _new_media(conn, repair.plan["media"], delivery, now))
    if repair.fix in (Fix.REUPLOAD, Fix.REENCODE_MEDIA):
        parts = tuple(part if part.ref else replace(part, staged=None, staged_at="") for part in parts)
    due = datetime.fromisoformat(repair.plan["until"]) if "until" in repair.plan else now
    return transitions.move(
        conn,
        delivery,
        S.SCHEDULED,
        reason=reason,
        now=now,
        parts=parts,
        next_at=due,
        due_at=due,
        tries=one_more(delivery.tries),
        crashes=0,
    )


def _with_texts(parts: tuple[PartRecord, ...], texts: list[str]) -> tuple[PartRecord, ...]:
    """Parts that are out stay; the open ones get the new texts. Handle and moment of a part stay with its number, so
    that a repeat of it can never stand beside an earlier one."""
    out = [part for part in parts if part.ref is not None]
    still_open = [part for part in parts if part.ref is None]
    fresh = []
    for offset, text in enumerate(texts):
        index = len(out) + offset
        known = still_open[offset] if offset < len(still_open) else None
        base = known or PartRecord(index, "", language=still_open[0].language if still_open else "")
        fresh.append(replace(base, index=index, text=text, card=_card_left(base.card, texts)))
    return (*out, *fresh)


def _card_left(card: LinkCard | None, texts: Sequence[str]) -> LinkCard | None:
    """The card while its link is still there, with the link as it is written now: one that was cut off shall not go out in the
    card."""
    links = {link for text in texts for span in whole_links(text) if (link := first_link(span.text))}
    if card is None or card.url in links:
        return card
    bare = rewrite_guard.without_tracking(card.url)
    return replace(card, url=bare) if bare in links else None


def _new_media(conn: Connection, made: dict[str, Plan], delivery: Delivery, now: datetime) -> dict[int, int]:
    """Rows for the new files: old id -> new id."""
    old: list[MediaRecord] = media.get_many(conn, [int(key) for key in made])
    return {
        record.id: media.add(
            conn,
            space=delivery.user_id,
            now=now,
            name=record.name,
            kind=record.kind,
            alt=record.alt,
            duration=None,
            **made[str(record.id)],
        )
        for record in old
    }


def _with_media(conn: Connection, parts: tuple[PartRecord, ...], new_ids: dict[int, int]) -> tuple[PartRecord, ...]:
    return tuple(
        part if part.ref else replace(part, media=tuple(new_ids.get(old, old) for old in part.media)) for part in parts
    )


def words_permitted(conn: Connection, account_id: int) -> bool:
    """Whether the person has permitted, for this account, repairs that change words (off by default)."""
    return bool(accounts.get(conn, account_id).settings.get("repair_words", False))
