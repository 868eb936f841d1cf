"""Nostr on two real relays that disagree: nostr-relay and rust-nostr's LocalRelay, with a line between that can be cut."""

from __future__ import annotations

import secrets
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from postprober.domain.account import Credentials
from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.post import MediaFile
from postprober.domain.public_look import Look, Verdict
from postprober.domain.remote import PartJob, Receipt, Ref, RemoteMedia, Search, SightingState, Staged
from postprober.errors import OutcomeUnknown, PlatformError
from postprober.http import HttpClient
from postprober.platforms.nostr.adapter import NostrAdapter
from postprober.platforms.nostr.linking import credentials
from postprober.probe.public import look
from postprober.sandbox.serve import SandboxServer
from tests.real.conftest import NOSTR_RELAY, NOSTR_RUST

KEY = Platform("nostr")
TIMES = 50


class Line:
    """A way to a relay that can be cut behind what it carries to it: nothing of the relay's answers comes through then."""

    def __init__(self, target: str) -> None:
        host, _, port = target.removeprefix("http://").partition(":")
        self._target = (host, int(port))
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._socket.getsockname()[1]}"
        self.cuts = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._socket.accept()
                there = socket.create_connection(self._target)
                threading.Thread(target=self._carry, args=(here, there, True), daemon=True).start()
                threading.Thread(target=self._carry, args=(there, here, False), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, to_relay: bool) -> None:
        """What the relay says is carried until it answers an event: that answer is lost, and the connection with it."""
        with suppress(OSError):
            while data := source.recv(65536):
                if not to_relay and self.cuts and b'["OK"' in data:
                    break
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self) -> None:
        self._socket.close()


class Desk:
    """A fresh key on some relays."""

    def __init__(self, http: HttpClient, *relays: str, media: str = "") -> None:
        self.http, self.config = http, PlatformConfig(KEY, "", "https://njump.me")
        typed = {"access_token": secrets.token_hex(32), "relays": " ".join(relays), "media_server": media}
        self.cred = credentials(http, self.config, "", typed)
        self.adapter = NostrAdapter(http, self.config)

    def on(self, *relays: str) -> Credentials:
        return replace(self.cred, secret={**self.cred.secret, "relays": " ".join(relays)})

    def job(self, text: str, *media: MediaFile, parent: Ref | None = None, root: Ref | None = None) -> PartJob:
        key, now = str(uuid.uuid4()), datetime.now(UTC)
        handle = self.adapter.new_handle(key, 0, now)
        return PartJob(key, 0, text, now, media, handle=handle, parent=parent, root=root or parent)

    def publish(self, job: PartJob) -> Receipt:
        return self.adapter.finalize(self.cred, job, self.adapter.submit(self.cred, job))

    def own(self, since: datetime | None = None) -> list[str]:
        """Ids of all posts of the key, on all its relays."""
        timeline = self.adapter.recent(self.cred, since or datetime.now(UTC) - timedelta(hours=1))
        assert timeline.complete
        return [post.ref.remote_id for post in timeline.posts]

    def stranger(self, ref: Ref) -> Look:
        return look(self.http, KEY, self.config, url=ref.url, remote_id=ref.remote_id)

    def found(self, job: PartJob, staged: Staged) -> SightingState:
        return self.adapter.locate(self.cred, Search(job, job.composed_at, staged)).state


@pytest.fixture
def desk(real_http: HttpClient, nostr_relays: tuple[str, str]) -> Desk:
    return Desk(real_http, *nostr_relays)


@pytest.fixture
def lines(nostr_relays: tuple[str, str]) -> Iterator[tuple[Line, Line]]:
    both = (Line(NOSTR_RELAY), Line(NOSTR_RUST))
    yield both
    for one in both:
        one.close()


TEXT = 'Grüße 東京 🎉 "quoted" \\ https://example.org/a?b=1&c=2 #launch\n\nsecond paragraph\u2028 with nostr:npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6'


def test_text_is_proved_on_both_relays_by_a_stranger(desk: Desk) -> None:
    receipt = desk.publish(desk.job(TEXT))
    seen = desk.stranger(receipt.ref)
    assert (seen.verdict, seen.text) == (Verdict.FOUND, TEXT)
    assert seen.reason.startswith("2 of 2 relays show the post")
    assert desk.own() == [receipt.ref.remote_id]
    read = desk.adapter.read_many(desk.cred, [receipt.ref.remote_id])[receipt.ref.remote_id]
    assert read.post is not None and read.post.text == TEXT and read.counts.likes == 0


def test_a_chain_of_replies_is_read_back(desk: Desk) -> None:
    first = desk.publish(desk.job("one"))
    second = desk.publish(desk.job("two", parent=first.ref))
    third = desk.publish(desk.job("three", parent=second.ref, root=first.ref))
    assert desk.stranger(second.ref).reply_to == first.ref.remote_id
    assert desk.stranger(third.ref).reply_to == second.ref.remote_id
    read = desk.adapter.read_many(desk.cred, [first.ref.remote_id])[first.ref.remote_id]
    assert read.counts.replies == 1


def test_a_picture_is_referred_to_and_proved(
    real_http: HttpClient, nostr_relays: tuple[str, str], real_image: MediaFile
) -> None:
    """The relays are real, the media server is the emulated one: no Blossom server is to be had here."""
    with SandboxServer() as sandbox:
        account = sandbox.control.account("nostr", "painter")
        desk = Desk(real_http, *nostr_relays, media=f"{sandbox.url}/nostr")
        desk.cred = replace(desk.cred, access_token=account["access_token"], remote_id=account["id"])
        receipt = desk.publish(desk.job("A picture", real_image))
        seen = desk.stranger(receipt.ref)
        assert (seen.verdict, seen.text) == (Verdict.FOUND, "A picture")
        assert seen.media == (RemoteMedia("image", real_image.alt),)
        found = desk.adapter.fetch(desk.cred, receipt.ref.remote_id)
        assert found is not None and found.media is not None
        assert found.media[0].size == (320, 200)


def test_a_deletion_holds_on_both_and_may_be_repeated(desk: Desk) -> None:
    receipt = desk.publish(desk.job("Soon gone"))
    for _ in range(2):
        desk.adapter.delete(desk.cred, receipt.ref.remote_id)
        assert desk.adapter.fetch(desk.cred, receipt.ref.remote_id) is None
        assert desk.stranger(receipt.ref).verdict is Verdict.GONE
    assert desk.own() == []


def test_the_relays_disagree_on_repeats_and_there_is_one_post(desk: Desk, nostr_relays: tuple[str, str]) -> None:
    job = desk.job("Once")
    staged = desk.adapter.submit(desk.cred, job)
    refs = {desk.adapter.finalize(desk.cred, job, staged).ref.remote_id for _ in range(3)}
    refs |= {desk.adapter.finalize(desk.on(one), job, staged).ref.remote_id for one in nostr_relays}
    assert len(refs) == 1 and desk.own() == list(refs)


def test_what_was_deleted_is_not_given_to_the_relay_that_would_take_it_again(
    desk: Desk, nostr_relays: tuple[str, str]
) -> None:
    job = desk.job("Gone for good")
    staged = desk.adapter.submit(desk.cred, job)
    receipt = desk.adapter.finalize(desk.cred, job, staged)
    one = NostrAdapter(desk.http, desk.config)
    one.delete(desk.on(nostr_relays[1]), receipt.ref.remote_id)  # on one relay only
    assert desk.adapter.complete(desk.cred, receipt.ref.remote_id) == ""
    assert desk.found(job, staged) is SightingState.UNSURE
    assert desk.adapter.fetch(desk.cred, receipt.ref.remote_id) is None


def test_what_a_relay_refuses_is_told_with_its_cure(desk: Desk, nostr_relays: tuple[str, str]) -> None:
    long = desk.job("x" * 9000)
    staged = desk.adapter.submit(desk.cred, long)
    with pytest.raises(PlatformError, match="too large"):
        desk.adapter.finalize(desk.on(nostr_relays[0]), long, staged)
    ahead = replace(desk.job("Tomorrow"), composed_at=datetime.now(UTC) + timedelta(days=3))
    with pytest.raises(PlatformError, match="clock"):
        desk.adapter.finalize(desk.on(nostr_relays[0]), ahead, desk.adapter.submit(desk.cred, ahead))


def test_a_relay_that_was_away_is_given_the_post_later(desk: Desk, nostr_relays: tuple[str, str]) -> None:
    away = replace(desk.cred, secret={"relays": f"{nostr_relays[0]} ws://127.0.0.1:9"})
    job = desk.job("For both")
    receipt = desk.adapter.finalize(away, job, desk.adapter.submit(away, job))
    assert desk.stranger(receipt.ref).verdict is Verdict.FOUND
    assert "given to" in desk.adapter.complete(desk.cred, receipt.ref.remote_id)
    assert desk.adapter.complete(desk.cred, receipt.ref.remote_id) == ""
    found = desk.adapter.fetch(desk.on(nostr_relays[1]), receipt.ref.remote_id)
    assert found is not None and found.text == "For both"


@pytest.mark.timeout(600)
def test_of_many_lost_answers_none_doubles_a_post(
    real_http: HttpClient, lines: tuple[Line, Line], nostr_relays: tuple[str, str]
) -> None:
    """Every answer to an event is lost on its way; then it is looked for, and sent again all the same."""
    desk = Desk(real_http, *(line.url for line in lines))
    seen: set[str] = set()
    began = datetime.now(UTC)
    for number in range(TIMES):
        job = desk.job(f"Number {number}")
        staged = desk.adapter.submit(desk.cred, job)
        for line in lines:
            line.cuts = True
        with pytest.raises(OutcomeUnknown):
            desk.adapter.finalize(desk.cred, job, staged)
        for line in lines:
            line.cuts = False
        assert desk.found(job, staged) is SightingState.FOUND
        again = desk.adapter.finalize(desk.cred, job, staged)
        assert again.ref.remote_id == staged.data["event"]["id"]  # type: ignore[index]
        seen.add(again.ref.remote_id)
    assert len(seen) == TIMES
    assert sorted(desk.own(began - timedelta(seconds=5))) == sorted(seen)
    for one in nostr_relays:
        direct = NostrAdapter(real_http, desk.config).recent(desk.on(one), began - timedelta(seconds=5))
        assert sorted(post.text for post in direct.posts) == sorted(f"Number {n}" for n in range(TIMES))


@pytest.mark.timeout(600)
def test_the_control_a_sender_that_makes_the_event_anew_doubles(
    real_http: HttpClient, lines: tuple[Line, Line]
) -> None:
    desk = Desk(real_http, lines[0].url)
    lines[0].cuts = True
    for _ in range(2):
        job = desk.job("Twice")
        with pytest.raises(OutcomeUnknown):
            desk.publish(job)
    lines[0].cuts = False
    assert len(desk.own()) == 2


def test_there_is_a_document_where_the_relay_has_one(desk: Desk) -> None:
    limits = desk.adapter.limits(desk.cred)
    told = httpx2.get(NOSTR_RELAY, headers={"Accept": "application/nostr+json"}, trust_env=False)
    assert told.status_code == 200 and limits.max_length > 0
