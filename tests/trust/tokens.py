"""I7: many who are refused at once renew the access once; a refresher that dies with the new tokens is not forgotten."""

from __future__ import annotations

import threading
from collections.abc import Callable

from postprober.clock import SystemClock
from postprober.errors import PostProberError, ReconnectNeeded, Unavailable
from postprober.pipeline.core import transitions
from postprober.pipeline.core.tokens import renew
from postprober.storage import accounts as storage
from postprober.storage.records import Account
from tests.pipeline.stage import Killed, Stage
from tests.trust.base import Found, Turns, some
from tests.trust.scenes import careless, dies_at, stage

WORKERS = 8
BATCH = 25


def once(turns: Turns) -> Found:
    failures = _rounds(turns)
    first, second = some(turns.asked // 2, BATCH), some(turns.asked // 2, BATCH)
    with careless(storage, begin_refresh=lambda *_args, **_named: True):
        seen = _rounds(first, only=_crowd)
    with careless(transitions, reconnect_needed=lambda *_: None):
        seen += _rounds(second, only=_dead)
    control = "nobody claims the refresh; a refused refresh tells nobody"
    return Found(failures, control, len(seen), first.done + second.done)


def _rounds(turns: Turns, only: Callable[[Stage, int], list[str]] | None = None) -> list[str]:
    failures: list[str] = []
    for numbers in turns.batches(BATCH):
        with stage() as on:
            for number in numbers:
                play = only or (_crowd if number % 2 else _dead)
                failures += play(on, number)
    return failures


def _crowd(on: Stage, number: int) -> list[str]:
    """Eight workers hold the same refused token and come at once."""
    account = on.link(f"crowd{number}")
    before, gate = len(on.platform.refreshed), threading.Barrier(WORKERS)
    strange: list[str] = []

    def need(name: str) -> None:
        gate.wait(20)
        try:
            renew(on.worker(name), None, account)
        except PostProberError as error:
            if not isinstance(error, Unavailable) or error.code != "refresh_in_flight":
                strange.append(repr(error))

    clock, on.clock = on.clock, SystemClock()  # the threads only read it
    threads = [threading.Thread(target=need, args=(f"w{number}-{i}",)) for i in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    on.clock = clock
    count = len(on.platform.refreshed) - before
    return [f"round {number}: {count} refreshes {strange}"] if count != 1 or strange else []


def _dead(on: Stage, number: int) -> list[str]:
    """The platform has given new tokens and forgotten the old ones; the process dies before it has stored them."""
    name = f"dead{number}"
    account: Account = on.link(name, expires_in=60)
    delivery = on.plan(account, f"Post {number}")
    try:
        on.act(on.worker(f"mortal{number}", checkpoint=dies_at("refresh_rotated")), delivery)
        return [f"round {number}: nobody died"]
    except Killed:
        on.platform.refreshes.append(ReconnectNeeded("The refresh token was used before.", http_status=400))
    heir, sent = on.worker(f"heir{number}"), len(on.platform.sends)
    for _ in range(40):
        on.ring(heir)
        on.manual.advance(3)
        if on.account(account.id).status == "reconnect":
            break
    on.platform.refreshes.clear()
    told = [text for text in on.alerts() if f"({name})" in text and "reconnect the account" in text]
    with on.db.write() as conn:
        storage.write(conn, account.id, is_active=False)
    if len(told) != 1 or len(on.platform.sends) != sent:
        return [f"round {number}: {len(told)} alerts, {len(on.platform.sends) - sent} sends"]
    return []
