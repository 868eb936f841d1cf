"""Addresses of channels that would lead inside, and listeners on loopback that see whether anything comes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

# `{port}`: that of a listener of ours. Each reached it, or read a file, before everything went through the guard.
INSIDE = (
    "ntfy://127.0.0.1:{port}/topic",
    "ntfys://127.0.0.1:{port}/topic",
    "ntfy://localhost:{port}/topic",
    "ntfy://localhost.:{port}/topic",
    "gotify://2130706433:{port}/token",
    "gotify://0x7f000001:{port}/token",
    "gotify://017700000001:{port}/token",
    "gotify://127.1:{port}/token",
    "gotify://0:{port}/token",
    "ntfy://[::ffff:127.0.0.1]:{port}/topic",
    "ntfy://[::1]:{port}/topic",
    "ntfy://8.8.8.8@127.0.0.1:{port}/topic",
    "ntfy://a:b@127.0.0.1:{port}/topic?mode=private",
    "ntfy://inner-service:{port}/topic?mode=private",
    "hassio://inner-service:{port}/token",
    "mmost://inner-service:{port}/0123456789abcdef0123456789",
    "signal://inner-service:{port}/+15551234567/+15551234567",
    "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ?template=http://127.0.0.1:{port}/template",
    "discord://123456789012345678/abcdefghijklmnopqrstuvwxyz?template=http://127.0.0.1:{port}/template",
    "discord://123456789012345678/abcdefghijklmnopqrstuvwxyz?TEMPLATE=http://127.0.0.1:{port}/template",
    "tgram://123456789:abcdefg_hijklmnop/12315544/?template=http://127.0.0.1:{port}/template",
    "mailto://me:pw@example.org?smtp=127.0.0.1&port={port}",
    "mailto://me:pw@127.0.0.1:{port}",
    "irc://me:pw@127.0.0.1:{port}/channel",
    "irc://me:pw%0d%0aSET%20pp%20owned%0d%0a@127.0.0.1:{port}/channel",
    "fcm://project@apikey/device?keyfile=http://127.0.0.1:{port}/key",
    "json://127.0.0.1:{port}/",
    "form://127.0.0.1:{port}/",
    "apprise://127.0.0.1:{port}/abcdef",
    "amqp://127.0.0.1:{port}/queue",
    "rsyslog://127.0.0.1:{port}/",
    "ntfys://ntfy.sh/topic,json://127.0.0.1:{port}/",
    "ntfys://ntfy.sh/topic json://127.0.0.1:{port}/",
)
REFUSED_AT_ONCE = tuple(
    url
    for url in INSIDE
    if url.startswith(("mailto", "irc", "fcm", "json", "form", "apprise", "amqp", "rsyslog"))
    or "emplate" in url
    or "TEMPLATE" in url
    or "json://" in url
)


@dataclass
class Trap:
    """Listens on IPv4 and, where there is one, IPv6 loopback, on one port. `caught`: the first bytes of every
    connection; each is answered as an HTTP server that is fine with everything."""

    caught: list[bytes] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self._open = True
        first = socket.create_server(("127.0.0.1", 0))
        self.port = first.getsockname()[1]
        self._sockets = [first]
        with contextlib.suppress(OSError):
            self._sockets.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        self._threads = [threading.Thread(target=self._serve, args=(one,), name="trap") for one in self._sockets]
        for thread in self._threads:
            thread.start()

    def _serve(self, listening: socket.socket) -> None:
        listening.settimeout(0.05)
        while self._open:
            try:
                caller, _ = listening.accept()
            except OSError:
                continue
            with caller:
                caller.settimeout(0.5)
                try:
                    self.caught.append(caller.recv(65536))
                    caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
                except OSError:
                    self.caught.append(b"")

    def close(self) -> None:
        self._open = False
        for thread in self._threads:
            thread.join()
        for one in self._sockets:
            one.close()


@contextlib.contextmanager
def trap() -> Iterator[Trap]:
    made = Trap()
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def inner_names(port: int) -> Iterator[list[str]]:
    """`inner-service` is a name of the inner network, as `redis` is in a compose file; what else is looked up does not
    exist. Yields the names that were asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: object, at: object = None, *args: object, **kwargs: object) -> object:
        name = host.decode() if isinstance(host, bytes) else str(host)
        asked.append(name)
        if name == "inner-service":
            return real("127.0.0.1", port, *args[:1], **kwargs)  # type: ignore[arg-type]
        if name.rstrip(".").endswith(("sh", "com", "org", "net")):
            raise socket.gaierror(socket.EAI_NONAME, "not here")
        return real(host, at, *args, **kwargs)  # type: ignore[arg-type]

    socket.getaddrinfo = look_up  # type: ignore[assignment]
    try:
        yield asked
    finally:
        socket.getaddrinfo = real


def apprise() -> list[str]:
    """Every service that Apprise knows, with every spelling of this machine, in live mode: nothing may arrive. The
    control sends the same with the guard off, and must see some arrive."""
    from apprise.plugins import N_MGR

    from postprober.alerts import channels
    from postprober.errors import PostProberError
    from postprober.http import HttpClient, Pools

    hosts = ("127.0.0.1", "2130706433", "0x7f000001", "localhost", "inner-service", "me:pw@inner-service")
    for plugin in N_MGR.plugins():
        plugin.request_rate_per_sec = 0
    forms = ("{scheme}://{host}:{port}/abcdef", "{scheme}://{host}:{port}/?template=http://127.0.0.1:{port}/t")
    caught: dict[bool, set[str]] = {False: set(), True: set()}
    with trap() as made, inner_names(made.port):
        urls = [
            form.format(scheme=scheme, host=host, port=made.port)
            for scheme in sorted(N_MGR.schemas())
            for host in hosts
            for form in forms
        ]
        urls += [url.format(port=made.port) for url in INSIDE]
        for private in (False, True):
            pools = Pools(allow_private=private, timeout=2)
            for url in urls:
                before = len(made.caught)
                with contextlib.suppress(PostProberError):
                    channels.send(HttpClient(pools), url, "error", "title", "body")
                if len(made.caught) > before:
                    caught[private].add(url)
            pools.close()
    found = [f"reached this machine: {url}" for url in sorted(caught[False])]
    print(f"apprise: {len(urls)} addresses; with the guard off {len(caught[True])} of them arrive")
    return found if len(caught[True]) >= 20 else [*found, "the control saw too little"]
