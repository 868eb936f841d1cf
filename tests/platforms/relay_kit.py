"""A relay that says what a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.frames import Close, Frame, Opcode
from websockets.sync.server import ServerConnection, serve

# What it answers to a message: frames (strings as they are, lists as JSON) or the very bytes for the wire, None: the connection
# is cut without a word.
Says = Callable[[list[Any]], list[Any] | bytes | None]


@contextmanager
def relay(says: Says) -> Iterator[tuple[str, list[list[Any]]]]:
    """Its address, and all that it was told."""
    told: list[list[Any]] = []

    def talk(connection: ServerConnection) -> None:
        try:
            for text in connection:
                message = json.loads(text)
                told.append(message)
                frames = says(message)
                if frames is None:
                    connection.socket.shutdown(2)
                    return
                if isinstance(frames, bytes):
                    connection.socket.sendall(frames)
                    continue
                for frame in frames:
                    connection.send(frame if isinstance(frame, str) else json.dumps(frame))
        except (ConnectionClosed, OSError):
            return

    server = serve(talk, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}", told
    finally:
        server.shutdown()
        thread.join()


def framed(*frames: Any, goodbye: bool = False) -> bytes:
    """Frames for the wire at once, with a goodbye behind them."""
    wire = b"".join(Frame(Opcode.TEXT, json.dumps(one).encode()).serialize(mask=False) for one in frames)
    close = Frame(Opcode.CLOSE, Close(1008, "").serialize()).serialize(mask=False)
    return wire + (close if goodbye else b"")


def to_events(ok: bool, said: str = "", *, empty_id: bool = False) -> Says:
    """Says this to every event, and has nothing to show."""

    def says(message: list[Any]) -> list[Any]:
        if message[0] == "EVENT":
            return [["OK", "" if empty_id else message[1]["id"], ok, said]]
        return [["EOSE", message[1]]] if message[0] == "REQ" else []

    return says


def keeping(repeats: tuple[bool, str] = (True, "duplicate: already have this event")) -> Says:
    """A relay that keeps what it is given; all filters but `ids` are taken for all of it."""
    kept: dict[str, Any] = {}

    def says(message: list[Any]) -> list[Any]:
        if message[0] == "EVENT":
            event = message[1]
            known = event["id"] in kept
            kept[event["id"]] = event
            return [["OK", event["id"], *(repeats if known else (True, ""))]]
        if message[0] != "REQ":
            return []
        wanted = {one for each in message[2:] for one in each.get("ids", kept)}
        return [*(["EVENT", message[1], kept[one]] for one in wanted if one in kept), ["EOSE", message[1]]]

    return says
