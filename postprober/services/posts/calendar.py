"""What is planned when, and moving it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from postprober.domain.actor import Actor
from postprober.domain.post import PostStatus
from postprober.errors import BadInput, Conflict
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.services.posts import drafts
from postprober.services.posts.times import check_time
from postprober.storage import posts
from postprober.storage.records import Post

MOST = 1000  # posts of one look: a month of more than thirty a day
MOVABLE = frozenset({PostStatus.DRAFT, PostStatus.REVIEW, PostStatus.SCHEDULED})


@dataclass(frozen=True)
class Day:
    """One day in the person's zone, with its posts in the order of their times."""

    date: date
    posts: tuple[Post, ...]


@permits.needs("posts:read")
def days(core: Core, actor: Actor, first: date, count: int) -> list[Day]:
    """`count` days of the person's clock from `first` on, also those without posts."""
    here = ZoneInfo(actor.zone)
    start = datetime.combine(first, time(0), here)
    end = datetime.combine(first + timedelta(days=count), time(0), here)
    with core.db.read() as conn:
        found = posts.planned(conn, actor.space, start, end, MOST)
    by_day: dict[date, list[Post]] = {first + timedelta(days=n): [] for n in range(count)}
    for post in found:
        if post.scheduled_at is not None and not drafts.edited_by(post):  # a working copy stands in no calendar
            by_day[post.scheduled_at.astimezone(here).date()].append(post)
    return [Day(day, tuple(its)) for day, its in by_day.items()]


@permits.needs("posts:read")
def coming(core: Core, actor: Actor, limit: int = 50) -> list[Day]:
    """The next posts, by day; days without any are left out."""
    now = core.clock.now()
    here = ZoneInfo(actor.zone)
    with core.db.read() as conn:
        found = posts.planned(conn, actor.space, now, now + timedelta(days=800), limit)
    by_day: dict[date, list[Post]] = {}
    for post in found:
        if post.scheduled_at is not None and not drafts.edited_by(post):
            by_day.setdefault(post.scheduled_at.astimezone(here).date(), []).append(post)
    return [Day(day, tuple(its)) for day, its in by_day.items()]


@permits.needs("posts:draft")
def move(core: Core, actor: Actor, post_id: int, at: datetime, version: int) -> Post:
    """Give the post another time, after a whole preflight at that time. `version`: what the person had seen.

    Raises NotFound, Stale (changed meanwhile), Conflict (a worker has it already), BadInput (a time that does not
    work) or PreflightFailed; then nothing was written.
    """
    post = drafts.get(core, actor, post_id, [version])
    if post.status not in MOVABLE:
        raise Conflict("This post can no longer be moved: it is on its way or out already.")
    moment = check_time(at, core.clock.now())
    if moment == post.scheduled_at:
        raise BadInput("This is the time it has already.", field="time")
    return drafts.change(core, actor, post_id, replace(drafts.wish_of(post), at=moment), [version])
