"""What a tool says when the application behind it breaks."""

from __future__ import annotations

from typing import Any

import pytest

from postprober.api.routes import posts as post_routes
from postprober.api.routes import proposals as proposal_routes
from postprober.client import ApiRefused, calls
from postprober.errors import Unavailable
from postprober.services.posts import posts
from postprober.services.posts.posts import NewPost
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
