"""What happens, as it happens: new transitions and alerts in the order of their ids, none skipped, none twice.

SQLite commits in the order of ids, so "after the highest id seen" is enough. On PostgreSQL a row may become visible
after one with a higher id: `Tail` then holds back what lies above the hole until nobody is left who could fill it.

Event ids grow within a room. A transition n gives up to two events: 2n (`monitoring_update`) and 2n + 1
(`post_status_change`); an alert's event has the alert's id.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection, Table

from postprober.clock import utc_iso
from postprober.domain.actor import Actor
from postprober.domain.delivery import DeliveryState, post_status
from postprober.errors import BadInput
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.storage import events, posts, sql
from postprober.storage.events import Change, Notice

SQLITE_PAUSE = timedelta(milliseconds=5)  # asking for the data version takes 4 µs
POSTGRES_PAUSE = timedelta(milliseconds=25)  # two index look-ups
BATCH = 1000  # rows of one look
LOOK_BACK = 1000  # ids below the newest that a transaction under way at the start may still fill


class _Row(Protocol):
    @property
    def id(self) -> int: ...


R = TypeVar("R", bound=_Row)
Reader = Callable[[Connection, int, int], list[R]]


@dataclass(frozen=True)
class Event:
    """`text` is the JSON that goes to every listener."""

    id: int
    text: str


class Tail(Generic[R]):
    """New rows of one table. `low`: every row up to this id was given out or will never exist."""

    def __init__(self, table: Table, read: Reader[R], *, in_order: bool) -> None:
        self._table = table
        self._read = read
        self._in_order = in_order
        self._horizon = 0  # highest id of a look that had a hole
        self._suspects: frozenset[str] = frozenset()  # who could fill holes below it
        self.low = 0

    @property
    def waits(self) -> bool:
        """Rows are held back until the one below them is there, or surely never comes."""
        return self._horizon != 0

    def start(self, conn: Connection) -> int:
        """Begin near the newest row; returns its id. Rows up to it come first, then what is new."""
        newest = events.newest(conn, self._table)
        self.low = newest if self._in_order else max(0, newest - LOOK_BACK)
        return newest

    def look(self, conn: Connection) -> list[R]:
        """Rows above `low` that are certain to have no missing one below them."""
        if self._in_order:
            rows = self._read(conn, self.low, BATCH)
            self.low = rows[-1].id if rows else self.low
            return rows
        if self._horizon:
            self._suspects &= events.writers(conn, self._table)
        rows = self._read(conn, self.low, BATCH)  # after the question: who is gone by then has its rows in here
        certain = self.low
        if self._horizon and not self._suspects:
            certain, self._horizon = self._horizon, 0
            if len(rows) == BATCH:  # holes were filled: there may be more rows below the horizon than one look reads
                certain = min(certain, rows[-1].id)
        count = 0
        for row in rows:
            if row.id > certain + 1:
                break
            certain = max(certain, row.id)
            count += 1
        self.low = certain
        if self.low >= self._horizon:  # its holes are filled, though somebody who might have filled them goes on
            self._horizon = 0
        if count < len(rows) and not self._horizon:
            self._horizon, self._suspects = rows[-1].id, events.writers(conn, self._table)
        return rows[:count]


@dataclass(frozen=True)
class NewRows:
    """New rows, and the ids up to which everything is known."""

    changes: list[Change]
    notices: list[Notice]
    changes_low: int
    notices_low: int


class Feed:
    """Both tables together, for one watcher."""

    def __init__(self, core: Core) -> None:
        in_order = core.db.is_sqlite
        self.pause = SQLITE_PAUSE if in_order else POSTGRES_PAUSE
        self.changes: Tail[Change] = Tail(events.transitions, events.changes, in_order=in_order)
        self.notices: Tail[Notice] = Tail(events.alerts, events.notices, in_order=in_order)
        self._in_order = in_order
        self._version = -1
        self._more = False  # the last look was full
        self._lows = (-1, -1)

    def start(self, conn: Connection) -> tuple[int, int]:
        """Begin at the present; returns the newest ids of transitions and alerts."""
        return self.changes.start(conn), self.notices.start(conn)

    @property
    def settled(self) -> bool:
        """Whether the last look left nothing behind: no row that waits for one below it, no full batch."""
        return not (self._more or self.changes.waits or self.notices.waits)

    def reconnected(self) -> None:
        """The next look counts as the first one of its connection: each counts versions for itself."""
        self._version = -1

    def look(self, conn: Connection) -> NewRows | None:
        """What is new since the last look; None when nothing was written at all."""
        if self._in_order:
            version = events.data_version(conn)
            if version == self._version and not self._more:
                return None
            self._version = version
        before = self._lows
        changes, notices = self.changes.look(conn), self.notices.look(conn)
        self._lows = (self.changes.low, self.notices.low)
        self._more = BATCH in (len(changes), len(notices))
        return None if self._lows == before else NewRows(changes, notices, *self._lows)


class Story:
    """Turns the transitions of one post, in order, into events."""

    def __init__(self, states: dict[int, DeliveryState]) -> None:
        self._states = states
        self._status = post_status(states.values()) if states else None

    def tell(self, change: Change) -> list[Event]:
        """The events of the next transition: one, or two when the post's status changes with it."""
        self._states[change.delivery_id] = DeliveryState(change.new)
        old, self._status = self._status, post_status(self._states.values())
        data: dict[str, Any] = {
            "post_id": change.post_id,
            "delivery_id": change.delivery_id,
            "platform": change.platform,
            "old": change.old,
            "new": change.new,
            "reason": change.reason,
            "at": utc_iso(change.at),
        }
        told = [_event("monitoring_update", 2 * change.id, data)]
        if old != self._status:
            status = {"post_id": change.post_id, "old": old, "new": self._status, "at": data["at"]}
            told.append(_event("post_status_change", 2 * change.id + 1, status))
        return told


def alert_event(notice: Notice) -> Event:
    data = {
        "alert_id": notice.id,
        "type": notice.type,
        "message": notice.message,
        "post_id": notice.post_id,
        "delivery_id": notice.delivery_id,
        "at": utc_iso(notice.created_at),
    }
    return _event("alert_notification", notice.id, data)


@permits.needs("monitoring:read")
def check_owner(core: Core, actor: Actor, post_id: int) -> None:
    """Raises NotFound unless the post is the user's."""
    with core.db.read() as conn:
        posts.get(conn, post_id, actor.space)


def story_at(core: Core, post_id: int, until: int) -> Story:
    """The post as it stood after transition `until`."""
    with core.db.read() as conn:
        return Story(events.states_at(conn, post_id, until))


def check_last_id(core: Core, last_id: int, *, of_alerts: bool = False) -> None:
    """Raises BadInput for an id that was never given out (the database was restored meanwhile, or it is made up)."""
    with core.db.read() as conn:
        newest = events.newest(conn, events.alerts) if of_alerts else 2 * events.newest(conn, events.transitions) + 1
    if last_id < 0 or not sql.is_id(last_id + 1) or last_id > newest:
        raise BadInput("There is no event with this last_id; join without it and read the post's state anew.")


def missed(core: Core, post_id: int, last_id: int, until: int) -> Iterator[Sequence[Event]]:
    """Pages of a post's events after `last_id` up to transition `until`."""
    after = last_id // 2 - 1  # the transition itself again: its second event may be missing
    story = story_at(core, post_id, after)
    while True:
        with core.db.read() as conn:
            rows = events.changes(conn, after, BATCH, post_id=post_id, until=until)
        yield [event for row in rows for event in story.tell(row) if event.id > last_id]
        if len(rows) < BATCH:
            return
        after = rows[-1].id


def missed_alerts(core: Core, actor: Actor, last_id: int, until: int) -> Iterator[Sequence[Event]]:
    """Pages of a user's alerts after `last_id` up to `until`."""
    after = last_id
    while True:
        with core.db.read() as conn:
            rows = events.notices(conn, after, BATCH, space=actor.space, until=until)
        yield [alert_event(row) for row in rows]
        if len(rows) < BATCH:
            return
        after = rows[-1].id


def _event(name: str, number: int, data: dict[str, Any]) -> Event:
    return Event(number, json.dumps({"event": name, "id": number, "data": data}, ensure_ascii=False))
