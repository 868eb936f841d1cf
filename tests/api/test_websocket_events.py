"""Live events over a real socket: who hears what, who may listen, and what clients may send."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from sqlalchemy import update
from websockets.sync.client import ClientConnection

from postprober.api.deps import COOKIE
from postprober.api.live import RESTART
from postprober.services.monitoring.event_feed import Event, Story
from postprober.services.people import api_tokens, sessions, users
from postprober.storage.events import Change
from postprober.storage.tables import users as user_table
from tests.api.live_kit import APP, WAIT, Live, S, closed, cookie, hear, join, say, status, until

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
        ("scheduled", "posting"),
        ("posting", "posted"),
    ]
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
        "monitoring_update",
        "post_status_change",
        "monitoring_update",
        "monitoring_update",
        "monitoring_update",
        "post_status_change",
    ]
    for cut in range(len(whole)):  # also between the two events of one transition
        rest = join(live.open(live.token()), post_id, last_id=whole[cut]["id"])
        assert rest[:-1] == whole[cut + 1 :]
        assert rest[-1]["data"]["last_id"] >= whole[-1]["id"]


def test_a_mistake_while_telling_sends_everybody_back_to_resume_and_silences_nobody(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_id, other = live.post(), live.post()
    first, bystander = live.open(live.token()), live.open(live.token())
    last_id = join(first, post_id)[-1]["data"]["last_id"]
    join(bystander, other)
    tell, broken = Story.tell, [True]

    def tell_badly(story: Story, change: Change) -> list[Event]:
        if change.post_id == post_id and broken:
            broken.clear()
            raise KeyError("nobody thought of this")
        return tell(story, change)

    monkeypatch.setattr(Story, "tell", tell_badly)
    live.move(post_id, S.CLAIMED)
    assert {closed(first), closed(bystander)} == {RESTART} and not broken
    again = live.open(live.token())
    heard = join(again, post_id, last_id=last_id)
    assert [e["data"]["new"] for e in heard[:-1] if e["event"] == "monitoring_update"] == ["claimed"]
    live.move(post_id, S.SUBMITTING)
    assert hear(again)["data"]["new"] == "submitting"


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
    assert live.core.clock.monotonic() - began < 10, "5 s are the promise; a busy machine gets twice that"
    say(stays, "ping")
    assert until(stays, "pong")


# What clients may send


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "1",
        "null",
        '{"event": "shout"}',
        '{"event": "join_monitoring"}',
        '{"event": "join_monitoring", "data": 7}',
        '{"event": "join_monitoring", "data": {"post_id": "1"}}',
        '{"event": "join_monitoring", "data": {"post_id": true}}',
        '{"event": "join_monitoring", "data": {"post_id": -1}}',
        '{"event": "join_monitoring", "data": {"post_id": 1e400}}',
        "[" * 30_000,
        '{"event": "join_monitoring", "data": {"post_id": 99999999999999999999999}}',
        '{"event": "join_alerts", "data": {"last_id": -1}}',
        '{"event": "join_alerts", "data": {"last_id": 99999}}',
        b"\x00\x01",
    ],
    ids=lambda text: str(text)[:40],
)
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


# Many connections, and the log


def test_one_person_has_only_so_many_connections_and_nobody_else_feels_it(live: Live) -> None:
    live.core.settings.sockets_per_user = 3
    token = live.token()
    mine = [live.open(token) for _ in range(3)]
    assert status(live, token) == 429
    say(live.open(live.token("stranger")), "ping")
    mine[0].close()
    end = time.monotonic() + WAIT
    while len(live.hub.clients) > 3:  # the stranger's, and two of mine: the server learns of the close a moment later
        assert time.monotonic() < end
        threading.Event().wait(0.01)
    again = live.open(token)
    say(again, "ping")
    assert until(again, "pong")


def test_every_handshake_is_in_the_request_log_and_no_token_is(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="postprober.requests")
    token = live.token()
    live.open(token, headers={"X-Request-Id": "handshake-1"})
    live.open(subprotocols=["postprober.v1", f"bearer.{token}"])
    assert status(live, "nonsense") == 401
    assert status(live, token, origin="https://evil.example") == 403
    lines = [record.__dict__["fields"] for record in caplog.records if record.name == "postprober.requests"]
    assert [(line["event"], line["status"]) for line in lines] == [("websocket", s) for s in (101, 101, 401, 403)]
    assert lines[0]["request_id"] == "handshake-1" and lines[0]["user_id"] == live.people["owner"]
    assert lines[2]["user_id"] is None and {line["path"] for line in lines} == {"/api/ws"}
    assert token not in caplog.text


def test_nothing_is_kept_of_a_session_whose_last_connection_has_gone(live: Live) -> None:
    token = live.token()
    first, second = live.open(token), live.open(token)
    for socket in (first, second):
        say(socket, "ping")
        until(socket, "pong")
    (mine,) = live.hub._of_session.values()
    assert len(mine) == 2
    for left, socket in ((1, first), (0, second)):
        socket.close()
        deadline = time.monotonic() + 20
        while len(mine) > left and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        assert len(mine) == left
    assert live.hub._of_session == {}
