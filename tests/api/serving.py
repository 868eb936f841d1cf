"""A sidecar on a real port, with the options that the program itself uses."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from postprober.api.__main__ import SERVER

LOWEST, HIGHEST = 20_000, 32_000  # below the range from which the system takes outgoing ports


def bound_socket() -> socket.socket:
    """A listening socket on a free port that nobody else can take meanwhile."""
    start = LOWEST + os.getpid() * 13 % (HIGHEST - LOWEST)
    for step in range(HIGHEST - LOWEST):
        made = socket.socket()
        try:
            made.bind(("127.0.0.1", LOWEST + (start - LOWEST + step) % (HIGHEST - LOWEST)))
        except OSError:
            made.close()
            continue
        made.listen(1024)
        return made
    raise RuntimeError("there are no free ports")


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The address `http://127.0.0.1:<port>` of `app` on uvicorn."""
    listener = bound_socket()
    server = uvicorn.Server(uvicorn.Config(app, timeout_graceful_shutdown=3, **SERVER))
    started = threading.Event()
    original = server.startup

    async def startup(sockets: list[socket.socket] | None = None) -> None:
        await original(sockets)
        started.set()

    server.startup = startup  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        assert started.wait(60), "the sidecar did not start"
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
