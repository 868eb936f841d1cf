"""Planning a post never waits longer for a model than the limit, and never fails because of one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from postprober.agent import waiting
from postprober.agent.advisor import Advisor
from postprober.agent.model_client import ModelClient
from postprober.agent.waiting import MOST_LEFT, TookTooLong, within
from postprober.clock import SystemClock
from postprober.domain.post import PostStatus
from postprober.http import HttpClient, Pools
from postprober.services.core import Core
from postprober.services.posts import advice, posts
from postprober.services.posts.posts import NewPost
from tests.agent.agent_kit import Purse
from tests.agent.odd_kit import Odd, chat
from tests.installed import Installation
from tests.people import acting

LIMIT = 1.0  # seconds for a click
# A server here keeps one waiting for a minute; beside it stands what a busy machine needs for the rest of a click.
HANGS, SLACK = 60.0, 15.0
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"

Serve = Callable[[socket.socket, threading.Event], None]


def trickle(connection: socket.socket, end: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(OK % 9000)
    while not end.wait(0.1):
        connection.sendall(b" ")


def trickle_headers(connection: socket.socket, end: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not end.wait(0.1):
        connection.sendall(b"x")


def silent(connection: socket.socket, end: threading.Event) -> None:
    end.wait(HANGS)


def large(connection: socket.socket, _end: threading.Event) -> None:
    connection.recv(65536)
    size, block = 50_000_000, b" " * 1_000_000
    connection.sendall(OK % size)
    for _ in range(size // len(block)):
        connection.sendall(block)


def closes(connection: socket.socket, _end: threading.Event) -> None:
    connection.recv(1)


def garbage(connection: socket.socket, _end: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(b"\x00\xff" * 5000)


SERVERS: dict[str, Serve] = {
    "trickles bytes": trickle,
    "trickles headers": trickle_headers,
    "accepts and never answers": silent,
    "answers 50 MB": large,
    "closes at once": closes,
    "sends garbage": garbage,
}


@contextmanager
def serving(serve: Serve) -> Iterator[int]:
    """The port of a server that treats every connection so."""
    end = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def one(connection: socket.socket) -> None:
        with connection:
            try:
                serve(connection, end)
            except OSError:
                return  # they have gone

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if end.is_set():
                connection.close()
                return
            threads.append(threading.Thread(target=one, args=(connection,), daemon=True))
            threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    port = listener.getsockname()[1]
    try:
        yield port
    finally:
        end.set()
        socket.create_connection(("127.0.0.1", port)).close()  # so that `accept` returns
        accepting.join(5)
        listener.close()
        for thread in threads:
            thread.join(5)


def planned(installation: Installation, url: str) -> tuple[str, str, bool, float]:
    """(status, note, whether the model is asked again, seconds) of a post that was planned with that model."""
    core, clock = installation.core, SystemClock()
    http = HttpClient(Pools(allow_private=True, timeout=5.0))
    language_model = ModelClient(http, clock, Purse(), "m", "", url, LIMIT)
    smart: Core = replace(core, advisor=Advisor(language_model))
    account = installation.link("bluesky").id
    wish = NewPost(("Our bridge is open",), (account,), at=core.clock.now() + timedelta(hours=1))
    owner = acting(smart, installation.owner)
    began = clock.monotonic()
    post = posts.create(smart, owner, wish)
    seconds = clock.monotonic() - began
    told = advice.of(smart, owner, post.id)
    assert told is not None
    return post.status, told.note, told.incomplete, seconds


@pytest.mark.parametrize("how", SERVERS)
def test_a_post_is_planned_in_time_whatever_the_server_does(installation: Installation, how: str) -> None:
    with serving(SERVERS[how]) as port:
        status, note, incomplete, seconds = planned(installation, f"http://127.0.0.1:{port}/v1")
    assert (status, incomplete) == (PostStatus.SCHEDULED, True) and note
    assert seconds < LIMIT + SLACK


def test_a_post_is_planned_when_nobody_listens(installation: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    status, note, incomplete, seconds = planned(installation, f"http://127.0.0.1:{port}/v1")
    assert (status, incomplete) == (PostStatus.SCHEDULED, True) and "could not be reached" in note
    assert seconds < LIMIT + SLACK


@pytest.mark.parametrize("how", ["no TLS at all", "TLS that never ends"])
def test_a_post_is_planned_though_tls_is_broken(installation: Installation, how: str) -> None:
    with serving(garbage if how == "no TLS at all" else silent) as port:
        status, note, incomplete, seconds = planned(installation, f"https://127.0.0.1:{port}/v1")
    assert (status, incomplete) == (PostStatus.SCHEDULED, True) and note
    assert seconds < LIMIT + SLACK


@pytest.mark.parametrize("how", ["fails", "hangs"])
def test_a_post_is_planned_though_the_name_is_not_found(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A look-up has no time limit of its own."""
    end, real = threading.Event(), socket.getaddrinfo

    def look_up(host: Any, *args: Any, **named: Any) -> Any:
        if host != "model.example":
            return real(host, *args, **named)
        if how == "hangs":
            end.wait(HANGS)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    try:
        status, note, incomplete, seconds = planned(installation, "http://model.example/v1")
    finally:
        end.set()
    assert (status, incomplete) == (PostStatus.SCHEDULED, True)
    assert ("did not answer within 1 seconds" if how == "hangs" else "could not be reached") in note
    assert seconds < LIMIT + SLACK


def test_a_server_that_works_is_waited_for(installation: Installation, odd: Odd) -> None:
    """The positive control: the same way, the same limit, and the model's word is in the review."""
    odd.chat = chat("unsure")
    status, note, incomplete, _ = planned(installation, f"{odd.url}/v1")
    assert (status, note, incomplete) == (PostStatus.REVIEW, "", False)


# Waiting itself


def test_a_call_is_waited_for_and_its_error_is_raised() -> None:
    assert within(5, lambda: 7) == 7
    with pytest.raises(KeyError):
        within(5, lambda: {}["gone"])


def test_as_many_as_hang_are_bounded_and_who_comes_then_is_told_in_time() -> None:
    end = threading.Event()
    try:
        for _ in range(MOST_LEFT):
            with pytest.raises(TookTooLong) as caught:
                within(0.01, lambda: end.wait(HANGS))
            assert caught.value.begun
        with pytest.raises(TookTooLong) as caught:
            within(0.01, lambda: 7)
        assert not caught.value.begun, "it was not even asked"
    finally:
        end.set()
    assert within(10, lambda: 7) == 7, "those that hung have come to their end"


def test_the_wait_for_a_free_place_is_a_part_of_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    now, waited = [100.0], []

    class Places:
        def acquire(self, *, timeout: float) -> bool:
            now[0] += 4.0
            return True

        def release(self) -> None: ...

    class Answers(waiting.SimpleQueue[Any]):  # type: ignore[misc,valid-type]
        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            waited.append(timeout)
            return super().get(block, timeout)

    monkeypatch.setattr(waiting, "_free", Places())
    monkeypatch.setattr(waiting, "SimpleQueue", Answers)
    monkeypatch.setattr(waiting.time, "monotonic", lambda: now[0])
    assert within(5.0, lambda: 7) == 7
    assert waited == [1.0], "four of the five seconds were spent on the place"


def test_a_place_is_free_again_when_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", refused)
        for _ in range(MOST_LEFT + 1):
            with pytest.raises(TookTooLong) as caught:
                within(0.01, lambda: 7)
            assert not caught.value.begun
    assert within(10, lambda: 7) == 7
