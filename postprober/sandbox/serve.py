"""Running the sandbox: as a process of its own, or in a thread beside a test."""

import random
import socket
import threading
from types import TracebackType
from typing import Self

import uvicorn

from postprober.sandbox.app import create_app
from postprober.sandbox.control.client import Control
from postprober.sandbox.engine.world import World

# Below the range the kernel gives to outgoing connections, so that none of those takes the port first.
_PORTS = range(20_000, 32_000)
_START_SECONDS = 15.0


def free_socket(port: int = 0) -> socket.socket:
    """A listening socket on 127.0.0.1. Port 0 takes a free one below 32768. Raises OSError when taken."""
    candidates = [port] if port else random.sample(_PORTS, 50)
    failure: OSError | None = None
    for candidate in candidates:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", candidate))
            sock.listen(512)
        except OSError as error:
            sock.close()
            failure = error
            continue
        return sock
    raise failure or OSError("no free port")


def config(world: World) -> uvicorn.Config:
    """Quiet but for errors of its own, quick to stop although replies may be held back, and dated by the world's clock."""
    return uvicorn.Config(
        create_app(world),
        log_level="error",
        access_log=False,
        lifespan="off",
        ws="websockets-sansio",
        timeout_graceful_shutdown=1,
        date_header=False,
    )


class _Server(uvicorn.Server):
    def __init__(self, settings: uvicorn.Config) -> None:
        super().__init__(settings)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()


class SandboxServer:
    """`with SandboxServer() as sandbox:` serves on `sandbox.url`; steer it with `sandbox.control`.

    The world belongs to the server's thread: read it from outside only while no
    request runs, and change it through the control API.
    """

    def __init__(self, world: World | None = None, port: int = 0) -> None:
        self.world = world or World()
        self._socket = free_socket(port)
        self.port = int(self._socket.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.control = Control(self.url)
        self._server = _Server(config(self.world))
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def start(self) -> Self:
        """Raises RuntimeError when the server is not up within 15 s."""
        self._thread.start()
        if not self._server.ready.wait(_START_SECONDS):
            raise RuntimeError("the sandbox did not start")
        return self

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(_START_SECONDS)
        self._socket.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
