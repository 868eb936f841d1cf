"""Posts over REST: drafted, read, listed, changed, submitted, deleted."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from postprober.domain.delivery import DeliveryState
from postprober.domain.platform import Platform
from postprober.pipeline.core import transitions
from postprober.services.accounts.accounts import add_by_token
from postprober.services.posts import advice
from postprober.storage import deliveries, users
from postprober.storage.database import Database
from tests.api.rest_kit import Rest, is_problem, png, rest_at, rest_on
from tests.installed import Installation
from tests.people import acting

S = DeliveryState


@pytest.fixture
def plain(installation: Installation) -> Iterator[Rest]:
    """For what is refused before it reaches a database."""
    made = rest_on(installation)
    with made.client:
        yield made


@pytest.fixture
def rest(installation: Installation, database: Database, password_hash: str) -> Iterator[Rest]:
    made = rest_at(installation, database, password_hash)
    with made.client:
        yield made


def later(rest: Rest, hours: float = 5) -> str:
    return (rest.clock.now() + timedelta(hours=hours)).isoformat()


def claim(rest: Rest, post_id: int) -> None:
    """A worker takes the post's first delivery."""
    found = rest.deliveries(post_id)[0]
    now = rest.clock.now()
    with rest.core.db.write() as conn:
        transitions.move(conn, found, S.CLAIMED, reason="due", now=now, fence=found.fence + 1, lease_until=now)


def test_a_new_post_is_a_draft_that_the_rules_have_looked_at_and_whose_suggestions_are_being_made(rest: Rest) -> None:
    reply = rest.ask("POST", "/api/posts", json={"content": "Hello"})
    assert reply.status_code == 201
    body = reply.json()
    assert (body["status"], body["content"], body["parts"], body["version"]) == ("draft", "Hello", ["Hello"], 1)
    told = body["ai_suggestions"]
    assert (told["status"], told["items"], told["review"]["verdict"]) == ("pending", [], "appropriate")
    assert told["by"] == told["review"]["by"] == "rules"
    assert reply.headers["etag"] == '"1"' and reply.headers["location"] == f"/api/posts/{body['id']}"
    assert rest.deliveries(body["id"]) == []
    again = rest.ask("GET", reply.headers["location"])
    assert again.json() == body and again.headers["etag"] == '"1"'


def test_everything_that_is_said_of_a_draft_comes_back(rest: Rest) -> None:
    account = rest.installation.link("mastodon").id
    media = rest.ask("POST", "/api/media", files={"file": ("a.png", png())}).json()["id"]
    wish: dict[str, Any] = {
        "content": ["One", "Two"],
        "account_ids": [account],
        "media_ids": [media],
        "language": "pt-BR",
        "variants": {str(account): ["Eins", "Zwei"]},
        "late_minutes": 7,
        "options": {"mastodon": {"audience": "unlisted", "sensitive": True}, str(account): {"content_warning": "Long"}},
        "scheduled_at": later(rest),
    }
    body = rest.draft(**wish)
    assert body["parts"] == ["One", "Two"] and body["content"] == "One\n\nTwo"
    said = ("account_ids", "media_ids", "language", "variants", "late_minutes", "options")
    assert {key: body[key] for key in said} == {key: wish[key] for key in said}
    assert body["platforms"] == ["mastodon"]


def test_submitting_at_once_plans_one_delivery_an_account(rest: Rest) -> None:
    first, second = rest.installation.link("mastodon"), rest.installation.link("bluesky")
    body = rest.draft(account_ids=[first.id, second.id], submit=True, scheduled_at=later(rest))
    assert body["status"] == "scheduled"
    assert [d.account_id for d in rest.deliveries(body["id"])] == [first.id, second.id]


def test_what_a_platform_would_refuse_is_told_by_account_and_nothing_is_planned(plain: Rest) -> None:
    account = plain.installation.link("bluesky")
    plain.token("owner")
    before = plain.installation.counts()
    reply = plain.ask("POST", "/api/posts", json={"content": "a" * 301, "account_ids": [account.id], "submit": True})
    assert is_problem(reply, 422, "preflight-failed")
    (found,) = reply.json()["violations"]
    assert (found["account_id"], found["platform"], found["length"], found["limit"]) == (
        account.id,
        "bluesky",
        301,
        300,
    )
    assert [(v["code"], v["over"], v["part"]) for v in found["violations"]] == [("text_too_long", 1, 0)]
    assert plain.installation.counts() == before


_WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"content": None}, "content"),
    ({"content": []}, "content"),
    ({"content": 5}, "content"),
    ({"content": ["x"] * 26}, "content"),
    ({"content": "a\0b"}, "content"),
    ({"content": "\ud800"}, "content"),
    ({"content": "x" * 100_001}, "content"),
    ({"account_ids": ["1"]}, "account_ids"),
    ({"account_ids": [0]}, "account_ids"),
    ({"account_ids": [2**63]}, "account_ids"),
    ({"account_ids": [True]}, "account_ids"),
    ({"account_ids": None}, "account_ids"),
    ({"media_ids": [-1]}, "media_ids"),
    ({"scheduled_at": "tomorrow"}, "scheduled_at"),
    ({"scheduled_at": "2027-01-01T10:00"}, "scheduled_at"),
    ({"scheduled_at": 1e12}, "scheduled_at"),
    ({"language": "english please"}, "language"),
    ({"late_minutes": 0}, "late_minutes"),
    ({"late_minutes": 1e400}, "late_minutes"),
    ({"late_minutes": "5"}, "late_minutes"),
    ({"submit": "yes"}, "submit"),
    ({"sumbit": True}, "sumbit"),
    ({"options": {"mastodon": {"audience": None}}}, "options"),
    ({"options": {"mastodon": {"audience": {"a": 1}}}}, "options"),
    ({"options": {"a b": {}}}, "options"),
    ({"options": ["x"]}, "options"),
    ({"variants": {"x": ["a"]}}, "variants"),
    ({"variants": {"7": ["a"]}}, "variants"),
    ({"variants": {"7": "a"}}, "variants"),
)


def test_a_body_of_the_wrong_form_is_refused_by_name_and_writes_nothing(plain: Rest) -> None:
    plain.token("owner")
    before = plain.installation.counts()
    for change, where in _WRONG:
        content = json.dumps({"content": "Hi", **change})
        reply = plain.ask("POST", "/api/posts", content=content, headers={"Content-Type": "application/json"})
        assert is_problem(reply, 422, "bad-input"), change
        told = reply.json()["errors"]
        assert any(where in entry["loc"] or where in entry["message"] for entry in told), (change, told)
        assert all(set(entry) == {"loc", "message"} for entry in told), "what was sent is not repeated"
    assert plain.installation.counts() == before


def test_a_body_that_is_no_object_is_refused(plain: Rest) -> None:
    for content in (b"", b"{", b"[" * 50_000, b"\xff\xfe", b'"text"', b"null", b"[]"):
        reply = plain.ask("POST", "/api/posts", content=content, headers={"Content-Type": "application/json"})
        assert is_problem(reply, reply.status_code) and reply.status_code in (400, 422), content[:9]


@pytest.mark.parametrize("change", [{"account_ids": [999]}, {"media_ids": [999]}, {"account_ids": [1, 1]}])
def test_a_draft_may_not_name_what_is_not_there(plain: Rest, change: dict[str, Any]) -> None:
    plain.installation.link("bluesky")
    reply = plain.ask("POST", "/api/posts", json={"content": "Hi", **change})
    assert reply.status_code in (404, 422)
    assert plain.ask("GET", "/api/posts").json()["items"] == []


@pytest.mark.parametrize("hours", [-1, 24 * 366 * 3])
def test_a_time_in_the_past_or_far_away_is_refused(plain: Rest, hours: float) -> None:
    reply = plain.ask("POST", "/api/posts", json={"content": "Hi", "scheduled_at": later(plain, hours)})
    assert is_problem(reply, 422, "bad-input")


def test_a_list_is_read_page_by_page_to_its_end(rest: Rest) -> None:
    made = [rest.draft(content=f"Number {n}")["id"] for n in range(7)]
    rest.draft("stranger")
    seen: list[int] = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        page = rest.ask("GET", "/api/posts", params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        seen += [post["id"] for post in page["items"]]
        cursor = page["next_cursor"]
        pages += 1
        if pages == 1:
            rest.draft(content="written between two pages")
    assert seen == made[::-1] and pages == 3


def test_a_page_that_cannot_be_is_refused(plain: Rest) -> None:
    cursors = ("", "nonsense", "é", "cG9zdHM6MA", "YWxlcnRzOjU", "x" * 65)
    for query in [{"limit": "0"}, {"limit": "101"}, {"limit": "many"}, *({"cursor": text} for text in cursors)]:
        assert is_problem(plain.ask("GET", "/api/posts", params=query), 422, "bad-input"), query


def test_a_draft_is_replaced_by_who_has_read_it(rest: Rest) -> None:
    post = rest.draft()
    path = f"/api/posts/{post['id']}"
    assert is_problem(rest.ask("PUT", path, json={"content": "New"}), 428, "precondition-required")
    done = rest.ask("PUT", path, json={"content": "New", "language": "en"}, headers={"If-Match": '"1"'})
    assert done.status_code == 200
    assert (done.json()["content"], done.json()["version"], done.headers["etag"]) == ("New", 2, '"2"')
    stale = rest.ask("PUT", path, json={"content": "Newer"}, headers={"If-Match": '"1"'})
    assert is_problem(stale, 412, "stale")
    assert rest.ask("GET", path).json()["content"] == "New"


def test_only_the_version_that_was_read_matches(rest: Rest) -> None:
    path = f"/api/posts/{rest.draft()['id']}"
    for header in ('W/"1"', "1", '"11"', "", '"x"', '"0", "2"'):
        reply = rest.ask("PUT", path, json={"content": "New"}, headers={"If-Match": header})
        assert is_problem(reply, 412, "stale"), header
    for version, header in enumerate(('"1"', "*", '"7", "3"'), start=2):
        reply = rest.ask("PUT", path, json={"content": "New"}, headers={"If-Match": header})
        assert (reply.status_code, reply.headers["etag"]) == (200, f'"{version}"'), header


def test_of_two_edits_at_once_one_is_told_to_read_again(rest: Rest) -> None:
    path = f"/api/posts/{rest.draft()['id']}"
    rest.token("owner")
    found: list[int] = []

    def edit(number: int) -> None:
        reply = rest.ask("PUT", path, json={"content": f"By {number}"}, headers={"If-Match": '"1"'})
        found.append(reply.status_code)

    run_all([lambda n=n: edit(n) for n in range(6)])
    assert sorted(found) == [200] + [412] * 5
    assert rest.ask("GET", path).json()["version"] == 2


def run_all(jobs: list[Any]) -> None:
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


def test_a_planned_post_can_be_changed_and_its_deliveries_keep_their_keys(rest: Rest) -> None:
    keeps, leaves = rest.installation.link("mastodon"), rest.installation.link("bluesky")
    post = rest.draft(account_ids=[keeps.id, leaves.id], submit=True, scheduled_at=later(rest))
    before = {d.account_id: d for d in rest.deliveries(post["id"])}
    comes = rest.installation.link("x")
    body = {"content": "Changed", "account_ids": [keeps.id, comes.id], "scheduled_at": later(rest, 9)}
    done = rest.ask("PUT", f"/api/posts/{post['id']}", json=body, headers={"If-Match": '"1"'})
    assert done.status_code == 200 and done.json()["status"] == "scheduled"
    after = {d.account_id: d for d in rest.deliveries(post["id"])}
    assert after[keeps.id].key == before[keeps.id].key and after[keeps.id].parts[0].text == "Changed"
    assert after[keeps.id].due_at == after[keeps.id].next_at == rest.clock.now() + timedelta(hours=9)
    assert after[leaves.id].state is S.CANCELLED and after[comes.id].state is S.SCHEDULED


def test_a_change_that_a_platform_would_refuse_leaves_the_plan_as_it_was(rest: Rest) -> None:
    account = rest.installation.link("bluesky")
    post = rest.draft(account_ids=[account.id], submit=True, scheduled_at=later(rest))
    body = {"content": "a" * 301, "account_ids": [account.id]}
    reply = rest.ask("PUT", f"/api/posts/{post['id']}", json=body, headers={"If-Match": '"1"'})
    assert is_problem(reply, 422, "preflight-failed")
    assert rest.deliveries(post["id"])[0].parts[0].text == "Hello"
    assert rest.ask("GET", f"/api/posts/{post['id']}").json()["version"] == 1


def test_what_a_worker_has_taken_can_no_longer_be_changed(rest: Rest) -> None:
    account = rest.installation.link("bluesky")
    post = rest.draft(account_ids=[account.id], submit=True)
    claim(rest, post["id"])
    body = {"content": "Changed", "account_ids": [account.id]}
    reply = rest.ask("PUT", f"/api/posts/{post['id']}", json=body, headers={"If-Match": '"1"'})
    assert is_problem(reply, 409, "conflict")
    assert rest.deliveries(post["id"])[0].parts[0].text == "Hello"
    assert rest.ask("GET", f"/api/posts/{post['id']}").json()["content"] == "Hello"


def test_a_draft_is_submitted_once(rest: Rest) -> None:
    account = rest.installation.link("bluesky")
    post = rest.draft(account_ids=[account.id])
    path = f"/api/posts/{post['id']}/submit"
    assert is_problem(rest.ask("POST", path, headers={"If-Match": '"5"'}), 412, "stale")
    done = rest.ask("POST", path, headers={"If-Match": '"1"'})
    assert (done.status_code, done.json()["status"], done.headers["etag"]) == (200, "scheduled", '"2"')
    assert is_problem(rest.ask("POST", path), 409, "conflict")
    assert len(rest.deliveries(post["id"])) == 1


def test_many_submits_at_once_plan_one_delivery(rest: Rest) -> None:
    account = rest.installation.link("bluesky")
    post = rest.draft(account_ids=[account.id])
    rest.token("owner")
    found: list[int] = []
    path = f"/api/posts/{post['id']}/submit"
    run_all([lambda: found.append(rest.ask("POST", path).status_code) for _ in range(6)])
    assert sorted(found)[0] == 200 and set(found[1:]) <= {200, 409, 412} and found.count(200) == 1
    assert len(rest.deliveries(post["id"])) == 1


def test_a_draft_without_accounts_or_with_a_time_that_has_passed_is_not_submitted(rest: Rest) -> None:
    account = rest.installation.link("bluesky")
    bare, late = rest.draft(), rest.draft(account_ids=[account.id], scheduled_at=later(rest, 1))
    rest.clock.jump(2 * 3600)
    rest.tokens.clear()
    for post in (bare, late):
        assert is_problem(rest.ask("POST", f"/api/posts/{post['id']}/submit"), 422, "bad-input")
        assert rest.deliveries(post["id"]) == []


def test_a_deleted_draft_is_gone(rest: Rest) -> None:
    post = rest.draft()
    path = f"/api/posts/{post['id']}"
    assert is_problem(rest.ask("DELETE", path, headers={"If-Match": '"9"'}), 412, "stale")
    reply = rest.ask("DELETE", path)
    assert (reply.status_code, reply.content) == (204, b"")
    assert is_problem(rest.ask("GET", path), 404, "not-found")
    assert is_problem(rest.ask("DELETE", path), 404)


def test_a_deleted_plan_is_cancelled_hidden_and_never_sent(rest: Rest) -> None:
    account = rest.installation.link("bluesky")
    post = rest.draft(account_ids=[account.id], submit=True, scheduled_at=later(rest))
    path = f"/api/posts/{post['id']}"
    assert rest.ask("DELETE", path).status_code == 204
    assert rest.deliveries(post["id"])[0].state is S.CANCELLED
    assert rest.ask("GET", "/api/posts").json()["items"] == []
    for method, suffix in (("GET", ""), ("POST", "/submit"), ("DELETE", "")):
        assert is_problem(rest.ask(method, path + suffix), 404, "not-found")
    for suffix in ("", "/logs"):
        assert is_problem(rest.ask("GET", f"/api/monitoring/{post['id']}{suffix}"), 404)
    rest.clock.jump(6 * 3600)
    with rest.core.db.read() as conn:
        assert deliveries.due(conn, rest.clock.now(), publish=9, follow=9) == ([], [])


@pytest.mark.parametrize("state", [S.CLAIMED, S.SUBMITTING, S.PUBLISHED, S.FAILED])
def test_what_was_sent_or_is_being_sent_is_not_deleted(rest: Rest, state: DeliveryState) -> None:
    account = rest.installation.link("bluesky")
    post = rest.draft(account_ids=[account.id], submit=True)
    claim(rest, post["id"])
    for step in {S.CLAIMED: (), S.SUBMITTING: (S.SUBMITTING,)}.get(state, (S.SUBMITTING, state)):
        with rest.core.db.write() as conn:
            found = deliveries.of_post(conn, post["id"])[0]
            transitions.move(conn, found, step, reason="test", now=rest.clock.now(), first_byte_at=rest.clock.now())
    assert is_problem(rest.ask("DELETE", f"/api/posts/{post['id']}"), 409, "conflict")
    assert rest.ask("GET", f"/api/posts/{post['id']}").status_code == 200
    assert rest.deliveries(post["id"])[0].state is state


@pytest.mark.parametrize("approve", [True, False])
def test_a_decision_about_a_review_is_about_the_version_that_was_read(rest: Rest, approve: bool) -> None:
    with rest.core.db.read() as conn:
        owner = users.by_email(conn, "owner@example.org")
    assert owner is not None
    account = rest.installation.made("mastodon")
    data = {key: account[key] for key in ("access_token", "refresh_token", "expires_at")}
    linked = add_by_token(rest.core, acting(rest.core, owner.id), Platform("mastodon"), data, name=account["name"])
    read = rest.draft(content="TODO: as it was read", account_ids=[linked.id], submit=True)
    assert (read["status"], read["version"]) == ("review", 1)
    path = f"/api/posts/{read['id']}"
    assert is_problem(rest.ask("POST", f"{path}/review", json={"approve": approve}), 403)  # a token decides nothing
    rest.sign_in()
    body = {"content": "TODO: other words", "account_ids": [linked.id]}
    assert rest.ask("PUT", path, json=body, headers={"If-Match": '"1"'}).json()["status"] == "review"
    late = rest.ask("POST", f"{path}/review", json={"approve": approve}, headers={"If-Match": '"1"'})
    assert is_problem(late, 412, "stale")
    assert rest.ask("GET", path).json()["status"] == "review" and rest.deliveries(read["id"]) == []
    done = rest.ask("POST", f"{path}/review", json={"approve": approve}, headers={"If-Match": '"2"'})
    assert done.json()["status"] == ("scheduled" if approve else "draft")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mastodon": {"colour": "red"}}, "Mastodon has no option 'colour'"),
        ({"mastodon": {"audience": "friends"}}, "is one of public, unlisted, followers"),
        ({"friendster": {}}, "There is no platform called 'friendster'"),
        ({"999999": {}}, "account 999999, which is not chosen"),
        ({"mastodon": {"poll_minutes": 10**12}}, "the most is 43,200"),
    ],
)
def test_options_that_are_not_there_are_refused_in_drafts_too(plain: Rest, options: dict[str, Any], says: str) -> None:
    account = plain.installation.link("mastodon")
    plain.token("owner")
    before = plain.installation.counts()
    for submit in (False, True):
        body = {"content": "Hi", "account_ids": [account.id], "options": options, "submit": submit}
        reply = plain.ask("POST", "/api/posts", json=body)
        assert is_problem(reply, 422, "bad-input") and says in reply.json()["detail"]
    assert plain.installation.counts() == before


def test_an_accounts_limits_list_its_options(rest: Rest) -> None:
    account = rest.installation.link("mastodon")
    told = rest.ask("GET", f"/api/accounts/{account.id}/limits").json()["options"]
    assert [one["name"] for one in told][:3] == ["content_warning", "sensitive", "audience"]
    assert list(told[2]["choices"]) == ["public", "unlisted", "followers"]


def test_an_approval_ends_when_the_options_change(rest: Rest) -> None:
    """What a person approved includes who will see it."""
    account = rest.installation.link("mastodon")
    wish = {"content": "TODO: a title", "account_ids": [account.id], "scheduled_at": later(rest)}
    made = rest.ask("POST", "/api/posts", json={**wish, "submit": True}).json()
    assert made["status"] == "review"
    asked = {**wish, "options": {"mastodon": {"audience": "unlisted"}}}
    actor = acting(rest.core, rest.installation.owner)
    approved = advice.decide_review(rest.core, actor, made["id"], True)
    assert approved.status == "scheduled"
    same = rest.ask("PUT", f"/api/posts/{made['id']}", json=wish, headers={"If-Match": f'"{approved.version}"'}).json()
    assert same["status"] == "scheduled", "the control: the same again stays approved"
    changed = rest.ask(
        "PUT", f"/api/posts/{made['id']}", json=asked, headers={"If-Match": f'"{same["version"]}"'}
    ).json()
    assert changed["status"] == "review"


def test_the_card_of_a_link_is_chosen_kept_and_told(rest: Rest) -> None:
    account = rest.installation.link("bluesky")
    card = {"drop": False, "title": "My title", "description": "", "url": ""}
    made = rest.ask(
        "POST",
        "/api/posts",
        json={"content": "Read https://www.iana.org/", "account_ids": [account.id], "card": {"title": "My title"}},
    ).json()
    assert made["card"] == card and rest.ask("GET", f"/api/posts/{made['id']}").json()["card"] == card
    rest.ask("POST", f"/api/posts/{made['id']}/submit")
    (delivery,) = rest.ask("GET", f"/api/monitoring/{made['id']}").json()["deliveries"]
    assert delivery["card"] == {
        "url": "https://www.iana.org/",
        "title": "My title",
        "description": "",
        "picture": False,
        "problem": "",
    }


def test_a_card_that_cannot_be_made_is_a_note_and_no_refusal(rest: Rest) -> None:
    account = rest.installation.link("bluesky")
    wish = {"content": "Read https://www.iana.org/", "account_ids": [account.id]}
    why = "No link card: www.iana.org is not called in sandbox mode, in which nothing leaves this machine."
    checked = rest.ask("POST", "/api/posts/preflight", json=wish).json()
    assert checked["ok"] and checked["accounts"][0]["notes"] == [{"code": "link_card", "message": why, "post_id": 0}]
    made = rest.ask("POST", "/api/posts", json={**wish, "submit": True}).json()
    (delivery,) = rest.ask("GET", f"/api/monitoring/{made['id']}").json()["deliveries"]
    assert made["status"] == "scheduled" and delivery["card"]["problem"] == why


@pytest.mark.parametrize(
    "card",
    [
        {"drop": True, "title": "x"},
        {"title": "x" * 301},
        {"title": "two\nlines"},
        {"drop": "yes"},
        {"picture": "x"},
        "none",
    ],
)
def test_a_wrong_card_is_refused_and_nothing_is_written(rest: Rest, card: Any) -> None:
    reply = rest.ask("POST", "/api/posts", json={"content": "x", "card": card})
    assert reply.status_code == 422 and not rest.ask("GET", "/api/posts").json()["items"]
