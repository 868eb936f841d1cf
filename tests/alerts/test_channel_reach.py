"""What a person types as a channel leads nowhere inside, whatever it looks like; a control shows that the traps see."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import apprise
import httpx2
import pytest
from apprise.plugins import N_MGR

from postprober.alerts import channels
from postprober.errors import BadInput, PostProberError, Unavailable
from postprober.http import HttpClient, Pools
from postprober.security.urlguard import is_private_name, is_public
from tests.attack.channels import INSIDE, REFUSED_AT_ONCE, Trap, inner_names, trap
from tests.receivers import Receiver

# What the plug-ins of the allowed services may import: nothing that opens a connection but `requests`.
HARMLESS = frozenset([
    "__future__", "base64", "collections", "collections.abc", "contextlib", "copy",
    "cryptography.hazmat.primitives.ciphers.aead", "cryptography.hazmat.primitives",
    "cryptography.hazmat.primitives.ciphers", "dataclasses", "datetime", "email.utils", "enum", "functools", "gzip",
    "hashlib", "hmac", "html", "io", "itertools", "json", "json.decoder", "logging", "math", "operator", "os",
    "os.path", "random", "re", "requests", "secrets", "string", "threading", "time", "types", "typing", "urllib.parse",
    "uuid", "xml.sax.saxutils",
])  # fmt: skip  # table: many short names


@pytest.fixture
def caught() -> Iterator[Trap]:
    with trap() as made, inner_names(made.port):
        yield made


def _client(**how: object) -> Iterator[HttpClient]:
    pools = Pools(timeout=2, **how)  # type: ignore[arg-type]
    yield HttpClient(pools)
    pools.close()


@pytest.fixture
def live() -> Iterator[HttpClient]:
    yield from _client(allow_private=False)


@pytest.fixture
def unguarded() -> Iterator[HttpClient]:
    yield from _client(allow_private=True)


def _send(http: HttpClient, url: str) -> None:
    channels.send(http, url, "error", "title", "body")


@pytest.mark.parametrize("url", INSIDE)
def test_no_channel_reaches_this_machine(live: HttpClient, caught: Trap, url: str) -> None:
    with pytest.raises(PostProberError):
        _send(live, url.format(port=caught.port))
    assert caught.caught == []


def test_the_trap_sees_what_comes_when_the_guard_is_off(unguarded: HttpClient, caught: Trap) -> None:
    reached = 0
    for url in INSIDE:
        before = len(caught.caught)
        try:
            _send(unguarded, url.format(port=caught.port))
        except PostProberError:
            continue
        reached += len(caught.caught) > before
    assert reached >= 10


@pytest.mark.parametrize("url", REFUSED_AT_ONCE)
def test_what_would_read_files_or_open_sockets_is_refused_even_inside(
    unguarded: HttpClient, caught: Trap, url: str
) -> None:
    with pytest.raises(BadInput):
        channels.check(url.format(port=caught.port), allow_private=True)
    with pytest.raises(BadInput):
        _send(unguarded, url.format(port=caught.port))
    assert caught.caught == []


def test_every_reason_has_the_same_answer(live: HttpClient, caught: Trap) -> None:
    """Otherwise the test button is a port scanner."""
    answers = set()
    for host in (f"inner-service:{caught.port}", "inner-service:9", "unknown-service", "example.org", "10.0.0.1:1"):
        for scheme in ("gotify", "gotifys"):
            with pytest.raises(Unavailable) as refused:
                _send(live, f"{scheme}://{host}/abcdef")
            answers.add(str(refused.value))
    assert len(answers) == 1 and "Check the channel's address" in answers.pop()
    assert caught.caught == []


def test_a_service_that_redirects_inside_is_not_followed() -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(307, headers={"Location": "http://127.0.0.1:9/"})

    pools = Pools(transport=httpx2.MockTransport(answer))
    with pytest.raises(Unavailable):
        _send(HttpClient(pools), "gotifys://push.example.org/abcdef?redirect=yes")
    pools.close()
    assert asked == ["https://push.example.org/message"]


def test_what_a_service_is_sent_arrives_whole() -> None:
    """User, password, headers and body go through our client as the plug-in wrote them."""
    got: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        got.append(request)
        return httpx2.Response(200, json={})

    pools = Pools(transport=httpx2.MockTransport(answer))
    _send(HttpClient(pools), "ntfys://ada:s3cret@push.example.org/topic?priority=high")
    pools.close()
    (one,) = got
    assert one.url.userinfo == b"" and one.headers["authorization"].startswith("Basic ")
    assert one.url == "https://push.example.org/"
    assert json.loads(one.content) == {"topic": "topic", "title": "title", "message": "body"}


def test_a_host_that_the_operator_named_for_something_else_is_no_channel(caught: Trap) -> None:
    pools = Pools(timeout=2, trusted_hosts=frozenset({"inner-service"}))
    client = HttpClient(pools)
    with pytest.raises(PostProberError):
        client.send("POST", f"https://inner-service:{caught.port}/")
    assert len(caught.caught) == 1, "the control: the operator's own calls do reach it"
    with pytest.raises(PostProberError):
        client.for_typed().send("POST", f"https://inner-service:{caught.port}/")
    assert len(caught.caught) == 1
    pools.close()


@pytest.mark.parametrize("scheme", sorted(channels.ALLOWED))
def test_an_allowed_plug_in_opens_nothing_but_requests(scheme: str) -> None:
    plugin = N_MGR[scheme]
    for one in plugin.__mro__:
        if not one.__module__.startswith("apprise.plugins.") or one.__module__ == "apprise.plugins.base":
            continue
        tree = ast.parse(Path(str(sys.modules[one.__module__].__file__)).read_text())
        imported = {
            name
            for node in ast.walk(tree)
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module]
                if isinstance(node, ast.ImportFrom) and node.level == 0
                else []
            )
        }
        assert imported <= HARMLESS, (scheme, imported - HARMLESS)
        used = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "requests"
        }
        assert used <= set(dir(channels.library_http._Requests)), (scheme, used)


def test_control_the_list_of_imports_tells_plug_ins_with_sockets() -> None:
    for scheme in ("mailto", "aprs", "rsyslog"):
        source = Path(str(sys.modules[N_MGR[scheme].__module__].__file__)).read_text()
        assert "import socket" in source or "import smtplib" in source
        assert scheme not in channels.ALLOWED


def test_outside_of_a_message_apprise_opens_nothing(caught: Trap) -> None:
    channels.check("gotifys://push.example.org/abcdef", allow_private=False)
    made = apprise.Apprise.instantiate(f"gotify://127.0.0.1:{caught.port}/abcdef")
    assert made is not None and made.notify(title="t", body="b") is False
    assert caught.caught == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "127.1",
        "0",
        "LOCALHOST",
        "localhost.",
        "a.local.",
        "::ffff:127.0.0.1",
        "::1",
        "fec0::1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "::127.0.0.1",
        "169.254.169.254",
        "x.internal",
        "255.255.255.255",
    ],
)
def test_every_spelling_of_a_private_address_is_known_without_a_look_up(host: str) -> None:
    assert is_private_name(host)


@pytest.mark.parametrize("host", ["8.8.8.8", "2606:4700::1111", "example.org", "134744072"])
def test_public_ones_are_not_private(host: str) -> None:
    assert not is_private_name(host)
    assert "." not in host or not host[0].isdigit() or is_public(host)


def test_what_is_longer_than_the_service_takes_comes_in_several_messages(unguarded: HttpClient) -> None:
    receiver = Receiver()
    try:
        body = "\n".join(f"line {number} of what happened last night" for number in range(500))
        channels.send(
            unguarded, f"mmost://127.0.0.1:{receiver.port}/3ccdd113474722377935511fc85d3dd4", "error", "title", body
        )
        said = [call.json()["text"] for call in receiver.calls]
    finally:
        receiver.close()
    assert len(said) > 1 and max(map(len, said)) <= 4_000  # Mattermost's limit, as Apprise knows it
    assert all(f"line {number} of" in " ".join(said) for number in range(500))
