"""Who listens to what: clients with bounded queues, rooms, and the one watcher of this process.

The watcher is a thread, because reading the database blocks. It hands each batch to the event loop and waits until it
is dispatched; everything else here runs on the loop, so nothing needs a lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from postprober.api.client import SLOW, SLOW_REASON, Client
from postprober.errors import Conflict
from postprober.services.core import Core
from postprober.services.monitoring import event_feed
from postprober.services.monitoring.event_feed import Event, Feed, NewRows, Story
from postprober.services.people import sessions
from postprober.storage.events import Change, watching

if TYPE_CHECKING:
    from postprober.wakeup import Listener

MAX_HELD = 10_000  # live events that may come while a replay runs
CHUNK = 64  # rows between which the clients' senders get their turn; two frames each fit into the queue
CHECK_SESSIONS = 2.0  # seconds; a session's end closes its sockets within 5 s
LONGEST_SLEEP = 0.5  # seconds between two looks while wake-ups arrive; what a lost one costs
START_LIMIT = 5.0  # seconds for the watcher to reach the present
IDLE_LIMIT = 30.0  # seconds without a client
SIGNED_OUT = 4401  # as `client.SLOW`
RESTART = 1012  # https://www.iana.org/assignments/websocket/websocket.xhtml
_log = logging.getLogger(__name__)


@dataclass
class Member:
    """A client in a room. `after`: it hears only events above this; what lies below is past, or in its replay. `held`:
    live events that wait until the replay is through; None afterwards."""

    client: Client
    after: int = 0
    held: list[Event] | None = None

    def give(self, event: Event) -> None:
        if event.id <= self.after:
            return
        if self.held is None:
            self.client.push(event.text)
        elif len(self.held) < MAX_HELD:
            self.held.append(event)
        else:
            self.client.end(SLOW, SLOW_REASON)


@dataclass
class Room:
    """`story` None: the post's state is still being read by `seeding`, and `backlog` waits for it. An alert room has
    neither."""

    members: list[Member] = field(default_factory=list)
    story: Story | None = None
    seeding: asyncio.Task[None] | None = None
    backlog: list[Change] = field(default_factory=list)

    def tell(self, change: Change) -> None:
        if self.story is None:
            self.backlog.append(change)
        else:
            self.give(self.story.tell(change))

    async def seed(self, core: Core, post_id: int, here: int) -> None:
        """Read the state after transition `here`; what came meanwhile follows. Once a room, whoever waits for it."""
        self.story = await asyncio.to_thread(event_feed.story_at, core, post_id, here)
        for change in self.backlog:
            self.give(self.story.tell(change))
        self.backlog.clear()

    def give(self, events: Iterable[Event]) -> None:
        for event in events:
            for member in self.members:
                member.give(event)


def post_room(post_id: int) -> str:
    return f"post:{post_id}"


def alert_room(space: int) -> str:
    return f"alerts:{space}"


class Hub:
    """All clients of this process."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.clients: set[Client] = set()
        self._of_user: Counter[int] = Counter()
        # Kept at hand: going through 5,000 clients every two seconds held up everybody else.
        self._of_session: dict[int, set[Client]] = {}
        self.rooms: dict[str, Room] = {}
        self._post_at = self._alert_at = 0  # all up to these ids was dispatched
        self._watch: _Watch | None = None
        self._checker: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    def enter(self, user_id: int) -> None:
        """Count one more connection of this user, until `left`. Raises Conflict when there are too many."""
        most = self.core.settings.sockets_per_user
        if self._of_user[user_id] >= most:
            raise Conflict(f"You have {most} live connections already; close one first.")
        self._of_user[user_id] += 1

    def left(self, user_id: int) -> None:
        self._of_user[user_id] -= 1
        if not self._of_user[user_id]:
            del self._of_user[user_id]

    async def add(self, client: Client) -> None:
        """From now on `client` counts; the first one starts the watcher."""
        self.clients.add(client)
        self._of_session.setdefault(int(client.caller.session), set()).add(client)
        async with self._starting:
            if self._watch is None:
                self._watch = _Watch(self, asyncio.get_running_loop())
                self._checker = asyncio.create_task(self._look_after())
            watch = self._watch
        await watch.present()

    def remove(self, client: Client) -> None:
        for name in list(client.rooms):
            self.leave(client, name)
        self.clients.discard(client)
        session = int(client.caller.session)
        mine = self._of_session.get(session, set())
        mine.discard(client)
        if not mine:
            self._of_session.pop(session, None)

    async def stop(self) -> None:
        """End the watcher and close every client."""
        self.send_away()
        async with self._starting:
            if self._checker is not None:
                self._checker.cancel()
            if self._watch is not None:
                await self._watch.stop()
            self._watch = self._checker = None

    def send_away(self) -> None:
        """Close every client, with the word to come back."""
        for client in self.clients:
            client.end(RESTART, "restart")

    def leave(self, client: Client, name: str) -> None:
        member = client.rooms.pop(name, None)
        room = self.rooms.get(name)
        if member is not None and room is not None:
            room.members.remove(member)
            if not room.members:
                del self.rooms[name]

    async def join_post(self, client: Client, post_id: int, last_id: int | None) -> int:
        """Put `client` into the post's room, with what it missed since `last_id`; returns from where to resume.

        Raises NotFound for a post that is not the client's, BadInput for an id that was never given out.
        """
        await asyncio.to_thread(event_feed.check_owner, self.core, client.caller.actor, post_id)
        if last_id is not None:
            await asyncio.to_thread(event_feed.check_last_id, self.core, last_id)
        name, here = post_room(post_id), self._post_at  # from here to `_enter` nothing may wait
        # Changes up to `here` may still wait in the room's backlog, for those who joined before them.
        member = self._enter(client, name, max(last_id or 0, 2 * here + 1))
        room = self.rooms[name]
        if room.seeding is None:
            room.seeding = asyncio.create_task(room.seed(self.core, post_id, here))
        await asyncio.shield(room.seeding)
        pages = None if last_id is None else event_feed.missed(self.core, post_id, last_id, here)
        return await self._catch_up(member, pages)

    async def join_alerts(self, client: Client, last_id: int | None) -> int:
        """The alerts of the user's space, as `join_post`."""
        if last_id is not None:
            await asyncio.to_thread(event_feed.check_last_id, self.core, last_id, of_alerts=True)
        actor, here = client.caller.actor, self._alert_at
        member = self._enter(client, alert_room(actor.space), max(last_id or 0, here))
        pages = None if last_id is None else event_feed.missed_alerts(self.core, actor, last_id, here)
        return await self._catch_up(member, pages)

    def _enter(self, client: Client, name: str, after: int) -> Member:
        self.leave(client, name)
        member = Member(client, after, held=[])
        client.rooms[name] = member
        self.rooms.setdefault(name, Room()).members.append(member)
        return member

    async def _catch_up(self, member: Member, pages: Iterator[Sequence[Event]] | None) -> int:
        """What was missed, then what came meanwhile, then live; returns the highest id that was queued."""
        newest = member.after
        if pages is not None:
            async for page in _in_thread(pages):
                for event in page:
                    await member.client.offer(event.text)
                    newest = max(newest, event.id)
        while member.held:
            event = member.held.pop(0)
            await member.client.offer(event.text)
            newest = event.id
        member.held = None
        return newest

    async def dispatch(self, look: NewRows) -> None:
        """Give new rows to their rooms. The senders run in between, so that a burst alone makes nobody slow."""
        for start in range(0, len(look.changes), CHUNK):
            for change in look.changes[start : start + CHUNK]:
                self._post_at = change.id
                if room := self.rooms.get(post_room(change.post_id)):
                    room.tell(change)
            await asyncio.sleep(0)
        for start in range(0, len(look.notices), CHUNK):
            for notice in look.notices[start : start + CHUNK]:
                self._alert_at = notice.id
                if room := self.rooms.get(alert_room(notice.user_id)):
                    room.give([event_feed.alert_event(notice)])
            await asyncio.sleep(0)
        self._post_at, self._alert_at = look.changes_low, look.notices_low

    async def _look_after(self) -> None:
        """Close the sockets of sessions that ended; when everybody has gone, let the watcher rest."""
        idle = 0.0
        while True:
            await asyncio.sleep(CHECK_SESSIONS)
            idle = 0.0 if self.clients else idle + CHECK_SESSIONS
            if idle < IDLE_LIMIT:
                await self._check_sessions()
                continue
            async with self._starting:
                if not self.clients and self._watch is not None:
                    await self._watch.stop()
                    self._watch = self._checker = None
                    return

    async def _check_sessions(self) -> None:
        """An unreachable database ends nobody's session."""
        held = set(self._of_session)
        try:
            good = await asyncio.to_thread(sessions.alive, self.core, held) if held else held
        except (SQLAlchemyError, OSError):
            _log.warning("sessions could not be checked; trying again")
            return
        for session in held - good:
            for client in self._of_session.get(session, ()):
                client.end(SIGNED_OUT, "the session has ended")


async def _in_thread(pages: Iterator[Sequence[Event]]) -> AsyncIterator[Sequence[Event]]:
    while (page := await asyncio.to_thread(next, pages, None)) is not None:
        yield page


class _Watch:
    """The thread that looks at the database."""

    def __init__(self, hub: Hub, loop: asyncio.AbstractEventLoop) -> None:
        self._hub = hub
        self._loop = loop
        self._stop = threading.Event()
        self._present = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="websocket-watch", daemon=True)
        self._thread.start()

    async def present(self) -> None:
        """Wait until old rows are through; a transaction that hangs does not keep anybody out for ever."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._present.wait(), START_LIMIT)

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        feed = Feed(self._hub.core)
        url = self._hub.core.settings.redis_url
        ear = None
        if url and not self._hub.core.db.is_sqlite:
            from postprober.wakeup import Listener  # loads Redis' client, which is not installed everywhere

            ear = Listener(url.get_secret_value())
        target: tuple[int, int] | None = None
        while not self._stop.is_set():
            try:  # nosemgrep: every-error-caught # logged whole
                with watching(self._hub.core.db) as conn:
                    target = feed.start(conn) if target is None else target
                    feed.reconnected()
                    while not self._stop.is_set():
                        self._wait(feed, ear)
                        self._hand_over(feed.look(conn), target)
            except SQLAlchemyError as error:
                _log.warning("the database cannot be watched (%s); trying again", type(error).__name__)
            except Exception:  # noqa: BLE001 - see below
                # A mistake of ours must not silence everybody for ever: all come back and resume by their `last_id`.
                _log.exception("events could not be handed out")
                self._loop.call_soon_threadsafe(self._hub.send_away)
            self._stop.wait(1.0)

    def _wait(self, feed: Feed, ear: Listener | None) -> None:
        """Until it is worth looking: a short time, or a wake-up where those arrive."""
        if ear is None:
            self._stop.wait(feed.pause.total_seconds())
            return
        asleep = ear.hears and feed.settled
        ear.wait(LONGEST_SLEEP if asleep else feed.pause.total_seconds(), self._stop)

    def _hand_over(self, look: NewRows | None, target: tuple[int, int]) -> None:
        if look is not None:
            asyncio.run_coroutine_threadsafe(self._hub.dispatch(look), self._loop).result()
            if look.changes_low >= target[0] and look.notices_low >= target[1]:
                self._loop.call_soon_threadsafe(self._present.set)
