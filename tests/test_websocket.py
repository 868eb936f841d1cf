"""WebSockets over the HTTP client: its guard, its bounds, its report, against a server of our own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from websockets.frames import Close, Frame, Opcode
from websockets.sync.server import Server, ServerConnection, serve

from postprober import websocket
from postprober.errors import BadInput, Unavailable
from postprober.http import Exchange, HttpClient, Pools
from postprober.websocket import Closed, opened

Say = Callable[[ServerConnection], None]


@pytest.fixture
def pools() -> Iterator[Pools]:
    shared = Pools(allow_private=True, timeout=2.0)
    yield shared
    shared.close()


@pytest.fixture
def server() -> Iterator[Callable[[Say], str]]:
    """`server(say)`: the address of one that does `say` with each connection."""
    running: list[tuple[Server, threading.Thread]] = []

    def make(say: Say) -> str:
        one = serve(say, "127.0.0.1", 0)
        thread = threading.Thread(target=one.serve_forever, daemon=True)
        thread.start()
        running.append((one, thread))
        return f"http://127.0.0.1:{one.socket.getsockname()[1]}/chat"

    yield make
    for one, thread in running:
        one.shutdown()
        thread.join()


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


def talk(http: HttpClient, url: str, *texts: str) -> list[str]:
    with opened(lambda _: http, [url]) as (one,):
        assert one.socket is not None, one.error
        for text in texts:
            one.socket.send(text)
        return [one.socket.receive() for _ in texts]


def test_what_is_sent_comes_back_and_is_reported_once_without_secrets(
    pools: Pools, server: Callable[[Say], str]
) -> None:
    seen: list[Exchange] = []
    http = HttpClient(pools).bound(secrets=["very-secret-value"], observer=seen.append)
    url = server(echo)
    long = "x" * 200_000
    assert talk(http, url, "Hello 世界 👋", long, "very-secret-value") == ["Hello 世界 👋", long, "very-secret-value"]
    assert [(one.method, one.status, one.visible) for one in seen] == [("WS", 101, False)]
    assert seen[0].date is not None, "the server tells its time"
    assert "very-secret-value" not in seen[0].reply
    assert "[redacted]" in seen[0].reply


def test_fragments_are_put_together_and_pings_answered(pools: Pools, server: Callable[[Say], str]) -> None:
    answered = threading.Event()

    def say(connection: ServerConnection) -> None:
        connection.send(["in ", "three ", "pieces"])
        if connection.ping().wait(5):
            answered.set()
            connection.send("ponged")

    with opened(lambda _: HttpClient(pools), [server(say)]) as (one,):
        assert one.socket is not None
        assert [one.socket.receive(), one.socket.receive()] == ["in three pieces", "ponged"]
    assert answered.is_set()


@pytest.mark.parametrize("how", ["says goodbye", "says too much", "says nothing"])
def test_a_conversation_ends_with_one_error_of_ours(
    pools: Pools, server: Callable[[Say], str], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def say(connection: ServerConnection) -> None:
        if how == "says too much":
            connection.send("x" * (websocket.MAX_MESSAGE + 1))
        elif how == "says nothing":
            over.wait(10)

    monkeypatch.setattr(websocket, "ANSWER_SECONDS", 0.3)
    with opened(lambda _: HttpClient(pools), [server(say)]) as (one,):
        assert one.socket is not None
        with pytest.raises(Closed) as error:
            one.socket.receive()
        assert error.value.timed_out is (how == "says nothing")
    over.set()


def test_what_is_said_after_the_servers_goodbye_is_closed_and_its_last_words_are_heard(
    pools: Pools, server: Callable[[Say], str]
) -> None:
    def say(connection: ServerConnection) -> None:
        words = Frame(Opcode.TEXT, b"last words").serialize(mask=False)
        connection.socket.sendall(words + Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=False))

    with opened(lambda _: HttpClient(pools), [server(say)]) as (one,):
        assert one.socket is not None
        assert one.socket.receive() == "last words"
        with pytest.raises(Closed, match="closed the connection"):
            one.socket.send("wait")


def test_many_messages_are_bounded_together(
    pools: Pools, server: Callable[[Say], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "MAX_HEARD", 1000)

    def say(connection: ServerConnection) -> None:
        for _ in range(20):
            connection.send("y" * 100)
        connection.recv()

    with opened(lambda _: HttpClient(pools), [server(say)]) as (one,):
        assert one.socket is not None
        socket = one.socket
        with pytest.raises(Closed, match="more than is read"):
            [socket.receive() for _ in range(20)]


def test_addresses_inside_are_refused_in_live_mode(server: Callable[[Say], str]) -> None:
    url, live = server(echo), Pools(timeout=2.0)
    try:
        with opened(lambda _: HttpClient(live), [url, url.replace("http:", "https:")]) as found:
            assert [one.socket for one in found] == [None, None]
            assert all(isinstance(one.error, (BadInput, Unavailable)) for one in found)
    finally:
        live.close()


def test_in_the_sandbox_nothing_leaves_this_machine() -> None:
    inside = Pools(allow_private=True, inside=True)
    try:
        with opened(lambda _: HttpClient(inside), ["https://relay.example.org"]) as (one,):
            assert isinstance(one.error, BadInput)
    finally:
        inside.close()


def test_what_does_not_answer_or_speaks_no_websocket_is_unavailable_and_the_others_are_open(
    pools: Pools, server: Callable[[Say], str]
) -> None:
    seen: list[Exchange] = []
    http = HttpClient(pools).bound(observer=seen.append)
    with opened(lambda _: http, ["http://127.0.0.1:9", server(echo)]) as (dead, alive):
        assert isinstance(dead.error, Unavailable)
        assert alive.socket is not None
        alive.socket.send("still here")
        assert alive.socket.receive() == "still here"
    assert sorted(str(one.status) for one in seen) == ["101", "None"]


@pytest.mark.parametrize("accept", ["", "bm90IHRoZSByaWdodCBvbmU="])
def test_a_server_that_does_not_prove_that_it_speaks_websocket_is_not_talked_to(accept: str) -> None:
    def answer(_request: httpx2.Request) -> httpx2.Response:
        headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept}
        return httpx2.Response(101, headers=headers)

    odd = Pools(allow_private=True, transport=httpx2.MockTransport(answer))
    try:
        with opened(lambda _: HttpClient(odd), ["https://odd.example"]) as (one,):
            assert one.socket is None
            assert "does not speak WebSocket" in str(one.error)
    finally:
        odd.close()


def test_the_gate_is_asked_when_it_is_passed(pools: Pools) -> None:
    asked: list[Any] = []
    http = HttpClient(pools).bound(gate=lambda: asked.append("gate"), checkpoint=asked.append)
    http.pass_gate()
    assert asked == ["connected", "gate"]
