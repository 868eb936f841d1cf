"""What a tool says when the application behind it breaks."""

from __future__ import annotations

import logging
import socket
from typing import Any

import httpx2
import pytest

from postprober.api.routes import posts as post_routes
from postprober.api.routes import proposals as proposal_routes
from postprober.client import ApiRefused, calls
from postprober.errors import Unavailable
from postprober.services.posts import posts
from postprober.services.posts.posts import NewPost
from tests.api.rest_kit import png
from tests.mcp_tools.conftest import AGENT, MODES, Agent, House
from tests.people import acting

SECRET = "s3cret-detail-of-the-inside"


@pytest.mark.parametrize("mode", MODES)
def test_a_mistake_of_ours_is_one_sentence_without_what_is_inside(
    house: House, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(post_routes.posts, "listing", broken)

    async def story(agent: Agent) -> str:
        return await agent.refused("list_posts")

    said = house.run(house.token(), story, mode)
    assert SECRET not in said and "Something went wrong here" in said


@pytest.mark.parametrize("mode", MODES)
def test_a_resource_that_breaks_says_as_little(house: House, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(post_routes.drafts, "get", broken)

    async def story(agent: Agent) -> str:
        with pytest.raises(Exception) as caught:
            await agent.client.read_resource("postprober://posts/1")
        return repr(caught.value)

    said = house.run(house.token(), story, mode)
    assert SECRET not in said and "Something went wrong here" in said


def test_a_proposal_that_is_kept_is_not_called_an_error(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked after it, the lengths on each account, may fail: the model would believe that nothing was proposed."""

    def away(*_: Any, **__: Any) -> Any:
        raise Unavailable("The platform could not be reached.")

    monkeypatch.setattr(proposal_routes.posts, "check", away)
    monkeypatch.setattr(proposal_routes.proposals.posts, "passed", _passed(house))

    async def story(agent: Agent) -> dict[str, Any]:
        return await agent.use("propose_post", texts=["Hello"], account_ids=[house.account.id])

    told = house.run(house.token(), story)
    assert told["waits_for_a_person"] is True and told["accounts"] == []


def _passed(house: House) -> Any:
    return lambda *_args, **_named: [house.account]


def test_a_token_for_other_accounts_is_told_so_when_it_sends_again(house: House) -> None:
    owner = acting(house.core, house.installation.owner)
    post = posts.create(house.core, owner, NewPost(("Hello",), (house.account.id,)))
    (delivery,) = house.deliveries(post.id)
    token = house.token(*AGENT, "posts:publish", "monitoring:write", accounts=[house.other.id])

    async def story(agent: Agent) -> str:
        return await agent.refused("retry_delivery", delivery_id=delivery.id)

    assert "other accounts" in house.run(token, story)


@pytest.mark.parametrize("body", [b"<html>Welcome</html>", b"[" * 100_000])
def test_what_is_not_our_api_is_said_to_be_so(body: bytes) -> None:
    with pytest.raises(ApiRefused, match="check the address"):
        calls.answer(200, body)
    assert calls.answer(204, b"") is None and calls.answer(200, b"null") is None


@pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD", "PUT"])
def test_nobody_holds_a_connection_that_says_nothing(house: House, method: str) -> None:
    headers = {"Authorization": f"Bearer {house.token()}", "Accept": "application/json, text/event-stream"}
    with httpx2.stream(method, f"{house.url}/mcp", headers=headers, timeout=20, trust_env=False) as reply:
        reply.read()
    assert reply.status_code == 405 and reply.headers["allow"] == "POST"


def test_a_sentence_names_no_function_of_ours(house: House) -> None:
    async def story(agent: Agent) -> str:
        return await agent.refused("create_draft", texts=["a\0b"], account_ids=[house.account.id])

    said = house.run(house.token(), story)
    assert said.startswith("Correct body.content") and "function" not in said and "0x" not in said


def test_a_file_that_is_cut_off_leaves_nothing_and_may_come_again(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"Authorization": f"Bearer {house.token()}"}
    told = httpx2.post(
        f"{house.url}/api/media/uploads", json={"name": "a.png"}, headers=headers, trust_env=False
    ).json()
    path = f"/api/media/uploads/{told['upload']}"
    picture = png()
    head = f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(picture)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", int(house.url.rsplit(":", 1)[1]))) as cut:
        cut.sendall(head + picture[:40])
    assert httpx2.get(house.url + path, headers=headers, trust_env=False).status_code == 409
    assert httpx2.put(house.url + path, content=picture, trust_env=False).status_code == 201
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
