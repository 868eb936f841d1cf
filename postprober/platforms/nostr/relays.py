"""Talking to several relays at once (NIP-01), and what their answers together mean (nostr/facts.md, 5).

Of an account's m relays n have to have a post. One that is asked and does not have it counts as `missing`, one that did not
answer as `silent`; only what `decided` says is relied on. A relay is never believed about what an event is: id and
signature are checked.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlunsplit

from postprober.domain.account import Credentials
from postprober.domain.addresses import split
from postprober.domain.platform import PlatformConfig
from postprober.errors import BadInput, OutcomeUnknown, PlatformError, ReconnectNeeded, Unavailable
from postprober.http import HttpClient
from postprober.platforms.common.errors import RequestKind
from postprober.platforms.common.replies import tolerant_json
from postprober.platforms.nostr.errors import WAIT, refused, word_of
from postprober.platforms.nostr.event import RELAY_AUTH, Event, is_event, signed
from postprober.platforms.nostr.keys import Signer
from postprober.websocket import Closed, Opening, WebSocket, opened, side_by_side

RELAYS, MEDIA_SERVER = "relays", "media_server"  # in the credentials' further values
MOST_RELAYS = 10  # ours: people write to two to five; each costs a connection at every look
NOT_CALLED = "not_called"  # the address is one that is never called from here
MOST_EVENTS = 5000  # of one answer; ours
MOST_ADDRESS = 255  # characters: what a code can hold that says where an event is (NIP-19)
_PORTS = {"http": 80, "https": 443}
Filter = Mapping[str, Any]


def base_of(typed: str, config: PlatformConfig) -> str:
    """An address as it is called (http or https). One that begins with / lies below the configured address. Raises BadInput."""
    text = typed.strip()
    if text.startswith("/") and config.api_url:
        text = config.api_url + text.rstrip("/")
    if "://" not in text:
        text = f"wss://{text}"
    parts = split(text)
    if "@" in parts.netloc or parts.query:  # it stands in links and in the posts themselves, so for everybody to read
        raise BadInput("Write the address without a user name, password or query.", field=RELAYS)
    scheme = {"ws": "http", "wss": "https", "http": "http", "https": "https"}.get(parts.scheme.lower())
    name = (parts.hostname or "").rstrip(".")
    if scheme is None or not name or parts.fragment or not (text.isascii() and text.isprintable()):
        raise BadInput(f"{typed[:80]!r} is no address of a relay; write one such as wss://relay.example.", field=RELAYS)
    # One server is one relay in whatever spelling: each counts for a place where the post is.
    port = "" if parts.port in (None, _PORTS[scheme]) else f":{parts.port}"
    url = urlunsplit((scheme, f"[{name}]{port}" if ":" in name else f"{name}{port}", parts.path.rstrip("/"), "", ""))
    if len(shown(url)) > MOST_ADDRESS:
        raise BadInput(f"An address has at most {MOST_ADDRESS} characters; give a shorter one.", field=RELAYS)
    return url


def shown(url: str) -> str:
    """The address as people write it."""
    return "ws" + url.removeprefix("http")


def host(url: str) -> str:
    """How a relay is called in a sentence."""
    parts = split(url)
    return parts.netloc + parts.path


def listed(typed: str, config: PlatformConfig) -> tuple[str, ...]:
    """The relays that somebody named, with blanks or commas between them, each once. Raises BadInput."""
    found = tuple(dict.fromkeys(base_of(one, config) for one in typed.replace(",", " ").split()))
    if len(found) > MOST_RELAYS:
        raise BadInput(f"Name at most {MOST_RELAYS} relays; these are {len(found)}.", field=RELAYS)
    return found


def usual(config: PlatformConfig) -> tuple[str, ...]:
    """Those of accounts that name none."""
    return listed(config.settings.get("relays", "") or config.api_url, config)


def named_by_operator(config: PlatformConfig) -> frozenset[str]:
    """Those that may lie where only the operator may send us; none where the setting cannot be read."""
    try:
        return frozenset(usual(config))
    except BadInput:
        return frozenset()


def relays_of(cred: Credentials, config: PlatformConfig) -> tuple[str, ...]:
    """The account's relays. Raises ReconnectNeeded where there is none."""
    try:
        found = listed(cred.secret.get(RELAYS, ""), config) or usual(config)
    except BadInput as error:
        raise ReconnectNeeded(f"{error.message} Reconnect the account.") from error
    if not found:
        raise ReconnectNeeded("The account has no relay; reconnect it and name at least one.")
    return found


def needed(config: PlatformConfig, relays: int) -> int:
    """On how many of them a post has to be: what the setting says, else half of them (decision 0049)."""
    asked = config.settings.get("needed", "")
    wanted = int(asked) if asked.isdecimal() else 0
    return min(wanted, relays) if wanted > 0 else (relays + 1) // 2


@dataclass(frozen=True)
class RelayAnswer:
    """What one relay said to an event. `accepted`: it has it. `error`: None where it was accepted. `arrived`: False when
    surely nothing was sent to it."""

    relay: str
    accepted: bool
    error: PlatformError | None = None
    arrived: bool = True


@dataclass(frozen=True)
class RelayReading:
    """What one relay has. `answered`: it said that this is all; `hidden`: it wants readers to sign in."""

    relay: str
    events: tuple[Event, ...] = ()
    answered: bool = True
    hidden: bool = False
    error: PlatformError | None = None


@dataclass
class RelayCircle:
    """The relays of one account and how they are spoken to. `signer`: None for a stranger."""

    http: HttpClient
    config: PlatformConfig
    relays: tuple[str, ...]
    now: Callable[[], datetime]
    signer: Signer | None = None
    _usual: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self._usual = named_by_operator(self.config)

    @property
    def needed(self) -> int:
        return needed(self.config, len(self.relays))

    def _client(self, url: str) -> HttpClient:
        """Hosts that the operator named for another purpose are no exception for what people typed."""
        return self.http if url in self._usual else self.http.for_typed()

    def send(self, event: Event, *, visible: bool, only: Sequence[str] = ()) -> tuple[RelayAnswer, ...]:
        """Hand `event` to all relays (to `only` those): connect to all, pass the gate once, send to all, then listen."""
        act = RequestKind.PUBLISH if visible else RequestKind.STAGE
        text = json.dumps(["EVENT", event], separators=(",", ":"), ensure_ascii=False)
        with opened(self._client, only or self.relays, visible=visible) as openings:
            if not any(one.socket for one in openings):
                return tuple(_not_reached(one) for one in openings)
            if visible:
                self.http.pass_gate()
            troubles = {one.url: _said(one.socket, text) for one in openings if one.socket is not None}
            if visible:
                self.http.checkpoint("request_sent")
            answers = side_by_side(
                lambda one: (
                    _not_reached(one)
                    if one.socket is None
                    else troubles[one.url] or self._answer(one.socket, event, text, act)
                ),
                openings,
            )
        if visible:
            self.http.checkpoint("reply_headers")
            self.http.checkpoint("reply_body")
        return answers

    def _answer(self, socket: WebSocket, event: Event, text: str, act: RequestKind) -> RelayAnswer:
        challenge, tried = "", False
        try:
            while True:
                message = _message(socket.receive())
                if message[0] == "AUTH" and len(message) > 1:
                    challenge = str(message[1])
                # Some relays answer what they find invalid with an empty id (facts.md, 6); one event is asked about here.
                if message[0] != "OK" or len(message) < 3 or message[1] not in (event["id"], ""):
                    continue
                said = str(message[3]) if len(message) > 3 else ""
                word = word_of(said)
                if word == "auth-required" and challenge and not tried and self.signer is not None:
                    tried = True
                    if self._signed_in(socket, challenge):
                        socket.send(text)
                        continue
                # A refusal as a repeat says that it is there (facts.md, 6).
                if message[1] == event["id"] and (message[2] is True or word == "duplicate"):
                    return RelayAnswer(socket.url, True)
                if message[2] is not False:
                    raise Closed("the relay's answer has an unknown form")
                return RelayAnswer(socket.url, False, self._refused(said, act, socket.url))
        except Closed as error:
            return _unknown(socket.url, error)

    def ask(
        self, filters: Sequence[Filter] | Mapping[str, Sequence[Filter]], *, more: str = ""
    ) -> tuple[RelayReading, ...]:
        """What the relays have of it: the same filters for all, or by relay (one without any is not asked). `more`: id of an
        event; a relay that does not show it is asked again after signing in, where it offers that."""
        by = filters if isinstance(filters, Mapping) else dict.fromkeys(self.relays, filters)
        with opened(self._client, [one for one in self.relays if one in by]) as openings:
            return side_by_side(
                lambda one: (
                    RelayReading(one.url, answered=False, error=_not_reached(one).error)
                    if one.socket is None
                    else self._stored(one.socket, by[one.url], more)
                ),
                openings,
            )

    def _stored(self, socket: WebSocket, filters: Sequence[Filter], more: str) -> RelayReading:
        try:
            found, challenge = self._read(socket, filters)
            lacks = found.answered and more and not any(event["id"] == more for event in found.events)
            if self.signer is not None and challenge and (found.hidden or lacks) and self._sign_in(socket, challenge):
                found, _ = self._read(socket, filters)
            return found
        except Closed as error:
            return RelayReading(socket.url, answered=False, error=Unavailable("The relay did not answer.", str(error)))

    def _read(self, socket: WebSocket, filters: Sequence[Filter]) -> tuple[RelayReading, str]:
        """One question and all of its answer, with the relay's challenge, "" without one. Raises Closed."""
        events: dict[str, Event] = {}
        challenge, name = "", uuid.uuid4().hex[:16]
        socket.send(json.dumps(["REQ", name, *filters]))
        while True:
            kind, *told = _message(socket.receive())
            if kind == "AUTH" and told:
                challenge = str(told[0])
            if told[:1] != [name]:
                continue  # of another question, or for people
            if kind == "EVENT" and len(told) > 1 and is_event(told[1]) and len(events) < MOST_EVENTS:
                events[told[1]["id"]] = told[1]
            elif kind == "EOSE":
                return RelayReading(socket.url, tuple(events.values())), challenge
            elif kind == "CLOSED":
                said = str(told[1]) if len(told) > 1 else ""
                error = self._refused(said, RequestKind.READ, socket.url)
                hidden = word_of(said) in ("auth-required", "restricted")
                return RelayReading(socket.url, answered=False, hidden=hidden, error=error), challenge

    def _refused(self, said: str, act: RequestKind, url: str) -> PlatformError:
        told = self.config.settings.get("throttle_seconds")
        wait = timedelta(seconds=float(told)) if told else WAIT
        return refused(self.http.redactor.excerpt(said), act, self.now(), host(url), wait)

    def _signed_in(self, socket: WebSocket, challenge: str) -> bool:
        """After a refusal, which stands where the connection ends meanwhile: the event was not sent again."""
        try:
            return self._sign_in(socket, challenge)
        except Closed:
            return False

    def _sign_in(self, socket: WebSocket, challenge: str) -> bool:
        """NIP-42. Raises Closed."""
        if self.signer is None:
            return False
        tags = [["relay", shown(socket.url)], ["challenge", challenge[:1000]]]
        proof = signed(self.signer, RELAY_AUTH, "", tags, self.now())
        socket.send(json.dumps(["AUTH", proof]))
        while True:
            message = _message(socket.receive())
            if message[0] == "OK" and message[1:2] == [proof["id"]]:
                return message[2:3] == [True]


def decided(found: Sequence[RelayReading], has: Callable[[RelayReading], bool], least: int) -> tuple[int, bool]:
    """How many relays show it, and whether it is surely not on `least` of them: that many clearly do not have it that the rest is
    fewer than `least`."""
    shows = sum(has(one) for one in found)
    missing = sum(one.answered and not has(one) for one in found)
    return shows, not shows and missing > len(found) - least


def _message(text: str) -> list[Any]:
    """A relay's message; what is none is passed over."""
    told = tolerant_json(text)
    return told if isinstance(told, list) and told and isinstance(told[0], str) else [""]


def _said(socket: WebSocket, text: str) -> RelayAnswer | None:
    """None when it was sent; else what is known of it."""
    try:
        socket.send(text)
    except Closed as error:
        return _unknown(socket.url, error)
    return None


def _unknown(relay: str, error: Closed) -> RelayAnswer:
    said = "The relay's answer did not come, so it is not known whether it has the post."
    code = "timeout" if error.timed_out else ""
    return RelayAnswer(relay, False, OutcomeUnknown(said, f"{host(relay)}: {error}", code=code))


def _not_reached(one: Opening) -> RelayAnswer:
    error = one.error
    if isinstance(error, PlatformError):
        return RelayAnswer(one.url, False, error, arrived=False)
    said = error.message if error is not None else "The relay could not be reached; nothing was sent."
    return RelayAnswer(one.url, False, Unavailable(said, host(one.url), code=NOT_CALLED), arrived=False)
