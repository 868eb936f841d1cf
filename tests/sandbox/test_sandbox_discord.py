"""The emulated Discord: bots and webhooks, the nonce, rights, and what strangers see."""

from typing import Any

import httpx2
import pytest

from postprober.sandbox.serve import SandboxServer
from tests.sandbox.conftest import MovableClock
from tests.sandbox.posters import Poster


class Bot(Poster):
    """A bot in its own channel."""

    platform = "discord"

    def prepare(self) -> None:
        self.headers = {"authorization": f"Bot {self.account['access_token']}"}
        self.channel = self.account["id"].rpartition("/")[2]
        self.base = f"/discord/channels/{self.channel}"

    def create(self, text: str, key: str = "") -> httpx2.Response:
        nonce = {"nonce": key, "enforce_nonce": True} if key else {}
        return self.http.post(f"{self.base}/messages", json={"content": text, **nonce}, headers=self.headers)

    def id_of(self, response: httpx2.Response) -> str:
        return f"{response.json()['channel_id']}/{response.json()['id']}"

    def listing(self) -> httpx2.Response:
        return self.http.get(f"{self.base}/messages", headers=self.headers)

    def ids_in(self, listing: httpx2.Response) -> list[str]:
        return [f"{one['channel_id']}/{one['id']}" for one in listing.json()]

    def read(self, post_id: str) -> httpx2.Response:
        return self.http.get(f"{self.base}/messages/{post_id.rpartition('/')[2]}", headers=self.headers)


@pytest.fixture
def bot(sandbox: SandboxServer, http: httpx2.Client, picture: bytes) -> Bot:
    return Bot(sandbox, http, picture)


def _sent(bot: Bot, text: str = "hello", key: str = "") -> str:
    reply = bot.create(text, key)
    assert reply.status_code == 200, reply.text
    return bot.id_of(reply)


@pytest.mark.parametrize("stage", ["nothing", "headers"])
@pytest.mark.parametrize("kind", ["cut_after_accept", "late_create"])
def test_a_cut_answer_leaves_one_post(bot: Bot, clock: MovableClock, kind: str, stage: str) -> None:
    bot.fault(kind, params={"stage": stage, "seconds": 30})
    with pytest.raises(httpx2.RequestError):
        bot.create("once")
    clock.advance(31)
    assert [post["text"] for post in bot.truth()] == ["once"] and len(bot.listed()) == 1


@pytest.mark.parametrize("kind", ["error_before_accept", "html_error", "rate_limited", "unauthorized"])
def test_a_fault_before_acceptance_leaves_none(bot: Bot, kind: str) -> None:
    bot.fault(kind)
    assert bot.create("never").status_code >= 400
    assert bot.truth() == [] and bot.listed() == []


def test_the_same_nonce_makes_one_message_within_its_window_and_two_beyond(bot: Bot, clock: MovableClock) -> None:
    first = _sent(bot, "once", "n1")
    clock.advance(170)
    assert _sent(bot, "once", "n1") == first and len(bot.truth()) == 1
    clock.advance(11)
    assert _sent(bot, "once", "n1") != first and len(bot.truth()) == 2
    assert bot.create("too long", "n" * 26).status_code == 400


def test_a_repeat_that_overtakes_the_first_request_is_the_only_one(bot: Bot, clock: MovableClock) -> None:
    bot.fault("late_create", params={"seconds": 30})
    with pytest.raises(httpx2.RequestError):
        bot.create("once", "n1")
    assert bot.listed() == []
    _sent(bot, "once", "n1")
    clock.advance(31)
    assert len(bot.truth()) == 1


def test_a_repeat_of_a_deleted_message_is_answered_with_unknown_message(bot: Bot) -> None:
    post_id = _sent(bot, "once", "n1")
    bot.control.delete_post("discord", post_id)
    reply = bot.create("once", "n1")
    assert (reply.status_code, reply.json()["code"]) == (404, 10008)
    assert len(bot.truth()) == 1


def test_without_the_history_the_list_is_empty_and_no_error(bot: Bot) -> None:
    post_id = _sent(bot)
    bot.control.account("discord", bot.name, scopes=["bot", "VIEW_CHANNEL", "SEND_MESSAGES"])
    assert (bot.listing().status_code, bot.listing().json()) == (200, [])
    assert bot.read(post_id).json()["code"] == 50013
    _sent(bot, "still allowed")


@pytest.mark.parametrize(
    ("scopes", "code"), [(["bot", "SEND_MESSAGES"], 50001), (["bot", "VIEW_CHANNEL", "READ_MESSAGE_HISTORY"], 50013)]
)
def test_a_missing_right_is_refused(bot: Bot, scopes: list[str], code: int) -> None:
    bot.control.account("discord", bot.name, scopes=scopes)
    assert (bot.create("no").status_code, bot.create("no").json()["code"]) == (403, code)
    assert bot.truth() == []


def test_the_list_is_paged_in_both_directions(bot: Bot) -> None:
    ids = [_sent(bot, f"number {n}") for n in range(5)]
    numbers = [one.rpartition("/")[2] for one in ids]

    def listed(**params: str) -> list[str]:
        reply = bot.http.get(f"{bot.base}/messages", params=params, headers=bot.headers)
        return [one["id"] for one in reply.json()]

    assert listed() == numbers[::-1]
    assert listed(before=numbers[3], limit="2") == numbers[1:3][::-1]
    assert listed(after=numbers[1], limit="2") == numbers[2:4][::-1]
    assert bot.http.get(f"{bot.base}/messages", params={"limit": "101"}, headers=bot.headers).status_code == 400


def test_others_words_need_the_intent_and_hidden_messages_are_seen_by_nobody_else(
    bot: Bot, sandbox: SandboxServer, clock: MovableClock
) -> None:
    bot.fault("hidden_later", params={"seconds": 60})
    number = _sent(bot, "for those who may").rpartition("/")[2]
    for scopes, text in ((["MESSAGE_CONTENT"], "for those who may"), ([], "")):
        rights = ["bot", "VIEW_CHANNEL", "READ_MESSAGE_HISTORY", *scopes]
        other = sandbox.control.account("discord", "bob", scopes=rights)
        headers = {"authorization": f"Bot {other['access_token']}"}
        found = bot.http.get(f"{bot.base}/messages/{number}", headers=headers)
        assert (found.json()["content"], found.json()["author"]["id"]) == (text, bot.account["id"].partition("@")[0])
    clock.advance(61)
    assert bot.http.get(f"{bot.base}/messages/{number}", headers=headers).json()["code"] == 10008
    assert bot.found(bot.read(f"{bot.channel}/{number}"))


@pytest.mark.parametrize("kind", ["ghost", "shadow"])
def test_a_post_that_nobody_sees_is_answered_like_any_other(bot: Bot, kind: str) -> None:
    bot.fault(kind)
    _sent(bot)
    assert [post["visible"] for post in bot.truth()] == [False]
    assert bool(bot.listed()) is (kind == "shadow"), "its author sees what is kept from others"


def test_strangers_see_a_wall_whether_there_is_a_message_or_not(bot: Bot) -> None:
    _sent(bot)
    there = bot.http.get(bot.truth()[0]["url"])
    missing = bot.http.get(f"/discord/channels/900000000000000001/{bot.channel}/1193847562910384756")
    assert (
        (there.status_code, there.text) == (200, missing.text) and "Log in" in there.text and "hello" not in there.text
    )


def test_an_announcement_is_passed_on_once(bot: Bot) -> None:
    at = f"{bot.base}/messages/{_sent(bot).rpartition('/')[2]}/crosspost"
    assert bot.http.post(at, headers=bot.headers).json()["code"] == 50024
    bot.control.account(
        "discord", bot.name, scopes=["bot", "VIEW_CHANNEL", "SEND_MESSAGES", "READ_MESSAGE_HISTORY", "announcement"]
    )
    assert bot.http.post(at, headers=bot.headers).json()["flags"] == 1
    assert bot.http.post(at, headers=bot.headers).json()["code"] == 40033


# Webhooks


class Hook(Poster):
    """A webhook: by its address alone."""

    platform, scopes = "discord", ["webhook.incoming"]

    def prepare(self) -> None:
        self.base = f"/discord/webhooks/{self.account['access_token']}"

    def create(self, text: str, key: str = "") -> httpx2.Response:
        return self.http.post(self.base, params={"wait": "true"}, json={"content": text})

    def id_of(self, response: httpx2.Response) -> str:
        return f"{response.json()['channel_id']}/{response.json()['id']}"

    def listing(self) -> httpx2.Response:
        raise NotImplementedError

    def ids_in(self, listing: httpx2.Response) -> list[str]:
        raise NotImplementedError

    def read(self, post_id: str) -> httpx2.Response:
        return self.http.get(f"{self.base}/messages/{post_id.rpartition('/')[2]}")


@pytest.fixture
def hook(sandbox: SandboxServer, http: httpx2.Client, picture: bytes) -> Hook:
    return Hook(sandbox, http, picture)


def test_a_webhook_posts_reads_edits_and_deletes_its_own(hook: Hook) -> None:
    post_id = hook.id_of(hook.create("hello"))
    number = post_id.rpartition("/")[2]
    assert hook.read(post_id).json()["webhook_id"] == hook.account["id"].partition("@")[0]
    assert hook.http.patch(f"{hook.base}/messages/{number}", json={"content": "edited"}).json()["content"] == "edited"
    assert hook.http.delete(f"{hook.base}/messages/{number}").status_code == 204
    assert hook.read(post_id).json()["code"] == 10008


def test_without_wait_it_says_nothing(hook: Hook) -> None:
    assert hook.http.post(hook.base, json={"content": "hello"}).status_code == 204
    assert len(hook.truth()) == 1


def test_a_withdrawn_webhook_and_a_withdrawn_bot_are_refused_everywhere(hook: Hook, bot: Bot) -> None:
    hook.control.revoke("discord", "alice")
    for reply in (hook.create("no"), hook.http.get(hook.base)):
        assert (reply.status_code, reply.json()["code"]) == (401, 50027)
    for reply in (bot.create("no"), bot.http.get("/discord/users/@me", headers=bot.headers)):
        assert (reply.status_code, reply.json()["message"]) == (401, "401: Unauthorized")


def test_no_token_stands_in_the_log(hook: Hook) -> None:
    hook.create("hello")
    log = hook.control.log(platform="discord", account="alice")
    assert log and all(hook.account["access_token"].partition("/")[2] not in str(row) for row in log)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 50006),
        ({"content": "  "}, 50006),
        ({"content": "x" * 2001}, 50035),
        ({"content": "x", "thread_name": "no forum"}, 220003),
    ],
)
def test_what_cannot_be_done_is_refused_in_discords_words(hook: Hook, body: dict[str, Any], code: int) -> None:
    reply = hook.http.post(hook.base, params={"wait": "true"}, json=body)
    assert (reply.status_code, reply.json()["code"]) == (400, code) and hook.truth() == []


def test_what_is_too_large_is_refused(hook: Hook) -> None:
    large = b"\xff\xd8\xff" + bytes(10 * 1024 * 1024)
    reply = hook.http.post(hook.base, data={"payload_json": "{}"}, files={"files[0]": ("a.jpg", large, "image/jpeg")})
    assert reply.json()["code"] == 50045 and hook.truth() == []
