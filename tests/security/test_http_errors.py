"""Whatever is typed as an address and whatever comes back: only errors of our own leave the HTTP client."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postprober.errors import BadInput, OutcomeUnknown, PostProberError, Unavailable
from postprober.http import HttpClient, Pools, Reply
from postprober.security.urlguard import check_url, resolve

ODD = [
    "https://a..b/x",
    "https://☃.com",
    "https://\u2603.com/x",
    "http://[x",
    "https://[::1",
    "https://a b/",
    "https://%00/",
    "https://" + "a" * 64 + ".com",
    "https://" + "a." * 140 + "com",
    "https://exa\nmple.org/",
    "https://example.org:99999/",
    "https://example.org:-1/",
    "https://example.org:x/",
    "https://-a-.example/",
    "https://xn--/",
    "https://ﷺ.example",
    "https://\ud800.example",
    "https:///x",
    "https://@/",
    "https://[::ffff:1.2.3]/",
    "//x",
    "",
    "https://.",
    "https://..",
]


def _no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def look_up(host: object, *args: object, **kwargs: object) -> object:
        if isinstance(host, str):
            host.encode("idna")  # as the real one does first, with its errors
        return real("127.0.0.1", *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.fixture(scope="module")
def pools() -> Iterator[Pools]:
    made = Pools(allow_private=False, timeout=1)
    yield made
    made.close()


@pytest.mark.parametrize("url", ODD)
def test_an_odd_address_is_refused_in_one_sentence(pools: Pools, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    _no_names(monkeypatch)
    for call in (HttpClient(pools).read, HttpClient(pools).send):
        with pytest.raises((BadInput, Unavailable)):
            call("GET", url)


@pytest.mark.parametrize("url", ODD)
def test_it_is_refused_where_it_is_typed(url: str) -> None:
    if url not in ("https://-a-.example/", "https://xn--/"):  # a resolver decides about these
        with pytest.raises(BadInput):
            check_url(url, allow_private=False)


def test_names_in_other_scripts_are_taken() -> None:
    assert check_url("https://bücher.example/x", allow_private=False) == "https://bücher.example/x"


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.text(max_size=40).map(lambda rest: f"https://{rest}"),
        st.text(alphabet="aZ0.-:@[]%/?#\\ \t\u00e9\u2603\ud800", max_size=40).map(lambda rest: f"https://{rest}"),
    )
)
def test_no_address_makes_another_error(url: str) -> None:
    with Pools_without_network() as made:
        try:
            HttpClient(made).send("POST", url, headers={"X-A": "b"})
        except PostProberError:
            return


@contextmanager
def Pools_without_network() -> Iterator[Pools]:
    made = Pools(transport=httpx2.MockTransport(lambda _: httpx2.Response(200)))
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("host", ["a..b", "a" * 64, "\x00", "." * 300, "\ud800"])
def test_a_name_that_cannot_be_looked_up_reads_as_a_failed_connection(host: str) -> None:
    with pytest.raises(OSError):
        resolve(host, 443, allow_private=False)


class Answering:
    """A server on loopback that answers every connection with `reply` and hangs up."""

    def __init__(self) -> None:
        self.reply = b""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, name="answering")
        self._thread.start()

    def _serve(self) -> None:
        while True:
            caller, _ = self._listening.accept()
            with caller:
                caller.settimeout(2)
                try:
                    if not caller.recv(65536):
                        return
                    caller.sendall(self.reply)
                except OSError:
                    continue

    def close(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)):
            pass
        self._thread.join(10)
        self._listening.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Answering]:
    made = Answering()
    yield made
    made.close()


def test_a_cookie_of_one_reply_is_not_sent_with_the_next_request() -> None:
    got: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        got.append(request)
        return httpx2.Response(200, headers={"Set-Cookie": "session=of-one-account"})

    made = Pools(transport=httpx2.MockTransport(answer))
    for _ in range(2):
        HttpClient(made).read("GET", "https://example.org/")
    made.close()
    assert len(got) == 2 and all("cookie" not in request.headers for request in got)


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [b"Location", b"Content-Length", b"Content-Encoding", b"Transfer-Encoding", b"Set-Cookie", b"X"]
        ),
        st.one_of(
            st.binary(max_size=30),
            st.sampled_from([b"https://[x", b"https://a..b/", b"gzip", b"chunked", b"br", b"-1"]),
        ),
    ),
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([200, 204, 301, 307, 400, 500]), HEADERS, st.binary(max_size=60))
def test_no_reply_makes_another_error(
    server: Answering, status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    lines = b"".join(b"%s: %s\r\n" % pair for pair in headers)
    server.reply = b"HTTP/1.1 %d OK\r\n%sConnection: close\r\n\r\n%s" % (status, lines, body)
    made = Pools(allow_private=True, timeout=2)
    url = f"http://127.0.0.1:{server.port}/"
    for call, allowed in ((HttpClient(made).read, Unavailable), (HttpClient(made).send, OutcomeUnknown)):
        try:
            assert isinstance(call("GET", url), Reply)
        except allowed:
            continue
    made.close()


@contextmanager
def _trickling(before: bytes) -> Iterator[int]:
    """A server that sends `before`, then a byte every few milliseconds, for ever."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(8)
    done = threading.Event()

    def serve(peer: socket.socket) -> None:
        with peer:
            try:
                peer.recv(65536)
                peer.sendall(before)
                while not done.wait(0.02):
                    peer.sendall(b"a")
            except OSError:
                return

    def accept() -> None:
        while not done.is_set():
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(peer,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        done.set()
        listener.close()


@pytest.mark.parametrize(
    "before",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: ",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;",
    ],
    ids=["body", "header", "status", "chunk"],
)
def test_a_reply_that_trickles_in_ends(before: bytes) -> None:
    pools = Pools(allow_private=True, timeout=5)
    ended = threading.Event()
    found: list[Exception] = []

    def ask(port: int) -> None:
        for call in (HttpClient(pools).read, HttpClient(pools).send):
            try:
                call("GET", f"http://127.0.0.1:{port}/", timeout=0.3)
            except PostProberError as error:
                found.append(error)
        ended.set()

    with _trickling(before) as port:
        threading.Thread(target=ask, args=(port,), daemon=True).start()
        assert ended.wait(30), "the thread is held"
    pools.close()
    assert [type(error) for error in found] == [Unavailable, OutcomeUnknown]


@contextmanager
def _slow() -> Iterator[tuple[int, list[int], threading.Event]]:
    """A server that takes some of a request each tenth of a second: its port, how many bytes it has, and whether all is over."""
    listener = socket.create_server(("127.0.0.1", 0))
    taken, over = [0], threading.Event()

    def serve() -> None:
        peer, _ = listener.accept()
        with peer:
            try:
                while not over.wait(0.1) and (data := peer.recv(64 * 1024)):
                    taken[0] += len(data)
            except OSError:
                pass
        over.set()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1], taken, over
    finally:
        over.set()
        listener.close()


@pytest.mark.parametrize("within", [None, 0.5])
def test_a_visible_request_that_would_arrive_too_late_is_dropped(within: float | None) -> None:
    pools = Pools(allow_private=True, timeout=10)
    content, found = b"x" * 20_000_000, list[OutcomeUnknown]()

    def send(port: int) -> None:
        try:
            HttpClient(pools).bound(arrives_within=within).send(
                "POST", f"http://127.0.0.1:{port}/", visible=True, content=content
            )
        except OutcomeUnknown as error:
            found.append(error)

    with _slow() as (port, taken, over):
        sending = threading.Thread(target=send, args=(port,), daemon=True)
        sending.start()
        sending.join(5)
        if within is None:
            assert sending.is_alive(), "the control: as long as some of it goes, nothing stops it"
        else:
            assert not sending.is_alive() and found[0].code == "timeout"
            assert over.wait(20), "and the server sees that it ends"
            assert taken[0] < len(content)
    sending.join(20)
    pools.close()
