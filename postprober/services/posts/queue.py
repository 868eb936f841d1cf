"""Queue slots: the times of the week at which a person likes to post, and the next one that is free."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from postprober.domain.actor import Actor
from postprober.domain.post import PostStatus
from postprober.errors import BadInput
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.services.posts import drafts
from postprober.storage import posts, preferences

NAME = "queue"
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
Slots = Mapping[int, tuple[time, ...]]  # weekday (0: Monday) -> times in the person's zone, ascending
# Until somebody chooses their own: morning, midday and late afternoon of a working day, once on others.
DEFAULT: Slots = {day: (time(9), time(12, 30), time(17)) if day < 5 else (time(10),) for day in range(7)}
WEEKS = 26  # how far a free slot is looked for
MOST_A_DAY = 24
HELD_POSTS = 5000  # planned posts looked through; more than every slot of the half year
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


@permits.needs("posts:read")
def slots_of(core: Core, actor: Actor) -> Slots:
    """The person's own slots, or the usual ones."""
    with core.db.read() as conn:
        stored = preferences.get(conn, actor.user, NAME)
    if not isinstance(stored, dict):
        return DEFAULT
    return {int(day): tuple(time.fromisoformat(text) for text in times) for day, times in stored.items()}


@permits.needs("posts:draft")
def choose(core: Core, actor: Actor, typed: Mapping[int, str]) -> Slots:
    """Store slots as typed: weekday -> `9:00, 12:30`. Raises BadInput or Forbidden."""
    chosen = {day: _times(typed.get(day, ""), DAYS[day]) for day in range(7)}
    if not any(chosen.values()):
        raise BadInput("Keep at least one slot in the week.", field="slots")
    with core.db.write() as conn:
        stored = {str(day): [t.isoformat("minutes") for t in times] for day, times in chosen.items()}
        preferences.put(conn, actor.user, NAME, stored)
    return chosen


def typed(times: tuple[time, ...]) -> str:
    """As a person types them."""
    return ", ".join(t.isoformat("minutes") for t in times)


@permits.needs("posts:read")
def next_free(core: Core, actor: Actor, but: int | None = None) -> datetime:
    """The first of the person's slots from now on for which their space has planned nothing yet (post `but` aside), aware
    UTC. Raises BadInput when the coming half year is full."""
    now = core.clock.now()
    slots, zone = slots_of(core, actor), ZoneInfo(actor.zone)
    with core.db.read() as conn:
        planned = posts.planned(conn, actor.space, now, now + timedelta(weeks=WEEKS), HELD_POSTS)
    taken = {
        post.scheduled_at.replace(second=0, microsecond=0)
        for post in planned
        if post.scheduled_at and post.status != PostStatus.CANCELLED and post.id != but and not drafts.edited_by(post)
    }
    found = next((slot for slot in upcoming(slots, zone, now) if slot not in taken), None)
    if found is None:
        raise BadInput(f"Every slot of the next {WEEKS} weeks is taken; add one or choose a time.", field="time")
    return found


def upcoming(slots: Slots, zone: ZoneInfo, now: datetime) -> Iterator[datetime]:
    """The slots after `now`, ascending, aware UTC. A slot that a clock change skips does not happen that day; one that
    happens twice is taken the first time."""
    today = now.astimezone(zone).date()
    for ahead in range(WEEKS * 7):
        day = today + timedelta(days=ahead)
        for at in slots.get(day.weekday(), ()):
            moment = _in_zone(day, at, zone)
            if moment is not None and moment > now:
                yield moment


def _in_zone(day: date, at: time, zone: ZoneInfo) -> datetime | None:
    local = datetime.combine(day, at, zone)
    moment = local.astimezone(UTC)
    return moment if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None) else None


def _times(text: str, day: str) -> tuple[time, ...]:
    found: set[time] = set()
    for piece in filter(None, re.split(r"[,;\s]+", text.strip())):
        match = _TIME.fullmatch(piece)
        if match is None:
            raise BadInput(f"{day}: {piece!r} is not a time; write times like 9:00, 12:30.", field="slots")
        found.add(time(int(match[1]), int(match[2])))
    if len(found) > MOST_A_DAY:
        raise BadInput(f"{day}: at most {MOST_A_DAY} slots a day.", field="slots")
    return tuple(sorted(found))
