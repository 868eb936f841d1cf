"""What programs may do without a person: they check, write drafts and propose; a person publishes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from postprober.domain.access import GRANTABLE
from postprober.domain.actor import COMMAND_LINE
from postprober.errors import Forbidden, PostProberError
from postprober.services.accounts import accounts
from postprober.services.monitoring import monitoring
from postprober.services.people import api_tokens, permits, sessions
from postprober.services.people.sessions import Caller
from postprober.services.posts import advice, drafts
from postprober.services.posts.posts import NewPost
from postprober.services.posts.proposals import MOST_WAITING
from postprober.storage import users
from postprober.storage.records import Account
from postprober.storage.tables import sessions as sessions_table
from tests.api.rest_kit import Rest, is_problem, rest_on
from tests.conftest import PASSWORD
from tests.installed import Installation
from tests.people import acting

AGENT = ("accounts:read", "media:write", "posts:read", "posts:draft", "posts:propose", "monitoring:read")


@dataclass
class World:
    rest: Rest
    account: Account
    other: Account

    def agent(self, *scopes: str, **limits: Any) -> str:
        """The name under which a fresh token of the owner is used."""
        with self.rest.core.db.read() as conn:
            owner = users.by_email(conn, "owner@example.org")
        assert owner is not None
        caller = Caller(owner, GRANTABLE, "0", "login")
        name = f"agent{len(self.rest.tokens)}"
        self.rest.tokens[name] = api_tokens.create(
            self.rest.core, caller, name=name, scopes=scopes or AGENT, days=60, **limits
        )[1]
        return name

    def propose(self, who: str, text: str = "Hello", **more: Any) -> httpx2.Response:
        body = {"content": text, "account_ids": [self.account.id], **more}
        return self.rest.ask("POST", "/api/posts/propose", who, json=body)

    def approve(self, post_id: int, version: int | None = None) -> None:
        advice.decide_review(
            self.rest.core, acting(self.rest.core, self.rest.installation.owner), post_id, True, version
        )


@pytest.fixture
def world(installation: Installation) -> Iterator[World]:
    rest = rest_on(installation)
    with rest.client:
        yield World(rest, installation.link("bluesky"), installation.link("mastodon"))


def test_a_proposal_waits_until_a_person_approves_it(world: World) -> None:
    agent = world.agent()
    made = world.propose(agent)
    assert made.status_code == 201
    told = made.json()
    assert (told["post"]["status"], told["waits_for_a_person"], told["is_new"]) == ("review", True, True)
    assert told["post"]["proposed_by"] == agent and told["decide_at"].endswith(f"/monitor?post={told['post']['id']}")
    assert any(agent in reason for reason in told["post"]["ai_suggestions"]["review"]["reasons"])
    post_id = told["post"]["id"]
    assert world.rest.deliveries(post_id) == []
    (alert,) = monitoring.alerts(world.rest.core, acting(world.rest.core, world.rest.installation.owner))
    assert agent in alert.message and alert.closed_at is None
    world.approve(post_id, told["post"]["version"])
    (delivery,) = world.rest.deliveries(post_id)
    with world.rest.core.db.read() as conn:
        reasons = [row[0] for row in conn.exec_driver_sql("SELECT reason FROM transitions ORDER BY id")]
    assert any(agent in reason and "planned by" in reason for reason in reasons)
    (alert,) = monitoring.alerts(world.rest.core, acting(world.rest.core, world.rest.installation.owner))
    assert alert.closed_at is not None
    assert delivery.account_id == world.account.id


def test_no_way_of_a_token_releases_what_it_proposed(world: World) -> None:
    """Approving, submitting, editing, suggesting, asking the agent again: none of it plans anything."""
    agent = world.agent()
    post_id = world.propose(agent).json()["post"]["id"]
    drafted = world.rest.draft(agent, account_ids=[world.account.id])["id"]
    for path, options in (
        (f"/api/posts/{post_id}/review", {"json": {"approve": True}}),
        (f"/api/posts/{post_id}/submit", {}),
        (f"/api/posts/{drafted}/submit", {}),
        ("/api/posts", {"json": {"content": "x", "account_ids": [world.account.id], "submit": True}}),
    ):
        assert is_problem(world.rest.ask("POST", path, agent, **options), 403, "forbidden")
    changed = world.rest.ask(
        "PUT", f"/api/posts/{post_id}", agent, json={"content": "Other"}, headers={"If-Match": "*"}
    )
    assert is_problem(changed, 409) and "propose it anew" in changed.text
    assert world.rest.ask("POST", f"/api/posts/{post_id}/suggestions", agent).status_code == 200
    again = world.rest.ask("GET", f"/api/posts/{post_id}", agent).json()
    assert again["status"] == "review" and again["content"] == "Hello"
    assert any("Proposed by" in reason for reason in again["ai_suggestions"]["review"]["reasons"])
    assert world.rest.deliveries(post_id) == [] == world.rest.deliveries(drafted)
    allowed = world.agent(*AGENT, "posts:publish")  # the control: the same call with the permission
    assert world.rest.ask("POST", f"/api/posts/{drafted}/submit", allowed).status_code == 200
    assert len(world.rest.deliveries(drafted)) == 1


def test_what_is_planned_is_changed_by_no_token_that_may_only_draft(world: World) -> None:
    later = (world.rest.clock.now() + timedelta(days=1)).isoformat()
    planned = world.rest.draft("owner", account_ids=[world.account.id], submit=True, scheduled_at=later)["id"]
    agent = world.agent()
    body = {"content": "Other words", "account_ids": [world.account.id], "scheduled_at": later}
    refused = world.rest.ask("PUT", f"/api/posts/{planned}", agent, json=body, headers={"If-Match": "*"})
    assert is_problem(refused, 403) and "posts:publish" in refused.text
    assert is_problem(world.rest.ask("DELETE", f"/api/posts/{planned}", agent), 403)
    person = acting(world.rest.core, world.rest.installation.owner)
    mine = drafts.save(world.rest.core, person, NewPost(("Mine",), ())).id
    assert is_problem(world.rest.ask("DELETE", f"/api/posts/{mine}", agent), 403)
    own = world.rest.draft(agent)["id"]
    assert world.rest.ask("DELETE", f"/api/posts/{own}", agent).status_code == 204
    full = world.agent(*AGENT, "posts:publish")
    assert world.rest.ask("PUT", f"/api/posts/{planned}", full, json=body, headers={"If-Match": "*"}).status_code == 200


def test_a_person_decides_about_the_words_that_they_have_read(world: World) -> None:
    agent, full = world.agent(), world.agent(*AGENT, "posts:publish")
    told = world.propose(agent).json()["post"]
    body = {"content": "Other words", "account_ids": [world.account.id]}
    assert (
        world.rest.ask("PUT", f"/api/posts/{told['id']}", full, json=body, headers={"If-Match": "*"}).status_code == 200
    )
    with pytest.raises(PostProberError, match="version"):
        world.approve(told["id"], told["version"])
    assert world.rest.deliveries(told["id"]) == []


def test_the_same_proposal_is_one_post_however_often_and_however_late(world: World) -> None:
    agent = world.agent()
    first = world.propose(agent).json()
    second = world.propose(agent)
    assert second.status_code == 200 and second.json()["is_new"] is False
    assert second.json()["post"]["id"] == first["post"]["id"]
    assert world.propose(agent, "Other").json()["post"]["id"] != first["post"]["id"]
    assert (
        world.propose(agent, language="de").json()["is_new"] is True
    )  # all that is wished counts, not the words alone
    assert world.propose(agent, late_minutes=30).json()["is_new"] is True
    keyed = world.propose(agent, "With a key", key="release-1").json()["post"]["id"]
    world.approve(keyed)
    again = world.propose(agent, "With a key and other words", key="release-1")
    assert again.status_code == 200 and again.json()["post"]["id"] == keyed
    assert again.json()["post"]["status"] == "scheduled" and len(world.rest.deliveries(keyed)) == 1
    own = world.agent()  # another token's proposal of the same words is another wish
    assert world.propose(own).json()["post"]["id"] != first["post"]["id"]


def test_a_proposal_that_was_taken_back_can_be_made_again(world: World) -> None:
    agent = world.agent()
    first = world.propose(agent).json()["post"]["id"]
    assert world.rest.ask("POST", f"/api/posts/{first}/withdraw", agent).status_code == 204
    assert world.rest.ask("GET", f"/api/posts/{first}", agent).status_code == 404
    second = world.propose(agent)
    assert second.status_code == 201 and second.json()["post"]["id"] != first
    drafted = world.rest.draft("owner")["id"]
    assert is_problem(world.rest.ask("POST", f"/api/posts/{drafted}/withdraw", agent), 409)


def test_nobody_is_flooded_with_proposals(world: World) -> None:
    agent = world.agent()
    for number in range(MOST_WAITING):
        assert world.propose(agent, f"Number {number}").status_code == 201
    refused = world.propose(agent, "One more")
    assert is_problem(refused, 409) and str(MOST_WAITING) in refused.text
    assert world.propose(world.agent(), "Somebody else's").status_code == 201


def test_a_key_makes_one_post_for_ever_also_when_it_is_published_at_once(world: World) -> None:
    full = world.agent(*AGENT, "posts:publish")
    body = {"content": "Version 1.4 is out", "account_ids": [world.account.id], "submit": True, "key": "v1.4"}
    made = world.rest.ask("POST", "/api/posts", full, json=body)
    world.rest.clock.advance(timedelta(days=40).total_seconds())  # no Idempotency-Key is kept that long
    again = world.rest.ask("POST", "/api/posts", full, json=body)
    assert (made.status_code, again.status_code) == (201, 200) and made.json()["id"] == again.json()["id"]
    assert len(world.rest.deliveries(made.json()["id"])) == 1


def test_a_token_for_some_accounts_names_no_others(world: World) -> None:
    agent = world.agent(*AGENT, "posts:publish", "monitoring:write", accounts=[world.account.id])
    for path in ("/api/posts", "/api/posts/propose"):
        refused = world.rest.ask("POST", path, agent, json={"content": "x", "account_ids": [world.other.id]})
        assert is_problem(refused, 403) and "other accounts" in refused.text
    assert world.propose(agent).status_code == 201
    later = (world.rest.clock.now() + timedelta(days=1)).isoformat()
    planned = world.rest.draft("owner", account_ids=[world.other.id], submit=True, scheduled_at=later)["id"]
    (delivery,) = world.rest.deliveries(planned)
    cancel = world.rest.ask("POST", f"/api/deliveries/{delivery.id}/cancel", agent, json={})
    assert is_problem(cancel, 403)
    assert world.rest.ask("POST", f"/api/deliveries/{delivery.id}/cancel", "owner", json={}).status_code == 200


def test_a_ceiling_counts_deliveries_of_a_day(world: World) -> None:
    agent = world.agent(*AGENT, "posts:publish", ceiling=3)
    both = [world.account.id, world.other.id]

    def publish(text: str, accounts: list[int]) -> httpx2.Response:
        return world.rest.ask(
            "POST", "/api/posts", agent, json={"content": text, "account_ids": accounts, "submit": True}
        )

    assert publish("One", both).status_code == 201
    refused = publish("Two", both)
    assert is_problem(refused, 403) and "3 times a day" in refused.text
    assert publish("Three", [world.account.id]).status_code == 201
    assert is_problem(publish("Four", [world.account.id]), 403)
    with world.rest.core.db.read() as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM deliveries").scalar_one() == 3
    to_midnight = timedelta(days=1) - (world.rest.clock.now() - world.rest.clock.now().replace(hour=0, minute=0))
    world.rest.clock.advance(to_midnight.total_seconds())
    assert publish("Tomorrow", both).status_code == 201


def test_publishing_without_asking_is_switched_on_by_a_person_and_says_so(world: World) -> None:
    bounds = {"accounts": [world.account.id], "ceiling": 2}
    agent = world.agent(*AGENT, "posts:publish", unasked=True, **bounds)
    told = world.propose(agent).json()
    assert (told["post"]["status"], told["waits_for_a_person"]) == ("scheduled", False)
    assert told["post"]["published_unasked_by"] == agent and len(world.rest.deliveries(told["post"]["id"])) == 1
    with world.rest.core.db.read() as conn:
        reasons = [row[0] for row in conn.exec_driver_sql("SELECT reason FROM transitions ORDER BY id")]
    assert any("without asking" in reason and agent in reason for reason in reasons)
    held = world.propose(agent, "TODO: write this").json()  # what the review holds waits all the same
    assert held["waits_for_a_person"] is True
    draft = world.rest.draft(agent, content="A draft", account_ids=[world.account.id])["id"]
    done = world.rest.ask("POST", f"/api/posts/{draft}/propose", agent).json()
    assert done["post"]["status"] == "scheduled"
    assert is_problem(world.propose(agent, "Over the ceiling"), 403)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scopes": ["posts:propose"], "unasked": True, "account_ids": [1], "ceiling": 1},
        {"scopes": ["posts:propose", "posts:publish"], "unasked": True},
        {"scopes": ["posts:propose", "posts:publish"], "unasked": True, "ceiling": 5},
        {"scopes": ["posts:read"], "account_ids": []},
        {"scopes": ["posts:read"], "ceiling": 0},
        {"scopes": ["posts:approve"]},
        {"scopes": ["tokens:write"]},
    ],
)
def test_a_token_without_sensible_bounds_is_not_made(world: World, wrong: dict[str, Any]) -> None:
    core = world.rest.core
    pair = sessions.log_in(core, "owner@example.org", PASSWORD, "127.0.0.1")
    world.rest.tokens["login"] = pair.access
    reply = world.rest.ask("POST", "/api/auth/tokens", "login", json={"name": "t", "days": 1, **wrong})
    assert is_problem(reply, 422)


def test_tokens_of_earlier_versions_keep_what_they_could(world: World) -> None:
    agent = world.agent("posts:read")
    with world.rest.core.db.write() as conn:
        for row in conn.execute(select(sessions_table).where(sessions_table.c.kind == "api_token")).all():
            users.put_session_data(conn, row.id, {**row.data, "scopes": ["posts:write"]})
    made = world.rest.ask(
        "POST", "/api/posts", agent, json={"content": "x", "account_ids": [world.account.id], "submit": True}
    )
    assert made.status_code == 201 and len(world.rest.deliveries(made.json()["id"])) == 1
    assert is_problem(world.rest.ask("GET", "/api/posts", agent), 403)


def test_the_command_line_and_the_app_are_bound_by_the_role_alone(world: World) -> None:
    core, owner = world.rest.core, world.rest.installation.owner
    actor = permits.actor(core, owner, COMMAND_LINE)
    assert actor.via.allows("posts:approve") and permits.need(core, actor, "posts:approve").user == owner
    token = acting(core, owner)
    assert accounts.listing(core, token) and drafts.listing(core, token) == []
    with pytest.raises(Forbidden):
        permits.need_of_token(
            permits.actor(core, owner, type(COMMAND_LINE)(COMMAND_LINE.door, "api_token", 1, "", frozenset())),
            "posts:read",
        )


def test_checking_and_finding_a_time_write_nothing(world: World) -> None:
    agent = world.agent()
    later = (world.rest.clock.now() + timedelta(days=1)).isoformat()
    told = world.rest.ask(
        "POST",
        "/api/posts/preflight",
        agent,
        json={"content": "a" * 400, "account_ids": [world.account.id, world.other.id], "scheduled_at": later},
    ).json()
    first, second = told["accounts"]
    assert (first["ok"], first["length"], first["limit"]) == (False, 400, 300) and second["ok"] is True
    assert first["violations"][0]["over"] == 100 and told["ok"] is False
    assert told["when"]["zone"] == "UTC" and told["when"]["weekday"]
    slot = world.rest.ask("GET", "/api/posts/next-slot", agent).json()["when"]
    assert slot["utc"] > world.rest.clock.now().isoformat()[:19]
    assert world.rest.ask("GET", "/api/posts", agent).json()["items"] == []


def test_the_check_notes_what_the_account_says_already(world: World) -> None:
    words = {"content": "Hello again", "account_ids": [world.account.id]}
    post = world.rest.ask("POST", "/api/posts", json={**words, "submit": True}).json()
    (account,) = world.rest.ask("POST", "/api/posts/preflight", json=words).json()["accounts"]
    assert account["ok"] is True and account["violations"] == []
    (note,) = account["notes"]
    assert (note["code"], note["post_id"]) == ("same_text", post["id"]) and "Hello again" in note["message"]
    asked = world.rest.ask("POST", f"/api/posts/preflight?post_id={post['id']}", json=words).json()
    assert asked["accounts"][0]["notes"] == [], "what it would change is no other post"
