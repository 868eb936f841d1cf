"""I15: once a person was told "cancelled" or "changed", what goes out is what they were told."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from sqlalchemy import update

from postprober.domain.delivery import TRAITS, DeliveryState
from postprober.errors import Conflict, Stale
from postprober.pipeline.core.context import Context
from postprober.pipeline.publishing.publish import publish
from postprober.services.core import Core
from postprober.services.posts import delivery_actions, drafts, posts
from postprober.services.posts.posts import NewPost
from postprober.storage import deliveries
from postprober.storage.tables import deliveries as table
from tests.pipeline.fake import FakeAdapter, FakePlatform
from tests.pipeline.stage import Stage
from tests.trust.base import Found, Turns
from tests.trust.keys import installed

S = DeliveryState
POINTS = ("before the claim", "claimed", "before_intent", "intent_committed", "connected", "before_commit", "at once")
BATCH = 40


def won(turns: Turns) -> Found:
    accepted = [0]
    failures = [text for numbers in turns.batches(BATCH) for text in _batch(numbers, accepted, careless=False)]
    control = Turns(28)  # each point twice, cancelled and changed
    seen = [text for numbers in control.batches(BATCH) for text in _batch(numbers, [0], careless=True)]
    note = f"{accepted[0]} of them were accepted, the others were told that it is too late"
    return Found(failures, "accepts without looking whether a worker has it", len(seen), control.done, note)


def _batch(numbers: range, accepted: list[int], careless: bool) -> list[str]:
    with installed() as (core, owner):
        platform = FakePlatform(core.clock)
        on = Stage(core.db, core.clock, platform, core.settings.data_dir, vault=core.vault)
        adapter = FakeAdapter(platform, core.http)
        with patch.object(Core, "adapter", lambda *_args, **_named: adapter):
            races = _Races(core, owner, on, accepted, careless)
            failures = [text for number in numbers for text in races.run(number)]
        on.pools.close()
    return failures


class _Races:
    def __init__(self, core: Core, owner: int, on: Stage, accepted: list[int], careless: bool) -> None:
        self.core, self.owner, self.on, self.accepted, self.careless = core, owner, on, accepted, careless

    def run(self, number: int) -> list[str]:
        """One worker and one person over one post."""
        account = self.on.link(f"r{number}", user_id=self.owner)
        old, new = f"Old text {number}", f"New text {number}"
        post = posts.create(self.core, self.owner, NewPost((old,), (account.id,))).id
        with self.core.db.read() as conn:
            delivery = deliveries.of_post(conn, post)[0].id
        cancels = number % 2 == 0
        point = POINTS[number // 2 % len(POINTS)]
        told: list[str] = []

        def person() -> None:
            told.append(self._cancel(post) if cancels else self._change(post, account.id, new))

        self._play(point, delivery, person, number)
        self._settle(delivery)
        said = bool(told and told[0] == "accepted")
        self.accepted[0] += said
        sent = [text for name, text in self.on.platform.sends if name == f"r{number}"]
        right = ([] if cancels else [new]) if said else [old]
        what = "cancel" if cancels else "edit"
        return [] if sent == right else [f"{what} {point}: {told}, but sent was {sent}"]

    def _play(self, point: str, delivery: int, person: Callable[[], None], number: int) -> None:
        if point == "before the claim":
            person()
            publish(self.on.worker(), delivery)
            return
        if point == "at once":
            dice = random.Random(number)
            other = threading.Thread(target=person)
            other.start()
            time.sleep(dice.uniform(0, 0.02))  # the race is the experiment
            publish(self.on.worker(), delivery)
            other.join()
            return
        done: list[int] = []

        def checkpoint(where: str) -> None:
            if where == point and not done:
                done.append(1)
                person()

        ctx = self.on.worker(checkpoint=checkpoint)
        if point != "claimed":
            publish(ctx, delivery)
            return
        with self._after_the_claim(person):
            publish(ctx, delivery)

    def _after_the_claim(self, person: Callable[[], None]) -> Any:
        """The claim is committed, and nothing else has happened."""
        real = LeaseHold(person)
        return patch("postprober.pipeline.core.context.LeaseKeeper.hold", real)

    def _cancel(self, post: int) -> str:
        if self.careless:
            self._write(post, state=S.CANCELLED, next_at=None)
            return "accepted"
        try:
            delivery_actions.cancel(self.core, self.owner, post)
        except Conflict:
            return "too late"
        return "accepted"

    def _change(self, post: int, account: int, text: str) -> str:
        if self.careless:
            self._write(post, parts=[{"index": 0, "text": text}])
            return "accepted"
        try:
            drafts.change(self.core, self.owner, post, NewPost((text,), (account,)))
        except (Conflict, Stale):
            return "too late"
        return "accepted"

    def _write(self, post: int, **columns: Any) -> None:
        with self.core.db.write() as conn:
            conn.execute(update(table).where(table.c.post_id == post).values(**columns))

    def _settle(self, delivery: int) -> None:
        """What is still to be sent is sent; the proof does not matter here."""
        ctx: Context = self.on.worker("last")
        for _ in range(20):
            state = self.on.state(delivery)
            if TRAITS[state].at_rest or state is S.PUBLISHED:
                return
            self.on.act(ctx, delivery)


class LeaseHold:
    """`LeaseKeeper.hold` that calls somebody first."""

    def __init__(self, person: Callable[[], None]) -> None:
        self.person = person

    def __get__(self, keeper: Any, _owner: Any) -> Callable[[int, float], None]:
        def hold(delivery_id: int, deadline: float) -> None:
            self.person()
            with keeper._lock:
                keeper._deadlines[delivery_id] = deadline

        return hold
