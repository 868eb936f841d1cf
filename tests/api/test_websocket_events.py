"""Live events over a real socket: who gets what, once and in order; on both databases where the order is at stake."""

from __future__ import annotations

import json
import random
import socket as socket_module
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import update
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from postprober.api.app import create_app
from postprober.api.deps import COOKIE
from postprober.domain.delivery import DeliveryState
from postprober.pipeline import watch
from postprober.services import api_tokens, sessions, users
from postprober.services.core import Core
from postprober.storage import accounts, deliveries, logs, posts
from postprober.storage import users as user_storage
from postprober.storage.database import Database
from postprober.storage.records import PartRecord
from postprober.storage.tables import transitions
from postprober.storage.tables import users as user_table
from tests.api.serving import serving
from tests.conftest import PASSWORD, Installation

S = DeliveryState
APP = "http://127.0.0.1:8501"
WAIT = 15.0  # seconds; only a failing test waits that long


@dataclass
class Live:
    """A sidecar on a real port, three people with an account each."""

    core: Core
    url: str
    people: dict[str, int]
    linked: dict[str, int]
    stack: ExitStack

    def token(self, name: str = "owner") -> str:
        return sessions.log_in(self.core, f"{name}@example.org", PASSWORD, "").access

    def open(self, token: str = "", **kw: Any) -> ClientConnection:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= kw.pop("headers", {})
        opening = connect(self.url, additional_headers=headers, compression=None, proxy=None, **kw)
        return self.stack.enter_context(opening)

    def post(self, name: str = "owner", count: int = 1) -> int:
        """A post with `count` deliveries; each gives its first transition."""
        now = self.core.clock.now()
        with self.core.db.write() as conn:
            post_id = posts.add(
                conn, user_id=self.people[name], content="x", platforms=["x"], status="scheduled",  # type: ignore[arg-type]
                scheduled_at=now, options={}, now=now,
            )  # fmt: skip
            for number in range(count):
                deliveries.add(
                    conn, post_id=post_id, account_id=self.linked[name], user_id=self.people[name], platform="x",
                    key=f"{post_id}-{number}", due_at=now, parts=[PartRecord(0, "x")], now=now,
                )  # fmt: skip
        return post_id

    def move(self, post_id: int, *states: DeliveryState) -> None:
        """Take the post's first delivery through `states`, each in its own transaction."""
        for state in states:
            with self.core.db.write() as conn:
                delivery = deliveries.of_post(conn, post_id)[0]
                watch.move(conn, delivery, state, reason="because", now=self.core.clock.now())

    def alert(self, name: str, key: str) -> None:
        with self.core.db.write() as conn:
            logs.alert(
                conn, user_id=self.people[name], post_id=None, delivery_id=None, type="error", message=f"for {name}",
                dedupe_key=key, now=self.core.clock.now(),
            )  # fmt: skip


@pytest.fixture
def live(installation: Installation, database: Database, password_hash: str) -> Iterator[Live]:
    core = replace(installation.core, db=database)
    people, linked = {}, {}
    with database.write() as conn:
        for name, role in (("owner", "owner"), ("viewer", "viewer"), ("stranger", "owner")):
            people[name] = user_storage.add(
                conn,
                email=f"{name}@example.org",
                password_hash=password_hash,
                now=core.clock.now(),
                name=name,
                role=role,
            )
            linked[name] = accounts.add(
                conn, user_id=people[name], platform="x", account_name=name, remote_id=name, instance="", scopes=[],
                settings={}, now=core.clock.now(),
            )  # fmt: skip
    with serving(create_app(core)) as url, ExitStack() as stack:
        yield Live(core, url.replace("http:", "ws:") + "/api/ws", people, linked, stack)


def say(socket: ClientConnection, event: str, **data: Any) -> None:
    socket.send(json.dumps({"event": event, "data": data}))


def hear(socket: ClientConnection) -> dict[str, Any]:
    return json.loads(socket.recv(WAIT))  # type: ignore[no-any-return]


def until(socket: ClientConnection, event: str) -> list[dict[str, Any]]:
    """Everything up to the first `event`, with it."""
    heard = [hear(socket)]
    while heard[-1]["event"] != event:
        heard.append(hear(socket))
    return heard


def join(socket: ClientConnection, post_id: int, **more: Any) -> list[dict[str, Any]]:
    say(socket, "join_monitoring", post_id=post_id, **more)
    return until(socket, "joined")


def closed(socket: ClientConnection) -> int:
    """The code with which the server closes."""
    with pytest.raises(ConnectionClosed) as caught:
        drain(socket)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code


def drain(socket: ClientConnection) -> None:
    while True:
        socket.recv(WAIT)


# What is told


def test_it_tells_each_step_and_when_the_posts_status_changes(live: Live) -> None:
    post_id = live.post()
    socket = live.open(live.token())
    assert [e["event"] for e in join(socket, post_id)] == ["joined"], "nothing of the past without last_id"
    live.move(post_id, S.CLAIMED, S.SUBMITTING, S.PUBLISHED, S.VERIFIED)
    heard = [hear(socket) for _ in range(6)]
    steps = [e["data"]["new"] for e in heard if e["event"] == "monitoring_update"]
    assert steps == ["claimed", "submitting", "published", "verified"]
    assert [(e["data"]["old"], e["data"]["new"]) for e in heard if e["event"] == "post_status_change"] == [
        ("scheduled", "posting"), ("posting", "posted"),
    ]  # fmt: skip
    ids = [e["id"] for e in heard]
    assert ids == sorted(set(ids))
    first = heard[0]["data"]
    assert (first["post_id"], first["platform"], first["old"], first["reason"]) == (
        post_id,
        "x",
        "scheduled",
        "because",
    )


def test_it_replays_what_was_missed_and_nothing_twice(live: Live) -> None:
    post_id = live.post(count=2)
    live.move(post_id, S.CLAIMED, S.SUBMITTING)
    whole = join(live.open(live.token()), post_id, last_id=0)[:-1]
    assert [e["event"] for e in whole] == [
        "monitoring_update", "post_status_change", "monitoring_update", "monitoring_update", "monitoring_update",
        "post_status_change",
    ]  # fmt: skip
    for cut in range(len(whole)):  # also between the two events of one transition
        rest = join(live.open(live.token()), post_id, last_id=whole[cut]["id"])
        assert rest[:-1] == whole[cut + 1 :]
        assert rest[-1]["data"]["last_id"] >= whole[-1]["id"]


def test_a_room_can_be_left_and_entered_again(live: Live) -> None:
    post_id, other = live.post(), live.post()
    socket = live.open(live.token())
    join(socket, post_id)
    joined = join(socket, other)[-1]["data"]["last_id"]
    say(socket, "leave_monitoring", post_id=other)
    assert until(socket, "left")
    live.move(other, S.CANCELLED)
    live.move(post_id, S.CLAIMED)
    assert hear(socket)["data"]["post_id"] == post_id
    again = join(socket, other, last_id=joined)
    assert [e["event"] for e in again] == ["monitoring_update", "post_status_change", "joined"]


def test_alerts_reach_their_person_unasked_and_can_be_replayed(live: Live) -> None:
    mine, theirs = live.open(live.token()), live.open(live.token("stranger"))
    for socket in (mine, theirs):
        say(socket, "ping")
        until(socket, "pong")
    for name, key in (("stranger", "a"), ("owner", "b"), ("owner", "c")):
        live.alert(name, key)
    heard = [hear(mine), hear(mine)]
    assert [e["data"]["message"] for e in heard] == ["for owner", "for owner"]
    assert heard[0]["event"] == "alert_notification" and heard[0]["id"] < heard[1]["id"]
    assert hear(theirs)["data"]["message"] == "for stranger"
    again = live.open(live.token())
    say(again, "join_alerts", last_id=heard[0]["id"])
    assert until(again, "joined")[:-1] == heard[1:]


# Who may listen


def test_only_ones_own_posts_can_be_joined_and_nothing_leaks(live: Live) -> None:
    post_id = live.post()
    for name, wanted in (("owner", "joined"), ("stranger", "error"), ("viewer", "error")):
        socket = live.open(live.token(name))
        say(socket, "join_monitoring", post_id=post_id, last_id=0)
        heard = hear(socket)
        assert (heard["event"] == "error") == (wanted == "error"), name
        if wanted == "error":
            assert heard["data"]["code"] == "not_found"
            live.alert(name, f"for {name}")
            live.move(post_id, S.CLAIMED if name == "stranger" else S.SUBMITTING)
            assert hear(socket)["event"] == "alert_notification", "and not the other person's step"


def test_a_viewer_may_listen_to_their_own(live: Live) -> None:
    post_id = live.post("viewer")
    assert join(live.open(live.token("viewer")), post_id)[-1]["data"]["post_id"] == post_id


def test_an_api_token_listens_as_far_as_its_scopes_reach(live: Live) -> None:
    post_id = live.post()
    caller = sessions.by_bearer(live.core, live.token())
    assert caller is not None
    for scope, wanted in (("monitoring:read", "joined"), ("posts:read", "error")):
        _, secret = api_tokens.create(live.core, caller, name=scope, scopes=[scope], days=1)
        socket = live.open(secret)
        say(socket, "join_monitoring", post_id=post_id)
        assert hear(socket)["event"] == wanted


def cookie(live: Live, name: str = "owner") -> str:
    with live.core.db.read() as conn:
        user = user_storage.by_email(conn, f"{name}@example.org")
    assert user is not None
    return users.redeem_ticket(live.core, users.issue_ticket(live.core, user))


def status(live: Live, token: str = "", **kw: Any) -> int:
    with pytest.raises(InvalidStatus) as caught:
        live.open(token, **kw)
    return caught.value.response.status_code


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_cookie_opens_only_from_our_own_pages(live: Live) -> None:
    held = {"Cookie": f"{COOKIE}={cookie(live)}"}
    say(live.open(headers=held, origin=APP), "ping")
    for origin in (None, "https://evil.example", "null", "http://127.0.0.1:85011"):
        assert status(live, headers=held, origin=origin) == 403, origin
    assert status(live, live.token(), origin="https://evil.example") == 403


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_browser_program_may_show_its_token_as_a_subprotocol(live: Live) -> None:
    token = live.token()
    both = live.open(subprotocols=["postprober.v1", f"bearer.{token}"])
    assert both.subprotocol == "postprober.v1"
    alone = live.open(subprotocols=[f"bearer.{token}"])
    say(alone, "ping")
    assert until(alone, "pong")
    assert status(live, subprotocols=["postprober.v1", "bearer.nonsense"]) == 401


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nobody_listens_without_a_good_token(live: Live) -> None:
    token = live.token()
    assert status(live) == 401
    for bad in ("nonsense", token[:-2], "pp_nonsense"):
        assert status(live, bad) == 401
    live.url += f"?token={token}&access_token={token}"
    assert status(live) == 401, "a token in the address is not looked at"
    port = urlsplit(live.url).port
    live.url = f"ws://evil.example:{port}/api/ws"
    assert status(live, token, address=("127.0.0.1", port)) == 403


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sign_out_disabling_and_removal_close_the_socket_within_five_seconds(live: Live) -> None:
    def by_log_out() -> ClientConnection:
        token = live.token()
        socket = live.open(token)
        caller = sessions.by_bearer(live.core, token)
        assert caller is not None
        sessions.log_out(live.core, caller)
        return socket

    def by_cookie() -> ClientConnection:
        held = cookie(live)
        socket = live.open(headers={"Cookie": f"{COOKIE}={held}"}, origin=APP)
        users.sign_out(live.core, held)
        return socket

    def by_disabling() -> ClientConnection:
        socket = live.open(live.token("stranger"))
        with live.core.db.write() as conn:
            conn.execute(update(user_table).where(user_table.c.id == live.people["stranger"]).values(is_active=False))
        return socket

    stays = live.open(live.token())
    ways: list[Callable[[], ClientConnection]] = [by_log_out, by_cookie, by_disabling]
    sockets = [way() for way in ways]
    began = live.core.clock.monotonic()
    assert [closed(socket) for socket in sockets] == [4401] * 3
    assert live.core.clock.monotonic() - began < 5
    say(stays, "ping")
    assert until(stays, "pong")


# What clients may send


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "text",
    [
        "", "nonsense", "[]", "1", "null", '{"event": "shout"}', '{"event": "join_monitoring"}',
        '{"event": "join_monitoring", "data": 7}', '{"event": "join_monitoring", "data": {"post_id": "1"}}',
        '{"event": "join_monitoring", "data": {"post_id": true}}', '{"event": "join_monitoring", "data": {"post_id": -1}}',
        '{"event": "join_monitoring", "data": {"post_id": 1e400}}', "[" * 30_000,
        '{"event": "join_monitoring", "data": {"post_id": 99999999999999999999999}}',
        '{"event": "join_alerts", "data": {"last_id": -1}}', '{"event": "join_alerts", "data": {"last_id": 99999}}',
        b"\x00\x01",
    ],
    ids=lambda text: str(text)[:40],
)  # fmt: skip
def test_nonsense_gets_a_sentence_and_the_connection_goes_on(live: Live, text: str | bytes) -> None:
    socket = live.open(live.token())
    socket.send(text)
    heard = hear(socket)
    assert heard["event"] == "error" and heard["data"]["message"].endswith(".")
    say(socket, "ping")
    assert hear(socket) == {"event": "pong", "data": {}}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_id_from_the_future_is_refused_so_that_nobody_waits_for_ever(live: Live) -> None:
    """After a backup was restored, clients know ids that do not exist any more."""
    post_id = live.post()
    socket = live.open(live.token())
    for last_id in (10_000, 2**63, -5):
        say(socket, "join_monitoring", post_id=post_id, last_id=last_id)
        assert hear(socket)["data"]["code"] == "bad_input"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_message_that_is_too_large_closes_the_connection(live: Live) -> None:
    socket = live.open(live.token())
    socket.send("x" * 70_000)
    assert closed(socket) == 1009


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_connection_follows_a_bounded_number_of_posts(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postprober.api.websocket.MAX_ROOMS", 2)
    mine = [live.post() for _ in range(3)]
    socket = live.open(live.token())
    join(socket, mine[0])
    join(socket, mine[1])
    say(socket, "join_monitoring", post_id=mine[2])
    assert "at most 2" in hear(socket)["data"]["message"]
    assert join(socket, mine[1]), "a room that one is in already can be entered again"


# Nothing is lost


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
        delivery_id=1, post_id=mine, user_id=live.people["owner"], old="scheduled", new="claimed", reason="", worker="",
        at=live.core.clock.now(),
    )  # fmt: skip
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
        {"delivery_id": 1, "post_id": post_id, "user_id": live.people["owner"], "worker": "", "old": "scheduled",
         "new": "claimed", "reason": reason, "at": live.core.clock.now()}
    ] * 250  # fmt: skip
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
