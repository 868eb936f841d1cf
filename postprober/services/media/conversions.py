"""Videos and animations that are converted before they are sent: ordered as early as it is known, and how far they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from postprober.domain.actor import Actor
from postprober.domain.post import Preflight, Violation
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.storage import conversions, media
from postprober.storage.conversions import ConversionRecord, ConversionState


def order(core: Core, space: int, results: Iterable[Preflight]) -> None:
    """Have made what the checks of a post in `space` say is converted; what was ordered before is not made again. The
    scheduler makes it."""
    wanted = {one for result in results for one in result.conversions}
    if not wanted:
        return
    with core.db.read() as conn:  # a draft is checked at every pause in typing
        paths = {one.media_id: media.get_many(conn, [one.media_id], space)[0].path for one in wanted}
        known = {(one.source, one.key) for one in conversions.of_sources(conn, set(paths.values()))}
    new = [one for one in wanted if (paths[one.media_id], one.target.key()) not in known]
    if new:
        with core.db.write() as conn:
            for one in new:
                conversions.order(conn, paths[one.media_id], one.target, core.clock.now())


@permits.needs("media:write")
def start(core: Core, actor: Actor, results: Iterable[Preflight]) -> None:
    """`order` for a draft whose author is still writing."""
    order(core, actor.space, results)


def with_failures(core: Core, space: int, results: Mapping[int, Preflight]) -> dict[int, Preflight]:
    """The results of checks, each with a violation for every conversion that was tried and cannot be made."""
    ids = sorted({one.media_id for result in results.values() for one in result.conversions})
    if not ids:
        return dict(results)
    with core.db.read() as conn:
        paths = {record.id: record.path for record in media.get_many(conn, ids, space)}
        failed = {
            (one.source, one.key): one.message
            for one in conversions.of_sources(conn, set(paths.values()))
            if one.state == ConversionState.FAILED
        }
    return {account: _failures(result, paths, failed) for account, result in results.items()}


def _failures(result: Preflight, paths: Mapping[int, str], failed: Mapping[tuple[str, str], str]) -> Preflight:
    found = ((paths[one.media_id], one.target.key()) for one in result.conversions)
    more = tuple(Violation("video_unconvertible", failed[key]) for key in found if key in failed)
    return replace(result, violations=(*result.violations, *more)) if more else result


@permits.needs("media:read")
def of(core: Core, actor: Actor, media_id: int) -> list[ConversionRecord]:
    """What a file is being or was converted to, oldest first. Raises NotFound."""
    with core.db.read() as conn:
        (record,) = media.get_many(conn, [media_id], actor.space)
        return conversions.of_sources(conn, [record.path])
