"""The emulated Telegram: faults, refusals and public pages. Its bots can read nothing back, so it is no `Poster` of the tests
that look as the author does."""

import re
from typing import Any

import httpx2
import pytest

from postprober.sandbox.serve import SandboxServer
from tests.sandbox.conftest import MovableClock
from tests.sandbox.posters import Poster


class Channel(Poster):
    """A bot can read nothing: the list and one post are the public pages."""

    platform = "telegram"

    def call(self, method: str, **fields: Any) -> httpx2.Response:
        return self.http.post(f"/telegram/bot{self.account['access_token']}/{method}", json=fields)

    def create(self, text: str, key: str = "") -> httpx2.Response:
        return self.call("sendMessage", chat_id=int(self.account["id"]), text=text)

    def id_of(self, response: httpx2.Response) -> str:
        return f"{self.account['id']}/{response.json()['result']['message_id']}"

    def listing(self) -> httpx2.Response:
        return self.http.get(f"/telegram/s/{self.name}")

    def ids_in(self, listing: httpx2.Response) -> list[str]:
        numbers = re.findall(r'data-post="[^"/]+/([0-9]+)"', listing.text)
        return [f"{self.account['id']}/{number}" for number in reversed(numbers)]

    def read(self, post_id: str) -> httpx2.Response:
        return self.http.get(f"/telegram/{self.name}/{post_id.rpartition('/')[2]}?embed=1")

    def found(self, response: httpx2.Response) -> bool:
        return response.status_code == 200 and "tgme_widget_message_error" not in response.text


@pytest.fixture
def channel(sandbox: SandboxServer, http: httpx2.Client, picture: bytes) -> Channel:
    return Channel(sandbox, http, picture)


def _sent(channel: Channel, text: str = "hello") -> str:
    reply = channel.create(text)
    assert reply.status_code == 200 and reply.json()["ok"] is True
    return channel.id_of(reply)


@pytest.mark.parametrize("stage", ["nothing", "headers"])
@pytest.mark.parametrize("kind", ["cut_after_accept", "late_create"])
def test_a_cut_answer_leaves_one_post(channel: Channel, clock: MovableClock, kind: str, stage: str) -> None:
    channel.fault(kind, params={"stage": stage, "seconds": 30})
    with pytest.raises(httpx2.RequestError):
        channel.create("once")
    clock.advance(31)
    assert [post["text"] for post in channel.truth()] == ["once"]
    assert len(channel.listed()) == 1


@pytest.mark.parametrize("kind", ["error_before_accept", "html_error", "rate_limited", "unauthorized"])
def test_a_fault_before_acceptance_leaves_none(channel: Channel, kind: str) -> None:
    channel.fault(kind)
    assert channel.create("never").status_code >= 400
    assert channel.truth() == [] and channel.listed() == []


@pytest.mark.parametrize("form", ["platform", "seconds", "date", "missing"])
def test_a_rate_limit_says_how_long_to_wait_as_telegram_does_or_as_it_should_not(channel: Channel, form: str) -> None:
    channel.fault("rate_limited", params={"form": form, "seconds": 35})
    reply = channel.create("too fast")
    body = reply.json()
    assert (reply.status_code, body["ok"], body["error_code"]) == (429, False, 429)
    assert body.get("parameters") == ({"retry_after": 35} if form == "platform" else None)
    assert ("retry-after" in reply.headers) is (form != "missing")


def test_a_withdrawn_token_is_refused_everywhere_and_a_new_one_works(channel: Channel) -> None:
    channel.control.revoke("telegram", channel.name)
    for method in ("getMe", "getChat", "sendMessage", "deleteMessage"):
        reply = channel.call(method, chat_id=int(channel.account["id"]), text="x", message_id=1)
        assert (reply.status_code, reply.json()["description"]) == (401, "Unauthorized")
    channel.account = channel.control.account("telegram", channel.name, fresh=True)
    _sent(channel)


def test_strangers_see_what_is_public_and_hear_in_words_what_is_not(channel: Channel, clock: MovableClock) -> None:
    channel.fault("hidden_later", params={"seconds": 60})
    post_id = _sent(channel, "a <b> & https://example.org/x #tag")
    shown = channel.read(post_id).text
    assert "a &lt;b&gt; &amp; " in shown and 'href="https://example.org/x"' in shown
    assert channel.found(channel.read(post_id)) and channel.public(post_id) and channel.listed() == [post_id]
    clock.advance(61)
    gone = channel.read(post_id)
    assert (gone.status_code, "Post not found" in gone.text) == (200, True)
    assert not channel.public(post_id) and channel.listed() == []


@pytest.mark.parametrize("kind", ["ghost", "shadow"])
def test_a_post_that_nobody_sees_is_answered_like_any_other(channel: Channel, kind: str) -> None:
    channel.fault(kind)
    post_id = _sent(channel)
    assert not channel.found(channel.read(post_id)) and channel.listed() == []


def test_a_private_channel_has_no_page(sandbox: SandboxServer, http: httpx2.Client, picture: bytes) -> None:
    sandbox.control.account("telegram", Channel.name, scopes=["can_post_messages"])
    private = Channel(sandbox, http, picture)
    post_id = _sent(private)
    assert "username" not in private.call("getChat", chat_id=int(private.account["id"])).json()["result"]
    assert not private.found(private.read(post_id)) and private.listing().status_code == 302
    assert private.call("getChat", chat_id="@alice").json()["description"] == "Bad Request: chat not found"


@pytest.mark.parametrize(
    ("method", "fields", "said"),
    [
        ("sendMessage", {"text": "  "}, "message text is empty"),
        ("sendMessage", {"text": "🎉" * 2049}, "message is too long"),
        ("sendMessage", {"text": "x", "chat_id": -1007}, "chat not found"),
        ("sendMessage", {"text": "x", "reply_parameters": {"message_id": 7}}, "message to be replied not found"),
        ("sendPhoto", {"photo": "no file"}, "IMAGE_PROCESS_FAILED"),
        ("sendMediaGroup", {"media": []}, "wrong number of messages to send in an album"),
        ("deleteMessage", {"message_id": 7}, "message to delete not found"),
        ("editMessageText", {"message_id": 7, "text": "x"}, "message to edit not found"),
        ("getChatMember", {"user_id": 7}, "member not found"),
    ],
)
def test_what_cannot_be_done_is_refused_in_telegrams_words(
    channel: Channel, method: str, fields: dict[str, Any], said: str
) -> None:
    reply = channel.call(method, **{"chat_id": int(channel.account["id"]), **fields})
    assert (reply.status_code, reply.json()["description"]) == (400, f"Bad Request: {said}")
    assert channel.truth() == []


def test_after_two_days_a_bot_cannot_delete(channel: Channel, clock: MovableClock) -> None:
    number = int(_sent(channel).rpartition("/")[2])
    clock.advance(48 * 3600 + 1)
    reply = channel.call("deleteMessage", chat_id=int(channel.account["id"]), message_id=number)
    assert reply.json()["description"] == "Bad Request: message can't be deleted"


def test_an_edit_is_seen_and_the_same_again_is_said(channel: Channel) -> None:
    post_id = _sent(channel, "before")
    fields = {"chat_id": int(channel.account["id"]), "message_id": int(post_id.rpartition("/")[2]), "text": "after"}
    assert channel.call("editMessageText", **fields).json()["result"]["text"] == "after"
    assert "after" in channel.read(post_id).text
    assert "message is not modified" in channel.call("editMessageText", **fields).json()["description"]
