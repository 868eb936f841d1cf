"""What can happen: operations as plain data, so that a run can be cut down to the few that matter."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from postprober.domain.delivery import UNFINISHED, DeliveryState
from postprober.errors import PostProberError
from postprober.services.accounts import accounts as account_service
from postprober.services.monitoring import ghosts, repairs
from postprober.services.posts import delivery_actions, drafts, edit_failed, posts
from postprober.services.posts.posts import NewPost
from postprober.storage import repairs as repair_storage
from postprober.storage.records import Delivery
from tests.chaos.house import Hand, House, Process
from tests.chaos.world import BASE, FROZEN, LATE, NONCE, Nature
from tests.people import acting

S = DeliveryState
Op = tuple[Any, ...]
WORDS = ("Alpha", "Beta", "See https://news.example/alpha?utm_source=mail")
ACCOUNTS = ((0,), (0, 1), (0, 1), (2,), (0, 1, 2))  # rows of `House.accounts`; the first two are one remote account
ALWAYS = frozenset({"work", "drive", "time", "plan"})
PLACES = ("before_intent", "intent_committed", "connected", "leaving", "request_sent", "reply_body", "before_commit")
TIMES = (0.4, 2.0, 6.0, 11.0, 25.0, 45.0, 90.0, 400.0, 1800.0, 4500.0)
JUMPS = (-3.0, 3.0, 35.0, -35.0, 100.0, -100.0, 3600.0, -3600.0, 90_000.0)
SPELLINGS = (BASE, "https://CHAOS.example.", "https://chaos.example:443", "http://chaos.example:80/")
_WAYS = ("cut_before", "cut_after", "late", "named", "401", "422", "429", "away", "link")
_READS = ("error", "cut", "empty", "flicker", "429", "401")

_THEN = ("", "", "422", "401", "cut_before", "cut_after")  # what the send after that meets
_LEAPS = (0.0, 0.0, 0.0, 100.0, 3600.0)  # of the clock of the process that sent it


@dataclass(frozen=True)
class Kind:
    """One kind of operation: how often it comes, and how its arguments are drawn."""

    weight: int
    draw: Callable[[random.Random], tuple[Any, ...]]


def _any(rng: random.Random) -> int:
    return rng.randrange(1000)


def _stop(rng: random.Random, often: float = 0.4) -> tuple[int | str, bool]:
    """Where something is stopped, and whether it dies there; (0, False) for not at all."""
    if rng.random() > often:
        return 0, False
    place: int | str = rng.choice(PLACES) if rng.random() < 0.5 else rng.randrange(1, 20)
    return place, rng.random() < 0.4


KINDS: dict[str, Kind] = {
    "work": Kind(26, lambda r: (r.randrange(2), _any(r), *_stop(r))),
    "drive": Kind(9, lambda r: (r.randrange(2), r.randrange(1, 6))),
    "recover": Kind(5, lambda r: (r.randrange(2), *_stop(r, 0.15))),
    "tend": Kind(3, lambda r: (r.randrange(2), *_stop(r, 0.2))),
    "resume": Kind(7, lambda r: (_any(r), *_stop(r, 0.3))),
    "time": Kind(15, lambda r: (r.choice(TIMES),)),
    "clock": Kind(2, lambda r: (r.randrange(3), r.choice(JUMPS))),
    "leap": Kind(3, lambda r: (r.randrange(2), r.choice((35.0, 100.0, 3600.0)), r.randrange(2, 7))),
    "kill": Kind(2, lambda r: (r.randrange(3),)),
    "freeze": Kind(2, lambda r: (r.randrange(2),)),
    "plan": Kind(
        8, lambda r: (_any(r), _any(r), r.choice((0.0, 0.0, 0.0, 30.0, 900.0)), r.choice((1, 1, 1, 2)), *_stop(r, 0.1))
    ),
    "mishap": Kind(
        10,
        lambda r: (
            _any(r),
            _any(r),
            *_doubt(r),
            r.choice(("", "", *_READS)),
            r.randrange(2),
            r.choice(_THEN),
            r.choice(_LEAPS),
        ),
    ),
    "overtake": Kind(
        6, lambda r: (r.randrange(2), _any(r), r.choice(PLACES), r.choice((11.0, 25.0, 60.0)), r.randrange(1, 9))
    ),
    "edit": Kind(2, lambda r: (_any(r), _any(r), *_stop(r, 0.2))),
    "cancel": Kind(3, lambda r: (_any(r), *_stop(r, 0.2))),
    "cancel_one": Kind(2, lambda r: (_any(r), *_stop(r, 0.2))),
    "delete": Kind(1, lambda r: (_any(r), *_stop(r, 0.2))),
    "retry": Kind(3, lambda r: (_any(r), r.randrange(2), *_stop(r, 0.2))),
    "decide": Kind(
        6, lambda r: (_any(r), r.choice(("send", "look", "point", "cancel", "wrong")), r.random() < 0.9, *_stop(r, 0.2))
    ),
    "rewrite": Kind(5, lambda r: (_any(r), _any(r), *_stop(r, 0.2))),
    "ghost": Kind(3, lambda r: (_any(r), r.choice(("check", "acknowledge", "again")), *_stop(r, 0.2))),
    "unlink": Kind(3, lambda r: (_any(r), *_stop(r, 0.2))),
    "link": Kind(5, lambda r: (_any(r), r.choice(SPELLINGS), *_stop(r, 0.2))),
    "repair": Kind(2, lambda r: (_any(r), r.random() < 0.7, *_stop(r, 0.2))),
    "fault": Kind(14, lambda r: _fault(r)),
    "read": Kind(6, lambda r: (r.choice(_READS), r.randrange(1, 5))),
    "stage": Kind(1, lambda r: (r.choice(("processing", "failed", "gone")),)),
    "down": Kind(2, lambda r: (r.choice((3.0, 30.0, 200.0)),)),
    "revoke": Kind(1, lambda r: (_any(r),)),
    "twin": Kind(3, lambda r: (_any(r), _any(r), r.choice((0.0, 1.0, 60.0, 600.0)))),
    "hide": Kind(3, lambda r: (_any(r), r.random() < 0.4)),
    "show": Kind(2, lambda r: (_any(r),)),
    "remove": Kind(2, lambda r: (_any(r),)),
}


def _doubt(rng: random.Random) -> tuple[str, float]:
    """A fault that leaves an unknown outcome, mostly."""
    if rng.random() < 0.2:
        return _fault(rng)
    return rng.choice(("cut_before", "cut_after", "late", "late", "named")), rng.choice((0.5, 4.0, 4.0))


def _fault(rng: random.Random) -> tuple[str, float]:
    way = rng.choice(_WAYS)
    return way, rng.choice((5.0, 70.0)) if way == "429" else rng.choice((0.5, 4.0, 4.0, 4.0, 1.0))


def draw_nature(rng: random.Random) -> Nature:
    """What the platform of a run is like."""
    mode = rng.choice(("list", "list", "list", "strict", "handle", "key", "steps"))
    tells = rng.random() < 0.8
    return Nature(
        mode,
        rng.choice((0.0, 0.0, 2.0, -2.0, 130.0, -130.0, 4000.0, -4000.0)) if tells else None,
        dates=rng.random() < 0.8,
        names_app=rng.random() < 0.7,
        duplicates=rng.choice(("", "", "", "mute", "names")) if mode == "list" else "",
        lag=rng.choice((0.0, 0.0, 2.5)),
    )


def draw(rng: random.Random, count: int) -> list[Op]:
    """The operations of a run. Each run leaves some kinds out and has more of others, and keeps to few accounts and
    words: what is rare together is not rare then."""
    names = list(KINDS)
    weights = [KINDS[n].weight * rng.choice((1, 2) if n in ALWAYS else (0, 0, 1, 1, 3)) for n in names]
    rows, words = rng.choice(ACCOUNTS), rng.choice((1, 1, 2, 3))
    ops: list[Op] = [("plan", *KINDS["plan"].draw(rng))]
    ops += [(name, *KINDS[name].draw(rng)) for name in rng.choices(names, weights, k=count)]
    return [_narrow(op, rows, words) for op in ops]


def _narrow(op: Op, rows: tuple[int, ...], words: int) -> Op:
    name, *args = op
    if name in ("plan", "mishap", "twin"):
        args[:2] = [rows[args[0] % len(rows)], args[1] % words]
    return (name, *args)


class Play:
    """Carries operations out on a house that was reset. Arguments choose among what there is, so an operation that has
    nothing to work on does nothing, and any list of operations can be played. `story`: what was really done."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.story: list[str] = []
        self.done = 0
        self.words: dict[int, tuple[str, ...]] = {}  # delivery -> what was accepted last
        self.also: dict[int, set[tuple[str, ...]]] = {}  # what was asked for by somebody who never heard the answer
        self.cancelled: dict[int, float] = {}  # delivery -> when it was accepted that it is stopped
        self.allowed: dict[int, int] = {}  # further visible posts that a person has accepted
        self.liberties: set[int] = set()  # about which a person said what they had not looked at
        self.pointed: set[tuple[int, str]] = set()  # (delivery, post) that a person brought together
        self.wishes: dict[int, tuple[Hand, Callable[[Any], None] | None, Callable[[], None] | None]] = {}

    def run(self, ops: list[Op]) -> None:
        for op in ops:
            if self.house.violations:
                return
            self.apply(op)

    def apply(self, op: Op) -> None:
        name, *args = op
        before = len(self.story)
        getattr(self, f"_{name}")(*args)
        if len(self.story) > before:
            self.done += 1

    def say(self, text: str) -> None:
        self.story.append(f"{self.house.world.time - 100_000.0:8.1f}  {text}")

    # Our processes

    def _work(self, number: int, pick: int, stop: int | str, dies: bool) -> None:
        process = self._awake(number)
        if process is None:
            return
        due = self.house.due(number)
        if not due:
            return
        delivery, act = due[pick % len(due)]
        hand = self.house.act(number, act, delivery, stop=stop, dies=dies)
        self._told(process, hand, f"{act} {delivery}", stop)

    def _drive(self, number: int, rounds: int) -> None:
        """Everything that is due, a few times, with what the scheduler does on the side."""
        if self._awake(number) is None:
            return
        self.say(f"{self.house.workers[number].name} works {rounds} times")
        self.house.act(number, "recover")
        for _ in range(rounds):
            for delivery, act in self.house.due(number):
                self.house.act(number, act, delivery)
            self._pass(self.house.until_due(number))

    def _overtake(self, number: int, pick: int, place: str, seconds: float, rounds: int) -> None:
        """One process stands still in the middle, and the other one works meanwhile."""
        process = self._awake(number)
        if process is None or not self.house.due(number):
            return
        self._work(number, pick, place, False)
        process.frozen = bool(process.hands)
        self._time(seconds)
        self._drive(1 - number, rounds)

    def _mishap(
        self, account: int, words: int, way: str, share: float, how: str, number: int, then: str, leap: float
    ) -> None:
        """Something goes wrong with a fresh post, and perhaps more after that."""
        process = self._awake(number)
        if process is None:
            return
        self._fault(way, share)
        if then:
            self._fault(then, share)
        if how:
            self._read(how, 2)
        self._plan(account, words, 0.0, 1, 0, False)
        if due := self.house.due(number):
            delivery, act = due[-1]
            self._told(process, self.house.act(number, act, delivery), f"{act} {delivery}", 0)
        if leap:
            self._leap(number, leap, 4)

    def _recover(self, number: int, stop: int | str, dies: bool) -> None:
        self._job(number, "recover", stop, dies)

    def _tend(self, number: int, stop: int | str, dies: bool) -> None:
        self._job(number, "tend", stop, dies)

    def _job(self, number: int, what: str, stop: int | str, dies: bool) -> None:
        process = self._awake(number)
        if process is None or any(hand.what == what for hand in process.hands):
            return
        hand = self.house.act(number, what, stop=stop, dies=dies)
        self._told(process, hand, what, stop)

    def _resume(self, pick: int, stop: int | str, dies: bool) -> None:
        """Something that was stopped goes on; the whole process, if it was frozen."""
        found = [(p, h) for p in (*self.house.workers, self.house.app) for h in p.hands]
        if not found:
            return
        process, hand = found[pick % len(found)]
        process.frozen = False
        where = hand.at
        self._go_on(process, hand, stop, dies)
        self._told(process, hand, f"{hand.what} {hand.delivery or ''} goes on from {where}", stop)

    def _go_on(self, process: Process, hand: Hand, stop: int | str = 0, dies: bool = False) -> None:
        process.go_on(hand, stop=stop, dies=dies)
        if process is self.house.app:
            self._heard(hand)
        else:
            self.house.look_at(hand, process)

    def finish(self, process: Process, hand: Hand) -> None:
        """What was stopped goes on to its end."""
        self.say(f"{process.name}: {hand.what} {hand.delivery or ''} goes on from {hand.at}")
        self._go_on(process, hand)

    def _told(self, process: Process, hand: Hand, what: str, stop: int | str) -> None:
        end = f", stopped at {hand.at}" if hand.at else ", DIED" if not process.alive else ""
        if hand.dies and not process.alive:
            end = f", DIED at {stop}"
        self.say(f"{process.name}: {what}{end}")
        self._bury()

    def _bury(self) -> None:
        for number, process in enumerate(self.house.workers):
            if not process.alive:
                self.house.restart(number)
        if not self.house.app.alive:
            self.house.restart_app()

    def _awake(self, number: int) -> Process | None:
        process = self.house.workers[number]
        return None if process.frozen else process

    def _time(self, seconds: float) -> None:
        self.say(f"{seconds:g} seconds pass")
        self._pass(seconds)

    def _pass(self, seconds: float) -> None:
        for process in self.house.workers:
            for hand in list(process.hands):
                if hand.at != "leaving":
                    continue
                if hand.stood + seconds > FROZEN:
                    self._go_on(process, hand)
                    self.say(f"{process.name}: {hand.what} {hand.delivery} cannot stand there any longer")
                else:
                    hand.stood += seconds
        self.house.advance(seconds)

    def _clock(self, who: int, jump: float) -> None:
        if self.house.world.nature.skew is None:
            return
        process = (*self.house.workers, self.house.app)[who]
        process.clock.apart = jump if abs(process.clock.apart) > 1 else process.clock.apart + jump
        self.say(f"the clock of {process.name} is {process.clock.apart:g} seconds off")

    def _leap(self, number: int, jump: float, rounds: int) -> None:
        """A process whose clock was set works on."""
        self._clock(number, jump)
        self._drive(number, rounds)

    def _kill(self, who: int) -> None:
        process = (*self.house.workers, self.house.app)[who]
        self.say(f"{process.name} DIED")
        if process is self.house.app:
            for hand in list(process.hands):
                self._unheard(hand)
        process.die()
        self._bury()

    def _freeze(self, number: int) -> None:
        process = self.house.workers[number]
        if process.hands:
            process.frozen = True
            self.say(f"{process.name} stands still")

    # A person

    def _person(
        self,
        what: str,
        act: Callable[[], Any],
        stop: int | str,
        dies: bool,
        *,
        then: Callable[[Any], None] | None = None,
        unheard: Callable[[], None] | None = None,
    ) -> None:
        """Something that a person does. `then`: it was accepted; `unheard`: they never heard the answer."""
        app = self.house.app
        hand = app.begin(what, act, stop=stop, dies=dies)
        self.wishes[id(hand)] = (hand, then, unheard)
        if not app.alive:
            self._unheard(hand)
            self.say(f"a person: {what}, and the app DIED at {stop}")
            self._bury()
            return
        end = f", stopped at {hand.at}" if hand.at else ""
        if hand.over:
            end = f": {hand.error}" if hand.error else ": accepted"
        self.say(f"a person: {what}{end}")
        self._heard(hand)

    def _heard(self, hand: Hand) -> None:
        if not hand.over:
            return
        _, then, _ = self.wishes.pop(id(hand), (hand, None, None))
        if not self.house.app.alive:
            return
        if hand.error is None:
            if then is not None:
                then(hand.result)
            self._learn()
        elif not isinstance(hand.error, PostProberError):
            self.house.wrong(f"{hand.what!r} raised {type(hand.error).__name__}: {hand.error}")
            self.house.trace = hand.error

    def _unheard(self, hand: Hand) -> None:
        _, _, unheard = self.wishes.pop(id(hand), (hand, None, None))
        if unheard is not None:
            unheard()

    def _plan(self, account: int, words: int, wait: float, parts: int, stop: int | str, dies: bool) -> None:
        number = account % len(self.house.accounts)
        row = self.house.account(self.house.accounts[number])
        texts = tuple(WORDS[(words + i) % len(WORDS)] for i in range(parts))
        if self.house.world.nature.mode == "steps":
            texts = texts[:1]
        core, now = self.house.core, self.house.app.clock.now()
        at = now + timedelta(seconds=wait) if wait else None
        new = NewPost(texts, (row.id,), at=at)
        what = f"plan {'/'.join(texts)} on account {row.id}" + (f" in {wait:g} s" if wait else "")
        self._person(what, lambda: posts.create(core, acting(core, row.user_id), new), stop, dies)
        self._learn()

    def _learn(self) -> None:
        """What was planned by somebody who perhaps never heard that it was accepted."""
        for delivery in self.house.deliveries():
            if delivery.id not in self.words:
                self.words[delivery.id] = tuple(part.text for part in delivery.parts)

    def _edit(self, pick: int, words: int, stop: int | str, dies: bool) -> None:
        found = self._pick(pick, S.SCHEDULED, S.CLAIMED, S.WAITING)
        if found is None:
            return
        texts = tuple(WORDS[(words + i) % len(WORDS)] for i in range(len(found.parts)))
        core, new = self.house.core, NewPost(texts, (found.account_id,))
        self._rewords(
            found,
            texts,
            f"edit {found.id} to {'/'.join(texts)}",
            lambda: drafts.change(core, acting(core, found.user_id), found.post_id, new),
            stop,
            dies,
        )

    def _rewrite(self, pick: int, words: int, stop: int | str, dies: bool) -> None:
        found = self._pick(pick, *UNFINISHED)
        if found is None:
            return
        out = [part.text for part in found.parts if part.ref is not None]
        texts = (*out, *(WORDS[(words + i) % len(WORDS)] for i in range(len(found.parts) - len(out))))
        core = self.house.core
        self._rewords(
            found,
            texts,
            f"write {found.id} anew: {'/'.join(texts)}",
            lambda: edit_failed.rewrite(core, acting(core, found.user_id), found.id, texts),
            stop,
            dies,
        )

    def _rewords(
        self, found: Delivery, texts: tuple[str, ...], what: str, act: Callable[[], Any], stop: int | str, dies: bool
    ) -> None:
        def accepted(_result: Any) -> None:
            self.words[found.id] = texts
            self.also.pop(found.id, None)
            self.cancelled.pop(found.id, None)

        def unheard() -> None:
            self.also.setdefault(found.id, set()).add(texts)

        self._person(what, act, stop, dies, then=accepted, unheard=unheard)

    def _stops(self, ids: list[int]) -> Callable[[Any], None]:
        """Accepted: what is stopped by then was stopped by them."""

        def accepted(_result: Any) -> None:
            for delivery in ids:
                if self.house.delivery(delivery).state is S.CANCELLED:
                    self.cancelled.setdefault(delivery, self.house.world.time)

        return accepted

    def _cancel(self, pick: int, stop: int | str, dies: bool) -> None:
        found = self._pick(pick, S.SCHEDULED, S.CLAIMED, S.SUBMITTING, S.WAITING, S.FAILED, S.HELD)
        if found is None:
            return
        core = self.house.core
        self._person(
            f"cancel the post of {found.id}",
            lambda: delivery_actions.cancel(core, acting(core, found.user_id), found.post_id),
            stop,
            dies,
            then=self._stops([d.id for d in self.house.deliveries() if d.post_id == found.post_id]),
        )

    def _cancel_one(self, pick: int, stop: int | str, dies: bool) -> None:
        found = self._pick(pick)
        if found is None:
            return
        core = self.house.core
        self._person(
            f"cancel {found.id}",
            lambda: delivery_actions.cancel_one(core, acting(core, found.user_id), found.id),
            stop,
            dies,
            then=self._stops([found.id]),
        )

    def _delete(self, pick: int, stop: int | str, dies: bool) -> None:
        found = self._pick(pick)
        if found is None:
            return
        core = self.house.core
        self._person(
            f"delete the post of {found.id}",
            lambda: drafts.delete(core, acting(core, found.user_id), found.post_id),
            stop,
            dies,
            then=self._stops([d.id for d in self.house.deliveries() if d.post_id == found.post_id]),
        )

    def _retry(self, pick: int, alone: int, stop: int | str, dies: bool) -> None:
        found = self._pick(pick, *UNFINISHED)
        if found is None:
            return
        core = self.house.core
        act = (
            (lambda: delivery_actions.retry_one(core, acting(core, found.user_id), found.id))
            if alone
            else (lambda: delivery_actions.retry(core, acting(core, found.user_id), found.post_id))
        )
        self._person(f"try {found.id} again", act, stop, dies)

    def _decide(self, pick: int, choice: str, honest: bool, stop: int | str, dies: bool) -> None:
        found = self._pick(pick, S.HELD)
        if found is None:
            return
        core, world = self.house.core, self.house.world
        part = found.open_part()
        own = world.of_key(found.key, part.index) if part is not None else []
        seen = next((post for post in own if post.visible), None)
        if choice in ("send", "cancel") and honest and seen is not None and found.unknown_at is not None:
            choice = "point"
        if choice == "look":
            self._person(
                f"look for {found.id} again",
                lambda: delivery_actions.look_again(core, acting(core, found.user_id), found.id),
                stop,
                dies,
            )
        elif choice in ("point", "wrong"):
            others = [p for p in world.posts if p.visible]
            target = seen if choice == "point" and seen else others[pick % len(others)] if others else None
            if target is None:
                return
            link = world.url(target)
            self._person(
                f"say that {found.id} is at {target.id}",
                lambda: delivery_actions.adopt_held(core, acting(core, found.user_id), found.id, link),
                stop,
                dies,
                then=lambda _: self.pointed.add((found.id, target.id)),
                unheard=lambda: self.pointed.add((found.id, target.id)),
            )
        else:
            self._risk(found, honest, bool(own), bool(stop))
            if choice == "send":
                self._person(
                    f"publish the held {found.id}",
                    lambda: delivery_actions.send_held(core, acting(core, found.user_id), found.id),
                    stop,
                    dies,
                )
            else:
                self._person(
                    f"drop the held {found.id}",
                    lambda: delivery_actions.cancel_one(core, acting(core, found.user_id), found.id, not_there=True),
                    stop,
                    dies,
                )

    def _risk(self, found: Delivery, honest: bool, exists: bool, slowly: bool) -> None:
        """A person decides about what may be out. What they cannot see, or did not look for, is their risk."""
        moving = any(hand.delivery == found.id for process in self.house.workers for hand in process.hands)
        if found.unknown_at is None or not (exists or moving or slowly or self.house.world.on_its_way(found.key)):
            return
        self.allowed[found.id] = self.allowed.get(found.id, 0) + 1
        self.liberties.add(found.id)

    def _ghost(self, pick: int, choice: str, stop: int | str, dies: bool) -> None:
        found = self._pick(pick, S.GHOST)
        if found is None:
            return
        core = self.house.core
        acts: dict[str, Callable[[], Any]] = {
            "check": lambda: ghosts.check_again(core, acting(core, found.user_id), found.id),
            "acknowledge": lambda: ghosts.acknowledge(core, acting(core, found.user_id), found.id),
            "again": lambda: ghosts.publish_again(core, acting(core, found.user_id), found.id, risk_accepted=True),
        }
        self._person(f"{choice} the invisible {found.id}", acts[choice], stop, dies)
        self._learn()

    def _unlink(self, pick: int, stop: int | str, dies: bool) -> None:
        row = self.house.account(self.house.accounts[pick % len(self.house.accounts)])
        core = self.house.core
        self._person(
            f"disconnect account {row.id}",
            lambda: account_service.remove(core, acting(core, row.user_id), row.id),
            stop,
            dies,
        )

    def _link(self, pick: int, spelled: str, stop: int | str, dies: bool) -> None:
        row = self.house.account(self.house.accounts[pick % len(self.house.accounts)])
        if row.is_active and row.status == "ok" and pick % 4:
            return
        self._person(
            f"connect account {row.id} again", lambda: self.house.link(row.user_id, row.remote_id, spelled), stop, dies
        )

    def _repair(self, pick: int, yes: bool, stop: int | str, dies: bool) -> None:
        with self.house.db.read() as conn:
            rows = [
                row
                for d in self.house.deliveries()
                for row in repair_storage.of_delivery(conn, d.id)
                if row.state == "proposed"
            ]
        if not rows:
            return
        row, core = rows[pick % len(rows)], self.house.core
        found = self.house.delivery(row.delivery_id)
        act = repairs.apply if yes else repairs.refuse
        what = f"{'apply' if yes else 'dismiss'} repair {row.id} ({row.fix})"
        texts = (*(p.text for p in found.parts if p.ref is not None), *row.plan.get("after", ()))
        if yes and "after" in row.plan:
            self._rewords(found, texts, what, lambda: act(core, acting(core, row.user_id), row.id), stop, dies)
        else:
            self._person(what, lambda: act(core, acting(core, row.user_id), row.id), stop, dies)

    def _pick(self, pick: int, *states: DeliveryState) -> Delivery | None:
        found = [d for d in self.house.deliveries() if not states or d.state in states]
        return found[pick % len(found)] if found else None

    # The platform

    def _fault(self, way: str, share: float) -> None:
        mode = self.house.world.nature.mode
        seconds = share
        if way == "late":
            seconds = share * LATE / 4 if mode in ("list", "key", NONCE) else share * 60
        self.house.world.ways.append((way, seconds))
        self.say(f"the next send: {way} {seconds:g}")

    def _read(self, how: str, times: int) -> None:
        if how == "flicker" and self.house.world.nature.mode == "strict":
            how = "old"
        self.house.world.reads.extend([how] * (1 if how == "flicker" else times))
        self.say(f"the next {times} readings: {how}")

    def _stage(self, how: str) -> None:
        if self.house.world.nature.mode == "steps":
            self.house.world.stages.append(how)
            self.say(f"the next look at a container: {how}")

    def _down(self, seconds: float) -> None:
        world = self.house.world
        world.down_until = max(world.down_until, world.time + seconds)
        self.say(f"the platform is away for {seconds:g} seconds")

    def _revoke(self, pick: int) -> None:
        row = self.house.account(self.house.accounts[pick % len(self.house.accounts)])
        if row.is_active:
            token = self.house.tokens[row.id]
            self.house.world.revoked.add(token)
            self.say(f"the platform withdraws the access of account {row.id}")

    def _twin(self, account: int, words: int, age: float) -> None:
        remote = ("ann", "ann", "bob")[account % 3]
        post = self.house.world.make(remote, WORDS[words % len(WORDS)], age=age)
        self.say(f"somebody posts {post.text} by hand on {remote} ({post.id}, {age:g} seconds ago)")

    def _own(self, pick: int, hidden: bool) -> Any:
        found = [p for p in self.house.world.posts if not p.deleted and p.hidden is hidden]
        return found[pick % len(found)] if found else None

    def _hide(self, pick: int, wholly: bool) -> None:
        if (post := self._own(pick, False)) is None:
            return
        # Assumption 3: while its own list has to prove absence, an author sees what is there.
        known = {p.ref.remote_id for d in self.house.deliveries() for p in d.parts if p.ref is not None}
        post.hidden = post.touched = True
        post.wholly = wholly and (post.id in known or self.house.world.nature.mode not in ("list", "key", NONCE))
        self.say(f"the platform hides post {post.id}{', from its author, too' if post.wholly else ''}")

    def _show(self, pick: int) -> None:
        if (post := self._own(pick, True)) is not None:
            post.hidden = post.wholly = False
            post.touched = True
            self.say(f"the platform shows post {post.id} again")

    def _remove(self, pick: int) -> None:
        if (post := self._own(pick, False)) is not None:
            post.deleted = post.touched = True
            self.say(f"somebody deletes post {post.id}")
