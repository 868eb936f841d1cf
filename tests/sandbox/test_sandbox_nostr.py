"""The emulated relays of Nostr, after two real ones; and the media server beside them."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from postprober.sandbox.nostr.codes import decode, encode, event_id
from postprober.sandbox.nostr.dialect import made
from postprober.sandbox.serve import SandboxServer
from tests.sandbox.conftest import MovableClock

Json = dict[str, Any]


class Key:
    """An emulated account and its private key."""

    def __init__(self, sandbox: SandboxServer, clock: MovableClock, name: str, **options: Any) -> None:
        self.control, self.clock, self.name = sandbox.control, clock, name
        told = sandbox.control.account("nostr", name, **options)
        self.public, self.secret = told["id"], decode(told["access_token"])[1].hex()

    def event(self, content: str, kind: int = 1, tags: list[list[str]] | None = None, ahead: float = 0) -> Json:
        return made(self.secret, self.public, kind, content, tags or [], self.clock() + ahead)

    def truth(self) -> list[Json]:
        return self.control.posts("nostr", self.name)


@pytest.fixture
def key(sandbox: SandboxServer, clock: MovableClock) -> Key:
    return Key(sandbox, clock, "writer")


@pytest.fixture
def relay(sandbox: SandboxServer) -> Iterator[Callable[[str], ClientConnection]]:
    """`relay(name)`: a connection to the relay `one` or `second`, whose challenge was read."""
    with ExitStack() as stack:

        def opened(name: str = "one") -> ClientConnection:
            url = sandbox.url.replace("http", "ws") + "/nostr" + ("/second" if name == "second" else "")
            connection = stack.enter_context(connect(url))
            connection.challenge = json.loads(connection.recv(5))[1]  # type: ignore[attr-defined]
            return connection

        yield opened


def tell(connection: ClientConnection, *message: Any, until: str = "") -> list[Any]:
    """What is answered: one message, or all up to one of that kind."""
    connection.send(json.dumps(message))
    found = [json.loads(connection.recv(5))]
    while until and found[-1][0] not in (until, "CLOSED"):
        found.append(json.loads(connection.recv(5)))
    return found if until else found[0]


def shown(connection: ClientConnection, **wanted: Any) -> list[Json]:
    told = tell(connection, "REQ", "s", wanted, until="EOSE")
    return [one[2] for one in told if one[0] == "EVENT"]


Open = Callable[..., ClientConnection]


def test_an_event_is_taken_and_shown_to_everybody(key: Key, relay: Open) -> None:
    event = key.event("Hello", tags=[["t", "one"]])
    assert tell(relay(), "EVENT", event) == ["OK", event["id"], True, ""]
    assert shown(relay(), ids=[event["id"]]) == [event]
    assert shown(relay(), authors=[key.public], kinds=[1]) == [event]
    assert shown(relay("second"), ids=[event["id"]]) == [], "each has what it was given"
    assert [post["text"] for post in key.truth()] == ["Hello"]


def test_the_relays_disagree_on_a_repeat_and_on_what_was_deleted(key: Key, relay: Open) -> None:
    event = key.event("Once")
    request = key.event("", 5, [["e", event["id"]], ["k", "1"]])
    again = {
        "one": [True, "duplicate: already have this event"],
        "second": [False, "duplicate: exists"],
    }
    after = {"one": [False, "blocked: this event is deleted"], "second": [True, ""]}
    for name in ("one", "second"):
        tell(relay(name), "EVENT", event)
    for name in ("one", "second"):
        assert tell(relay(name), "EVENT", event)[2:] == again[name]
        assert tell(relay(name), "EVENT", request)[2:] == [True, ""]
        assert shown(relay(name), ids=[event["id"]]) == []
        assert shown(relay(name), kinds=[5], authors=[key.public], **{"#e": [event["id"]]}) == [request]
    assert key.truth()[0]["deleted_at"] is not None
    for name in ("one", "second"):
        assert tell(relay(name), "EVENT", event)[2:] == after[name]
    assert len(key.truth()) == 1 and key.truth()[0]["visible"]


@pytest.mark.parametrize(
    ("relay_name", "empty", "words"),
    [("one", False, "invalid: invalid event"), ("second", True, "invalid: Bad signature")],
)
def test_what_is_invalid_is_refused_as_the_real_ones_do(
    key: Key, relay: Open, relay_name: str, empty: bool, words: str
) -> None:
    event = key.event("Hello")
    for broken in ({**event, "sig": "00" * 64}, {**event, "content": "Other"}):
        told = tell(relay(relay_name), "EVENT", broken)
        assert told[1] == ("" if empty else event["id"]) and told[2] is False and told[3].startswith(words)
    assert key.truth() == []


def test_what_is_too_large_or_of_another_time_is_refused(key: Key, relay: Open) -> None:
    long, ahead = key.event("x" * 5000), key.event("Tomorrow", ahead=3 * 86_400)
    assert tell(relay("second"), "EVENT", long)[1:] == [
        "",
        False,
        "invalid: 280 characters should be enough for anybody",
    ]
    assert tell(relay("second"), "EVENT", ahead)[3].endswith("is in the future")
    assert tell(relay(), "EVENT", long)[2] is True and tell(relay(), "EVENT", ahead)[2] is True


def test_unknown_words_are_answered_by_one_relay_only(relay: Open) -> None:
    assert tell(relay(), "NOPE", 1) == ["NOTICE", "invalid client message"]
    connection = relay("second")
    connection.send('["NOPE", 1]')
    assert tell(connection, "REQ", "s", {"ids": []}) == ["EOSE", "s"], "the next answer is that of the next question"


def test_a_reading_by_ids_is_closed_by_one_relay(key: Key, relay: Open) -> None:
    connection = relay()
    tell(connection, "REQ", "s", {"ids": ["ab" * 32]}, until="EOSE")
    assert json.loads(connection.recv(5)) == ["CLOSED", "s", ""]


@pytest.mark.parametrize("kind", ["cut_after_accept", "late_create"])
def test_a_cut_answer_leaves_one_post(key: Key, relay: Open, clock: MovableClock, kind: str) -> None:
    key.control.fault("nostr", kind, account=key.name, params={"seconds": 30})
    with pytest.raises(ConnectionClosed):
        tell(relay(), "EVENT", key.event("once"))
    clock.advance(31)
    assert [post["text"] for post in key.truth()] == ["once"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("error_before_accept", "error:"),
        ("rate_limited", "rate-limited:"),
        ("unauthorized", "auth-required:"),
        ("revoked", "blocked:"),
    ],
)
def test_a_fault_before_acceptance_leaves_none_and_is_said_in_the_relays_words(
    key: Key, relay: Open, kind: str, words: str
) -> None:
    key.control.fault("nostr", kind, account=key.name)
    connection = relay()
    told = tell(connection, "EVENT", key.event("never"), until="OK")[-1]
    assert told[2] is False and told[3].startswith(words)
    assert key.truth() == []


def test_a_fault_after_acceptance_leaves_one(key: Key, relay: Open) -> None:
    key.control.fault("nostr", "error_after_accept", account=key.name)
    assert tell(relay(), "EVENT", key.event("kept"))[3].startswith("error:")
    assert len(key.truth()) == 1


def test_a_ghost_is_accepted_and_not_there(key: Key, relay: Open) -> None:
    key.control.fault("nostr", "ghost", account=key.name)
    event = key.event("ghost")
    assert tell(relay(), "EVENT", event)[2] is True
    assert shown(relay(), ids=[event["id"]]) == []


def test_what_is_hidden_is_shown_to_who_proves_the_key(key: Key, relay: Open) -> None:
    event = key.event("hidden")
    tell(relay(), "EVENT", event)
    key.control.hide_post("nostr", event["id"])
    assert shown(relay(), ids=[event["id"]]) == []
    connection = relay()
    proof = key.event("", 22242, [["relay", "ws://x"], ["challenge", connection.challenge]])  # type: ignore[attr-defined]
    assert tell(connection, "AUTH", proof) == ["OK", proof["id"], True, ""]
    assert shown(connection, ids=[event["id"]]) == [event]
    other = relay()
    assert tell(other, "AUTH", proof)[2] is False, "a challenge is of one connection"


def test_a_relay_with_a_wall_and_one_that_is_down(key: Key, relay: Open, sandbox: SandboxServer) -> None:
    key.control.settings(nostr_walled="one", nostr_down="second")
    told = tell(relay(), "REQ", "s", {"ids": ["ab" * 32]}, until="CLOSED")[-1]
    assert told[2].startswith("auth-required:")
    with pytest.raises(InvalidStatus):
        relay("second")


def test_a_deletion_behind_the_back_is_one_on_both_relays(key: Key, relay: Open) -> None:
    event = key.event("Gone soon")
    for name in ("one", "second"):
        tell(relay(name), "EVENT", event)
    key.control.delete_post("nostr", event["id"])
    assert shown(relay(), ids=[event["id"]]) == shown(relay("second"), ids=[event["id"]]) == []


def test_the_media_server_takes_what_is_proved_for_this_file_and_key(
    key: Key, http: httpx2.Client, picture: bytes
) -> None:
    def put(data: bytes, **change: Any) -> httpx2.Response:
        tags = {"t": "upload", "x": hashlib.sha256(picture).hexdigest(), "expiration": str(int(key.clock()) + 60)}
        proof = key.event("Upload", 24242, [[name, value] for name, value in (tags | change).items()])
        told = "Nostr " + base64.b64encode(json.dumps(proof).encode()).decode()
        return http.put("/nostr/upload", content=data, headers={"Authorization": told})

    good = put(picture)
    assert good.status_code == 200 and good.json()["sha256"] == hashlib.sha256(picture).hexdigest()
    assert http.get(good.json()["url"]).content == picture
    assert put(picture).json()["url"] == good.json()["url"]
    assert put(picture + b"x").status_code == 403
    assert put(picture, expiration="1").status_code == 403
    assert put(picture, t="delete").status_code == 403
    assert http.put("/nostr/upload", content=picture).status_code == 401
    assert put(b"text", x=hashlib.sha256(b"text").hexdigest()).status_code == 415


def test_the_gateway_shows_a_post_under_its_codes(key: Key, relay: Open, http: httpx2.Client) -> None:
    event = key.event("For the web")
    tell(relay(), "EVENT", event)
    raw = bytes.fromhex(event["id"])
    nevent = encode("nevent", bytes([1, 3]) + b"w:x" + bytes([0, 32]) + raw)
    for code in (event["id"], encode("note", raw), nevent):
        assert event_id(code) == event["id"]
        page = http.get(f"/nostr/{code}")
        assert page.status_code == 200 and "For the web" in page.text
    assert http.get("/nostr/note1qqqqqq").status_code == 404
