"""Rolling restarts under load: clients behind a balancer, and one process after another that is asked to end."""

from __future__ import annotations

import itertools
import json
import threading
import time
import uuid
from dataclasses import dataclass, field

import httpx2
from sqlalchemy import func, select
from websockets.exceptions import ConnectionClosed

from postprober.storage.tables import attempts, deliveries, transitions
from tests.scaled.client import EVENTS, Api
from tests.scaled.faults import PAUSE, Scene
from tests.scaled.house import wait_until

LOOK = 0.2  # seconds between two questions of the balancer to a sidecar
DRAIN = 2  # seconds; several times LOOK, as in deploy/
RESTART = 1012  # https://www.iana.org/assignments/websocket/websocket.xhtml
PARTS = ("worker", "sidecar", "scheduler")


class Balancer:
    """Knows which sidecars said lately that they are ready; asks them all the time, as Caddy or Kubernetes do."""

    def __init__(self, api: Api) -> None:
        self._api = Api(api.house)  # a connection pool of its own
        self._api.ports = api.ports
        self.good: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="balancer", daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._stop.wait(LOOK):
            self.good = [name for name in list(self._api.ports) if self._api.ready(name)]

    def __enter__(self) -> Balancer:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        self._api.close()


@dataclass
class Clients:
    """One that posts, again with the same key when it got no answer, and one that listens and comes back when told to.

    `broken`: requests that a sidecar took and did not answer; `codes`: with which WebSockets were closed; `heard`: ids
    of events by post.
    """

    api: Api
    balancer: Balancer
    accepted: int = 0
    broken: list[str] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    heard: dict[int, list[int]] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Clients:
        for act in (self._post, self._listen):
            self._threads.append(threading.Thread(target=act, daemon=True))
            self._threads[-1].start()
        return self

    def __exit__(self, *_: object) -> None:
        """Also when a test fails: they must not ask a house that is closed, and be another test's failure."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _post(self) -> None:
        for number in itertools.count():
            if self._stop.wait(PAUSE):
                return
            body, key = self.api.body(number), str(uuid.uuid4())
            while not self._one(number, body, key):
                self._stop.wait(LOOK)

    def _one(self, number: int, body: dict[str, object], key: str) -> bool:
        name = self._any(number)
        try:
            status, _, answer = self.api.post(name, number, body, key)
        except httpx2.HTTPError as error:
            self.broken.append(f"{name}: {type(error).__name__}")
            return False
        if status != 201:
            self.broken.append(f"{name}: {status} {answer}")
            return False
        self.accepted += 1
        return True

    def _any(self, number: int) -> str:
        wait_until(lambda: bool(self.balancer.good), 30)
        good = self.balancer.good
        return good[number % len(good)] if good else self._any(number)

    def _listen(self) -> None:
        """The post that is followed changes with each connection."""
        while not self._stop.is_set():
            post = max(self.api.house.texts, default=0)
            if post:
                self._follow(post)
            else:
                self._stop.wait(LOOK)

    def _follow(self, post: int) -> None:
        ids = self.heard.setdefault(post, [])
        try:
            with self.api.listen(self._any(post)) as socket:
                last = max(ids, default=0)
                socket.send(json.dumps({"event": "join_monitoring", "data": {"post_id": post, "last_id": last}}))
                while not self._stop.is_set():
                    try:
                        told = json.loads(socket.recv(0.5))
                    except TimeoutError:
                        continue
                    ids += [told["id"]] if told["event"] in EVENTS else []
        except ConnectionClosed as closed:
            self.codes.append(closed.rcvd.code if closed.rcvd else 0)
        except OSError as error:
            self.broken.append(f"WebSocket: {type(error).__name__}")


@dataclass
class Roll:
    """`took`: seconds from SIGTERM to the end, by kind; `handed`: from it until another scheduler leads."""

    on: Scene
    api: Api
    took: dict[str, list[float]] = field(default_factory=lambda: {part: [] for part in PARTS})
    handed: list[float] = field(default_factory=list)
    exits: list[tuple[str, int]] = field(default_factory=list)
    _names: itertools.count[int] = field(default_factory=lambda: itertools.count(10))

    def restart(self, part: str) -> None:
        """Start a new one first, then ask the oldest to end, as a rolling update does."""
        house, name = self.on.house, f"{part}-{next(self._names)}"
        oldest = next(one for one in house.processes if one.startswith(part))
        if part == "sidecar":
            self.api.start(name, drain_seconds=DRAIN)
        else:
            house.start(name)
            wait_until(lambda: house.beating(part) >= 3, 60)
        before, begun = house.leader(), time.monotonic()
        watcher = threading.Thread(target=self._lead_passes, args=(before, begun), daemon=True)
        led = part == "scheduler" and str(house.processes[oldest].pid) in before.split("-")
        if led:
            watcher.start()
        code = house.end(oldest)
        self.took[part].append(time.monotonic() - begun)
        self.exits.append((part, code))
        if led:
            watcher.join(30)
        self.api.ports.pop(oldest, None)

    def _lead_passes(self, before: str, begun: float) -> None:
        wait_until(lambda: self.on.house.leader() not in ("", before), 30)
        self.handed.append(time.monotonic() - begun)

    def caused(self) -> dict[str, int]:
        """What a rollout must not cause: outcomes nobody knows, and deliveries taken from somebody who was lost."""
        queries = {
            "unknown": select(func.count()).where(transitions.c.new == "unconfirmed"),
            "open attempts": select(func.count()).where(attempts.c.outcome == "intended"),
            "crashes": select(func.coalesce(func.sum(deliveries.c.crashes), 0)),
        }
        with self.on.house.core.db.read() as conn:
            return {name: int(conn.execute(query).scalar_one()) for name, query in queries.items()}
