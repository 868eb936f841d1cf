"""Nothing is lost, doubled or out of order, whoever breaks off, commits late or does not read."""

from __future__ import annotations

import json
import random
import socket as socket_module
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.sync.client import connect

from postprober.services.monitoring import event_feed as services
from postprober.storage import deliveries
from postprober.storage.tables import transitions
from tests.api.live_kit import WAIT, Live, S, hear, join, say, until

ROUND = (S.CLAIMED, S.SCHEDULED)
BREAKS, ROWS = 200, 1000  # how often the client breaks off; transitions of each of two posts


def write(live: Live, post_id: int, count: int, permits: threading.Semaphore) -> None:
    """So many transitions, each in its own transaction, each when there is a permit."""
    delivery_id = 0
    for number in range(count):
        permits.acquire()
        with live.core.db.write() as conn:
            delivery_id = delivery_id or deliveries.of_post(conn, post_id)[0].id
            row = {"delivery_id": delivery_id, "post_id": post_id, "user_id": live.people["owner"], "worker": ""}
            conn.execute(
                transitions.insert(),
                {
                    **row,
                    "old": S.SCHEDULED,
                    "new": ROUND[number % 2],
                    "reason": str(number),
                    "at": live.core.clock.now(),
                },
            )


def test_a_client_that_resumes_two_hundred_times_hears_everything_once_and_in_order(live: Live) -> None:
    """2,000 transitions by four writers at once, on two posts, while the client keeps breaking off: every second time
    in the middle of the replay, else in the middle of what happens."""
    mine, other = live.post(), live.post()
    token, dice = live.token(), random.Random(7)
    permits = {mine: threading.Semaphore(0), other: threading.Semaphore(0)}
    heard: list[int] = []

    def listen(most: int, then: int, to: int = 0) -> None:
        """Read until `joined` or `most` events; then `then` more as they happen, and on to transition `to`."""
        with connect(
            live.url, additional_headers={"Authorization": f"Bearer {token}"}, compression=None, proxy=None
        ) as socket:
            say(socket, "join_monitoring", post_id=mine, last_id=heard[-1] if heard else 0)
            while most and (event := hear(socket))["event"] != "joined":
                heard.append(event["id"])
                most -= 1
            for post_id in permits:
                permits[post_id].release(ROWS // BREAKS)
            while then > 0 or (heard and heard[-1] // 2 < to):
                event = hear(socket)
                if event["event"] != "joined":
                    heard.append(event["id"])
                    then -= 1

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, live, post_id, ROWS // 2, permits[post_id]) for post_id in (mine, other) * 2]
        for number in range(BREAKS):
            if number % 2:
                listen(dice.randint(0, 9), 0)
            else:
                listen(10_000, dice.randint(1, ROWS // BREAKS))
        for writer in writers:
            writer.result(60)
    with live.core.db.read() as conn:
        written = [row["id"] for row in deliveries.history(conn, mine)]
    listen(10_000, 0, written[-1])
    assert heard == sorted(set(heard)), "in order, none twice"
    assert [number // 2 for number in heard if number % 2 == 0] == written, "none lost"
    assert len(written) == ROWS + 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_row_that_commits_after_a_higher_one_is_not_skipped(live: Live) -> None:
    mine = live.post()
    socket = live.open(live.token())
    join(socket, mine)
    insert = transitions.insert().values(
        delivery_id=1,
        post_id=mine,
        user_id=live.people["owner"],
        old="scheduled",
        new="claimed",
        reason="",
        worker="",
        at=live.core.clock.now(),
    )
    late, rolled_back = live.core.db.engine.connect(), live.core.db.engine.connect()
    low = late.execute(insert.returning(transitions.c.id)).scalar_one()
    gone = rolled_back.execute(insert.returning(transitions.c.id)).scalar_one()
    live.move(mine, S.CLAIMED)
    say(socket, "ping")
    assert hear(socket)["event"] == "pong", "held back: a lower one may still come"
    fresh = live.open(live.token())
    assert join(fresh, mine, last_id=0)[-1]["data"]["last_id"] < 2 * low
    rolled_back.rollback()
    late.commit()
    heard = [hear(socket)["id"] // 2 for _ in range(2)]
    assert heard == [low, gone + 1]
    assert [hear(fresh)["id"] // 2 for _ in range(2)] == heard
    late.close()
    rolled_back.close()


# Readers that do not read


def test_a_reader_that_never_reads_harms_nobody_and_is_let_go(live: Live) -> None:
    post_id = live.post()
    token = live.token()
    good = live.open(token, max_queue=None)
    join(good, post_id)
    raw = never_reading(live, token, post_id)
    reason = "x" * 2000
    rows = [
        {
            "delivery_id": 1,
            "post_id": post_id,
            "user_id": live.people["owner"],
            "worker": "",
            "old": "scheduled",
            "new": "claimed",
            "reason": reason,
            "at": live.core.clock.now(),
        }
    ] * 250
    total = 0
    while total < 5000:  # 10 MB: more than the sockets' buffers hold
        with live.core.db.write() as conn:
            conn.execute(transitions.insert(), rows)
        for _ in rows:
            assert hear(good)["event"] == "monitoring_update"
        total += len(rows)
    data = b""
    raw.settimeout(WAIT)
    while b"too slow" not in data:
        chunk = raw.recv(1 << 20)
        assert chunk, "closed without a word"
        data = (data + chunk)[-4000:]
    raw.close()
    assert b"\x11\x38too slow" in data, "4408, and what to do: resume by last_id"
    say(good, "ping")
    assert until(good, "pong")


def never_reading(live: Live, token: str, post_id: int) -> socket_module.socket:
    """A client that joins and then reads nothing, with a small receive buffer."""
    parts = urlsplit(live.url)
    assert parts.hostname and parts.port
    raw = socket_module.socket()
    raw.setsockopt(socket_module.SOL_SOCKET, socket_module.SO_RCVBUF, 4096)
    raw.connect((parts.hostname, parts.port))
    raw.sendall(
        f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {token}\r\n\r\n".encode()
    )
    assert b" 101 " in raw.recv(4096)
    body = json.dumps({"event": "join_monitoring", "data": {"post_id": post_id}}).encode()
    raw.sendall(bytes([0x81, 0x80 | len(body), 0, 0, 0, 0]) + body)  # masked with zeros
    assert b"joined" in raw.recv(4096)
    return raw


def test_who_joins_while_a_room_is_being_made_ready_hears_nothing_twice(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one's join reads the post's state, slowly; what happens meanwhile waits in the room. The second one's
    replay has it already."""
    post_id, go_on, real = live.post(), threading.Event(), services.story_at

    def slowly(*args: Any) -> Any:
        assert go_on.wait(WAIT)
        return real(*args)

    monkeypatch.setattr(services, "story_at", slowly)
    first, second = live.open(live.token()), live.open(live.token())
    say(first, "join_monitoring", post_id=post_id)
    _wait_for(lambda: f"post:{post_id}" in live.hub.rooms)
    live.move(post_id, S.CLAIMED)
    _wait_for(lambda: bool(live.hub.rooms[f"post:{post_id}"].backlog))
    say(second, "join_monitoring", post_id=post_id, last_id=0)
    _wait_for(lambda: len(live.hub.rooms[f"post:{post_id}"].members) == 2)
    go_on.set()
    live.move(post_id, S.SUBMITTING)
    heard = {}
    for socket in (first, second):
        found = [hear(socket)]
        while found[-1]["event"] != "post_status_change" or found[-1]["data"]["new"] != "posting":
            found.append(hear(socket))
        heard[socket] = [event["id"] for event in found if "id" in event]
    assert heard[second] == sorted(set(heard[second])), "nothing twice"
    assert heard[second][-len(heard[first]) :] == heard[first], "and the first one hears what came after its join"


def _wait_for(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        threading.Event().wait(0.005)
