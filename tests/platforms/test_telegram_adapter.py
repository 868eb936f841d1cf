"""Telegram: channels by a bot, with the public page as the one witness."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from postprober.clock import ManualClock, SystemClock
from postprober.domain.account import Credentials
from postprober.domain.platform import Platform, PlatformConfig, ReconcileMode
from postprober.domain.post import Draft, MediaFile, MediaKind, Part
from postprober.domain.public_look import Verdict
from postprober.domain.remote import Counts, PartJob, Ref, RemoteMedia, SightingState, Staged
from postprober.domain.text import same_text
from postprober.errors import (
    NOT_PERMITTED,
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
from postprober.platforms.registry import SPECS
from postprober.platforms.telegram.adapter import TRAITS, credentials, message
from postprober.platforms.telegram.public import read
from tests import specifications
from tests.platforms.adapter_kit import Answer, Link, Linked, Scripted

KEY = Platform("telegram")
Photo = Callable[..., MediaFile]
TEXT = "Grüße & <b> 東京 🎉 https://example.org/a_b?c=1&d=2 #news @someone a@example.org\n\nsecond *paragraph*"
PRIVATE = ["can_post_messages", "can_delete_messages"]
TOKEN = "123456789:AAtokenofthebot_that_nobody_may_see1"
CRED = Credentials(TOKEN, remote_id="-1001234567890", name="town_news")
JOB = PartJob("key", 0, "text", ManualClock().now())
POST = "-1001234567890/17"


@pytest.fixture
def channel(link: Link) -> Linked:
    return link(KEY)


@pytest.fixture
def private(link: Link) -> Linked:
    return link(KEY, scopes=PRIVATE)


def test_what_is_sent_is_what_everybody_reads(channel: Linked) -> None:
    receipt = channel.publish(channel.job(TEXT))
    assert channel.truth()[0]["text"] == TEXT
    assert channel.truth()[0]["id"] == receipt.ref.remote_id
    found = channel.adapter.fetch(channel.cred, receipt.ref.remote_id)
    assert found is not None
    assert found.text == TEXT
    assert found.ref.url == receipt.ref.url == channel.truth()[0]["url"]
    assert found.links == ("https://example.org/a_b?c=1&d=2",)
    assert found.media == ()
    assert found.created_at is not None
    assert channel.visible == ["sent"]


@pytest.mark.parametrize("with_file", [False, True])
def test_a_letter_keeps_its_ring_and_a_line_its_end(channel: Linked, photo: Photo, with_file: bool) -> None:
    """Typed on some machines as two signs, of which Telegram leaves the first; and a line end of another kind."""
    text = "Malmo\u0308 pa\u030a A\u030aland\u2028next line"
    receipt = channel.publish(channel.job(text, *([photo()] if with_file else [])))
    found = channel.adapter.fetch(channel.cred, receipt.ref.remote_id)
    assert found is not None and found.text == "Malm\u00f6 p\u00e5 \u00c5land\nnext line"
    assert same_text(found.text, text), "and the proof takes it for what was typed"


@pytest.mark.parametrize("sign", ["\u202b", "\u202e", "x\u030a", "x\u0333", "x\u033f", "\u200e\u200f"])
def test_what_telegram_would_take_out_is_told_before(channel: Linked, sign: str) -> None:
    draft = Draft((Part("First"), Part(f"a {sign} b")))
    (found,) = channel.adapter.preflight(draft, channel.adapter.limits(None)).violations
    assert (found.code, found.part) == ("characters_taken_out", 1) and found.message.startswith("Remove characters")
    kept = "\u200e \u200f e\u0301 a\u0308 \u00e5 \u4e2d \U0001f469\u200d\U0001f4bb \u0627\u0644"
    assert not channel.adapter.preflight(Draft((Part(kept),)), channel.adapter.limits(None)).violations


@pytest.mark.parametrize("count", [1, 2, 10])
def test_pictures_go_with_the_text_in_one_request(channel: Linked, photo: Photo, count: int) -> None:
    files = tuple(photo(shade=10 * n) for n in range(count))
    receipt = channel.publish(channel.job("pictures", *files))
    assert channel.visible == ["sent"]
    assert len(channel.truth()) == 1 and len(channel.truth()[0]["media"]) == count
    found = channel.adapter.fetch(channel.cred, receipt.ref.remote_id)
    assert found is not None and found.media == tuple(RemoteMedia("image") for _ in files)
    assert found.text == "pictures"
    assert len(receipt.ref.extra.get("messages", "1").split(",")) == count
    listed = channel.adapter.recent(channel.cred, receipt_time()).posts
    assert [post.ref.remote_id for post in listed] == [receipt.ref.remote_id]


def receipt_time() -> Any:
    return SystemClock().now() - timedelta(minutes=5)


def test_an_album_may_go_without_words_and_a_video_with_them(channel: Linked, photo: Photo, video: MediaFile) -> None:
    channel.publish(channel.job("", photo(), photo(shade=1)))
    receipt = channel.publish(channel.job("a clip", video))
    assert [post["text"] for post in channel.truth()] == ["", "a clip"]
    found = channel.adapter.fetch(channel.cred, receipt.ref.remote_id)
    assert found is not None and found.media == (RemoteMedia("video"),)


def test_a_thread_is_a_chain_of_replies(channel: Linked, photo: Photo) -> None:
    first = channel.publish(channel.job("one", photo(), photo(shade=3)))
    second = channel.publish(channel.job("two", parent=first.ref))
    found = channel.adapter.fetch(channel.cred, second.ref.remote_id)
    assert found is not None and found.text == "two" and found.reply_to == first.ref.remote_id
    seen = read(HttpClient(channel.pools), channel.config, second.ref.url, second.ref.remote_id, "")
    assert seen.verdict is Verdict.FOUND and seen.reply_to == first.ref.remote_id and seen.text == "two"


def test_an_answer_to_a_post_that_is_gone_is_refused(channel: Linked) -> None:
    first = channel.publish(channel.job("one"))
    channel.control.delete_post(KEY.value, first.ref.remote_id)
    with pytest.raises(PostRejected):
        channel.publish(channel.job("two", parent=first.ref))


def test_a_file_that_telegram_cannot_use_is_a_clear_no(channel: Linked, photo: Photo) -> None:
    channel.fault("media_failed", operation="media")
    with pytest.raises(PostRejected):
        channel.publish(channel.job("broken", photo()))
    assert channel.truth() == []


def test_a_file_that_went_away_since_it_was_checked_sends_nothing(channel: Linked, video: MediaFile) -> None:
    job = channel.job("a clip", video)
    staged = channel.stage(job)
    Path(video.path).unlink()
    with pytest.raises(Unavailable, match="nothing was published"):
        channel.adapter.finalize(channel.cred, job, staged)
    assert channel.truth() == [] and channel.visible == []


def test_all_of_an_album_is_deleted_and_deleting_what_is_gone_is_no_error(channel: Linked, photo: Photo) -> None:
    receipt = channel.publish(channel.job("album", photo(), photo(shade=2), photo(shade=4)))
    channel.adapter.delete(channel.cred, receipt.ref.remote_id)
    assert channel.truth()[0]["deleted_at"]
    channel.adapter.delete(channel.cred, receipt.ref.remote_id)
    assert channel.adapter.fetch(channel.cred, receipt.ref.remote_id) is None


def test_what_is_older_than_two_days_is_deleted_by_a_person(scripted: Scripted) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("getChat"):
            return httpx2.Response(200, json={"ok": True, "result": {"id": int(CRED.remote_id), "type": "channel"}})
        return httpx2.Response(400, json=_body(400, "Bad Request: message can't be deleted"))

    adapter, _ = scripted(KEY, Answer(script=answer))
    with pytest.raises(PostRejected, match="48 hours"):
        adapter.delete(CRED, POST)


def test_counts_are_those_of_the_public_page_and_nothing_is_made_up(channel: Linked, private: Linked) -> None:
    receipt = channel.publish(channel.job("counted"))
    counts = channel.adapter.read_many(channel.cred, [receipt.ref.remote_id])[receipt.ref.remote_id].counts
    assert counts.views is not None
    assert (counts.reposts, counts.replies, counts.quotes, counts.bookmarks) == (None, None, None, None)
    hidden = private.publish(private.job("hidden"))
    one = private.adapter.read_many(private.cred, [hidden.ref.remote_id])[hidden.ref.remote_id]
    assert (one.post, one.counts, one.told) == (None, Counts(), False)


def test_of_a_private_channel_nothing_more_than_the_acceptance_is_known(private: Linked) -> None:
    receipt = private.publish(private.job("for members"))
    assert len(private.truth()) == 1
    assert f"/c/{private.cred.remote_id.removeprefix('-100')}/" in receipt.ref.url
    with pytest.raises(Unavailable) as caught:
        private.adapter.fetch(private.cred, receipt.ref.remote_id)
    assert caught.value.code == NOT_PERMITTED
    seen = read(HttpClient(private.pools), private.config, receipt.ref.url, receipt.ref.remote_id, "")
    assert seen.verdict is Verdict.LOGIN_WALL
    sighting = private.adapter.locate(private.cred, private.search(private.job("for members")))
    assert sighting.state is SightingState.UNSURE


def test_absence_on_the_public_page_proves_nothing(channel: Linked) -> None:
    assert channel.adapter.traits.mode is TRAITS.mode is ReconcileMode.STRICT
    newest_known_post = channel.publish(channel.job("there")).ref.remote_id
    sighting = channel.adapter.locate(channel.cred, channel.search(channel.job("not there"), None, newest_known_post))
    assert sighting.state is SightingState.UNSURE and "proves nothing" in sighting.reason


def test_a_late_creation_is_found_when_it_has_landed(channel: Linked) -> None:
    made = channel.job("late")
    channel.fault("late_create", params={"seconds": 0.2})
    with pytest.raises(OutcomeUnknown):
        channel.publish(made)
    states = set()
    for _ in range(200):
        sighting = channel.adapter.locate(channel.cred, channel.search(made))
        states.add(sighting.state)
        if sighting.state is SightingState.FOUND:
            break
    assert states <= {SightingState.UNSURE, SightingState.FOUND}
    assert SightingState.FOUND in states


def test_two_alike_are_a_tie_and_another_deliverys_post_is_not_taken(channel: Linked) -> None:
    first = channel.publish(channel.job("same words"))
    made = channel.job("same words")
    channel.publish(made)
    search = replace(channel.search(made), since=made.composed_at - timedelta(seconds=3))
    assert channel.adapter.locate(channel.cred, search).state is SightingState.UNSURE
    known = replace(search, exclude=frozenset({first.ref.remote_id}))
    assert channel.adapter.locate(channel.cred, known).state is SightingState.FOUND


def test_a_channel_that_was_renamed_is_read_under_its_new_name(channel: Linked) -> None:
    receipt = channel.publish(channel.job("named"))
    channel.control.rename(KEY.value, channel.name, f"{channel.name}_new")
    found = channel.adapter.fetch(channel.cred, receipt.ref.remote_id)
    assert found is not None and f"/{channel.name}_new/" in found.ref.url
    seen = read(HttpClient(channel.pools), channel.config, receipt.ref.url, receipt.ref.remote_id, "")
    assert seen.verdict is Verdict.UNSURE, "the old name leads nowhere, which says nothing about the post"


def test_it_pages_back_to_the_moment_that_was_asked_for(channel: Linked) -> None:
    ids = [channel.publish(channel.job(f"number {n}")).ref.remote_id for n in range(23)]
    timeline = channel.adapter.recent(channel.cred, receipt_time())
    assert timeline.complete
    assert sorted(post.ref.remote_id for post in timeline.posts) == sorted(ids)
    channel.fault("truncated_timeline", operation="timeline", params={"keep": 1})
    assert channel.adapter.recent(channel.cred, receipt_time()).posts


# Linking


def _linked(linked: Linked, channel: str) -> Credentials:
    typed = {"access_token": linked.cred.access_token, "channel": channel}
    return credentials(HttpClient(linked.pools), linked.config, "", typed)


@pytest.mark.parametrize("form", ["@{name}", "{name}", "https://t.me/{name}", "t.me/s/{name}", "{id}"])
def test_a_channel_is_named_as_people_name_it(channel: Linked, form: str) -> None:
    made = _linked(channel, channel=form.format(name=channel.name, id=channel.cred.remote_id))
    assert (made.remote_id, made.name) == (channel.cred.remote_id, channel.name)
    assert channel.adapter.identify(made).remote_id == channel.cred.remote_id


@pytest.mark.parametrize("name", ["", "  ", "Town News", "-", "@", "https://example.org/a b", "@ä"])
def test_what_names_no_channel_is_said_before_anything_is_asked(channel: Linked, name: str) -> None:
    with pytest.raises(BadInput) as caught:
        _linked(channel, channel=name)
    assert caught.value.field == "channel"


def test_a_bot_that_is_not_in_the_channel_or_may_not_post_is_not_linked(channel: Linked, link: Link) -> None:
    with pytest.raises(ReconnectNeeded):
        _linked(channel, channel="@somewhere_else")
    for scopes in (["public"], ["public", "can_delete_messages"]):
        other = link(KEY, scopes=scopes)
        with pytest.raises(ReconnectNeeded, match=r"administrator|may not post"):
            other.adapter.identify(other.cred)


@pytest.mark.parametrize(
    ("chat", "member"),
    [
        ({"id": 7, "type": "private"}, {}),
        ({"id": -100, "type": "supergroup"}, {}),
        ({"type": "channel"}, {}),
        ({"id": "-1001", "type": "channel"}, {}),
        ({"id": -1001, "type": "channel"}, {"status": "left"}),
        ({"id": -1001, "type": "channel"}, {"status": "administrator"}),
        ({"id": -1001, "type": "channel"}, {"status": "administrator", "can_post_messages": "yes"}),
        ({"id": -1001, "type": "channel"}, {}),
    ],
)
def test_only_a_channel_in_which_the_bot_may_post_is_taken(
    scripted: Scripted, chat: dict[str, Any], member: dict[str, Any]
) -> None:
    results = {"getMe": {"id": 5, "is_bot": True}, "getChat": chat, "getChatMember": member}

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json={"ok": True, "result": results[request.url.path.rpartition("/")[2]]})

    adapter, _ = scripted(KEY, Answer(script=answer))
    with pytest.raises((ReconnectNeeded, UnexpectedReply)):
        adapter.identify(CRED)


# Refusals

ROWS: dict[str, type[PlatformError] | str] = {
    "Unauthorized": ReconnectNeeded,
    "Not Found": ReconnectNeeded,
    "Bad Request: chat not found": ReconnectNeeded,
    "Forbidden: bot is not a member of the channel chat": ReconnectNeeded,
    "Forbidden: bot was kicked from the channel chat": ReconnectNeeded,
    "Bad Request: need administrator rights in the channel chat": ReconnectNeeded,
    "Bad Request: group chat was upgraded to a supergroup chat": ReconnectNeeded,
    "Bad Request: message caption is too long": PostRejected,
    "Bad Request: MEDIA_CAPTION_TOO_LONG": PostRejected,
    "Bad Request: message is too long": PostRejected,
    "Bad Request: can't parse entities: ...": PostRejected,
    "Bad Request: Message text is empty": PostRejected,
    "Bad Request: Wrong HTTP URL specified / Failed to get HTTP URL content / Wrong type of the web page content": PostRejected,
    "Bad Request: message is not modified: ...": PostRejected,  # of an edit, which adapters do not know yet
    "Bad Request: message can't be deleted": PostRejected,
    "Bad Request: message to delete not found": "gone",
    "Too Many Requests: retry after N": Throttled,
    "Conflict: ...": OutcomeUnknown,
    "Internal Server Error": OutcomeUnknown,
    "Request Entity Too Large": PostRejected,
}


@pytest.fixture(scope="session")
def table() -> dict[str, dict[str, Any]]:
    path = specifications.SPECS / "errors" / "telegram_errors.json"
    return {row["code"]: row for row in json.loads(path.read_text())}


def _body(status: int, description: str) -> dict[str, Any]:
    parameters = {"parameters": {"migrate_to_chat_id": -1009}} if "upgraded" in description else {}
    return {"ok": False, "error_code": status, "description": description, **parameters}


def test_every_row_has_an_expectation_and_every_expectation_a_row(table: dict[str, dict[str, Any]]) -> None:
    assert set(table) == set(ROWS)


@pytest.mark.parametrize("said", ROWS)
def test_a_refusal_becomes_the_error_that_names_its_cure(
    scripted: Scripted, table: dict[str, dict[str, Any]], said: str
) -> None:
    status, kind = table[said]["status"], ROWS[said]
    adapter, _ = scripted(KEY, Answer(status, _body(status, said)))
    if kind == "gone":
        adapter._delete(CRED, CRED.remote_id, 17)  # type: ignore[attr-defined]
        return
    assert not isinstance(kind, str)
    with pytest.raises(PlatformError) as caught:
        adapter.finalize(CRED, JOB, Staged())
    assert type(caught.value) is kind
    assert caught.value.message.endswith(".")
    assert TOKEN not in caught.value.message + caught.value.detail


@pytest.mark.parametrize("status", [400, 403, 404, 405, 410, 418, 422, 408, 409, 425, 500, 502, 503, 301])
def test_a_gateways_refusal_proves_nothing_about_a_publication(scripted: Scripted, status: int) -> None:
    adapter, _ = scripted(KEY, Answer(status, b"<html>gateway</html>"))
    with pytest.raises(OutcomeUnknown):
        adapter.finalize(CRED, JOB, Staged())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        {},
        {"ok": True},
        {"ok": True, "result": True},
        {"ok": True, "result": {"message_id": "7"}},
        {"ok": True, "result": {"message_id": 0}},
        {"ok": False, "result": None},
    ],
)
def test_a_success_without_a_message_is_an_unknown_outcome(scripted: Scripted, body: Any) -> None:
    adapter, _ = scripted(KEY, Answer(200, body))
    with pytest.raises(OutcomeUnknown):
        adapter.finalize(CRED, JOB, Staged())


def test_an_album_of_which_a_part_is_missing_in_the_answer_is_an_unknown_outcome(
    scripted: Scripted, photo: Photo
) -> None:
    one = {"message_id": 5, "date": 1, "chat": {"id": -1001234567890, "type": "channel", "username": "town_news"}}
    adapter, _ = scripted(KEY, Answer(200, {"ok": True, "result": [one]}))
    with pytest.raises(OutcomeUnknown):
        adapter.finalize(CRED, replace(JOB, media=(photo(), photo(shade=5))), Staged())


def test_an_album_of_which_one_file_was_refused_is_an_unknown_outcome(scripted: Scripted, photo: Photo) -> None:
    """Each of its messages is sent for itself, and the sentence speaks of one of them only."""
    said = 'Bad Request: failed to send message #2 with the error message "{}"'
    for inner in ("IMAGE_PROCESS_FAILED", "Wrong file identifier/HTTP URL specified", "chat not found"):
        adapter, _ = scripted(KEY, Answer(400, _body(400, said.format(inner))))
        with pytest.raises(OutcomeUnknown, match="others"):
            adapter.finalize(CRED, replace(JOB, media=(photo(), photo(shade=5))), Staged())


@pytest.mark.parametrize("broken", ["", "<html>busy</html>", "cut", 500])
def test_of_an_album_nothing_is_deleted_while_its_page_cannot_be_read(scripted: Scripted, broken: str | int) -> None:
    """Its first message would be gone, and with it the only way to the others."""
    one = '<div class="tgme_widget_message" data-post="town_news/17">{}</div></html>'
    file = '<a class="tgme_widget_message_photo_wrap" href="https://t.me/town_news/{}?single"></a>'
    whole = one.format(file.format(17) + file.format(18))
    deleted: list[int] = []
    shown: list[str | int] = [broken]

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("getChat"):
            result = {"id": int(CRED.remote_id), "type": "channel", "username": "town_news"}
            return httpx2.Response(200, json={"ok": True, "result": result})
        if request.url.path.endswith("deleteMessage"):
            deleted.append(json.loads(request.content)["message_id"])
            return httpx2.Response(200, json={"ok": True, "result": True})
        if isinstance(shown[0], int):
            return httpx2.Response(shown[0], text=whole)
        return httpx2.Response(200, text=whole[:-10] if shown[0] == "cut" else shown[0])

    adapter, _ = scripted(KEY, Answer(script=answer))
    with pytest.raises(Unavailable, match="page"):
        adapter.delete(CRED, f"{CRED.remote_id}/17")
    assert deleted == []
    shown[0] = whole
    adapter.delete(CRED, f"{CRED.remote_id}/17")
    assert deleted == [18, 17]


@pytest.mark.parametrize(
    ("parameters", "headers", "wait"),
    [
        ({"retry_after": 35}, {}, timedelta(seconds=35)),
        ({"retry_after": 35}, {"retry-after": "90"}, timedelta(seconds=35)),
        ({}, {"retry-after": "90"}, timedelta(seconds=90)),
        ({"retry_after": 10**9}, {}, timedelta(hours=24)),
        ({"retry_after": "soon"}, {}, timedelta(minutes=1)),
        ({}, {}, timedelta(minutes=1)),
    ],
)
def test_how_long_to_wait_stands_in_the_body_or_in_a_header(
    scripted: Scripted, parameters: dict[str, Any], headers: dict[str, str], wait: timedelta
) -> None:
    body = {**_body(429, "Too Many Requests: retry after 35"), "parameters": parameters}
    adapter, _ = scripted(KEY, Answer(429, body, headers))
    for act in (lambda: adapter.finalize(CRED, JOB, Staged()), lambda: adapter.identify(CRED)):
        with pytest.raises(Throttled) as caught:
            act()
        assert caught.value.retry_at == ManualClock().now() + wait


# The token stands in the address of every call


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("answer", [Answer(200, b"<html>"), Answer(401, _body(401, "Unauthorized")), Answer(500, b"x")])
def test_the_token_in_the_address_reaches_no_log_no_error_and_no_excerpt(
    answer: Answer, given: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """`given` False: even where nobody told the client that this is a secret."""
    caplog.set_level("DEBUG")
    seen: list[Exchange] = []
    said: list[str] = []

    def echo(request: httpx2.Request) -> httpx2.Response:
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        return httpx2.Response(answer.status, content=body + str(request.url).encode())

    for handler in (echo, _broken):
        pools = Pools(allow_private=True, transport=httpx2.MockTransport(handler))
        http = HttpClient(pools).bound(secrets=[TOKEN] if given else [], observer=seen.append)
        for act in _acts(http):
            with pytest.raises(PlatformError) as caught:
                act()
            said += [caught.value.message, caught.value.detail, str(caught.value)]
        pools.close()
    assert len(seen) > 8
    secret = TOKEN.partition(":")[2]
    for text in (*said, *(f"{one.url} {one.reply}" for one in seen), caplog.text):
        assert secret not in text
    assert all("/bot[redacted]/" in one.url for one in seen)


def _acts(http: HttpClient) -> tuple[Callable[[], object], ...]:
    config = PlatformConfig(KEY, "https://telegram.example", "https://t.example")
    adapter = SPECS[KEY].adapter(http, config, ManualClock())
    return (
        lambda: adapter.identify(CRED),
        lambda: adapter.fetch(CRED, POST),
        lambda: adapter.delete(CRED, POST),
        lambda: adapter.finalize(CRED, JOB, Staged()),
        lambda: adapter.read_many(CRED, [POST]),
        lambda: credentials(http, config, "", {"access_token": TOKEN, "channel": "@town_news"}),
    )


def _broken(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ReadError(f"connection to {request.url} broke", request=request)


def test_no_token_goes_to_the_public_pages(channel: Linked) -> None:
    receipt = channel.publish(channel.job("public"))
    urls: list[str] = []
    http = HttpClient(channel.pools).bound(observer=lambda one: urls.append(one.url))
    adapter = SPECS[KEY].adapter(http, channel.config, SystemClock())
    adapter.fetch(channel.cred, receipt.ref.remote_id)
    adapter.recent(channel.cred, receipt_time())
    pages = [url for url in urls if "/bot" not in url]
    assert len(pages) == 2
    assert channel.cred.access_token not in "".join(urls)
    assert all(
        "…" in row["path"]
        for row in channel.control.log(platform="telegram", account=channel.name)
        if "/bot" in row["path"]
    )


# What is sent, against the official description


@pytest.fixture(scope="session")
def api() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((specifications.SPECS / "telegram" / "bot_api.json").read_text())
    return found


@pytest.fixture(scope="session")
def methods(api: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = api["methods"]
    return found


def _check(types: dict[str, Any], name: str, value: Any, where: str = "") -> None:
    """`value` has the required fields of the type and no unknown ones, and so have its own."""
    fields = {field["name"]: field for field in types[name].get("fields", ())}
    assert isinstance(value, dict), where
    assert set(value) <= set(fields), f"{where} {name}: {sorted(set(value) - set(fields))}"
    missing = {field for field, told in fields.items() if told["required"]} - set(value)
    assert not missing, f"{where} {name}: {missing}"
    for key, one in value.items():
        kind = fields[key]["types"][0].removeprefix("Array of ")
        if kind in types and types[kind].get("fields"):
            for item in one if isinstance(one, list) else [one]:
                _check(types, kind, item, f"{where}.{key}")


def test_what_the_emulator_answers_is_what_the_description_says(
    channel: Linked, photo: Photo, video: MediaFile, api: dict[str, Any]
) -> None:
    """The other direction: an emulator that answered differently would prove nothing about the adapter."""
    types, answers = api["types"], []
    send = channel.pools.sends
    base = f"{channel.config.api_url}/bot{channel.cred.access_token}"

    def ask(method: str, **options: Any) -> Any:
        answer = send.post(f"{base}/{method}", **options).json()
        assert answer["ok"] is True, answer
        return answer["result"]

    chat = int(channel.cred.remote_id)
    bot = ask("getMe")
    _check(types, "User", bot, "getMe")
    _check(types, "ChatFullInfo", ask("getChat", json={"chat_id": chat}), "getChat")
    member = ask("getChatMember", json={"chat_id": chat, "user_id": bot["id"]})
    _check(types, "ChatMemberAdministrator", member, "getChatMember")
    for media in ((), (photo(),), (video,), (photo(), photo(shade=9))):
        with ExitStack() as opened:
            method, fields, files = message(str(chat), replace(JOB, text=TEXT, media=media), opened)
            form = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
            result = ask(method, data=form, files=files or None)
        answers += result if isinstance(result, list) else [result]
    for answer in answers:
        _check(types, "Message", answer, "sent")
    assert len(answers) == 5


def test_every_request_has_the_fields_that_the_method_wants_and_no_others(
    methods: dict[str, Any], photo: Photo, video: MediaFile
) -> None:
    gif = replace(photo(), kind=MediaKind.GIF)
    for media in ((), (photo(),), (video,), (gif,), (photo(), photo(shade=9))):
        for job in (replace(JOB, media=media), replace(JOB, media=media, parent=Ref("-1001234567890/4"))):
            with ExitStack() as opened:
                method, fields, files = message(CRED.remote_id, job, opened)
            known = {field["name"]: field for field in methods[method]["fields"]}
            attached = {name for name in files if not name.startswith("file")}
            assert {*fields, *attached} <= set(known)
            assert {name for name, field in known.items() if field["required"]} <= {*fields, *attached}
            assert isinstance(fields["chat_id"], int)
            if method == "sendMediaGroup":
                album = fields["media"]
                assert isinstance(album, list) and 2 <= len(album) <= 10
                assert [item["media"].removeprefix("attach://") for item in album] == list(files)
                assert ["caption" in item for item in album] == [True, False]
            if job.parent:
                assert fields["reply_parameters"] == {"message_id": 4}
