"""The only importer of the HTTP library.

Two verbs with different promises:

- `read` may be repeated, so a broken connection is tried again and then becomes `Unavailable`;
- `send` changes something over there and is never repeated. If it is certain that no byte left, the error is
  `Unavailable`; in every other case it is `OutcomeUnknown`.

Redirects are never followed by themselves. Bodies are bounded. Every request carries an `X-Request-Id`, and every
exchange is reported, redacted, to the observer.
"""

from __future__ import annotations

import json as jsonlib
import logging
import re
import socket
import ssl
import struct
import threading
import time
import uuid
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any, BinaryIO, Self

import httpcore2
import httpx2

from postprober import __url__, __version__
from postprober.domain.moments import parse_http_date
from postprober.errors import BadInput, OutcomeUnknown, PostProberError, Unavailable, UnexpectedReply
from postprober.security.redaction import Redactor
from postprober.security.urlguard import check_url, host_of, is_private_name, resolve

# The library logs whole addresses at INFO, and some calls have the token in theirs.
logging.getLogger("httpx2").setLevel(logging.WARNING)

# Who we are, for the people who run what we call: RFC 9110, 10.1.5.
USER_AGENT = f"PostProber/{__version__}" + (f" (+{__url__})" if __url__ else "")
MAX_BODY = 8 * 1024 * 1024  # bytes; the largest reply we read is a page of 100 posts, well under 1 MB
READ_TRIES = 2
LONGEST_REPLY = 60.0  # seconds from the first byte awaited to the end of a reply, however slowly it trickles in
_LIMIT = re.compile(r"^(?:x-)?rate-?limit-|^x-app-usage$", re.IGNORECASE)  # platforms/NAME/facts.md, 4
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)

# Headers that no library sets for itself, because `send` does; and those of a reply that are not true of the complete,
# plain body that a library is handed. For every way by which a library is served (also `library_http`).
SET_BY_SEND = frozenset({"host", "content-length", "connection", "accept-encoding", "user-agent"})
OF_THE_WIRE = frozenset({"content-encoding", "content-length", "transfer-encoding"})

Files = Mapping[str, tuple[str, bytes | BinaryIO, str]]


@dataclass(frozen=True)
class Exchange:
    """One request and what came back, fit for the log: no secrets, shortened.

    `status` None: no reply. `latency_ms`: from first byte out (or the try to connect) to the end of the body. `limits`:
    the headers that tell how many calls are left, with lower-case names. `date`: the server's own time (aware UTC, whole
    seconds), None when it did not say.
    """

    method: str
    url: str
    request_id: str
    status: int | None
    latency_ms: int
    reply: str
    visible: bool
    limits: Mapping[str, str] = field(default_factory=dict)
    date: datetime | None = None


@dataclass(frozen=True)
class Reply:
    """A complete reply. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    request_id: str
    excerpt: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises UnexpectedReply."""
        try:
            return jsonlib.loads(self.body)
        except (ValueError, RecursionError):
            raise UnexpectedReply(
                "The platform's reply could not be read.", self.excerpt, http_status=self.status
            ) from None

    def json_or_none(self) -> Any:
        """The body as JSON, None when it is not JSON (error pages of gateways)."""
        try:
            return jsonlib.loads(self.body)
        except (ValueError, RecursionError):
            return None


def _nothing(_: object) -> None:
    return None


@dataclass(frozen=True)
class HttpClient:
    """A view on shared connection pools. `bound` makes another view with its own request id, gate and observers.

    `gate` is called when the connection stands and before the first byte of a *visible* mutation leaves; it raises to
    stop it. `checkpoint` is told the phase of a visible mutation: connected, request_sent, reply_headers, reply_body.
    `arrives_within`: seconds after which a visible mutation that is still on its way is given up, and what the machine holds
    back of it is dropped: it must not arrive any more.
    """

    pools: Pools
    request_id: str = ""
    redactor: Redactor = field(default_factory=Redactor)
    gate: Callable[[], None] | None = None
    checkpoint: Callable[[str], None] = _nothing
    observer: Callable[[Exchange], None] = _nothing
    arrives_within: float | None = None

    def bound(
        self,
        *,
        request_id: str = "",
        secrets: Iterable[str] = (),
        gate: Callable[[], None] | None = None,
        checkpoint: Callable[[str], None] | None = None,
        observer: Callable[[Exchange], None] | None = None,
        arrives_within: float | None = None,
    ) -> Self:
        """The same pools for one unit of work on one account."""
        return replace(
            self,
            request_id=request_id or self.request_id,
            redactor=Redactor(secrets),
            gate=gate,
            checkpoint=checkpoint or _nothing,
            observer=observer or _nothing,
            arrives_within=arrives_within,
        )

    def for_typed(self) -> Self:
        """The same client for addresses that people type."""
        return replace(self, pools=self.pools.typed)

    def read(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: object = None,
        timeout: float | None = None,
    ) -> Reply:
        """A request without effect. Raises Unavailable when no complete reply came after two tries."""
        last: Exception | None = None
        for _ in range(READ_TRIES):
            try:
                return self._once(self.pools.reads, method, url, False, headers, params, json=json, timeout=timeout)
            except httpx2.RequestError as error:
                last = error
        raise Unavailable("The platform could not be reached.", self.redactor.excerpt(repr(last))) from last

    def read_again(
        self, url: str, *, headers: Mapping[str, str] | None = None, params: Mapping[str, str] | None = None
    ) -> Reply:
        """A GET without a token of what is read again and again: where the server gave a validator with its last answer, it
        is asked whether that still holds, and only its own word (304) makes the same answer of it. No cache on the way is
        believed. Raises as `read`."""
        key = (url, tuple(sorted((params or {}).items())), tuple(sorted((headers or {}).items())))
        known = self.pools.seen.get(key)
        asked = {**(headers or {}), "Cache-Control": "no-cache", **(known.validators if known else {})}
        reply = self.read("GET", url, headers=asked, params=params)
        if reply.status == 304 and known is not None:
            return replace(known.reply, request_id=reply.request_id)
        self.pools.seen.put(key, reply)
        return reply

    def look_into(
        self, url: str, *, most: int, seconds: float, headers: Mapping[str, str] | None = None, cut: bool = False
    ) -> Reply:
        """One GET of what a stranger made, without a second try: at most `most` bytes of it, unpacked, within `seconds`
        from its first byte. `cut`: what is larger is cut off there; else it is refused. Raises BadInput (an address that is
        not called) or Unavailable; `code` is "timeout" when time ran out, "too_large" for what is refused."""
        asked = {**(headers or {}), "Accept-Encoding": "identity"}
        try:
            return self._once(
                self.pools.sends,  # a fresh connection: one that is left half read is good for nothing
                "GET",
                url,
                False,
                asked,
                None,
                timeout=seconds,
                total=seconds,
                bound=_Bound(most, cut),
            )
        except _TooLarge as error:
            raise Unavailable(f"It is larger than {most:,} bytes.", code="too_large") from error
        except httpx2.RequestError as error:
            code = "timeout" if isinstance(error, httpx2.TimeoutException) else ""
            raise Unavailable("It could not be reached.", self.redactor.excerpt(repr(error)), code=code) from error

    def send(
        self,
        method: str,
        url: str,
        *,
        visible: bool = False,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: object = None,
        data: Mapping[str, str] | None = None,
        content: bytes | BinaryIO | None = None,
        files: Files | None = None,
        timeout: float | None = None,
        total: float | None = None,
    ) -> Reply:
        """A request with an effect, once. `visible` marks the one act that makes a post appear (gate, checkpoints).
        `total`: seconds after which a reply that still trickles in is given up. `content`: an open file is sent a block at
        a time.

        Raises Unavailable (nothing left this machine) or OutcomeUnknown (`code` is "timeout" when time ran out).
        """
        wire = _Wire(self, visible)
        try:
            return self._once(
                self.pools.sends,
                method,
                url,
                visible,
                headers,
                params,
                json=json,
                data=data,
                content=content,
                files=files,
                timeout=timeout,
                total=total,
                wire=wire,
            )
        except httpx2.RequestError as error:  # also a body that cannot be decoded: the request was served
            detail = self.redactor.excerpt(repr(error))
            if not wire.started and isinstance(error, _NOT_SENT):
                raise Unavailable("The platform could not be reached; nothing was sent.", detail) from error
            code = "timeout" if isinstance(error, httpx2.TimeoutException) else ""
            message = "The connection broke before the platform's answer was complete."
            raise OutcomeUnknown(message, detail, code=code) from error

    def pass_gate(self) -> None:
        """The connection stands and a visible mutation comes next: the last moment to stop it. Raises what the gate raises."""
        self.checkpoint("connected")
        if self.gate is not None:
            self.gate()

    @contextmanager
    def switched(self, url: str, headers: Mapping[str, str], seconds: float) -> Iterator[Switched]:
        """A connection of its own to `url`, which the server was asked to hand over to another protocol (101, RFC 9110,
        15.2.2): nothing of that protocol has been sent yet. Its status may be any; only with 101 there is something to talk to.
        Whoever uses it reports the exchange. Raises BadInput (an address that is not called) or Unavailable."""
        bare = url.split("?", 1)[0]
        host = host_of(bare)
        check_url(bare, allow_private=self.pools.may_be_private(host))
        self.pools.check_inside(host)
        request_id = self.request_id or uuid.uuid4().hex
        client = self.pools.sends
        try:
            request = client.build_request(
                "GET", url, headers={**headers, "X-Request-Id": request_id}, timeout=httpx2.Timeout(seconds)
            )
        except (httpx2.InvalidURL, ValueError) as error:
            raise BadInput("This address is not usable.", self.redactor.excerpt(type(error).__name__)) from None
        _reply.seconds, _reply.until = seconds, None
        try:
            response = client.send(request, stream=True)
        except (httpx2.RequestError, httpx2.InvalidURL, httpx2.StreamError, ValueError) as error:
            detail = self.redactor.excerpt(repr(error))
            raise Unavailable("The platform could not be reached; nothing was sent.", detail) from error
        finally:
            _reply.seconds = None
        try:
            names = {key.lower(): value for key, value in response.headers.items()}
            wire = response.extensions.get("network_stream") if response.status_code == 101 else None
            yield Switched(response.status_code, names, request_id, wire)
        finally:
            response.close()

    def library_client(self, seconds: float, only: frozenset[str] | None = None) -> httpx2.Client:
        """For libraries that want a client of the HTTP library (openai): each request through `send`, at most `seconds`
        long from its first byte to the end of its reply. `only`: the headers that are sent (small letters), None for
        all; a library may have read others out of the environment."""
        return httpx2.Client(transport=_SendTransport(self, seconds, only), trust_env=False, follow_redirects=False)

    def transport(self) -> httpx2.BaseTransport:
        """This client as a transport, for libraries that bring their own client (Authlib): every request of theirs
        goes through `send`, with its guard, bounds, redaction and its errors."""
        return _SendTransport(self)

    def _once(
        self,
        client: httpx2.Client,
        method: str,
        url: str,
        visible: bool,
        headers: Mapping[str, str] | None,
        params: Mapping[str, str] | None,
        *,
        wire: _Wire | None = None,
        timeout: float | None = None,
        total: float | None = None,
        bound: _Bound | None = None,
        **body: Any,
    ) -> Reply:
        bare = url.split("?", 1)[0]
        host = host_of(bare)
        check_url(bare, allow_private=self.pools.may_be_private(host))
        self.pools.check_inside(host)
        request_id = self.request_id or uuid.uuid4().hex
        try:
            request = client.build_request(
                method,
                url,
                headers={**(headers or {}), "X-Request-Id": request_id},
                params=params,
                extensions={"trace": wire.trace} if wire else {},
                timeout=httpx2.Timeout(timeout) if timeout else httpx2.USE_CLIENT_DEFAULT,
                **{key: value for key, value in body.items() if value is not None},
            )
        except (httpx2.InvalidURL, ValueError) as error:  # ValueError: also what cannot be encoded
            raise BadInput(
                "This address or a value sent to it is not usable.", self.redactor.excerpt(type(error).__name__)
            ) from None
        started = time.monotonic()
        status: int | None = None
        text = ""
        limits: dict[str, str] = {}
        date: datetime | None = None
        _reply.seconds = total or (timeout * 2 if timeout else LONGEST_REPLY)
        _reply.until = None
        _reply.gone_by = started + self.arrives_within if visible and self.arrives_within else None
        try:
            response = client.send(request, stream=True)
            status = response.status_code
            date = parse_http_date(response.headers.get("date", ""))
            limits = {key.lower(): value for key, value in response.headers.items() if _LIMIT.search(key)}
            try:
                until = started + total if total else None
                content = _bounded(response, until) if bound is None else bound.read(response, until)
            finally:
                response.close()
            text = self.redactor.excerpt(content.decode("utf-8", "replace"))
            names = {key.lower(): value for key, value in response.headers.items()}
            return Reply(status, names, content, request_id, text)
        except (httpx2.RequestError, PostProberError) as error:
            text = text or self.redactor.excerpt(repr(error))
            raise
        except OSError as error:  # a file that is sent could not be read to its end
            text = text or self.redactor.excerpt(repr(error))
            raise httpx2.WriteError(type(error).__name__, request=request) from error
        except (
            httpx2.InvalidURL,
            httpx2.StreamError,
            ValueError,
        ) as error:  # of a reply: such as where it redirects to
            text = text or self.redactor.excerpt(repr(error))
            raise httpx2.RemoteProtocolError(type(error).__name__, request=request) from error
        finally:
            _reply.seconds = _reply.gone_by = None
            latency = round((time.monotonic() - started) * 1000)
            self.observer(
                Exchange(
                    method,
                    self.redactor.url(str(request.url)),
                    request_id,
                    status,
                    latency,
                    text,
                    visible,
                    limits,
                    date,
                )
            )


@dataclass(frozen=True)
class Switched:
    """A connection that was handed over to another protocol; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    request_id: str
    wire: httpcore2.NetworkStream | None

    def read(self, seconds: float) -> bytes:
        """Some bytes, none at the end. Raises TimeoutError or ConnectionError."""
        if self.wire is None:
            return b""
        try:
            return self.wire.read(64 * 1024, max(0.001, seconds))
        except httpcore2.ReadTimeout as error:
            raise TimeoutError("nothing came") from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            raise ConnectionError(type(error).__name__) from error

    def write(self, data: bytes, seconds: float) -> None:
        """Raises TimeoutError or ConnectionError: what of `data` left is then unknown."""
        if self.wire is None:
            raise ConnectionError("there is no connection")
        try:
            self.wire.write(data, max(0.001, seconds))
        except httpcore2.WriteTimeout as error:
            raise TimeoutError("it could not be sent in time") from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            raise ConnectionError(type(error).__name__) from error


class _Wire:
    """Follows one mutation on the wire, to know whether any byte may have left."""

    def __init__(self, client: HttpClient, visible: bool) -> None:
        self._client = client
        self._visible = visible
        self.started = False

    def trace(self, event: str, _info: Mapping[str, object]) -> None:
        _, _, phase = event.partition(".")
        if phase == "send_request_headers.started":
            if self._visible:
                self._client.pass_gate()
            self.started = True
        elif self._visible and phase in _PHASES:
            self._client.checkpoint(_PHASES[phase])


class _SendTransport(httpx2.BaseTransport):
    """Hands a library's request to `HttpClient.send`. Closing it closes nothing: the pools are shared."""

    def __init__(self, client: HttpClient, seconds: float | None = None, only: frozenset[str] | None = None) -> None:
        self._client = client
        self._seconds = seconds
        self._only = only

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        given = {key: value for key, value in request.headers.items() if key.lower() not in SET_BY_SEND}
        headers = {key: value for key, value in given.items() if self._only is None or key.lower() in self._only}
        # A library may ask for less time than its client has, never for more.
        asked = request.extensions.get("timeout", {}).get("read")
        seconds = self._seconds if self._seconds is None or asked is None else min(self._seconds, asked)
        reply = self._client.send(
            request.method,
            str(request.url),
            headers=headers,
            content=request.read() or None,
            timeout=seconds,
            total=seconds,
        )
        kept = {key: value for key, value in reply.headers.items() if key not in OF_THE_WIRE}
        return httpx2.Response(reply.status, headers=kept, content=reply.body, request=request)


_PHASES = {
    "send_request_body.complete": "request_sent",
    "receive_response_headers.complete": "reply_headers",
    "receive_response_body.complete": "reply_body",
}


def _bounded(response: httpx2.Response, until: float | None = None) -> bytes:
    """The body. `until`: monotonic time after which it is given up."""
    chunks: list[bytes] = []
    size = 0
    for chunk in response.iter_bytes():
        size += len(chunk)
        if size > MAX_BODY:
            raise httpx2.ReadError(f"reply larger than {MAX_BODY} bytes")
        if until is not None and time.monotonic() > until:
            raise httpx2.ReadTimeout("the reply took too long")
        chunks.append(chunk)
    return b"".join(chunks)


class _TooLarge(httpx2.RequestError):
    """More than whoever asked wants to read."""


@dataclass(frozen=True)
class _Bound:
    """How much of a stranger's reply is read. What was packed though we asked for it plain is unpacked within the same bound:
    a few kilobytes may hold gigabytes."""

    most: int
    cut: bool

    def read(self, response: httpx2.Response, until: float | None) -> bytes:
        told = response.headers.get("content-length", "")
        if not self.cut and told.isdecimal() and len(told) < 19 and int(told) > self.most:
            raise _TooLarge(f"{told} bytes")
        packed = response.headers.get("content-encoding", "identity").strip().lower()
        if packed not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise httpx2.DecodingError(f"packed as {packed[:40]!r}")
        unpack = (
            zlib.decompressobj(wbits=47) if "gzip" in packed else zlib.decompressobj() if packed == "deflate" else None
        )
        whole = bytearray()
        for chunk in response.iter_raw():
            if until is not None and time.monotonic() > until:
                raise httpx2.ReadTimeout("the reply took too long")
            try:
                whole += chunk if unpack is None else unpack.decompress(chunk, self.most + 1 - len(whole))
            except zlib.error as error:
                raise httpx2.DecodingError(str(error)) from error
            if len(whole) > self.most:
                if not self.cut:
                    raise _TooLarge(f"more than {self.most} bytes")
                return bytes(whole[: self.most])
        return bytes(whole)


@dataclass(frozen=True)
class _Known:
    reply: Reply
    validators: Mapping[str, str]


class KnownAnswers:
    """The last answers that came with a validator, the oldest forgotten first. Thread safe."""

    MOST, LARGEST = 1000, 16 * 1024  # answers; bytes of one: at most 16 MB together

    def __init__(self) -> None:
        self._known: OrderedDict[object, _Known] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: object) -> _Known | None:
        with self._lock:
            return self._known.get(key)

    def put(self, key: object, reply: Reply) -> None:
        """Only a complete answer of 200 is kept; every other one makes forget what was known."""
        told = {name: reply.headers.get(header, "") for header, name in _VALIDATORS.items()}
        validators = {name: value for name, value in told.items() if value}
        with self._lock:
            self._known.pop(key, None)
            if reply.status == 200 and validators and len(reply.body) <= self.LARGEST:
                self._known[key] = _Known(reply, validators)
                if len(self._known) > self.MOST:
                    self._known.popitem(last=False)


_VALIDATORS = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}


class Pools:
    """Connection pools, one set per process; thread safe.

    Mutations use a fresh connection each: a kept-alive connection that the server has dropped without a word turns a
    POST into an unknown outcome (measured on snac), and an unknown outcome costs a settle time.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        timeout: float = 30.0,
        transport: httpx2.BaseTransport | None = None,
        trusted_hosts: frozenset[str] = frozenset(),
        inside: bool = False,
    ) -> None:
        """`inside`: nothing else than this machine and its network is called (sandbox mode)."""
        self.allow_private = allow_private
        self.inside = inside
        self.timeout = timeout
        self.trusted_hosts = trusted_hosts
        limits = httpx2.Timeout(timeout, connect=min(10.0, timeout), pool=timeout)
        common: dict[str, Any] = {
            "timeout": limits,
            "follow_redirects": False,
            "headers": {"User-Agent": USER_AGENT},
            "trust_env": False,
        }
        self.reads = httpx2.Client(
            transport=transport or GuardedTransport(self.may_be_private, keep_alive=32), **common
        )
        self.sends = httpx2.Client(transport=transport or GuardedTransport(self.may_be_private, keep_alive=0), **common)
        for client in (self.reads, self.sends):  # one account's cookies must not go out with another's request
            client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.seen = KnownAnswers()
        self._closed = threading.Event()
        self._typed: Pools | None = None
        self._lock = threading.Lock()
        self._again = (timeout, transport)

    @property
    def typed(self) -> Pools:
        """Pools for addresses that people type: hosts that the operator named for another purpose are no exception."""
        with self._lock:
            if self._typed is None:
                timeout, transport = self._again
                self._typed = Pools(
                    allow_private=self.allow_private, timeout=timeout, transport=transport, inside=self.inside
                )
            return self._typed

    def may_be_private(self, host: str) -> bool:
        """Whether `host` may be on a private network: all may in the sandbox, else only those the operator named."""
        return self.allow_private or host in self.trusted_hosts

    def check_inside(self, host: str) -> None:
        """Raises BadInput for a host elsewhere while nothing may leave this machine; those that the operator named may
        be called."""
        if self.inside and host not in self.trusted_hosts and not is_private_name(host):
            raise BadInput(
                f"In sandbox mode nothing leaves this machine, so {host} is not called; for the real platforms set "
                "POSTPROBER_MODE=live.",
                field="url",
            )

    def close(self) -> None:
        """Close every connection; safe to call twice."""
        if not self._closed.is_set():
            self._closed.set()
            self.reads.close()
            self.sends.close()
            if self._typed is not None:
                self._typed.close()


class GuardedTransport(httpx2.HTTPTransport):
    """A transport whose every connection goes to an address that was checked at the moment of connecting."""

    def __init__(self, may_be_private: Callable[[str], bool], keep_alive: int) -> None:
        limits = httpx2.Limits(max_connections=128, max_keepalive_connections=keep_alive)
        super().__init__(limits=limits, trust_env=False)
        # The transport has no parameter for the network backend; the pool reads this attribute at each connection.
        self._pool._network_backend = _GuardedBackend(may_be_private)


class _GuardedBackend(httpcore2.SyncBackend):
    def __init__(self, may_be_private: Callable[[str], bool]) -> None:
        self._may_be_private = may_be_private

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore2.NetworkStream:
        try:
            address = resolve(host, port, allow_private=self._may_be_private(host))
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        return _TimedStream(super().connect_tcp(address, port, timeout, local_address, socket_options))


class _Reply(threading.local):
    """Of the request that this thread is at: how long its reply may take, and until when, once it is awaited; and by when the
    request has to be on its way as a whole."""

    seconds: float | None = None
    until: float | None = None
    gone_by: float | None = None


_reply = _Reply()
_PIECE = 16 * 1024


class _TimedStream(httpcore2.NetworkStream):
    """A stream whose replies end: the library's time-out begins anew with every byte."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if _reply.seconds is None:
            return self._stream.read(max_bytes, timeout)
        if _reply.until is None:
            _reply.until = time.monotonic() + _reply.seconds
        left = _reply.until - time.monotonic()
        try:
            if left <= 0:
                raise httpcore2.ReadTimeout("the reply took too long")
            return self._stream.read(max_bytes, left if timeout is None else min(timeout, left))
        except httpcore2.ReadTimeout:
            self._drop()
            raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if _reply.gone_by is None:
            self._stream.write(buffer, timeout)
            return
        for at in range(
            0, len(buffer), _PIECE
        ):  # in pieces: the library's time-out begins anew whenever some of it went
            left = _reply.gone_by - time.monotonic()
            try:
                if left <= 0:
                    raise httpcore2.WriteTimeout("the request took too long")
                self._stream.write(buffer[at : at + _PIECE], left if timeout is None else min(timeout, left))
            except httpcore2.WriteTimeout:
                self._drop()
                raise

    def _drop(self) -> None:
        """Of a request that must not arrive later, what the machine has not sent yet is thrown away when the connection is closed."""
        if _reply.gone_by is not None:
            wire = self._stream.get_extra_info("socket")
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
