"""Signed tokens, passwords, redaction and the addresses that may be called."""

from __future__ import annotations

import base64
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from pydantic import SecretStr

from postprober.errors import BadInput, Forbidden, OutcomeUnknown, Unavailable
from postprober.http import HttpClient, Pools
from postprober.security import passwords
from postprober.security.passwords import MAX_CHARS, MIN_CHARS, hash_password, verify_password
from postprober.security.redaction import EXCERPT_CHARS, MASK, Redactor
from postprober.security.tokens import keyed_hash, opaque, sign, verify
from postprober.security.urlguard import check_url, is_public, resolve

_OURS = passwords._hasher  # read before the tests put a cheap one in its place
SECRET = SecretStr("s" * 40)
NOW = 1_800_000_000.0


def test_a_token_opens_for_its_purpose_until_its_end() -> None:
    token = sign(SECRET, "media", {"id": 7}, now=NOW, lifetime=60)
    assert verify(SECRET, "media", token, now=NOW + 59)["id"] == 7


@pytest.mark.parametrize(
    ("secret", "purpose", "now"),
    [
        (SECRET, "ticket", NOW),
        (SecretStr("t" * 40), "media", NOW),
        (SECRET, "media", NOW + 60),
        (SECRET, "media", NOW + 10**9),
    ],
    ids=["purpose", "key", "expired", "long expired"],
)
def test_a_token_opens_for_nothing_else(secret: SecretStr, purpose: str, now: float) -> None:
    token = sign(SECRET, "media", {"id": 7}, now=NOW, lifetime=60)
    with pytest.raises(Forbidden):
        verify(secret, purpose, token, now=now)


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _key(purpose: str = "media") -> OctKey:
    import hashlib
    import hmac

    return OctKey.import_key(hmac.new(SECRET.get_secret_value().encode(), purpose.encode(), hashlib.sha256).digest())


GOOD = {"iss": "postprober", "aud": "media", "exp": int(NOW) + 60, "id": 7}


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "é.é.é",
        "x" * 5000,
        f"{_part({'alg': 'none'})}.{_part(GOOD)}.",
        f"{_part({'alg': 'none'})}.{_part(GOOD)}.AAAA",
        f"{_part({'alg': 'HS256'})}.{_part(GOOD)}.",
    ],
)
def test_an_unsigned_or_broken_token_is_refused(token: str) -> None:
    with pytest.raises(Forbidden, match="not valid"):
        verify(SECRET, "media", token, now=NOW)


@pytest.mark.parametrize(
    "change", [{"aud": "ticket"}, {"iss": "other"}, {"exp": None}, {"exp": "9999999999"}, {"exp": 1}]
)
def test_a_token_with_the_right_key_but_wrong_claims_is_refused(change: dict[str, Any]) -> None:
    claims = {**GOOD, **change}
    token = jwt.encode({"alg": "HS256"}, {k: v for k, v in claims.items() if v is not None}, _key())
    with pytest.raises(Forbidden):
        verify(SECRET, "media", token, now=NOW)


def test_another_algorithm_with_the_right_key_is_refused() -> None:
    token = jwt.encode({"alg": "HS512"}, GOOD, OctKey.import_key(b"k" * 64), algorithms=["HS512"])
    with pytest.raises(Forbidden):
        verify(SECRET, "media", token, now=NOW)


def test_any_changed_character_spoils_a_token() -> None:
    token = sign(SECRET, "media", {"id": 7}, now=NOW, lifetime=60)
    for at in range(0, len(token) - 1, 7):  # the last one has unused bits
        other = "A" if token[at] != "A" else "B"
        with pytest.raises(Forbidden):
            verify(SECRET, "media", token[:at] + other + token[at + 1 :], now=NOW)


def test_the_database_keeps_a_keyed_hash_and_never_the_token() -> None:
    token = opaque()
    assert len(token) >= 43 and opaque() != token
    hashed = keyed_hash(SECRET, token)
    assert token not in hashed and hashed == keyed_hash(SECRET, token) != keyed_hash(SecretStr("t" * 40), token)


@pytest.fixture
def at_full_cost(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Passwords as the program hashes them; elsewhere in the tests they cost nothing (see tests/conftest.py)."""
    monkeypatch.setattr(passwords, "_hasher", _OURS)
    passwords._decoy.cache_clear()
    yield
    passwords._decoy.cache_clear()


@pytest.mark.usefixtures("at_full_cost")
def test_a_password_fits_only_itself() -> None:
    stored = hash_password("correct horse battery")
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$"), "the low-memory profile of RFC 9106, 4"
    assert verify_password(stored, "correct horse battery")
    assert not verify_password(stored, "correct horse batterz")
    assert not verify_password(None, "correct horse battery")
    assert not verify_password("no hash at all", "correct horse battery")


@pytest.mark.parametrize("length", [0, MIN_CHARS - 1, MAX_CHARS + 1])
def test_a_password_of_a_wrong_length_is_refused_in_one_sentence(length: int) -> None:
    with pytest.raises(BadInput, match="characters"):
        hash_password("p" * length)


@pytest.mark.usefixtures("at_full_cost")
def test_an_unknown_user_costs_the_same_time_as_a_wrong_password() -> None:
    stored = hash_password("correct horse battery")
    verify_password(None, "warm up")

    def seconds(value: str | None) -> float:
        times = []
        for _ in range(5):
            began = time.process_time()  # what others do on the machine meanwhile does not count
            verify_password(value, "wrong password")
            times.append(time.process_time() - began)
        return sorted(times)[1]

    known, unknown = seconds(stored), seconds(None)
    assert 0.4 < unknown / known < 2.5


# Redaction

TOKEN = "POISON-abcdef0123456789"


@pytest.mark.parametrize(
    "text",
    [
        f"the token {TOKEN} was refused",
        json.dumps({"access_token": TOKEN}),
        f"Authorization: Bearer {TOKEN}",
        f"https://x.example/?access_token={TOKEN}&a=1",
        TOKEN * 3,
    ],
)
def test_a_known_secret_is_masked_wherever_it_stands(text: str) -> None:
    assert TOKEN not in Redactor([TOKEN]).text(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"access_token": "unknown-secret-1", "x": 1}',
        '{"refreshJwt":"unknown-secret-1"}',
        '{"client_secret" : "unknown-secret-1"}',
        "grant_type=refresh_token&refresh_token=unknown-secret-1&client_secret=unknown-secret-1",
        "Authorization: Bearer unknown-secret-1",
        "authorization=Basic dW5rbm93bi1zZWNyZXQtMQ==",
        '{"password":"unknown-secret-1"}',
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1bmtub3duLXNlY3JldC0xIn0.c2lnbmF0dXJl",
        "GET https://api.example/bot123456789:AAunknown-secret-1_with35signs/getMe",
        "https://api.example/bot123456789%3AAAunknown-secret-1_with35signs/getMe",
        "POST https://api.example/api/v10/webhooks/1093284756103847561/unknown-secret-1_as-long-as-theirs-are?wait=true",
        "https://api.example/api%2Fwebhooks%2F1093284756103847561%2Funknown-secret-1_as-long-as-theirs-are",
        "Authorization: Bot MTA5MzI4NDc1NjEwMzg0NzU2MQ.GhIjKl.unknown-secret-1_VwXyZ0123456789abcdef",
    ],
)
def test_what_looks_like_a_secret_is_masked_though_nobody_named_it(text: str) -> None:
    shown = Redactor().text(text)
    assert "unknown-secret-1" not in shown and "dW5rbm93bi1zZWNyZXQtMQ" not in shown and "eyJzdWIi" not in shown
    assert MASK in shown


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-30 05:33:39.123456",
        "at://did:plc:abcdefghijklmnopqrstuvwxyz/app.bsky.feed.post/3k",
        "urn:li:share:7141138937766391808",
        "127.0.0.1:27424/telegram/towns/960168192",
        "1000000:1000000",
        "https://docs.example/webhooks/1093284756103847561/messages",
        "https://a-longer-name-of-a-server.github.io/some-other-longer-path-of-a-page",
        "0123456789abcdef.json.and-so-on",
        "sha256:0123456789abcdef0123456789abcdef",
    ],
)
def test_what_only_resembles_a_token_in_a_path_stays(text: str) -> None:
    assert Redactor().text(text) == text


def test_a_private_key_in_the_spelling_of_people_is_masked_and_a_public_one_stays() -> None:
    key = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"
    public = "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg"
    assert Redactor().text(f"{key} {key.upper()} {public} nsec1") == f"{MASK} {MASK} {public} nsec1"


@pytest.mark.parametrize("safe", ["", "/", ":"])
def test_a_secret_in_a_path_is_masked_in_every_spelling(safe: str) -> None:
    secret = "12:ab/c+d=e f"
    shown = quote(secret, safe=safe)
    url = f"https://x.example/bot{shown}/getMe?x=1"
    for text in (Redactor([secret]).url(url), Redactor([secret]).text(f"could not reach {url}")):
        assert shown not in text and "ab" not in text and MASK in text, text


def test_a_secret_within_another_is_masked_with_it() -> None:
    assert Redactor(["secret", "secret-and-more"]).text("secret-and-more") == MASK


def test_an_excerpt_is_redacted_before_it_is_cut() -> None:
    text = "x" * (EXCERPT_CHARS - 10) + TOKEN
    assert TOKEN[:8] not in Redactor([TOKEN]).excerpt(text)
    assert len(Redactor([TOKEN]).excerpt("y" * 10_000)) == EXCERPT_CHARS


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{TOKEN}@x.example/a",
        f"https://x.example/a?access_token={TOKEN}",
        f"https://x.example/cb?code={TOKEN}&state={TOKEN}",
        f"https://x.example/a?other={TOKEN}",
        f"https://x.example/{TOKEN}/a",
    ],
)
def test_an_address_in_the_log_shows_no_secret(url: str) -> None:
    assert TOKEN not in Redactor([TOKEN]).url(url)


def test_a_secret_that_needs_escaping_is_masked_in_an_address_too() -> None:
    secret = "abc+/=def/ghi+"
    shown = Redactor([secret]).url("https://x.example/a?next=" + "abc%2B%2F%3Ddef%2Fghi%2B")
    assert "abc%2B" not in shown and secret not in shown


# Addresses

PRIVATE = [
    "127.0.0.1",
    "127.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "0.0.0.0",
    "100.64.0.1",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "2002:7f00:1::",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
    "198.18.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_and_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(BadInput):
        check_url(f"https://{host}/x", allow_private=False)


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1"])
def test_ordinary_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mastodon.social",
        "http://mastodon.social",
        "ftp://x.example",
        "file:///etc/passwd",
        "https://",
        "https://user:pw@x.example",
        "https://localhost",
        "https://printer.local",
        "https://db.internal",
        "javascript:alert(1)",
        "https://[",
        "https://[::1",
        "https://x.example:port/",
    ],
)
def test_an_address_that_may_not_be_called_is_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_url(url, allow_private=False)
    assert str(caught.value).count("\n") == 0


def test_an_address_is_used_without_its_last_slash() -> None:
    assert check_url(" https://mastodon.social/ ", allow_private=False) == "https://mastodon.social"
    assert check_url("http://127.0.0.1:8900/x/", allow_private=True) == "http://127.0.0.1:8900/x"


def _resolver(*answers: str) -> Callable[..., list[Any]]:
    left = list(answers)

    def answer(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        address = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    return answer


def test_a_name_that_resolves_to_a_private_address_is_not_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _resolver("10.0.0.1"))
    with pytest.raises(OSError, match="no address"):
        resolve("evil.example", 443, allow_private=False)
    assert resolve("evil.example", 443, allow_private=True) == "10.0.0.1"


def test_the_first_public_address_of_several_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    infos = [(2, 1, 6, "", (a, 443)) for a in ("127.0.0.1", "93.184.216.34")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: infos)
    assert resolve("mixed.example", 443, allow_private=False) == "93.184.216.34"


def test_a_name_that_changes_its_address_between_check_and_connect_reaches_nothing_private(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The connection goes to the very address that was checked, whatever the name says a moment later."""
    tried: list[str] = []

    def connect(address: tuple[str, int], *_: Any, **__: Any) -> None:
        tried.append(address[0])
        raise OSError("not in a test")

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr(socket, "getaddrinfo", _resolver("93.184.216.34", "127.0.0.1"))
    pools = Pools(allow_private=False)
    http = HttpClient(pools)
    with pytest.raises(Unavailable):
        http.send("POST", "https://rebinding.example/")
    with pytest.raises(Unavailable):
        http.read("GET", "https://rebinding.example/")
    pools.close()
    assert tried == ["93.184.216.34"], "the second try saw 127.0.0.1 and was refused before connecting"


def test_redirects_are_never_followed() -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(302, headers={"Location": "http://169.254.169.254/latest"})

    pools = Pools(transport=httpx2.MockTransport(answer))
    assert HttpClient(pools).read("GET", "https://x.example/").status == 302
    assert HttpClient(pools).send("POST", "https://x.example/").status == 302
    pools.close()
    assert asked == ["https://x.example/"] * 2


# The client: what is certain and what is not


def _client(answer: Callable[[httpx2.Request], httpx2.Response]) -> HttpClient:
    return HttpClient(Pools(transport=httpx2.MockTransport(answer)))


@pytest.mark.parametrize("error", [httpx2.ConnectError("no"), httpx2.ConnectTimeout("no"), httpx2.PoolTimeout("no")])
def test_a_connection_that_never_stood_means_nothing_was_sent(error: Exception) -> None:
    def fail(_: httpx2.Request) -> httpx2.Response:
        raise error

    with pytest.raises(Unavailable):
        _client(fail).send("POST", "https://x.example/", visible=True)


@pytest.mark.parametrize(
    "error",
    [
        httpx2.ReadTimeout("x"),
        httpx2.ReadError("x"),
        httpx2.WriteError("x"),
        httpx2.RemoteProtocolError("x"),
        httpx2.WriteTimeout("x"),
    ],
)
def test_everything_after_that_is_an_unknown_outcome_and_is_never_repeated(error: Exception) -> None:
    asked: list[int] = []

    def fail(_: httpx2.Request) -> httpx2.Response:
        asked.append(1)
        raise error

    with pytest.raises(OutcomeUnknown):
        _client(fail).send("POST", "https://x.example/", visible=True)
    assert asked == [1]
    with pytest.raises(Unavailable):
        _client(fail).read("GET", "https://x.example/")
    assert asked == [1, 1, 1]


def test_an_answer_that_cannot_be_decoded_is_an_unknown_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    def garbled(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(201, headers={"Content-Encoding": "gzip"}, stream=httpx2.ByteStream(b"no gzip at all"))

    with pytest.raises(OutcomeUnknown):
        _client(garbled).send("POST", "https://x.example/", visible=True)
    with pytest.raises(Unavailable):
        _client(garbled).read("GET", "https://x.example/")


def test_an_endless_answer_is_cut_off_and_an_unknown_outcome() -> None:
    def endless(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=b"x" * (9 * 1024 * 1024))

    with pytest.raises(OutcomeUnknown):
        _client(endless).send("POST", "https://x.example/", visible=True)


def test_the_detail_of_an_error_shows_no_secret() -> None:
    def fail(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadError(f"server said {TOKEN}")

    with pytest.raises(OutcomeUnknown) as caught:
        _client(fail).bound(secrets=[TOKEN]).send("POST", "https://x.example/")
    assert TOKEN not in str(caught.value) + caught.value.detail


def test_the_http_library_does_not_log_addresses_with_tokens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = _client(lambda _: httpx2.Response(200)).bound(secrets=[TOKEN])
    client.read("GET", "https://x.example/refresh_access_token", params={"access_token": TOKEN})
    client.send("GET", "https://x.example/refresh_access_token", params={"access_token": TOKEN})
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("token-eyJhbGciOi.eyJzdWIi.sig", "token-[redacted]"),
        ("a.b.eyJhbGciOi.eyJzdWIi.sig.d", "a.b.[redacted].d"),
        ("eyJhbGciOi.eyJzdWIi. and eyJhbGciOi.eyJzdWIi.c", "[redacted] and [redacted]"),
        ("-eyJ-eyJhbGciOi.eyJzdWIi.sig", "-[redacted]"),
        ("eyJhbGciOi.eyJ.sig", "eyJhbGciOi.eyJ.sig"),
    ],
)
def test_a_signed_token_is_taken_out_wherever_it_stands(text: str, shown: str) -> None:
    assert Redactor().text(text) == shown


@pytest.mark.parametrize(
    "unit", ["eyJaaaaa-", "eyJaaaaa.", "eyJ-", "-", "a-", "a.", "Basic ", "webhooks/123456/", "nsec1q"]
)
def test_no_answer_keeps_the_redaction_busy(unit: str) -> None:
    """A reply has up to 8 MB. Quadratic, this would take hours, in which nothing else runs; the suite's own limit ends it."""
    assert Redactor(["secret-value"]).text(unit * (3_000_000 // len(unit)))
