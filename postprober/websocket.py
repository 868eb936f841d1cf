"""WebSockets (RFC 6455) over the house's HTTP client: its guard, its time-outs, its redaction and its observer hold for them.

`opened` connects to several servers at once and hands over those that answered; what is said then is up to the caller. A
conversation is short: each socket has one deadline, and is closed at the end. No compression is offered, so that a small
frame stays small in memory.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from postprober.domain.moments import parse_http_date
from postprober.errors import BadInput, PlatformError, Unavailable
from postprober.http import Exchange, HttpClient, Switched

Item = TypeVar("Item")
Result = TypeVar("Result")
MAX_MESSAGE = 1024 * 1024  # bytes of one message that is read; ours
MAX_HEARD = 8 * 1024 * 1024  # bytes of a whole conversation, as of a reply over HTTP
MOST_AT_ONCE = 16  # connections that are opened side by side
CONNECT_SECONDS = 5.0  # ours: for name, connection, TLS and handshake together
ANSWER_SECONDS = 15.0  # ours: for a conversation once the connection stands
_SILENT = logging.getLogger(f"{__name__}.frames")
_SILENT.setLevel(logging.CRITICAL)  # the library would log every frame at DEBUG, and frames carry people's texts


class Closed(Exception):
    """The connection ended, or time ran out, before what was awaited came. `timed_out` says which."""

    def __init__(self, why: str, *, timed_out: bool = False) -> None:
        super().__init__(why)
        self.timed_out = timed_out


@dataclass
class WebSocket:
    """One open connection; `url` as it was asked for. Not thread safe."""

    url: str
    http: HttpClient
    connection: Switched
    until: float
    visible: bool = False
    started: float = field(default_factory=time.monotonic)
    heard: list[str] = field(default_factory=list)
    _size: int = 0
    _part: bytes = b""
    _protocol: ClientProtocol = field(init=False)
    _waiting: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        uri = parse_uri("ws://server/")
        self._protocol = ClientProtocol(uri, state=State.OPEN, max_size=MAX_MESSAGE, logger=_SILENT)

    def send(self, text: str) -> None:
        """Raises Closed: what of it arrived is unknown then."""
        try:
            self._protocol.send_text(text.encode())
        except WebSocketException as error:  # the server said goodbye behind its last words
            raise Closed(f"the server closed the connection: {error}") from error
        self._flush()

    def receive(self) -> str:
        """The next message. Raises Closed."""
        while not self._waiting:
            left = self.until - time.monotonic()
            if left <= 0:
                raise Closed("no answer came in time", timed_out=True)
            try:
                data = self.connection.read(left)
            except TimeoutError as error:
                raise Closed("no answer came in time", timed_out=True) from error
            except ConnectionError as error:
                raise Closed(f"the connection broke: {error}") from error
            self._take(data)
        return self._waiting.pop(0)

    def _take(self, data: bytes) -> None:
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._frame(event)
        self._flush(quietly=True)  # answers to pings
        if not self._waiting and (not data or self._protocol.state is not State.OPEN):
            raise Closed("the server closed the connection")

    def _frame(self, frame: Frame) -> None:
        if frame.opcode not in (Opcode.TEXT, Opcode.CONT):
            return
        self._part += frame.data
        self._size += len(frame.data)
        if len(self._part) > MAX_MESSAGE or self._size > MAX_HEARD:
            raise Closed("the server sent more than is read")
        if frame.fin:
            text, self._part = self._part.decode("utf-8", "replace"), b""
            self._waiting.append(text)
            # Redacted before it is cut: half a secret would not be recognised.
            self.heard = [self.http.redactor.excerpt(text), *self.heard[:9]]  # the last one says how it ended

    def _flush(self, *, quietly: bool = False) -> None:
        try:
            for data in self._protocol.data_to_send():
                if data:
                    self.connection.write(data, max(0.001, self.until - time.monotonic()))
        except (TimeoutError, ConnectionError) as error:
            if not quietly:
                raise Closed(f"the connection broke while sending: {error}") from error

    def close(self) -> None:
        """Say goodbye, wait for nothing, and report what was heard."""
        try:
            if self._protocol.state is State.OPEN:
                self._protocol.send_close(1000)
                self._flush(quietly=True)
        except WebSocketException:
            pass
        _report(self.http, self.url, self.connection, self.started, "\n".join(self.heard), visible=self.visible)


@dataclass(frozen=True)
class Opening:
    """What came of opening one address: a socket, or why there is none."""

    url: str
    socket: WebSocket | None
    error: PlatformError | BadInput | None = None


def side_by_side(work: Callable[[Item], Result], items: Sequence[Item]) -> tuple[Result, ...]:
    """`work` for each of them at the same time, in their order: a server that says nothing must not cost the others their
    answers."""
    with ThreadPoolExecutor(max_workers=max(1, min(MOST_AT_ONCE, len(items)))) as threads:
        return tuple(threads.map(work, items))


@contextmanager
def opened(
    client: Callable[[str], HttpClient], urls: Sequence[str], *, visible: bool = False
) -> Iterator[tuple[Opening, ...]]:
    """A socket to each of `urls` (http or https), all at once and in their order; `client` names the HTTP client for each. Nothing
    of a conversation has been said yet. All are closed, and reported to the observers, at the end of the block."""
    with ExitStack() as stack:
        made = side_by_side(lambda url: _open(client(url), url, visible), urls)
        for one, closing in made:
            stack.push(closing)
            if one.socket is not None:
                stack.callback(one.socket.close)
        yield tuple(one for one, _ in made)


def _open(http: HttpClient, url: str, visible: bool) -> tuple[Opening, ExitStack]:
    stack, started = ExitStack(), time.monotonic()
    shake = ClientProtocol(parse_uri("ws://server/"), logger=_SILENT)
    headers = {key: value for key, value in shake.connect().headers.raw_items() if key.lower() != "host"}
    try:
        connection = stack.enter_context(http.switched(url, headers, min(CONNECT_SECONDS, http.pools.timeout)))
    except (BadInput, Unavailable) as error:
        _report(http, url, None, started, error.detail or error.message)
        return Opening(url, None, error), stack
    try:
        shake.process_response(Response(connection.status, "", Headers(connection.headers.items())))
    except (InvalidHandshake, WebSocketException) as error:
        _report(http, url, connection, started, repr(error))
        stack.close()
        said = f"The server does not speak WebSocket at this address (status {connection.status})."
        return Opening(url, None, Unavailable(said, repr(error)[:200], http_status=connection.status)), stack
    until = time.monotonic() + min(ANSWER_SECONDS, http.pools.timeout)
    return Opening(url, WebSocket(url, http, connection, until, visible, started)), stack


def _report(
    http: HttpClient, url: str, connection: Switched | None, started: float, heard: str, *, visible: bool = False
) -> None:
    date: datetime | None = parse_http_date(connection.headers.get("date", "")) if connection else None
    http.observer(
        Exchange(
            "WS",
            http.redactor.url(url),
            connection.request_id if connection else http.request_id,
            connection.status if connection else None,
            round((time.monotonic() - started) * 1000),
            http.redactor.excerpt(heard),
            visible,
            {},
            date,
        )
    )
