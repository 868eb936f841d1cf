"""Discord: a channel by a bot with its nonce and its list, or by a webhook that has neither."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest

from postprober.clock import ManualClock, SystemClock
from postprober.domain.account import Credentials
from postprober.domain.platform import Platform, PlatformConfig, ReconcileMode
from postprober.domain.post import Draft, MediaFile, MediaKind, Part, Violation
from postprober.domain.preflight import check
from postprober.domain.remote import Counts, PartJob, Ref, RemoteMedia, Search, SightingState, Staged
from postprober.errors import (
    BadInput,
    MadeAndRemoved,
    OutcomeUnknown,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.http import Exchange, HttpClient, Pools
from postprober.pipeline.core.tokens import secrets_of
from postprober.platforms.common.adapter import Adapter
from postprober.platforms.discord.adapter import DiscordAdapter
from postprober.platforms.discord.linking import credentials
from postprober.platforms.discord.links import ChannelAuthor, made_at
from postprober.platforms.discord.messages import message
from postprober.platforms.discord.options import DiscordOptions
from postprober.platforms.discord.promises import HANDLE_LIFE, UPLOAD_SECONDS, WEBHOOK, can_witness
from postprober.platforms.registry import SPECS, adapter_of, quota_of
from postprober.sandbox.discord.dialect import GUILD
from tests import specifications
from tests.platforms.adapter_kit import Answer, Link, Linked, Scripted

KEY = Platform("discord")
Photo = Callable[..., MediaFile]
TEXT = "Grüße & <b> **東京** 🎉 https://example.org/a_b?c=1&d=2 #news @everyone <@123456789>\n\nsecond *paragraph*"
HOOK = [WEBHOOK]
BOT_TOKEN = "MTA5MzI4NDc1NjEwMzg0NzU2MQ.GhIjKl.mNoPqRsTuVwXyZ0123456789abcdefghijkl"
HOOK_TOKEN = "aTokenOfAWebhook_that-nobody-may-see-and-that-is-as-long-as-theirs-0"
ACCOUNT = "1093284756103847561@1090000000000000001/1105223344556677889"
CRED = Credentials(BOT_TOKEN, remote_id=ACCOUNT, name="newsbot #news", scopes=("bot",))
HOOK_CRED = Credentials(
    f"1093284756103847561/{HOOK_TOKEN}", remote_id=ACCOUNT, name="news (webhook)", scopes=(WEBHOOK,)
)
NONCE = "a" * 25
POLL = {"poll_question": "Which?", "poll_choices": ["This", "That"], "poll_hours": 5, "poll_multiple": True}
NO_POLL = {"poll_question": "", "poll_choices": []}
JOB = PartJob("key", 0, "text", ManualClock().now(), handle=NONCE)
POST = "1105223344556677889/1193847562910384756"


@pytest.fixture
def bot(link: Link) -> Linked:
    return link(KEY)


@pytest.fixture
def hook(link: Link) -> Linked:
    return link(KEY, scopes=HOOK)


def with_nonce(linked: Linked, text: str, *media: MediaFile, parent: Ref | None = None) -> PartJob:
    job = linked.job(text, *media, parent=parent)
    return replace(job, handle=linked.adapter.new_handle(job.key, job.index, job.composed_at))


def an_hour_ago() -> datetime:
    return SystemClock().now() - timedelta(hours=1)


# Publishing and reading back


@pytest.mark.parametrize("scopes", [None, HOOK])
def test_what_is_sent_is_what_is_read(link: Link, scopes: list[str] | None) -> None:
    linked = link(KEY, **({"scopes": scopes} if scopes else {}))
    receipt = linked.publish(with_nonce(linked, TEXT))
    (truth,) = linked.truth()
    assert (truth["text"], truth["id"], truth["url"]) == (TEXT, receipt.ref.remote_id, receipt.ref.url)
    assert truth["extra"]["pings"] is False, "nobody is pinged, whatever the text says"
    found = linked.adapter.fetch(linked.cred, receipt.ref.remote_id)
    assert found is not None and found.text == TEXT and found.media == () and found.worded
    assert found.author_id == linked.cred.remote_id and found.created_at is not None
    assert linked.visible == ["sent"]


@pytest.mark.parametrize("count", [1, 2, 10])
def test_pictures_go_with_the_text_in_one_request(bot: Linked, photo: Photo, count: int) -> None:
    files = tuple(photo(f"Picture {n}", shade=10 * n) for n in range(count))
    receipt = bot.publish(with_nonce(bot, "pictures", *files))
    assert bot.visible == ["sent"] and len(bot.truth()) == 1
    found = bot.adapter.fetch(bot.cred, receipt.ref.remote_id)
    assert found is not None and found.text == "pictures" and found.media is not None
    assert [(one.kind, one.alt, one.size) for one in found.media] == [
        ("image", f"Picture {n}", (640, 480)) for n in range(count)
    ]


def test_ten_of_the_largest_pictures_stay_below_what_a_request_may_have(bot: Linked) -> None:
    images = SPECS[KEY].limits.images
    assert images.max_count * images.max_bytes + 1_000_000 < 25 * 1024 * 1024


def test_files_may_go_without_words_and_a_video_with_them(bot: Linked, photo: Photo, video: MediaFile) -> None:
    bot.publish(with_nonce(bot, "", photo(), photo(shade=1)))
    receipt = bot.publish(with_nonce(bot, "a clip", video))
    assert [post["text"] for post in bot.truth()] == ["", "a clip"]
    found = bot.adapter.fetch(bot.cred, receipt.ref.remote_id)
    assert found is not None and found.media == (RemoteMedia("video", ""),)


def test_a_thread_is_a_chain_of_answers(bot: Linked) -> None:
    first = bot.publish(with_nonce(bot, "one"))
    second = bot.publish(with_nonce(bot, "two", parent=first.ref))
    found = bot.adapter.fetch(bot.cred, second.ref.remote_id)
    assert found is not None and found.reply_to == first.ref.remote_id
    before = bot.adapter.fetch(bot.cred, first.ref.remote_id)
    assert before is not None and before.reply_to == "" and before.tells_reply
    bot.control.delete_post(KEY.value, first.ref.remote_id)
    with pytest.raises(PostRejected, match="gone"):
        bot.publish(with_nonce(bot, "three", parent=first.ref))


def test_spoilers_and_silence_are_asked_for_and_read_back(bot: Linked, photo: Photo) -> None:
    plain = bot.publish(with_nonce(bot, "plain", photo()))
    asked = bot.publish(
        replace(with_nonce(bot, "hidden", photo(), photo(shade=9)), options={"sensitive": True, "silent": True})
    )
    found = [bot.adapter.fetch(bot.cred, one.ref.remote_id) for one in (plain, asked)]
    assert [dict(one.options) for one in found if one] == [
        {"silent": False, "sensitive": False, **NO_POLL},
        {"silent": True, "sensitive": True, **NO_POLL},
    ]


@pytest.mark.parametrize("scopes", [None, HOOK])
def test_a_poll_is_asked_and_read_back(link: Link, scopes: list[str] | None) -> None:
    linked = link(KEY, **({"scopes": scopes} if scopes else {}))
    receipt = linked.publish(replace(with_nonce(linked, "Vote"), options=POLL))
    found = linked.adapter.fetch(linked.cred, receipt.ref.remote_id)
    assert found is not None and dict(found.options) == {"silent": False, **POLL}
    again = linked.publish(replace(with_nonce(linked, "The second part"), index=1, options=POLL))
    later = linked.adapter.fetch(linked.cred, again.ref.remote_id)
    assert later is not None and dict(later.options) == {"silent": False, **NO_POLL}


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({**POLL, "poll_question": " "}, "poll_question"),
        ({**POLL, "poll_choices": []}, "poll_choices"),
        ({**POLL, "poll_choices": ["x" * 56]}, "poll_choice_too_long"),
        ({**POLL, "poll_hours": 769}, "poll_minutes"),
        ({"tags": ["1105223344556677800"]}, "tags_without_title"),
        ({"title": "A title", "tags": ["help"]}, "tag_unreadable"),
        (POLL, ""),
        ({"title": "A title", "tags": ["1105223344556677800"]}, ""),
    ],
)
def test_what_a_poll_or_a_forum_post_lacks_is_said_before(options: dict[str, Any], code: str) -> None:
    limits = SPECS[KEY].limits
    draft = Draft((Part("Vote"),), options=options)
    found = [one.code for one in DiscordOptions.of(options).problems(draft, limits) if isinstance(one, Violation)]
    assert found == ([code] if code else [])


def test_a_poll_takes_no_files(photo: Photo) -> None:
    draft = Draft((Part("Vote", (photo(),)),), options=POLL)
    assert [one.code for one in check(draft, SPECS[KEY].limits).violations] == ["poll_with_media"]


def test_a_forum_post_has_a_title_and_a_channel_of_its_own(link: Link) -> None:
    forum = link(KEY, scopes=[WEBHOOK, "forum"])
    with pytest.raises(PostRejected, match="title"):
        forum.publish(forum.job("No title"))
    options = {"title": "A question", "tags": ["1105223344556677800"]}
    receipt = forum.publish(replace(forum.job("In a forum"), options=options))
    (truth,) = forum.truth()
    assert (truth["extra"]["title"], truth["extra"]["tags"]) == ("A question", options["tags"])
    channel, number = receipt.ref.remote_id.split("/")
    assert channel == number != ChannelAuthor.of(forum.cred.remote_id).channel
    found = forum.adapter.fetch(forum.cred, receipt.ref.remote_id)
    assert found is not None and found.text == "In a forum"
    forum.adapter.delete(forum.cred, receipt.ref.remote_id)
    assert forum.truth()[0]["deleted_at"]


def test_a_file_that_went_away_since_it_was_checked_sends_nothing(bot: Linked, video: MediaFile) -> None:
    job = with_nonce(bot, "a clip", video)
    staged = bot.stage(job)
    Path(video.path).unlink()
    with pytest.raises(Unavailable, match="nothing was published"):
        bot.adapter.finalize(bot.cred, job, staged)
    assert bot.truth() == [] and bot.visible == []


@pytest.mark.parametrize("scopes", [None, HOOK])
def test_deleting_what_is_gone_is_no_error(link: Link, scopes: list[str] | None) -> None:
    linked = link(KEY, **({"scopes": scopes} if scopes else {}))
    receipt = linked.publish(with_nonce(linked, "Soon gone"))
    for _ in range(2):
        linked.adapter.delete(linked.cred, receipt.ref.remote_id)
    assert linked.truth()[0]["deleted_at"]
    assert linked.adapter.fetch(linked.cred, receipt.ref.remote_id) is None


# The nonce


def test_a_repeat_with_the_same_nonce_answers_with_the_first_message(bot: Linked, photo: Photo) -> None:
    job = with_nonce(bot, "once", photo())
    first, second = bot.publish(job), bot.publish(job)
    assert first.ref == second.ref and len(bot.truth()) == 1


def test_past_its_window_the_same_nonce_makes_a_second_post(bot: Linked) -> None:
    """What the emulator forgets, Discord forgets: the control of every test that relies on the nonce."""
    job = with_nonce(bot, "twice")
    bot.control.settings(nonce_seconds=0)
    try:
        bot.publish(job)
        bot.publish(job)
    finally:
        bot.control.settings(nonce_seconds=180)
    assert [post["text"] for post in bot.truth()] == ["twice", "twice"]


def test_a_repeat_after_the_message_was_deleted_makes_none_and_says_so(bot: Linked) -> None:
    job = with_nonce(bot, "taken down")
    receipt = bot.publish(job)
    bot.control.delete_post(KEY.value, receipt.ref.remote_id)
    with pytest.raises(MadeAndRemoved, match="deleted"):
        bot.publish(job)
    assert len(bot.truth()) == 1


def test_a_nonce_is_the_same_for_the_same_part_and_no_other(scripted: Scripted) -> None:
    adapter, _ = scripted(KEY)
    made = {adapter.new_handle(key, index, ManualClock().now()) for key in ("a", "b") for index in (0, 1)}
    assert len(made) == 4 and all(len(one) == 25 for one in made)
    assert adapter.new_handle("a", 0, SystemClock().now()) == adapter.new_handle("a", 0, ManualClock().now())


def test_the_handles_life_and_the_upload_stay_below_a_few_minutes() -> None:
    assert HANDLE_LIFE + timedelta(seconds=UPLOAD_SECONDS) <= timedelta(minutes=2)


def test_a_bot_and_a_webhook_keep_other_promises(scripted: Scripted) -> None:
    def traits(*scopes: str) -> Any:
        adapter, _ = scripted(KEY)
        config = PlatformConfig(KEY, "https://discord.example", "https://discord.example")
        return adapter_of(KEY, "", adapter._http, config, ManualClock(), None, scopes=scopes)  # type: ignore[attr-defined]

    of_bot, of_hook = traits("bot"), traits(WEBHOOK)
    assert of_bot.traits.mode is ReconcileMode.RECONCILE and of_bot.traits.handle_life == HANDLE_LIFE
    assert of_hook.traits.mode is ReconcileMode.STRICT and of_hook.traits.handle_life is None
    assert not of_hook.traits.sends_alike_twice_safely and not of_hook.traits.threads
    assert of_hook.new_handle("a", 0, ManualClock().now()) == ""
    assert of_bot.limits(CRED).threads and not of_hook.limits(HOOK_CRED).threads
    assert of_bot.limits(CRED).lacks == {"title", "tags"} and not of_hook.limits(HOOK_CRED).lacks


# Looking


def test_an_empty_list_proves_nothing(bot: Linked) -> None:
    """Without the right to read the history the list is empty, and no error says so."""
    job = with_nonce(bot, "never sent")
    assert bot.adapter.locate(bot.cred, bot.search(job)).state is SightingState.UNSURE
    earlier = bot.publish(with_nonce(bot, "earlier")).ref.remote_id
    assert bot.adapter.locate(bot.cred, bot.search(job, newest_known_post=earlier)).state is SightingState.ABSENT
    bot.control.account(KEY.value, bot.name, scopes=["bot", "VIEW_CHANNEL", "SEND_MESSAGES"])
    hidden = bot.adapter.locate(bot.cred, bot.search(job, newest_known_post=earlier))
    assert hidden.state is SightingState.UNSURE and "history" in hidden.reason


def test_a_list_that_lacks_the_newest_known_post_proves_nothing(bot: Linked) -> None:
    earlier = bot.publish(with_nonce(bot, "earlier")).ref.remote_id
    bot.publish(with_nonce(bot, "later"))
    bot.control.delete_post(KEY.value, earlier)
    search = bot.search(with_nonce(bot, "never sent"), newest_known_post=earlier)
    assert bot.adapter.locate(bot.cred, search).state is SightingState.UNSURE


def test_a_webhook_can_look_for_nothing(hook: Linked) -> None:
    hook.publish(hook.job("here"))
    sighting = hook.adapter.locate(hook.cred, hook.search(hook.job("here")))
    assert sighting.state is SightingState.UNSURE and "webhook" in sighting.reason
    with pytest.raises(Unavailable):
        hook.adapter.recent(hook.cred, an_hour_ago())


def test_messages_of_others_are_not_taken_for_own(bot: Linked, link: Link) -> None:
    other = link(KEY, scopes=["bot", "VIEW_CHANNEL", "SEND_MESSAGES", "READ_MESSAGE_HISTORY", "MESSAGE_CONTENT"])
    seat = ChannelAuthor.of(bot.cred.remote_id)
    there = replace(ChannelAuthor.of(other.cred.remote_id), channel=seat.channel).account_id
    other.adapter.finalize(replace(other.cred, remote_id=there), with_nonce(other, "the same words"), Staged())
    bot.publish(with_nonce(bot, "another"))
    sighting = bot.adapter.locate(bot.cred, bot.search(with_nonce(bot, "the same words")))
    assert sighting.state is SightingState.ABSENT
    assert [post.text for post in bot.adapter.recent(bot.cred, an_hour_ago()).posts] == ["another"]


def test_a_long_channel_is_read_back_page_by_page_to_the_newest_known_post(scripted: Scripted) -> None:
    now = ManualClock().now()
    first = _snowflake(now - timedelta(hours=2))
    everything = [_message(first, "earlier", author="1093284756103847561")] + [
        _message(_snowflake(now - timedelta(seconds=250 - n)), f"chat {n}", author="7777777") for n in range(250)
    ]
    adapter, answer = scripted(KEY, Answer(script=_channel(everything)))
    search = Search(JOB, now - timedelta(minutes=1), None, f"1105223344556677889/{first}")
    assert adapter.locate(CRED, search).state is SightingState.ABSENT
    assert len(answer.requests) == 3 and all("limit=100" in str(one.url) for one in answer.requests)


def test_a_channel_that_is_too_long_to_be_read_back_proves_nothing(scripted: Scripted) -> None:
    now = ManualClock().now()
    everything = [
        _message(_snowflake(now - timedelta(seconds=1200 - n)), f"chat {n}", author="7777777") for n in range(1200)
    ]
    adapter, answer = scripted(KEY, Answer(script=_channel(everything)))
    search = Search(JOB, now - timedelta(hours=1), None, "1105223344556677889/1000000")
    assert adapter.locate(CRED, search).state is SightingState.UNSURE
    assert len(answer.requests) == 10


def test_where_others_write_much_and_nothing_own_is_known_the_list_still_reaches_back(scripted: Scripted) -> None:
    now = ManualClock().now()
    everything = [
        _message(_snowflake(now - timedelta(minutes=2, seconds=1200 - n)), f"chat {n}", author="7777777")
        for n in range(1200)
    ]
    adapter, answer = scripted(KEY, Answer(script=_channel(everything)))
    assert adapter.locate(CRED, Search(JOB, now)).state is SightingState.ABSENT
    with_known = Search(JOB, now, None, "1105223344556677889/1000000")
    assert adapter.locate(CRED, with_known).state is SightingState.UNSURE, "the newest known post is not in it"
    assert len(answer.requests) == 20


def test_a_message_with_our_nonce_is_ours_whatever_its_words(scripted: Scripted) -> None:
    now = ManualClock().now()
    ours = _message(_snowflake(now), "other words", author="1093284756103847561") | {"nonce": NONCE}
    adapter, _ = scripted(KEY, Answer(script=_channel([ours])))
    found = adapter.locate(CRED, Search(JOB, now))
    assert found.state is SightingState.FOUND and not found.by_words


@pytest.mark.parametrize("number", ["9" * 21, "9" * 5000, "\u0663", "-1", "1.5"])
def test_an_id_that_none_can_be_claims_nothing(scripted: Scripted, number: str) -> None:
    adapter, _ = scripted(
        KEY, Answer(200, [{**_message("1193847562910384756", "x", author="1093284756103847561"), "id": number}])
    )
    with pytest.raises(UnexpectedReply):
        adapter.recent(CRED, an_hour_ago())
    assert adapter.locate(CRED, Search(JOB, an_hour_ago())).state is SightingState.UNSURE


def _snowflake(at: datetime) -> str:
    millis = round((at - datetime(2015, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
    return str(millis << 22)


def _message(number: str, text: str, *, author: str) -> dict[str, Any]:
    return {
        "id": number,
        "channel_id": "1105223344556677889",
        "type": 0,
        "content": text,
        "timestamp": made_at(number).isoformat(),
        "author": {"id": author, "username": "somebody"},
        "attachments": [],
        "embeds": [],
        "flags": 0,
    }


def _channel(everything: list[dict[str, Any]]) -> Callable[[httpx2.Request], httpx2.Response]:
    def answer(request: httpx2.Request) -> httpx2.Response:
        before = int(request.url.params.get("before", 1 << 62))
        older = sorted((one for one in everything if int(one["id"]) < before), key=lambda one: -int(one["id"]))
        return httpx2.Response(200, json=older[: int(request.url.params["limit"])])

    return answer


# Many, and their counts


def test_reactions_are_counted_and_nothing_is_made_up(bot: Linked, hook: Linked) -> None:
    for linked in (bot, hook):
        receipt = linked.publish(with_nonce(linked, "counted"))
        told = linked.adapter.read_many(linked.cred, [receipt.ref.remote_id])[receipt.ref.remote_id]
        assert told.counts == Counts(likes=told.counts.likes) and told.counts.likes is not None
    assert linked.adapter.read_many(linked.cred, ["1105223344556677889/1193847562910384756"]) == {
        "1105223344556677889/1193847562910384756": replace(told, post=None, counts=Counts())
    }


def test_many_are_read_in_one_call_and_what_is_gone_is_told(bot: Linked) -> None:
    made = [bot.publish(with_nonce(bot, f"number {n}")).ref.remote_id for n in range(5)]
    bot.control.delete_post(KEY.value, made[2])
    before = len(bot.control.log(platform=KEY.value, account=bot.name))
    told = bot.adapter.read_many(bot.cred, made)
    assert [told[one].post is not None for one in made] == [True, True, False, True, True]
    assert len(bot.control.log(platform=KEY.value, account=bot.name)) - before == 1


def test_without_the_history_nothing_is_told_of_many(bot: Linked) -> None:
    made = [bot.publish(with_nonce(bot, f"number {n}")).ref.remote_id for n in range(3)]
    bot.control.account(KEY.value, bot.name, scopes=["bot", "VIEW_CHANNEL", "SEND_MESSAGES"])
    assert bot.adapter.read_many(bot.cred, made) == {}
    with pytest.raises(ReconnectNeeded, match="history"):
        bot.adapter.fetch(bot.cred, made[0])


# A second witness


@pytest.mark.parametrize("intent", [True, False])
def test_another_bot_reads_the_post_as_somebody_else(bot: Linked, link: Link, photo: Photo, intent: bool) -> None:
    rights = ["bot", "VIEW_CHANNEL", "READ_MESSAGE_HISTORY", *(["MESSAGE_CONTENT"] if intent else [])]
    other = link(KEY, scopes=rights)
    receipt = bot.publish(with_nonce(bot, "seen by two", photo()))
    found = other.adapter.fetch(other.cred, receipt.ref.remote_id)
    assert found is not None and found.author_id == bot.cred.remote_id
    assert (found.worded, found.text) == ((True, "seen by two") if intent else (False, ""))


def test_who_can_tell_of_whose_posts() -> None:
    other = ACCOUNT.replace("1093284756103847561", "1093284756103847999")
    elsewhere = other.replace("1105223344556677889", "1105223344556677000")
    assert can_witness(ACCOUNT, other, ("bot",))
    assert not can_witness(ACCOUNT, other, (WEBHOOK,)), "a webhook reads its own messages only"
    assert not can_witness(ACCOUNT, elsewhere, ("bot",)), "its right to read there was never seen"
    assert not can_witness(ACCOUNT, ACCOUNT, ("bot",))
    assert not can_witness("", "", ("bot",))


# Linking


def _typed(linked: Linked, **fields: str) -> Credentials:
    http = HttpClient(linked.pools)
    return credentials(http, linked.config, "", {"access_token": "", "channel": "", "webhook": "", **fields})


def test_a_bot_is_linked_by_its_token_and_a_channel(bot: Linked) -> None:
    seat = ChannelAuthor.of(bot.cred.remote_id)
    for channel in (seat.channel, f"https://discord.com/channels/{GUILD}/{seat.channel}"):
        cred = _typed(bot, access_token=bot.cred.access_token, channel=channel)
        assert (cred.remote_id, cred.scopes) == (bot.cred.remote_id, ("bot",))
        assert cred.name == f"{bot.name} #{bot.name}"


def test_a_webhook_is_linked_by_its_url(hook: Linked) -> None:
    for base in ("https://discord.com/api/webhooks", "https://canary.discord.com/api/v10/webhooks"):
        cred = _typed(hook, webhook=f"{base}/{hook.cred.access_token}")
        assert (cred.remote_id, cred.scopes, cred.access_token) == (
            hook.cred.remote_id,
            (WEBHOOK,),
            hook.cred.access_token,
        )


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "access_token"),
        ({"access_token": "x"}, "channel"),
        ({"channel": "1105223344556677889"}, "access_token"),
        ({"access_token": "x", "channel": "news"}, "channel"),
        ({"access_token": "x", "channel": "https://discord.com/channels/1"}, "channel"),
        ({"webhook": "https://discord.com/api/webhooks/12"}, "webhook"),
        ({"webhook": "https://example.org/"}, "webhook"),
        *(
            ({"webhook": f"https://{host}/api/webhooks/1093284756103847561/{HOOK_TOKEN}"}, "webhook")
            for host in ("evil.example", "discord.com@evil.example", "discord.com.evil.example", "mydiscord.com")
        ),
        (
            {"webhook": f"https://discord.com/api/webhooks/1093284756103847561/{HOOK_TOKEN}", "access_token": "x"},
            "webhook",
        ),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(bot: Linked, fields: dict[str, str], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        _typed(bot, **fields)
    assert caught.value.field == field and caught.value.message.endswith(".")
    assert HOOK_TOKEN not in caught.value.message + caught.value.detail


def test_a_forum_wants_a_webhook_and_a_voice_channel_is_none(link: Link, scripted: Scripted) -> None:
    forum = link(KEY, scopes=["bot", "VIEW_CHANNEL", "forum"])
    with pytest.raises(ReconnectNeeded, match="webhook"):
        forum.adapter.identify(forum.cred)
    adapter, _ = scripted(KEY, Answer(200, {"id": "1105223344556677889", "type": 2, "guild_id": "1090000000000000001"}))
    with pytest.raises(ReconnectNeeded, match="no text channel"):
        adapter.identify(CRED)


def test_a_webhook_that_was_moved_asks_to_be_reconnected(scripted: Scripted) -> None:
    moved = {
        "id": "1093284756103847561",
        "type": 1,
        "guild_id": "1090000000000000001",
        "channel_id": "1105223344556670000",
    }
    adapter, _ = scripted(KEY, Answer(200, moved))
    with pytest.raises(ReconnectNeeded, match="moved"):
        adapter.identify(HOOK_CRED)
    adapter, _ = scripted(KEY, Answer(200, {**moved, "type": 2}))
    with pytest.raises(ReconnectNeeded, match="incoming"):
        adapter.identify(HOOK_CRED)


# Refusals

# (code, subcode) of the table -> (status, body, error); "gone" where it is none.
KINDS: dict[tuple[int | str, str], tuple[int, type[PlatformError] | str]] = {
    (0, "401"): (401, ReconnectNeeded),
    (50027, ""): (401, ReconnectNeeded),
    (10015, ""): (404, ReconnectNeeded),
    (10003, ""): (404, ReconnectNeeded),
    (10008, ""): (404, "gone"),
    (50001, ""): (403, ReconnectNeeded),
    (50013, ""): (403, ReconnectNeeded),
    (50035, ""): (400, PostRejected),
    (50006, ""): (400, PostRejected),
    (40005, ""): (413, PostRejected),
    (50045, ""): (400, PostRejected),
    (220001, ""): (400, PostRejected),
    (40067, ""): (400, PostRejected),
    (200000, ""): (400, PostRejected),
    (240000, ""): (400, PostRejected),
    (20016, ""): (400, Throttled),
    (20028, ""): (429, Throttled),
    (20029, ""): (429, Throttled),
    (0, "429"): (429, Throttled),
    (40004, ""): (403, Throttled),
    (40033, ""): (400, PostRejected),  # of a crosspost, which adapters do not know yet
    (30046, ""): (400, Throttled),
    (130000, ""): (503, OutcomeUnknown),
    ("-", ""): (502, OutcomeUnknown),
    (10008, "on POST with enforce_nonce"): (404, MadeAndRemoved),
}


def _key(row: dict[str, Any]) -> tuple[int | str, str]:
    return row["code"], row["subcode"] or (str(row["status"]) if row["code"] == 0 else "")


def test_every_row_has_an_expectation_and_every_expectation_a_row() -> None:
    rows = json.loads((specifications.SPECS / "errors" / "discord_errors.json").read_text())
    assert {_key(row) for row in rows} == set(KINDS)
    assert {_key(row): row["status"] for row in rows} == {key: status for key, (status, _) in KINDS.items()}


@pytest.mark.parametrize("key", KINDS)
def test_a_refusal_becomes_the_error_that_names_its_cure(scripted: Scripted, key: tuple[int | str, str]) -> None:
    status, kind = KINDS[key]
    body: Any = {"code": key[0], "message": "Said so"} if key[0] != "-" else b"<html>gateway</html>"
    adapter, _ = scripted(KEY, Answer(status, body))
    if kind == "gone":
        assert adapter.fetch(CRED, POST) is None
        adapter.delete(CRED, POST)
        return
    assert not isinstance(kind, str)
    with pytest.raises(PlatformError) as caught:
        adapter.finalize(CRED, JOB, Staged())
    assert type(caught.value) is kind
    assert caught.value.message.endswith(".")


def test_an_unknown_message_means_deleted_only_where_a_nonce_was_to_be_enforced(scripted: Scripted) -> None:
    for cred, job in ((HOOK_CRED, JOB), (CRED, replace(JOB, handle=""))):
        adapter, _ = scripted(KEY, Answer(404, {"code": 10008, "message": "Unknown Message"}))
        with pytest.raises(PlatformError) as caught:
            adapter.finalize(cred, job, Staged())
        assert not isinstance(caught.value, MadeAndRemoved)


@pytest.mark.parametrize(
    ("inner", "said"),
    [("REPLIES_UNKNOWN_MESSAGE", "gone"), ("BASE_TYPE_MAX_LENGTH", "too long"), ("OTHER", "a part of the post")],
)
def test_of_a_form_the_field_is_named(scripted: Scripted, inner: str, said: str) -> None:
    errors = {"content": {"0": {"_errors": [{"code": inner, "message": "…"}]}}}
    adapter, _ = scripted(KEY, Answer(400, {"code": 50035, "message": "Invalid Form Body", "errors": errors}))
    with pytest.raises(PostRejected, match=said):
        adapter.finalize(CRED, JOB, Staged())


@pytest.mark.parametrize("status", [400, 403, 404, 405, 410, 418, 408, 409, 425, 500, 502, 503, 301])
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
        {"id": "1193847562910384756"},
        {"id": 7, "channel_id": 8},
        {"id": "x", "channel_id": "y"},
        [],
    ],
)
def test_a_success_without_a_message_is_an_unknown_outcome(scripted: Scripted, body: Any) -> None:
    adapter, _ = scripted(KEY, Answer(200, body))
    with pytest.raises(OutcomeUnknown):
        adapter.finalize(CRED, JOB, Staged())
    adapter, _ = scripted(KEY, Answer(204, b""))
    with pytest.raises(OutcomeUnknown):
        adapter.finalize(HOOK_CRED, JOB, Staged())


@pytest.mark.parametrize(
    ("more", "headers", "wait"),
    [
        ({"retry_after": 0.75}, {}, timedelta(seconds=0.75)),
        ({"retry_after": 35.5}, {"retry-after": "90"}, timedelta(seconds=35.5)),
        ({}, {"retry-after": "90"}, timedelta(seconds=90)),
        ({"retry_after": 10**9}, {}, timedelta(hours=24)),
        ({"retry_after": "soon"}, {}, timedelta(minutes=1)),
        ({"retry_after": True}, {}, timedelta(minutes=1)),
        ({}, {}, timedelta(minutes=1)),
    ],
)
def test_how_long_to_wait_stands_in_the_body_or_in_a_header(
    scripted: Scripted, more: dict[str, Any], headers: dict[str, str], wait: timedelta
) -> None:
    adapter, _ = scripted(KEY, Answer(429, {"message": "Slow down", "code": 0, "global": False, **more}, headers))
    for act in (lambda: adapter.finalize(CRED, JOB, Staged()), lambda: adapter.identify(CRED)):
        with pytest.raises(Throttled) as caught:
            act()
        assert caught.value.retry_at == ManualClock().now() + wait
        assert not caught.value.whole_app


def test_what_is_left_of_a_limit_is_read_out_of_the_headers(bot: Linked) -> None:
    seen: list[Exchange] = []
    http = HttpClient(bot.pools).bound(observer=seen.append)
    before = SystemClock().now()
    SPECS[KEY].adapter(http, bot.config, SystemClock()).identify(bot.cred)
    quota = quota_of(KEY, seen[0], SystemClock().now())
    assert quota is not None and (quota.limit, quota.left) == (5, 4)
    assert before - timedelta(seconds=1) < quota.resets_at < before + timedelta(seconds=10)


def test_a_limit_of_the_whole_bot_holds_for_all_its_channels(scripted: Scripted) -> None:
    adapter, _ = scripted(KEY, Answer(429, {"message": "Slow down", "retry_after": 1.5, "global": True}))
    with pytest.raises(Throttled) as caught:
        adapter.finalize(CRED, JOB, Staged())
    assert caught.value.whole_app


@pytest.mark.parametrize("body", [b"", {}, [], {"id": 5}, "text"])
def test_a_reading_in_an_unknown_form_claims_nothing(scripted: Scripted, body: Any) -> None:
    adapter, _ = scripted(KEY, Answer(200, body))
    for act in (lambda: adapter.fetch(CRED, POST), lambda: adapter.identify(CRED)):
        with pytest.raises((UnexpectedReply, Unavailable)):
            act()


# Tokens stand in a header, and a webhook's in the address of every call


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("cred", [CRED, HOOK_CRED])
def test_no_token_reaches_a_log_an_error_or_an_excerpt(
    cred: Credentials, given: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """`given` False: even where nobody told the client that this is a secret."""
    caplog.set_level("DEBUG")
    seen: list[Exchange] = []
    said: list[str] = []
    secret = HOOK_TOKEN if cred is HOOK_CRED else BOT_TOKEN

    def echo(request: httpx2.Request) -> httpx2.Response:
        told = f"{request.url} {request.headers.get('authorization', '')}"
        return httpx2.Response(401, json={"code": 0, "message": told})

    def broken(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadError(f"connection to {request.url} broke", request=request)

    for handler in (echo, broken):
        pools = Pools(allow_private=True, transport=httpx2.MockTransport(handler))
        http = HttpClient(pools).bound(secrets=[cred.access_token] if given else [], observer=seen.append)
        for act in _acts(http, cred):
            with pytest.raises(PlatformError) as caught:
                act()
            said += [caught.value.message, caught.value.detail, str(caught.value)]
        pools.close()
    assert len(seen) > 6
    for text in (*said, *(f"{one.url} {one.reply}" for one in seen), caplog.text):
        assert secret not in text


def _acts(http: HttpClient, cred: Credentials) -> tuple[Callable[[], object], ...]:
    config = PlatformConfig(KEY, "https://discord.example", "https://discord.example")
    adapter: Adapter = DiscordAdapter(http, config, ManualClock())
    secret = {"webhook": f"https://discord.example/api/webhooks/{cred.access_token}"}
    typed = secret if cred is HOOK_CRED else {"access_token": BOT_TOKEN, "channel": "1105223344556677889"}
    return (
        lambda: adapter.identify(cred),
        lambda: adapter.fetch(cred, POST),
        lambda: adapter.delete(cred, POST),
        lambda: adapter.finalize(cred, JOB, Staged()),
        lambda: adapter.read_many(cred, [POST]),
        lambda: credentials(http, config, "", typed),
    )


def test_what_discord_tells_of_a_webhook_has_its_token_which_is_taken_out(hook: Linked) -> None:
    """Without the secret that linking adds it would stand in the reply: the control."""
    cred = _typed(hook, webhook=f"https://discord.com/api/webhooks/{hook.cred.access_token}")
    token = hook.cred.access_token.partition("/")[2]
    for known, shown in ((secrets_of(cred), False), ([cred.access_token], True)):
        seen: list[Exchange] = []
        http = HttpClient(hook.pools).bound(secrets=known, observer=seen.append)
        SPECS[KEY].adapter(http, hook.config, SystemClock()).identify(cred)
        assert (token in "".join(one.reply for one in seen)) is shown


def test_a_webhooks_call_carries_no_bots_token_and_a_bots_none_in_its_address(scripted: Scripted) -> None:
    for cred in (CRED, HOOK_CRED):
        adapter, answer = scripted(KEY, Answer(401, {"code": 0, "message": "no"}))
        with pytest.raises(PlatformError):
            adapter.finalize(cred, JOB, Staged())
        (request,) = answer.requests
        assert (BOT_TOKEN in str(request.url), "authorization" in request.headers) == (False, cred is CRED)
        assert request.headers["user-agent"].startswith("DiscordBot (")
        assert (request.url.params.get("wait") == "true") is (cred is HOOK_CRED)


# Bodies in both directions, against the official description


@pytest.fixture(scope="session")
def api() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((specifications.SPECS / "discord" / "openapi.json").read_text())
    return found


def _valid(api: dict[str, Any], name: str, value: Any) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": api["components"]}
    jsonschema.Draft202012Validator(schema).validate(value)


def _known_fields(api: dict[str, Any], name: str, value: dict[str, Any]) -> None:
    """No field that the description does not have: it forbids none, so a slip would pass."""
    assert set(value) <= set(api["components"]["schemas"][name]["properties"])


def test_every_request_is_what_the_description_allows(api: dict[str, Any], photo: Photo, video: MediaFile) -> None:
    gif = replace(photo("A dot"), kind=MediaKind.GIF)
    options = {"sensitive": True, "silent": True, "title": "A title", "tags": ["1105223344556677800"], **POLL}
    for media in ((), (photo("A tick"),), (video,), (gif,), tuple(photo(shade=n) for n in range(10))):
        for job in (replace(JOB, media=media), replace(JOB, media=media, parent=Ref(POST), options=options)):
            made = message(job, webhook=False)
            _valid(api, "MessageCreateRequest", made)
            _known_fields(api, "MessageCreateRequest", made)
            assert made["enforce_nonce"] is True and made["allowed_mentions"] == {"parse": []}
            hooked = message(job, webhook=True)
            _valid(api, "IncomingWebhookRequestPartial", hooked)
            _known_fields(api, "IncomingWebhookRequestPartial", hooked)
            for one in hooked.get("attachments", ()):  # type: ignore[attr-defined]
                _known_fields(api, "MessageAttachmentRequest", one)


def test_the_validation_would_notice_what_is_wrong(api: dict[str, Any]) -> None:
    """The control of the test before."""
    with pytest.raises(jsonschema.ValidationError):
        _valid(api, "MessageCreateRequest", {"content": "x", "nonce": "a" * 26})
    with pytest.raises(AssertionError):
        _known_fields(api, "MessageCreateRequest", {"thread_name": "x"})


def test_what_the_emulator_answers_is_what_the_description_says(
    bot: Linked, hook: Linked, photo: Photo, video: MediaFile, api: dict[str, Any]
) -> None:
    """The other direction: an emulator that answered differently would prove nothing about the adapter."""
    sends, base = bot.pools.sends, bot.config.api_url
    auth = {"Authorization": f"Bot {bot.cred.access_token}"}
    channel = ChannelAuthor.of(bot.cred.remote_id).channel
    first = bot.publish(with_nonce(bot, TEXT, photo("A tick"), photo(shade=4)))
    bot.publish(replace(with_nonce(bot, "answer", video, parent=first.ref), options=POLL))
    hook.publish(replace(hook.job("hooked", photo()), options={"sensitive": True, "silent": True}))
    _valid(api, "UserPIIResponse", sends.get(f"{base}/users/@me", headers=auth).json())
    application = sends.get(f"{base}/oauth2/applications/@me", headers=auth).json()
    _valid(api, "PrivateApplicationResponse", application)
    _valid(api, "GuildChannelResponse", sends.get(f"{base}/channels/{channel}", headers=auth).json())
    listed = sends.get(f"{base}/channels/{channel}/messages", headers=auth).json()
    assert [one["type"] for one in listed] == [19, 0]
    hooked = hook.truth()[0]["id"].partition("/")[2]
    at = f"{base}/webhooks/{hook.cred.access_token}"
    _valid(api, "GuildIncomingWebhookResponse", sends.get(at).json())
    edited = sends.patch(f"{at}/messages/{hooked}", json={"content": "edited"}).json()
    assert edited["content"] == "edited" and edited["edited_timestamp"]
    for one in (*listed, sends.get(f"{at}/messages/{hooked}").json(), edited):
        _valid(api, "MessageResponse", one)
        _known_fields(api, "MessageResponse", one)
    for reply in (
        sends.get(f"{base}/channels/{channel}/messages/1193847562910384756", headers=auth),
        sends.post(f"{base}/channels/{channel}/messages", json={"content": "x" * 2001}, headers=auth),
        sends.get(f"{base}/users/@me"),
        sends.get(f"{base}/channels/1193847562910384756", headers=auth),
    ):
        body = reply.json()
        assert reply.status_code >= 400
        body.pop("errors", None)  # the description says that codes of fields are numbers; the documentation shows words
        _valid(api, "ErrorResponse", body)
    bot.fault("rate_limited")
    limited = sends.post(f"{base}/channels/{channel}/messages", json={"content": "x"}, headers=auth)
    _valid(api, "RatelimitedResponse", limited.json())
    assert float(limited.headers["x-ratelimit-reset-after"]) == limited.json()["retry_after"]
