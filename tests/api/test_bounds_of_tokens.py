"""Where a token ends: its accounts, its day's number, and what a person has planned or is writing."""

from __future__ import annotations

import io
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from postprober.agent.advisor import Advisor
from postprober.agent.brief import Brief
from postprober.agent.language_model import NoAnswer, Turn
from postprober.agent.model_answers import AdviceAnswer, ReviewAnswer
from postprober.domain.actor import Actor
from postprober.domain.advice import Advice
from postprober.domain.post import PostStatus
from postprober.errors import Forbidden
from postprober.security import log_redaction
from postprober.services.core import Core
from postprober.services.people import sessions
from postprober.services.posts import advice, drafts, editing, posts, proposals, review_gate
from postprober.services.posts.posts import NewPost
from postprober.storage import posts as store
from postprober.storage.tables import alerts as alerts_table
from postprober.storage.tables import posts as posts_table
from tests.agent.agent_kit import Scripted
from tests.api.rest_kit import is_problem
from tests.api.test_proposals import AGENT, World, world
from tests.people import acting

__all__ = ["world"]
FULL = (*AGENT, "posts:publish")


def later(world: World) -> str:
    return (world.rest.clock.now() + timedelta(days=1)).isoformat()


def planned_by_owner(world: World, account_id: int) -> int:
    made = world.rest.draft("owner", account_ids=[account_id], submit=True, scheduled_at=later(world))
    return int(made["id"])


def test_a_token_for_some_accounts_changes_and_deletes_no_post_of_others(world: World) -> None:
    """Not by naming its own account in place of the other, and not by deleting the whole post."""
    bound = world.agent(*FULL, accounts=[world.account.id])
    planned = planned_by_owner(world, world.other.id)
    body = {"content": "Mine now", "account_ids": [world.account.id], "scheduled_at": later(world)}
    assert is_problem(world.rest.ask("PUT", f"/api/posts/{planned}", bound, json=body, headers={"If-Match": "*"}), 403)
    assert is_problem(world.rest.ask("DELETE", f"/api/posts/{planned}", bound), 403)
    (delivery,) = world.rest.deliveries(planned)
    assert (delivery.account_id, delivery.state.value) == (world.other.id, "scheduled")
    draft = world.rest.draft("owner", account_ids=[world.other.id])["id"]
    assert is_problem(world.rest.ask("PUT", f"/api/posts/{draft}", bound, json=body, headers={"If-Match": "*"}), 403)
    assert is_problem(world.rest.ask("DELETE", f"/api/posts/{draft}", bound), 403)
    held = world.rest.draft("owner", account_ids=[world.other.id], content="TODO: write this")["id"]
    assert is_problem(world.rest.ask("POST", f"/api/posts/{held}/submit", bound), 403)
    assert world.rest.ask("GET", f"/api/posts/{held}", "owner").json()["status"] == "draft"
    own = planned_by_owner(world, world.account.id)  # the control: the account that it is for
    assert world.rest.ask("PUT", f"/api/posts/{own}", bound, json=body, headers={"If-Match": "*"}).status_code == 200
    assert world.rest.ask("DELETE", f"/api/posts/{own}", bound).status_code == 204


def test_a_draft_that_is_published_without_asking_says_so_too(world: World) -> None:
    agent = world.agent(*FULL, unasked=True, accounts=[world.account.id], ceiling=5)
    draft = world.rest.draft(agent, content="A draft", account_ids=[world.account.id])["id"]
    done = world.rest.ask("POST", f"/api/posts/{draft}/propose", agent).json()["post"]
    assert (done["status"], done["published_unasked_by"]) == ("scheduled", agent)
    asked = world.rest.draft("owner", content="Mine", account_ids=[world.account.id])["id"]
    assert world.rest.ask("POST", f"/api/posts/{asked}/submit", "owner").json()["published_unasked_by"] == ""


def test_a_working_copy_is_changed_by_no_token_that_may_only_draft(world: World) -> None:
    """What a person is about to save into a planned post."""
    planned = planned_by_owner(world, world.account.id)
    owner = acting(world.rest.core, world.rest.installation.owner)
    copy = editing.begin(world.rest.core, owner, planned, "page-1")
    body = {"content": "Words of a program", "account_ids": [world.account.id], "scheduled_at": later(world)}
    refused = world.rest.ask("PUT", f"/api/posts/{copy.id}", world.agent(), json=body, headers={"If-Match": "*"})
    assert is_problem(refused, 403) and "posts:publish" in refused.text
    full = world.agent(*FULL)
    assert world.rest.ask("PUT", f"/api/posts/{copy.id}", full, json=body, headers={"If-Match": "*"}).status_code == 200


@pytest.mark.parametrize("path", ["/api/hooks/hk_{}", "/api/media/uploads/up_{}"])
def test_an_address_that_is_a_permission_is_in_no_log(world: World, path: str) -> None:
    secret = "Zx9" * 12
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(log_redaction.JsonLine("sidecar"))
    known = logging.getLogger("postprober.requests")
    before = (list(known.handlers), known.level, known.propagate)
    known.handlers, known.propagate = [handler], False
    known.setLevel(logging.INFO)
    try:
        world.rest.ask("GET", path.format(secret), "owner")
        world.rest.ask("POST", path.format(secret), "owner", json={})
    finally:
        known.handlers, known.propagate = before[0], before[2]
        known.setLevel(before[1])
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(lines) == 2 and all(line["path"].startswith(path.partition("{")[0][:-3]) for line in lines)
    assert secret not in out.getvalue()


@dataclass
class _Model(Scripted):
    """A model that cannot be asked until it is back."""

    away: bool = True

    def review(self, brief: Brief, turn: Turn | None = None) -> ReviewAnswer:
        if self.away:
            raise NoAnswer("It is away.", "away")
        return self.reviewed

    def advise(self, brief: Brief, turn: Turn | None = None) -> AdviceAnswer:
        return AdviceAnswer(review=self.review(brief), rewrites=[])


def _token(core: Core, world: World, **limits: Any) -> Actor:
    caller = sessions.by_bearer(core, world.rest.tokens[world.agent(*FULL, **limits)])
    assert caller is not None
    return caller.actor


def test_what_waits_for_the_model_counts_for_the_ceiling_of_its_day(world: World) -> None:
    """Else a token plans as many as it likes while the model is away."""
    model = _Model()
    core = replace(world.rest.core, advisor=Advisor(model))
    owner = acting(core, world.rest.installation.owner)
    review_gate.wait_for_model(core, owner, True)
    at = world.rest.clock.now() + timedelta(days=1)
    agent = _token(core, world, ceiling=1, unasked=True, accounts=[world.account.id])
    first = proposals.propose(core, agent, NewPost(("One",), (world.account.id,), at=at)).post
    assert first.status == PostStatus.REVIEW and Advice.from_json(first.ai_suggestions).waits  # type: ignore[union-attr]
    with pytest.raises(Forbidden, match="1 times a day"):
        proposals.propose(core, agent, NewPost(("Two",), (world.account.id,), at=at))
    with core.db.read() as conn:
        assert len(store.in_status(conn, owner.space, (PostStatus.REVIEW,), 10)) == 1
    model.away = False
    advice.ask(core, agent, first.id)
    planned = drafts.get(core, owner, first.id)
    assert planned.status == PostStatus.SCHEDULED and planned.options["unasked"]


def test_whoever_asks_the_model_again_neither_bounds_nor_pays_for_a_post_that_waited(world: World) -> None:
    model = _Model()
    core = replace(world.rest.core, advisor=Advisor(model))
    owner = acting(core, world.rest.installation.owner)
    review_gate.wait_for_model(core, owner, True)
    at = world.rest.clock.now() + timedelta(days=1)
    post = posts.create(core, owner, NewPost(("Mine",), (world.account.id,), at=at))
    assert post.status == PostStatus.REVIEW
    model.away = False
    advice.ask(core, _token(core, world, accounts=[world.account.id], ceiling=1), post.id)
    assert drafts.get(core, owner, post.id).status == PostStatus.SCHEDULED


def test_what_a_person_approves_is_not_called_published_without_asking(world: World) -> None:
    agent = world.agent(*FULL, unasked=True, accounts=[world.account.id], ceiling=5)
    held = world.propose(agent, "TODO: write this").json()
    assert held["waits_for_a_person"] and held["post"]["published_unasked_by"] == ""
    world.approve(held["post"]["id"])
    told = world.rest.ask("GET", f"/api/posts/{held['post']['id']}", "owner").json()
    assert (told["status"], told["published_unasked_by"]) == ("scheduled", "")


@pytest.mark.parametrize(
    ("path", "submit"),
    [("/api/posts", {"submit": True}), ("/api/posts", {}), ("/api/posts/propose", {})],
    ids=["published", "drafted", "proposed"],
)
def test_of_many_at_the_same_moment_with_one_key_all_get_the_one_post(
    world: World, path: str, submit: dict[str, bool]
) -> None:
    agent = world.agent(*FULL)
    body = {"content": "Same", "account_ids": [world.account.id], "key": "race", **submit}
    barrier = threading.Barrier(6)

    def one(_: int) -> tuple[int, int]:
        barrier.wait(60)
        reply = world.rest.ask("POST", path, agent, json=body)
        told = reply.json()
        return reply.status_code, told.get("post", told).get("id")

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(one, range(6)))
    assert {status for status, _ in found} <= {200, 201} and len({post for _, post in found}) == 1, found
    with world.rest.core.db.read() as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM posts").scalar_one() == 1


def test_an_account_added_while_the_model_is_away_counts_too(world: World) -> None:
    model = _Model(away=False)
    core = replace(world.rest.core, advisor=Advisor(model))
    owner = acting(core, world.rest.installation.owner)
    review_gate.wait_for_model(core, owner, True)
    at = world.rest.clock.now() + timedelta(days=1)
    one, two = world.account.id, world.other.id
    agent = _token(core, world, ceiling=1, unasked=True, accounts=[one, two])
    post = proposals.propose(core, agent, NewPost(("One",), (one,), at=at)).post
    assert post.status == PostStatus.SCHEDULED
    model.away = True
    with pytest.raises(Forbidden, match="1 times a day"):
        drafts.change(core, agent, post.id, NewPost(("One, and more",), (one, two), at=at))
    kept = drafts.get(core, owner, post.id)
    assert kept.status == PostStatus.SCHEDULED and kept.content == "One"
    drafts.change(core, owner, post.id, NewPost(("One, and more",), (one, two), at=at))  # the control: nobody's ceiling
    assert drafts.get(core, owner, post.id).status == PostStatus.REVIEW


def test_a_draft_that_a_person_has_rewritten_is_deleted_by_no_token_that_only_drafts(world: World) -> None:
    agent = world.agent()
    made = [
        world.rest.ask("POST", "/api/posts", agent, json={"content": text, "account_ids": [world.account.id]}).json()
        for text in ("Left alone", "Rewritten")
    ]
    owner = acting(world.rest.core, world.rest.installation.owner)
    drafts.change(
        world.rest.core, owner, made[0]["id"], drafts.wish_of(drafts.get(world.rest.core, owner, made[0]["id"]))
    )
    drafts.change(world.rest.core, owner, made[1]["id"], NewPost(("A person's words",), (world.account.id,)))
    answers = [
        world.rest.ask("DELETE", f"/api/posts/{one['id']}", agent, headers={"If-Match": "*"}).status_code
        for one in made
    ]
    assert answers == [204, 403]
    assert drafts.get(world.rest.core, owner, made[1]["id"]).content == "A person's words"


def _alerts(world: World) -> list[dict[str, Any]]:
    with world.rest.core.db.read() as conn:
        return [dict(row) for row in conn.execute(select(alerts_table).order_by(alerts_table.c.id)).mappings()]


def test_a_proposal_that_a_person_has_rewritten_is_taken_back_by_no_token(world: World) -> None:
    core, agent = world.rest.core, world.agent()
    owner = acting(core, world.rest.installation.owner)
    left, mine = (world.propose(agent, text).json()["post"]["id"] for text in ("Left alone", "Proposed"))
    drafts.change(core, owner, mine, NewPost(("A person's words",), (world.account.id,)))
    assert world.rest.ask("POST", f"/api/posts/{left}/withdraw", agent).status_code == 204
    assert is_problem(world.rest.ask("POST", f"/api/posts/{mine}/withdraw", agent), 403)
    assert drafts.get(core, owner, mine).content == "A person's words"


def test_what_a_person_refused_is_a_proposal_no_more_and_can_be_proposed_and_told_again(world: World) -> None:
    core, agent = world.rest.core, world.agent()
    owner = acting(core, world.rest.installation.owner)
    refused = world.propose(agent, "Proposed").json()["post"]["id"]
    advice.decide_review(core, owner, refused, False)
    assert "proposed" not in drafts.get(core, owner, refused).options
    assert world.rest.ask("POST", f"/api/posts/{refused}/propose", agent).json()["waits_for_a_person"]
    told = [one for one in _alerts(world) if "proposes a post" in one["message"]]
    assert len(told) == 2 and told[1]["closed_at"] is None and told[0]["closed_at"] is not None
    advice.decide_review(core, owner, refused, False)
    drafts.change(core, owner, refused, NewPost(("A person's words",), (world.account.id,)))
    assert is_problem(world.rest.ask("DELETE", f"/api/posts/{refused}", agent, headers={"If-Match": "*"}), 403)
    model = _Model()
    waiting = replace(core, advisor=Advisor(model))
    review_gate.wait_for_model(waiting, owner, True)
    assert drafts.submit(waiting, owner, refused).status == PostStatus.REVIEW
    model.away = False
    advice.ask(waiting, owner, refused)
    planned = drafts.get(core, owner, refused)
    assert planned.status == PostStatus.SCHEDULED and not planned.options.get("proposed")


def test_what_the_review_holds_of_a_token_that_may_publish_is_a_proposal_like_any_other(world: World) -> None:
    agent = world.agent(*FULL, unasked=True, accounts=[world.account.id], ceiling=5)
    held = world.propose(agent, "Dear [[name]], come in.").json()
    assert held["waits_for_a_person"] and held["post"]["proposed_by"]
    assert any("proposes a post" in one["message"] for one in _alerts(world))
    for number in range(proposals.MOST_WAITING - 1):
        assert world.propose(agent, f"Dear [[name]], number {number}.").status_code == 201
    assert is_problem(world.propose(agent, "Dear [[name]], one more."), 409)
    assert world.rest.ask("POST", f"/api/posts/{held['post']['id']}/withdraw", agent).status_code == 204
    assert not world.propose(agent, "The shop is open on Sunday.").json()["waits_for_a_person"]  # the control
    draft = world.rest.ask(
        "POST", "/api/posts", agent, json={"content": "Hi [[name]]", "account_ids": [world.account.id]}
    ).json()
    assert world.rest.ask("POST", f"/api/posts/{draft['id']}/propose", agent).json()["post"]["proposed_by"]


def test_a_proposal_with_a_key_is_found_again_after_its_time(world: World) -> None:
    agent, at = world.agent(), (world.rest.clock.now() + timedelta(hours=1)).isoformat()
    first = world.propose(agent, "At nine", scheduled_at=at, key="k1").json()["post"]["id"]
    world.rest.clock.jump(7200)
    again = world.propose(agent, "At nine", scheduled_at=at, key="k1")
    assert again.status_code == 200 and again.json()["post"]["id"] == first
    assert is_problem(world.propose(agent, "At nine", scheduled_at=at, key="k2"), 422)


def test_the_agent_is_asked_about_no_post_of_other_accounts(world: World) -> None:
    core = world.rest.core
    owner = acting(core, world.rest.installation.owner)
    at = world.rest.clock.now() + timedelta(days=1)
    planned = posts.create(core, owner, NewPost(("Mine",), (world.account.id,), at=at))
    bound = world.agent("posts:draft", "posts:read", accounts=[world.other.id])
    only = world.agent("posts:draft", "posts:read", accounts=[world.account.id])
    full = world.agent(*FULL, accounts=[world.account.id])
    asked = [
        world.rest.ask("POST", f"/api/posts/{planned.id}/suggestions", who).status_code for who in (bound, only, full)
    ]
    assert asked == [403, 403, 200]


def test_a_post_whose_words_a_person_has_changed_is_not_called_published_without_asking(world: World) -> None:
    core = world.rest.core
    owner = acting(core, world.rest.installation.owner)
    at = world.rest.clock.now() + timedelta(days=1)
    agent = _token(core, world, unasked=True, accounts=[world.account.id], ceiling=5)
    post = proposals.propose(core, agent, NewPost(("An agent's",), (world.account.id,), at=at)).post
    assert drafts.get(core, owner, post.id).options["unasked"]
    drafts.change(core, owner, post.id, NewPost(("A person's",), (world.account.id,), at=at))
    assert not drafts.get(core, owner, post.id).options.get("unasked")


def test_nothing_stays_of_the_words_of_a_proposal_that_was_deleted(world: World) -> None:
    agent = world.agent()
    made = world.propose(agent, "A secret plan").json()["post"]["id"]
    assert world.rest.ask("POST", f"/api/posts/{made}/withdraw", agent).status_code == 204
    with world.rest.core.db.read() as conn:
        row = conn.execute(select(posts_table).where(posts_table.c.id == made)).mappings().one()
    assert "secret plan" not in json.dumps(dict(row), default=str)
