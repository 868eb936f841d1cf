"""A frame is sent at once while the server takes it, and queued in order when it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from postprober.api.client import MAX_QUEUE, SLOW, Client
from postprober.services.people.sessions import Caller
from postprober.storage.records import User


class Server:
    """Takes frames while it is `open`, as uvicorn does while the socket's buffer has room."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.taken: list[str] = []
        self.gone = False

    async def send(self, message: dict[str, Any]) -> None:
        await self.open.wait()
        if self.gone:
            raise OSError("the client has gone")
        self.taken.append(message["text"])


def run(story: Callable[[Server, Client], Coroutine[Any, Any, None]]) -> None:
    async def tell() -> None:
        server = Server()
        user = User(1, "a@example.org", "", None, None)  # type: ignore[arg-type]
        client = Client(Caller(user, frozenset(), "1", "login"), server.send)
        sender = asyncio.create_task(client.run_sender())
        try:
            await story(server, client)
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    asyncio.run(tell())


async def until(happened: Callable[[], bool]) -> None:
    for _ in range(1000):
        if happened():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not happen")


def test_what_can_be_sent_is_sent_before_push_returns() -> None:
    async def story(server: Server, client: Client) -> None:
        client.push("one")
        assert server.taken == ["one"]

    run(story)


def test_what_waits_keeps_its_order_and_later_frames_do_not_overtake() -> None:
    async def story(server: Server, client: Client) -> None:
        wanted = [str(number) for number in range(20)]
        server.open.clear()
        for text in wanted[:10]:
            client.push(text)
        await asyncio.sleep(0)
        assert server.taken == []
        server.open.set()
        client.push(wanted[10])  # the server would take it now, but ten are before it
        await until(lambda: len(server.taken) == 11)
        server.open.clear()
        for text in wanted[11:]:
            client.push(text)
        server.open.set()
        await until(lambda: len(server.taken) == 20)
        assert server.taken == wanted

    run(story)


def test_the_server_may_be_ready_again_before_the_sender_looks() -> None:
    async def story(server: Server, client: Client) -> None:
        for turn in range(5):
            server.open.clear()
            client.push(f"waits {turn}")
            server.open.set()
            client.push(f"follows {turn}")
            await until(lambda turn=turn: len(server.taken) == 2 * turn + 2)  # type: ignore[misc]
        assert server.taken == [f"{word} {turn}" for turn in range(5) for word in ("waits", "follows")]

    run(story)


def test_who_is_too_far_behind_is_let_go_and_gets_nothing_more() -> None:
    async def story(server: Server, client: Client) -> None:
        server.open.clear()
        for number in range(MAX_QUEUE + 1):
            client.push(str(number))
        assert not client.ended.done(), "one on its way and a full queue"
        client.push("too much")
        assert client.ended.result()[0] == SLOW
        server.open.set()
        await asyncio.sleep(0)
        client.push("after the end")
        await asyncio.sleep(0)
        assert set(server.taken) <= {"0"}

    run(story)


def test_a_client_that_has_gone_ends_the_sender_and_not_who_pushes() -> None:
    async def story(server: Server, client: Client) -> None:
        server.gone = True
        client.push("nobody hears it")
        client.push("nor this")
        sender = next(task for task in asyncio.all_tasks() if task is not asyncio.current_task())
        with pytest.raises(OSError, match="gone"):
            await sender

    run(story)


def test_a_sender_that_is_cancelled_leaves_no_half_sent_frame_behind() -> None:
    async def story(server: Server, client: Client) -> None:
        server.open.clear()
        client.push("half")  # its coroutine is suspended; warnings about it would be errors

    run(story)


def test_a_client_whose_server_side_is_closing_harms_nobody_else() -> None:
    """uvicorn tells a send after its own close frame (no pong, a frame that is none) as a RuntimeError; the sending runs
    inside the handing out of events to all."""

    async def refuse(_message: dict[str, Any]) -> None:
        raise RuntimeError("Unexpected ASGI message 'websocket.send'")

    async def scene() -> None:
        client = Client(SimpleNamespace(session=1), refuse)  # type: ignore[arg-type]
        client.push("an event")
        with pytest.raises(OSError, match="Unexpected ASGI message"):
            await asyncio.wait_for(client.run_sender(), 10)

    asyncio.run(scene())
