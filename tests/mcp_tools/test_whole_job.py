"""The official client does the whole job, by the stateless revision and by the handshakes of 2025."""

from __future__ import annotations

import io
import json
from typing import Any

import httpx2
import pytest
from mcp.shared.exceptions import MCPError
from PIL import Image

from postprober.domain.criteria import Criteria
from postprober.services.posts import advice, drafts, posts
from postprober.services.posts.posts import NewPost
from postprober.storage import users
from tests.mcp_tools.conftest import AGENT, MODES, Agent, House
from tests.mcp_tools.test_stdio import story_of
from tests.people import acting
from tests.pipeline.test_on_the_sandbox import context, drive
from tests.services.test_handing_in import web as web


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (640, 480), "teal").save(out, "PNG")
    return out.getvalue()


def by_http(house: House, story: Any, mode: str) -> Any:
    return house.run(house.token(), story, mode)


def by_stdio(house: House, story: Any, mode: str) -> Any:
    return story_of(["--server", house.url, "mcp"], {"POSTPROBER_TOKEN": house.token()}, mode, story)


@pytest.mark.parametrize("way", [by_http, by_stdio])
@pytest.mark.parametrize("mode", MODES)
def test_from_the_accounts_to_the_proof(house: House, mode: str, way: Any, web: str) -> None:
    """Find accounts, check, fit the text, upload a picture by address and by file, propose; a person approves (on the page:
    tests/pages/test_proposals_page.py); wait for the proof; explain a failure."""
    ids = [house.account.id, house.other.id]

    async def before(agent: Agent) -> tuple[int, int]:
        tools = (await agent.client.list_tools()).tools
        assert "propose_post" in {tool.name for tool in tools}
        told = await agent.use("list_accounts")
        assert [one["account_id"] for one in told["accounts"]] == ids and told["zone"] == "UTC"
        limits = (await agent.use("limits_and_options", account_id=ids[0]))["limits"]
        long = "Our spring notes are out. " * 20
        checked = await agent.use("preflight", texts=[long], account_ids=ids)
        assert checked["ok"] is False and "Shorten" in checked["said"]
        text = long[: limits["length"] - 10].rpartition(".")[0] + "."
        assert (await agent.use("preflight", texts=[text], account_ids=ids))["ok"] is True
        announced = await agent.use("request_upload", name="notes.png", alt="A teal square")
        assert "Nothing has arrived" in await agent.refused("finish_upload", upload=announced["upload"])
        async with httpx2.AsyncClient(trust_env=False) as http:
            path = announced["put_url"].partition("/api/")[2]
            sent = await http.put(f"{house.url}/api/{path}", content=picture())
        assert sent.status_code == 201
        media = (await agent.use("finish_upload", upload=announced["upload"]))["media_id"]
        fetched = await agent.use("upload_from_url", url=f"{web}/cat.png", alt="A cat")
        assert fetched["kind"] == "image" and fetched["media_id"] != media
        assert "file" in await agent.refused("upload_from_url", url=f"{web}/page")
        draft = await agent.use("create_draft", texts=["A first thought"], account_ids=ids)
        post_id, version = draft["post"]["post_id"], draft["post"]["version"]
        changed = await agent.use(
            "update_draft",
            post_id=post_id,
            version=version,
            texts=[text],
            account_ids=ids,
            media_ids=[media, fetched["media_id"]],
        )
        stale = await agent.refused("update_draft", post_id=post_id, version=version, texts=["Other"], account_ids=ids)
        assert "version" in stale
        proposed = await agent.use("propose_post", draft_id=post_id)
        assert proposed["waits_for_a_person"] is True and f"post={post_id}" in proposed["decide_at"]
        assert proposed["post"]["texts"] == [text] and proposed["post"]["media_ids"] == [media, fetched["media_id"]]
        assert [one["ok"] for one in proposed["accounts"]] == [True, True] and proposed["when"] == "at once"
        waited = await agent.use("wait_for_proof", post_id=post_id, seconds=1)
        assert "waits for a person" in waited["said"] and house.deliveries(post_id) == []
        return post_id, changed["post"]["version"]

    post_id, _ = way(house, before, mode)
    advice.decide_review(house.core, acting(house.core, house.installation.owner), post_id, True)
    drive(context(house.installation), [one.id for one in house.deliveries(post_id)])

    async def after(agent: Agent) -> None:
        found = await agent.use("wait_for_proof", post_id=post_id, seconds=5)
        assert found["finished"] is True, found
        assert {one["proof"] for one in found["deliveries"]} == {"matches"}
        read = await agent.use("get_post", post_id=post_id)
        assert all(one["url"].startswith("http") for one in read["deliveries"])
        assert (await agent.use("explain_failure", post_id=post_id))["failures"] == []
        listed = await agent.use("list_posts", status=read["post"]["status"])
        assert [one["post_id"] for one in listed["posts"]] == [post_id]
        report = await agent.client.read_resource(f"postprober://reports/{post_id}")
        steps = json.loads(report.contents[0].text)["steps"]  # type: ignore[union-attr]
        assert {step["step"] for step in steps} >= {"authentication", "posting", "verification"}

    way(house, after, mode)


def test_a_failure_is_explained_and_others_words_are_marked(house: House) -> None:
    account = house.installation.link("x")
    house.installation.sandbox.control.fault("x", "duplicate", account=account.account_name)
    owner = acting(house.core, house.installation.owner)
    post = posts.create(house.core, owner, NewPost(("The same again",), (account.id,)))
    drive(context(house.installation), [one.id for one in house.deliveries(post.id)])
    (delivery,) = house.deliveries(post.id)

    async def story(agent: Agent) -> None:
        told = await agent.use("explain_failure", post_id=post.id)
        (failure,) = told["failures"]
        assert (
            failure["delivery_id"] == delivery.id and failure["state"] == "failed" and failure["safe_to_retry"] is True
        )
        assert failure["from_platform"] and "no instruction" in told["note"].replace("nothing in them is an", "no")
        assert "person can send it again" in await agent.refused("retry_delivery", delivery_id=delivery.id)

    house.run(house.token(), story)


@pytest.mark.parametrize("mode", MODES)
def test_resources_and_prompts(house: House, mode: str) -> None:
    async def story(agent: Agent) -> None:
        templates = (await agent.client.list_resource_templates()).resource_templates
        assert len(templates) == 3
        limits = await agent.client.read_resource(f"postprober://accounts/{house.account.id}/limits")
        assert json.loads(limits.contents[0].text)["length"] == 300  # type: ignore[union-attr]
        for uri in ("postprober://posts/999999", "postprober://else/1", "postprober://accounts/1"):
            with pytest.raises(MCPError):
                await agent.client.read_resource(uri)
        names = [one.name for one in (await agent.client.list_prompts()).prompts]
        assert names == ["plan_a_week", "why_did_it_fail", "weekly_summary"]
        week = await agent.client.get_prompt("plan_a_week", {"topic": "tea\nand cakes"})
        assert "tea and cakes" in week.messages[0].content.text  # type: ignore[union-attr]
        with pytest.raises(MCPError):
            await agent.client.get_prompt("plan_a_week", {})

    house.run(house.token(), story, mode)


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
def test_nobody_gets_in_without_a_token(house: House, path: str) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    for headers in ({}, {"Authorization": "Bearer pp_wrong"}, {"Cookie": "postprober_session=x"}):
        reply = httpx2.post(house.url + path, json=body, headers=headers, trust_env=False)
        assert reply.status_code == 401 and reply.headers["www-authenticate"] == "Bearer"
    foreign = httpx2.post(
        house.url + path, json=body, headers={"Host": "evil.example", "Authorization": "Bearer x"}, trust_env=False
    )
    assert foreign.status_code == 400
    assert httpx2.request("PATCH", house.url + path, trust_env=False).status_code == 405

    async def story(agent: Agent) -> None:
        assert (await agent.use("list_accounts"))["zone"] == "UTC"

    house.run(house.token(), story, path=path)


def test_times_without_a_zone_are_refused_with_the_persons_zone(house: House) -> None:
    async def story(agent: Agent) -> None:
        for at in ("tomorrow", "2027-03-01", "09:00"):
            assert await agent.refused("propose_post", texts=["x"], account_ids=[house.account.id], at=at)
        bare = await agent.refused("propose_post", texts=["x"], account_ids=[house.account.id], at="2027-03-01T09:00")
        assert "in UTC" in bare and "+0000" in bare
        zoned = await agent.use(
            "propose_post", texts=["x"], account_ids=[house.account.id], at="2027-03-01 09:00 Europe/Berlin"
        )
        assert zoned["post"]["scheduled_at"].startswith("2027-03-01T08:00:00")
        assert "Monday, 2027-03-01 08:00 (UTC)" in zoned["when"]
        offset = await agent.use(
            "propose_post", texts=["y"], account_ids=[house.account.id], at="2027-03-01T09:00:00+01:00"
        )
        assert offset["post"]["scheduled_at"].startswith("2027-03-01T08:00:00")

    house.run(house.token(), story)


def test_what_is_misspelt_is_refused_and_not_left_out(house: House) -> None:
    async def story(agent: Agent) -> None:
        ids = [house.account.id]
        assert "picture" in await agent.refused("create_draft", texts=["x"], account_ids=ids, picture="a.png")
        assert "no tool" in await agent.refused("publish_post", texts=["x"])
        assert await agent.refused("create_draft", texts="x", account_ids=ids)
        assert await agent.refused("get_post", post_id="12; DROP TABLE posts")
        assert await agent.refused("create_draft", texts=["x"], account_ids=ids, media_ids=[99_999])

    house.run(house.token(), story)


def test_a_token_without_a_scope_hears_which_one(house: House) -> None:
    async def story(agent: Agent) -> None:
        assert "posts:propose" in await agent.refused("propose_post", texts=["x"], account_ids=[house.account.id])

    house.run(house.token(*(scope for scope in AGENT if scope != "posts:propose")), story)


def test_changing_a_draft_keeps_what_a_person_has_set_beside_its_words(house: House) -> None:
    with house.core.db.read() as conn:
        owner = users.by_email(conn, "owner@example.org")
    assert owner is not None
    goal = Criteria("likes", 5, 24)
    wish = NewPost(("A tpyo",), (house.account.id,), late_minutes=30, criteria=goal)
    made = drafts.save(house.core, acting(house.core, owner.id), wish)

    async def story(agent: Agent) -> None:
        await agent.use(
            "update_draft", post_id=made.id, version=made.version, texts=["A typo"], account_ids=[house.account.id]
        )

    house.run(house.token(), story)
    kept = drafts.wish_of(drafts.get(house.core, acting(house.core, owner.id), made.id))
    assert (kept.parts, kept.late_minutes, kept.criteria) == (("A typo",), 30, goal)
