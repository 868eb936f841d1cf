"""Nostr: several relays that disagree, against the emulator and against relays that say what a test tells them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from postprober import extras, websocket
from postprober.clock import ManualClock, SystemClock
from postprober.domain.account import Credentials
from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.post import Draft, MediaFile, Part
from postprober.domain.public_look import Verdict
from postprober.domain.remote import Counts, PartJob, RemoteMedia, Search, SightingState, Staged
from postprober.errors import (
    HERE,
    BadInput,
    OutcomeUnknown,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.http import Exchange, HttpClient, Pools
from postprober.platforms.nostr.adapter import NostrAdapter
from postprober.platforms.nostr.codes import encode, nevent
from postprober.platforms.nostr.event import DELETION, REACTION, note, signed
from postprober.platforms.nostr.keys import Signer
from postprober.platforms.nostr.limits import LIMITS, PER_FILE
from postprober.platforms.nostr.linking import credentials
from postprober.platforms.nostr.links import address, pointed
from postprober.platforms.nostr.public import read
from postprober.platforms.nostr.relays import listed, needed, shown
from postprober.platforms.registry import SPECS, remote_id_in
from tests import specifications
from tests.platforms.adapter_kit import Answer, Link, Linked, Scripted
from tests.platforms.relay_kit import Says, framed, keeping, relay, to_events

KEY = Platform("nostr")
SECRET = "22" * 32
PASSWORD = "POISON-of-a-relay"
SIGNER = Signer(SECRET)
Photo = Callable[..., MediaFile]
Told = list[list[Any]]
CONFIG = PlatformConfig(KEY, "", "https://njump.me")
TEXT = "Grüße & <b> 東京 🎉 https://example.org/a_b?c=1&d=2 #news\n\nsecond *paragraph*  "


@pytest.fixture
def key(link: Link) -> Linked:
    """An account on one relay."""
    return link(KEY)


@pytest.fixture
def both(link: Link) -> Linked:
    """An account on both relays of the emulator."""
    linked = link(KEY)
    linked.cred = replace(linked.cred, secret={"relays": "/ /second"})
    return linked


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Relays that say nothing are waited for less long."""
    monkeypatch.setattr(websocket, "ANSWER_SECONDS", 2.0)


Desk = Callable[..., tuple[NostrAdapter, Credentials, list[Told]]]


@pytest.fixture
def desk(pools: Pools) -> Iterator[Desk]:
    """`desk(says, …)`: an adapter and an account on relays that say so, and what each was told. A string is an address."""
    with ExitStack() as stack:

        def make(*says: Says | str, clock: Any = None, **settings: str) -> tuple[NostrAdapter, Credentials, list[Told]]:
            running = [
                (f"{one}/{n}", []) if isinstance(one, str) else stack.enter_context(relay(one))
                for n, one in enumerate(says)
            ]
            cred = Credentials(
                SECRET, remote_id=SIGNER.public, name="me", secret={"relays": " ".join(url for url, _ in running)}
            )
            config = replace(CONFIG, settings=settings)
            adapter = NostrAdapter(HttpClient(pools), config, clock or SystemClock())
            return adapter, cred, [told for _, told in running]

        yield make


DEAD = "ws://127.0.0.1:9"


def job(text: str = "Hello", key: str = "k") -> PartJob:
    adapter = NostrAdapter(HttpClient(Pools(allow_private=True)), CONFIG)
    now = datetime.now(UTC)
    return PartJob(key, 0, text, now, handle=adapter.new_handle(key, 0, now))


def staged(one: PartJob) -> Staged:
    return Staged(data={"event": note(SIGNER, one, (), "")})


def event_of(one: Staged) -> dict[str, Any]:
    event = one.data["event"]
    assert isinstance(event, dict)
    return event


# What is sent, and what everybody reads


def test_what_is_sent_is_what_everybody_reads(both: Linked) -> None:
    receipt = both.publish(both.job(TEXT))
    assert [post["text"] for post in both.truth()] == [TEXT]
    found = both.adapter.fetch(both.cred, receipt.ref.remote_id)
    assert found is not None and found.text == TEXT and found.author_id == both.cred.remote_id
    assert both.visible == ["sent"], "one act for all relays"
    seen = read(HttpClient(both.pools), both.config, receipt.ref.url, receipt.ref.remote_id, "")
    assert (seen.verdict, seen.text, seen.final) == (Verdict.FOUND, TEXT, True)
    assert seen.reason.startswith("2 of 2 relays show the post")


def test_a_picture_goes_to_the_media_server_and_its_description_with_it(key: Linked, photo: Photo) -> None:
    receipt = key.publish(key.job("A picture", photo("A tick"), photo("", shade=3)))
    assert [(one["kind"], one["alt"]) for one in key.truth()[0]["media"]] == [("image", "A tick"), ("image", "")]
    found = key.adapter.fetch(key.cred, receipt.ref.remote_id)
    assert found is not None and found.text == "A picture"
    assert found.media == (RemoteMedia("image", "A tick"), RemoteMedia("image", ""))
    url = key.control.posts(KEY.value, key.name)[0]["extra"]["event"]["content"].rpartition("\n")[2]
    assert httpx2.get(url).headers["content-type"] == "image/jpeg"


def test_an_upload_that_is_repeated_is_the_same_file_and_the_same_event(key: Linked, photo: Photo) -> None:
    made = key.job("A picture", photo("A tick"))
    assert key.stage(made) == key.stage(made)
    assert key.truth() == []


@pytest.mark.parametrize("count", [0, 1])
def test_without_a_media_server_files_are_refused_before(both: Linked, photo: Photo, count: int) -> None:
    adapter = NostrAdapter(HttpClient(both.pools), CONFIG)
    cred = replace(both.cred, secret={"relays": both.config.api_url})
    limits = adapter.limits(cred)
    result = adapter.preflight(Draft((Part("x", tuple(photo() for _ in range(count))),)), limits)
    assert [one.code for one in result.violations] == ["too_many_images"] * count
    if count:
        with pytest.raises(PostRejected, match="media server"):
            adapter.submit(cred, both.job("x", photo()))


def test_a_file_that_the_media_server_refuses_is_a_clear_no(key: Linked, photo: Photo) -> None:
    key.fault("media_failed", operation="media")
    with pytest.raises(PostRejected, match="media server"):
        key.publish(key.job("x", photo()))
    assert key.truth() == []


def test_a_thread_is_a_chain_of_replies(both: Linked) -> None:
    first = both.publish(both.job("one"))
    second = both.publish(both.job("two", parent=first.ref))
    found = both.adapter.fetch(both.cred, second.ref.remote_id)
    assert found is not None and found.reply_to == first.ref.remote_id
    seen = read(HttpClient(both.pools), both.config, second.ref.url, second.ref.remote_id, "")
    assert seen.reply_to == first.ref.remote_id


def test_descriptions_of_files_count_as_they_go_along_in_the_same_message(both: Linked, photo: Photo) -> None:
    limits = LIMITS
    assert limits.max_bytes is not None
    room = limits.max_bytes - 2 * PER_FILE - len("x")
    for more, over in ((0, 0), (1, 1)):
        files = (replace(photo(), alt="y" * (room - 9 + more)), replace(photo(), alt="\u00e9 \u00e9\n \u00e9z"))
        found = both.adapter.preflight(Draft((Part("x", files),)), limits).violations
        assert [(one.code, one.over) for one in found] == ([("too_many_bytes", over)] if over else [])


def test_the_smallest_limit_of_the_relays_holds(both: Linked, key: Linked) -> None:
    small, large = both.adapter.limits(both.cred), key.adapter.limits(key.cred)
    assert (small.max_bytes, large.max_bytes) == (4096 - 1200, 65_536 - 1200)
    over = both.adapter.preflight(Draft((Part("x" * (4096 - 1200 + 7)),)), small).violations
    assert [(one.code, one.over) for one in over] == [("text_too_long", 7)]
    fits = "ä" * ((4096 - 1200) // 2)
    assert both.adapter.preflight(Draft((Part(fits),)), small).ok
    both.publish(both.job(fits))


def test_counts_are_those_of_all_relays_each_event_once(both: Linked) -> None:
    receipt = both.publish(both.job("Counted"))
    both.control.settings(engagement_speed=1000.0)
    try:
        reading = both.adapter.read_many(both.cred, [receipt.ref.remote_id])[receipt.ref.remote_id]
        assert reading.counts.likes and reading.counts.likes > 0
        assert (reading.counts.views, reading.counts.bookmarks) == (None, None)
    finally:
        both.control.settings(engagement_speed=1.0)


def test_a_dislike_is_no_like_and_a_mention_no_reply(desk: Desk) -> None:
    event = event_of(staged(job()))
    now = datetime.now(UTC)
    beside = [
        signed(SIGNER, REACTION, "+", [["e", event["id"]]], now),
        signed(SIGNER, REACTION, "-", [["e", event["id"]]], now),
        signed(SIGNER, 6, "", [["e", event["id"]]], now),
        signed(SIGNER, 1, "reply", [["e", event["id"], "", "root"]], now),
        signed(SIGNER, 1, "mention", [["e", "ab" * 32, "", "root"], ["e", event["id"], "", "mention"]], now),
        signed(SIGNER, 1, "quote", [["q", event["id"]]], now),
    ]
    says = _showing(event, *beside)
    adapter, cred, _ = desk(says, says)
    assert adapter.read_many(cred, [event["id"]])[event["id"]].counts == Counts(1, 1, 1, 1)


def _showing(*events: dict[str, Any]) -> Says:
    def says(message: list[Any]) -> list[Any]:
        if message[0] != "REQ":
            return [["OK", message[1]["id"], False, "blocked: read only"]]
        return [*(["EVENT", message[1], one] for one in events), ["EOSE", message[1]]]

    return says


# Every row of the table of replies

Expected = type[PlatformError] | None
ROWS: dict[tuple[str, str], tuple[bool, str, bool, Expected]] = {
    ("OK true", ""): (True, "", False, None),
    ("OK true", "duplicate: already have this event"): (True, "duplicate: already have this event", False, None),
    ("OK false", "duplicate: exists"): (False, "duplicate: exists", False, None),
    ("OK false", "blocked: this event is deleted"): (False, "blocked: this event is deleted", False, PostRejected),
    ("OK false", "invalid: Bad signature"): (False, "invalid: Bad signature", True, PostRejected),
    ("OK false", "invalid: invalid event ID"): (False, "invalid: invalid event ID", False, PostRejected),
    ("OK false", "invalid: 280 characters should be enough for anybody"): (
        False,
        "invalid: 280 characters should be enough for anybody",
        True,
        PostRejected,
    ),
    ("OK false", "invalid: <ts> is in the future"): (False, "invalid: 1799999999 is in the future", True, PostRejected),
}
WORDS: dict[str, type[PlatformError]] = {
    "rate-limited:": Throttled,
    "pow:": PostRejected,
    "restricted:": ReconnectNeeded,
    "auth-required:": ReconnectNeeded,
    "blocked:": ReconnectNeeded,
    "error:": OutcomeUnknown,
}
ELSEWHERE = {  # rows that are no answer to an event; each has a test below
    ("OK false", "rate-limited: / pow: / restricted: / auth-required: / blocked: / error:"),
    ("CLOSED", ""),
    ("NOTICE", "invalid client message"),
    ("(silence)", ""),
}


def test_every_row_of_the_table_has_an_expectation() -> None:
    rows = json.loads((specifications.SPECS / "errors" / "nostr_replies.json").read_text())
    assert {(row["status"], row["code"]) for row in rows} == set(ROWS) | ELSEWHERE


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1]}")
def test_an_answer_becomes_what_names_its_cure(desk: Desk, row: tuple[str, str]) -> None:
    ok, said, empty, kind = ROWS[row]
    adapter, cred, _ = desk(to_events(ok, said, empty_id=empty))
    made = job()
    if kind is None:
        assert adapter.finalize(cred, made, staged(made)).ref.remote_id == event_of(staged(made))["id"]
        return
    with pytest.raises(PlatformError) as caught:
        adapter.finalize(cred, made, staged(made))
    assert type(caught.value) is kind and caught.value.message.endswith(".")
    assert SECRET not in caught.value.message + caught.value.detail


@pytest.mark.parametrize("word", WORDS)
def test_each_word_of_nip_01_and_42_names_its_cure(desk: Desk, word: str) -> None:
    adapter, cred, _ = desk(to_events(False, f"{word} some sentence"), clock=ManualClock())
    made = job()
    with pytest.raises(PlatformError) as caught:
        adapter.finalize(cred, made, staged(made))
    assert type(caught.value) is WORDS[word] and caught.value.message.endswith(".")
    if isinstance(caught.value, Throttled):
        assert caught.value.retry_at == ManualClock().now() + timedelta(minutes=1)


def test_a_no_without_a_known_word_is_a_no_all_the_same(desk: Desk) -> None:
    adapter, cred, _ = desk(to_events(False, "we are tired"))
    made = job()
    with pytest.raises(PostRejected, match="we are tired"):
        adapter.finalize(cred, made, staged(made))


def _odd(*frames: Any) -> Says:
    return lambda message: list(frames) if message[0] == "EVENT" else []


@pytest.mark.parametrize(
    "says",
    [
        _odd(),
        _odd(["NOTICE", "invalid client message"]),
        _odd("no JSON"),
        _odd({}, [], [1], ["OK"]),
        _odd(["OK", "ab" * 32, True, ""]),
        lambda message: None,
        lambda message: [["OK", message[1]["id"], "yes", ""]],
        lambda message: [["OK", "", True, ""]],
    ],
)
def test_silence_notices_and_nonsense_are_an_unknown_outcome(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, says: Says
) -> None:
    monkeypatch.setattr(websocket, "ANSWER_SECONDS", 0.4)
    adapter, cred, _ = desk(says)
    made = job()
    with pytest.raises(OutcomeUnknown):
        adapter.finalize(cred, made, staged(made))


def _goodbye(message: list[Any]) -> bytes:
    refused = ["OK", message[1]["id"], False, "auth-required: members only"]
    return framed(["AUTH", "challenge"], refused, goodbye=True)


def test_a_relay_that_refuses_and_says_goodbye_at_once_costs_the_others_no_answer(desk: Desk) -> None:
    made = job()
    adapter, cred, _ = desk(_goodbye)
    with pytest.raises(ReconnectNeeded, match="wants this key to sign in"):
        adapter.finalize(cred, made, staged(made))
    adapter, cred, _ = desk(to_events(True), _goodbye)
    assert adapter.finalize(cred, made, staged(made)).ref.remote_id == event_of(staged(made))["id"]


def test_a_relay_that_says_goodbye_before_the_reader_has_signed_in_has_told_nothing(desk: Desk) -> None:
    adapter, cred, _ = desk(lambda message: framed(["AUTH", "challenge"], ["EOSE", message[1]], goodbye=True))
    with pytest.raises(Unavailable):
        adapter.fetch(cred, "ab" * 32)


def test_a_notice_before_the_answer_is_passed_over(desk: Desk) -> None:
    adapter, cred, _ = desk(lambda message: [["NOTICE", "hello"], ["OK", message[1]["id"], True, ""]])
    made = job()
    assert adapter.finalize(cred, made, staged(made)).ref.remote_id


def test_a_subscription_that_is_closed_after_its_end_is_an_answer(desk: Desk) -> None:
    event = event_of(staged(job()))

    def says(message: list[Any]) -> list[Any]:
        return [["EVENT", message[1], event], ["EOSE", message[1]], ["CLOSED", message[1], ""]]

    adapter, cred, _ = desk(says)
    found = adapter.fetch(cred, event["id"])
    assert found is not None and found.text == "Hello"


@pytest.mark.parametrize(
    ("said", "kind"), [("error: no database", Unavailable), ("auth-required: who?", ReconnectNeeded), ("", Unavailable)]
)
def test_a_reading_that_is_refused_is_no_absence(desk: Desk, said: str, kind: type[PlatformError]) -> None:
    adapter, cred, _ = desk(lambda message: [["CLOSED", message[1], said]])
    with pytest.raises((kind, UnexpectedReply)):
        adapter.fetch(cred, "ab" * 32)


def test_a_relay_that_says_nothing_costs_the_others_no_answer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "ANSWER_SECONDS", 0.5)
    kept = keeping()
    adapter, cred, _ = desk(lambda message: [], kept, lambda message: [], kept)
    made = job()
    receipt = adapter.finalize(cred, made, staged(made))
    found = adapter.fetch(cred, receipt.ref.remote_id)
    assert found is not None and found.text == "Hello"
    assert adapter.locate(cred, Search(made, made.composed_at, staged(made))).state is SightingState.FOUND


def test_a_relay_that_is_not_there_is_a_clear_no(desk: Desk) -> None:
    adapter, cred, _ = desk(DEAD)
    made = job()
    with pytest.raises(Unavailable, match="nothing was sent"):
        adapter.finalize(cred, made, staged(made))


# n of m


@pytest.mark.parametrize(("relays", "least"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)])
def test_half_of_the_relays_are_needed(relays: int, least: int) -> None:
    assert needed(CONFIG, relays) == least
    assert needed(replace(CONFIG, settings={"needed": "0"}), relays) == least
    assert needed(replace(CONFIG, settings={"needed": "2"}), relays) == min(2, relays)


YES, NO, LOST = to_events(True), to_events(False, "blocked: no"), (lambda message: None)


@pytest.mark.parametrize(
    ("says", "kind"),
    [
        ((YES, YES, YES), None),
        ((YES, YES, NO), None),
        ((YES, YES, DEAD), None),
        ((YES, YES, LOST), None),
        ((YES, NO, NO), OutcomeUnknown),
        ((YES, DEAD, DEAD), OutcomeUnknown),
        ((NO, NO, LOST), OutcomeUnknown),
        ((YES, YES, to_events(False, "blocked: this event is deleted")), OutcomeUnknown),
        ((NO, NO, NO), ReconnectNeeded),
        ((NO, NO, DEAD), Unavailable),
        ((NO, to_events(False, "rate-limited: slow"), DEAD), Throttled),
        ((to_events(False, "invalid: x"), NO, to_events(False, "invalid: x")), ReconnectNeeded),
    ],
)
def test_what_the_relays_say_together(desk: Desk, says: tuple[Any, ...], kind: Expected) -> None:
    adapter, cred, _ = desk(*says)
    made = job()
    if kind is None:
        adapter.finalize(cred, made, staged(made))
        return
    with pytest.raises(PlatformError) as caught:
        adapter.finalize(cred, made, staged(made))
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("relays", "state", "partly"),
    [
        ("KKK", SightingState.FOUND, False),
        ("KKN", SightingState.FOUND, False),
        ("KKD", SightingState.FOUND, False),
        ("KNN", SightingState.OPEN, True),
        ("KDD", SightingState.OPEN, True),
        ("NND", SightingState.ABSENT, False),
        ("NNN", SightingState.ABSENT, False),
        ("NDD", SightingState.OPEN, True),
        ("DDD", SightingState.UNSURE, False),
    ],
)
def test_what_the_relays_show_together_after_a_lost_answer(
    desk: Desk, relays: str, state: SightingState, partly: bool
) -> None:
    """K: the relay has it, N: it does not, D: it does not answer. Two are needed."""
    made = job()
    event = event_of(staged(made))
    by = {"K": _showing(event), "N": _showing(), "D": DEAD}
    adapter, cred, _ = desk(*(by[one] for one in relays))
    sighting = adapter.locate(cred, Search(made, made.composed_at, staged(made)))
    assert (sighting.state, sighting.partly) == (state, partly)


@pytest.mark.parametrize(
    ("relays", "verdict"),
    [
        ("KKK", Verdict.FOUND),
        ("KKN", Verdict.FOUND),
        ("KND", Verdict.UNSURE),
        ("KNN", Verdict.UNSURE),
        ("NND", Verdict.GONE),
        ("NDD", Verdict.UNSURE),
        ("WWW", Verdict.LOGIN_WALL),
        ("WWD", Verdict.UNSURE),
        ("LLL", Verdict.GONE),
    ],
)
def test_what_a_stranger_is_shown_by_the_relays_together(
    desk: Desk, pools: Pools, relays: str, verdict: Verdict
) -> None:
    """W: the relay wants readers to sign in; L: it shows another event under the id."""
    event = event_of(staged(job()))
    by: dict[str, Says | str] = {
        "K": _showing(event),
        "N": _showing(),
        "D": DEAD,
        "W": lambda message: [["CLOSED", message[1], "auth-required: members only"]],
        "L": _showing({**event, "content": "A lie"}),
    }
    _, cred, _ = desk(*(by[one] for one in relays))
    url = f"https://njump.me/{nevent(event['id'], cred.secret['relays'].split(), SIGNER.public)}"
    look = read(HttpClient(pools), CONFIG, url, event["id"], "")
    assert look.verdict is verdict
    assert look.reason.endswith(".") and "relay" in look.reason


def test_the_list_of_own_posts_is_complete_once_enough_relays_were_read_to_their_end(desk: Desk) -> None:
    since = datetime.now(UTC) - timedelta(hours=1)
    event = event_of(staged(job()))
    for relays, complete in ((("K", "K", "D"), True), (("K", "D", "D"), False)):
        by = {"K": _showing(event), "D": DEAD}
        adapter, cred, _ = desk(*(by[one] for one in relays))
        timeline = adapter.recent(cred, since)
        assert ([post.ref.remote_id for post in timeline.posts], timeline.complete) == ([event["id"]], complete)


def test_a_longer_list_is_read_page_by_page(both: Linked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postprober.platforms.nostr.adapter.PAGE", 2)
    began = datetime.now(UTC) - timedelta(hours=2)
    made = [replace(both.job(f"post {n}"), composed_at=began + timedelta(minutes=n)) for n in range(7)]
    ids = [both.publish(one).ref.remote_id for one in made]
    timeline = both.adapter.recent(both.cred, began - timedelta(minutes=1))
    assert [post.ref.remote_id for post in timeline.posts] == ids[::-1] and timeline.complete
    part = both.adapter.recent(both.cred, began + timedelta(minutes=4))
    assert part.complete and {one.ref.remote_id for one in part.posts} >= set(ids[4:])


# Once and only once


def test_both_relays_disagree_on_a_repeat_and_there_is_one_post(both: Linked) -> None:
    made = both.job("Once")
    prepared = both.stage(made)
    first = both.adapter.finalize(both.cred, made, prepared)
    assert both.adapter.finalize(both.cred, made, prepared).ref == first.ref
    assert len(both.truth()) == 1


@pytest.mark.parametrize("mark", [True, False])
def test_after_a_restored_database_it_is_found_by_its_mark_and_never_taken_for_another(key: Linked, mark: bool) -> None:
    made = replace(key.job("The same words"), key="one")
    handle = key.adapter.new_handle("one", 0, made.composed_at)
    receipt = key.publish(replace(made, handle=handle))
    later = replace(made, composed_at=made.composed_at + timedelta(seconds=30), text="Edited since")
    search = Search(replace(later, handle=handle if mark else "0" * 16), made.composed_at, None)
    found = key.adapter.locate(key.cred, search)
    assert found.state is (SightingState.FOUND if mark else SightingState.ABSENT)
    assert found.post is None or found.post.ref.remote_id == receipt.ref.remote_id


def test_the_handle_is_of_the_delivery_alone() -> None:
    adapter = NostrAdapter(HttpClient(Pools(allow_private=True)), CONFIG)
    now = datetime.now(UTC)
    assert adapter.new_handle("a", 0, now) == adapter.new_handle("a", 0, now + timedelta(days=9))
    assert len({adapter.new_handle(k, n, now) for k in "ab" for n in (0, 1)}) == 4


def test_the_same_words_in_the_same_second_are_two_posts(key: Linked) -> None:
    made = key.job("Twice")
    for one in ("a", "b"):
        key.publish(replace(made, key=one, handle=key.adapter.new_handle(one, 0, made.composed_at)))
    assert len(key.truth()) == 2


def test_what_was_prepared_and_damaged_since_is_not_sent(key: Linked) -> None:
    made = key.job("Hello")
    prepared = key.stage(made)
    for broken in (Staged(), Staged(data={"event": {**event_of(prepared), "content": "Other words"}})):
        with pytest.raises(UnexpectedReply):
            key.adapter.finalize(key.cred, made, broken)
    assert key.truth() == [] and key.visible == []


# Deleting


def test_a_deletion_goes_to_all_relays_and_may_be_repeated(both: Linked) -> None:
    receipt = both.publish(both.job("Soon gone"))
    both.adapter.delete(both.cred, receipt.ref.remote_id)
    assert both.truth()[0]["deleted_at"]
    both.adapter.delete(both.cred, receipt.ref.remote_id)
    assert both.adapter.fetch(both.cred, receipt.ref.remote_id) is None
    seen = read(HttpClient(both.pools), both.config, receipt.ref.url, receipt.ref.remote_id, "")
    assert seen.verdict is Verdict.GONE and "asked the relays to delete it" in seen.reason


def test_what_was_deleted_is_never_given_to_a_relay_again(both: Linked) -> None:
    """One of the relays would take it anew: then it would rise from the dead."""
    made = both.job("Soon gone")
    prepared = both.stage(made)
    receipt = both.adapter.finalize(both.cred, made, prepared)
    one = replace(both.cred, secret={"relays": "/"})
    both.adapter.delete(one, receipt.ref.remote_id)  # by another program, which knows one of the relays only
    assert both.truth()[0]["extra"]["relays"] == ["second"]
    assert both.adapter.fetch(both.cred, receipt.ref.remote_id) is None, "its author has asked for it"
    assert both.adapter.complete(both.cred, receipt.ref.remote_id) == ""  # type: ignore[attr-defined]
    sighting = both.adapter.locate(both.cred, Search(made, made.composed_at, prepared))
    assert sighting.state is SightingState.UNSURE, "sent again it would come back"
    assert both.truth()[0]["extra"]["relays"] == ["second"]


@pytest.mark.parametrize(
    ("second", "kind", "named"),
    [
        (DEAD, Unavailable, "1 of 2 relays took the request"),
        (to_events(False, "blocked: no"), PostRejected, "1 of 2 relays took the request"),
    ],
)
def test_a_relay_that_does_not_take_the_deletion_is_named(desk: Desk, second: Any, kind: Any, named: str) -> None:
    adapter, cred, _ = desk(to_events(True), second)
    with pytest.raises(kind, match=named):
        adapter.delete(cred, "ab" * 32)


def test_a_relay_that_takes_the_deletion_and_goes_on_showing_the_post_is_named(desk: Desk) -> None:
    event = event_of(staged(job()))

    def says(message: list[Any]) -> list[Any]:
        if message[0] == "EVENT":
            return [["OK", message[1]["id"], True, ""]]
        return [["EVENT", message[1], event], ["EOSE", message[1]]]

    adapter, cred, told = desk(says)
    with pytest.raises(PostRejected, match="still shows it"):
        adapter.delete(cred, event["id"])
    request = told[0][0][1]
    assert (request["kind"], request["tags"]) == (DELETION, [["e", event["id"]], ["k", "1"]])


def test_a_request_to_delete_by_somebody_else_counts_for_nothing(desk: Desk, pools: Pools) -> None:
    event = event_of(staged(job()))
    stranger = signed(Signer("33" * 32), DELETION, "", [["e", event["id"]]], datetime.now(UTC))
    forged = {**signed(SIGNER, DELETION, "", [["e", event["id"]]], datetime.now(UTC)), "sig": "00" * 64}
    adapter, cred, _ = desk(_showing(event, stranger, forged))
    assert adapter.fetch(cred, event["id"]) is not None


# Relays that lack it


def test_relays_that_lack_the_post_are_given_it_and_only_those(both: Linked) -> None:
    both.control.settings(nostr_down="second")
    try:
        receipt = both.publish(both.job("For both"))
        assert both.truth()[0]["extra"]["relays"] == ["one"]
        seen = read(HttpClient(both.pools), both.config, receipt.ref.url, receipt.ref.remote_id, "")
        assert seen.verdict is Verdict.FOUND and "did not answer" in seen.reason
        assert both.adapter.complete(both.cred, receipt.ref.remote_id) == ""  # type: ignore[attr-defined]
    finally:
        both.control.settings(nostr_down="")
    said = both.adapter.complete(both.cred, receipt.ref.remote_id)  # type: ignore[attr-defined]
    assert said.startswith("1 of 2 relays did not have the post; given to ") and said.endswith("/nostr/second.")
    assert both.truth()[0]["extra"]["relays"] == ["one", "second"]
    assert both.adapter.complete(both.cred, receipt.ref.remote_id) == ""  # type: ignore[attr-defined]
    assert len(both.truth()) == 1


def test_a_post_of_somebody_else_is_never_given_on(desk: Desk) -> None:
    other = Signer("33" * 32)
    event = signed(other, 1, "Not ours", [], datetime.now(UTC))
    adapter, cred, told = desk(_showing(event), keeping())
    assert adapter.complete(cred, event["id"]) == ""
    assert all(message[0] == "REQ" for each in told for message in each)


# Relays that want a key to be proved


def test_a_relay_that_wants_the_key_to_be_proved_is_shown_it(key: Linked) -> None:
    key.fault("unauthorized", operation="create")
    receipt = key.publish(key.job("With a key"))
    assert len(key.truth()) == 1 and key.visible == ["sent"]
    assert receipt.ref.remote_id == key.truth()[0]["id"]


def test_what_only_members_may_read_is_read_by_its_author_and_a_wall_for_strangers(key: Linked) -> None:
    receipt = key.publish(key.job("For members"))
    key.control.settings(nostr_walled="one")
    try:
        found = key.adapter.fetch(key.cred, receipt.ref.remote_id)
        assert found is not None and found.text == "For members"
        seen = read(HttpClient(key.pools), key.config, receipt.ref.url, receipt.ref.remote_id, "")
        assert seen.verdict is Verdict.LOGIN_WALL
    finally:
        key.control.settings(nostr_walled="")


def test_what_a_relay_shows_to_its_author_only_is_found_by_them_and_gone_for_strangers(key: Linked) -> None:
    key.fault("shadow", operation="create")
    receipt = key.publish(key.job("Shadow"))
    assert key.adapter.fetch(key.cred, receipt.ref.remote_id) is not None
    seen = read(HttpClient(key.pools), key.config, receipt.ref.url, receipt.ref.remote_id, "")
    assert seen.verdict is Verdict.GONE


def test_a_ghost_is_accepted_and_shown_to_nobody(key: Linked) -> None:
    key.fault("ghost", operation="create")
    receipt = key.publish(key.job("Ghost"))
    assert key.adapter.fetch(key.cred, receipt.ref.remote_id) is None


# Keys and addresses


def typed(**fields: str) -> dict[str, str]:
    return {"access_token": SECRET, "relays": "", "media_server": "", **fields}


def test_an_account_is_a_key_and_its_relays(both: Linked) -> None:
    nsec = encode("nsec", bytes.fromhex(SECRET))
    more = {"relays": "/, /second", "media_server": "/"}
    cred = credentials(HttpClient(both.pools), both.config, "", typed(access_token=nsec, **more))
    assert (cred.access_token, cred.remote_id) == (SECRET, SIGNER.public)
    base = both.config.api_url
    assert cred.secret == {"relays": f"{base} {base}/second".replace("http", "ws"), "media_server": base}
    assert cred.name.startswith("npub1")
    assert SECRET not in repr(cred)


def test_the_name_is_the_one_that_the_key_gives_itself(key: Linked) -> None:
    assert key.adapter.identify(key.cred).name == key.name


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "at least one relay"),
        ({"relays": "ftp://relay.example"}, "no address of a relay"),
        ({"relays": "wss://"}, "no address of a relay"),
        ({"relays": " ".join(f"wss://r{n}.example" for n in range(11))}, "at most 10 relays"),
        ({"relays": "/inside"}, "no address of a relay"),
        ({"access_token": "nonsense", "relays": "wss://relay.example"}, "no private key"),
        ({"relays": "wss://relay.example", "media_server": "file:///etc"}, "no address"),
        ({"relays": f"wss://me:{PASSWORD}@relay.example"}, "without a user name, password or query"),
        ({"relays": f"wss://relay.example?key={PASSWORD}"}, "without a user name, password or query"),
        ({"relays": "wss://relay.example", "media_server": f"https://me:{PASSWORD}@media.example"}, "without a user"),
        ({"relays": "wss://relay.example/" + "a" * 240}, "at most 255 characters"),
    ],
)
def test_what_is_typed_wrongly_is_told_in_one_sentence(pools: Pools, fields: dict[str, str], named: str) -> None:
    with pytest.raises(BadInput, match=named) as caught:
        credentials(HttpClient(pools), CONFIG, "", typed(**fields))
    assert PASSWORD not in caught.value.message


def test_one_relay_in_several_spellings_counts_once() -> None:
    spelled = "wss://relay.example wss://RELAY.example:443/ relay.example. https://relay.example ws://relay.example:80"
    assert listed(spelled, CONFIG) == ("https://relay.example", "http://relay.example")
    other = "wss://relay.example/a wss://relay.example:8443 wss://[2001:db8::1]:443"
    assert listed(other, CONFIG) == ("https://relay.example/a", "https://relay.example:8443", "https://[2001:db8::1]")


def test_a_link_of_a_post_on_ten_relays_is_taken_when_it_is_pasted() -> None:
    relays = [f"https://relay{number}.example/{'a' * 230}" for number in range(10)]
    made = address("https://njump.me", "ab" * 32, relays, SIGNER.public)
    assert remote_id_in(KEY, made, account_id=SIGNER.public, handle="me") == "ab" * 32
    named = pointed(made)
    assert named is not None and list(named.relays) == [shown(one) for one in relays], "and names each of them whole"


def test_relays_inside_are_not_called_in_live_mode() -> None:
    live = Pools(timeout=2.0)
    try:
        with pytest.raises((BadInput, Unavailable)):
            credentials(HttpClient(live), CONFIG, "", typed(relays="ws://127.0.0.1:9 wss://10.0.0.1"))
    finally:
        live.close()


def test_no_relay_gets_the_exception_that_an_operator_made_for_another_host() -> None:
    """A host that the operator named, say for mail, may be inside; a relay that somebody typed may not be there."""
    trusting = Pools(trusted_hosts=frozenset({"127.0.0.1"}), timeout=2.0)
    with relay(keeping()) as (url, told):
        try:
            cred = Credentials(SECRET, remote_id=SIGNER.public, secret={"relays": url})
            with pytest.raises((BadInput, Unavailable)):
                NostrAdapter(HttpClient(trusting), CONFIG).identify(cred)
            assert told == []
            own = replace(CONFIG, settings={"relays": url})
            assert NostrAdapter(HttpClient(trusting), own).identify(cred).remote_id == SIGNER.public
        finally:
            trusting.close()


def test_a_setting_that_cannot_be_read_stops_no_account_that_names_its_relays(desk: Desk) -> None:
    adapter, cred, _ = desk(keeping(), relays="ftp://odd.example")
    assert adapter.identify(cred).remote_id == SIGNER.public
    with pytest.raises(ReconnectNeeded, match="no address of a relay"):
        adapter.identify(replace(cred, secret={}))
    with pytest.raises(ReconnectNeeded, match="has no relay"):
        NostrAdapter(HttpClient(Pools(allow_private=True)), CONFIG).identify(replace(cred, secret={}))


def test_the_key_is_sent_nowhere_and_stands_in_no_log(desk: Desk, pools: Pools) -> None:
    seen: list[Exchange] = []
    nsec = encode("nsec", bytes.fromhex(SECRET))
    _, cred, told = desk(keeping(), to_events(False, f"blocked: {SECRET} {nsec}"), lambda message: None)
    http = HttpClient(pools).bound(secrets=[SECRET], observer=seen.append)
    adapter = NostrAdapter(http, CONFIG)
    made = job()
    with pytest.raises(PlatformError) as caught:
        adapter.finalize(cred, made, adapter.submit(cred, made))
    everything = json.dumps(told) + "".join(one.reply + one.url for one in seen)
    assert len(seen) == 3 and sum(one.visible for one in seen) == 3
    for secret in (SECRET, nsec):
        assert secret not in everything
        assert secret not in caught.value.message + caught.value.detail


def test_without_the_extra_there_is_one_sentence_and_nothing_is_sent(
    key: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "has", lambda extra: extra != "nostr")
    with pytest.raises(BadInput, match="nostr extra"):
        credentials(HttpClient(key.pools), key.config, "", typed(relays="/"))
    with pytest.raises(Unavailable, match="nostr extra") as caught:
        key.publish(key.job("Never"))
    assert caught.value.code == HERE and key.truth() == []


def test_a_platform_that_speaks_plain_http_only_is_unavailable(scripted: Scripted) -> None:
    adapter, answer = scripted(KEY, Answer(200, b"<html>hello</html>"))
    with pytest.raises(Unavailable, match="WebSocket"):
        adapter.identify(Credentials(SECRET, remote_id=SIGNER.public))
    assert answer.requests[0].headers["upgrade"] == "websocket"


def test_the_spec_asks_for_a_key_and_says_that_it_stays() -> None:
    way = SPECS[KEY].token
    assert way is not None
    assert [(one.name, one.secret, one.optional) for one in way.fields] == [
        ("access_token", True, False),
        ("relays", False, True),
        ("media_server", False, True),
    ]
    assert "sent nowhere" in way.hint
