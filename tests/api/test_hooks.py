"""What other services bring to a hook: signed, once, and never published by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from postprober.errors import BadInput
from postprober.services.posts import hooks
from tests.api.rest_kit import Rest, is_problem, rest_on
from tests.installed import Installation

RELEASE = {
    "action": "published",
    "release": {"name": "v1.4", "html_url": "https://example.org/v1.4", "assets": [{"n": 3}]},
}


@pytest.fixture
def rest(installation: Installation) -> Iterator[Rest]:
    made = rest_on(installation)
    made.clock._now = datetime.now(UTC)  # the library compares with the real clock
    with made.client:
        made.sign_in()
        yield made


def hook(rest: Rest, **more: Any) -> dict[str, Any]:
    account = rest.installation.link("bluesky")
    wish = {"name": "releases", "account_ids": [account.id], "template": "{{release.name}} is out", **more}
    reply = rest.ask("POST", "/api/hooks", json=wish)
    assert reply.status_code == 201, reply.text
    told: dict[str, Any] = reply.json()
    return told


def bring(
    rest: Rest,
    made: dict[str, Any],
    message: Any = RELEASE,
    *,
    name: str = "msg_1",
    at: datetime | None = None,
    **headers: str,
) -> httpx2.Response:
    body = message if isinstance(message, str) else json.dumps(message)
    moment = at or datetime.now(UTC)
    signed = {
        "webhook-id": name,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(made["secret"]).sign(name, moment, body),
        "content-type": "application/json",
        **headers,
    }
    path = "/api/hooks/" + made["url"].rpartition("/")[2]
    return rest.client.post(path, content=body.encode(), headers=signed)


def test_a_message_becomes_a_proposal_and_only_once(rest: Rest) -> None:
    made = hook(rest)
    first = bring(rest, made)
    assert first.status_code == 202 and first.json() == {
        "post_id": first.json()["post_id"],
        "status": "review",
        "is_new": True,
    }
    post_id = first.json()["post_id"]
    again = bring(rest, made, {"release": {"name": "other words"}})
    assert again.status_code == 202 and again.json() == {"post_id": post_id, "status": "review", "is_new": False}
    told = rest.ask("GET", f"/api/posts/{post_id}").json()
    assert told["content"] == "v1.4 is out" and told["proposed_by"] == "releases" and rest.deliveries(post_id) == []
    assert bring(rest, made, name="msg_2").json()["post_id"] != post_id


def test_a_draft_where_the_hook_says_so(rest: Rest) -> None:
    made = hook(rest, mode="draft", template="{{ release.name }}: {{release.html_url}} ({{release.assets.0.n}})")
    told = bring(rest, made).json()
    assert told["status"] == "draft"
    assert rest.ask("GET", f"/api/posts/{told['post_id']}").json()["content"] == "v1.4: https://example.org/v1.4 (3)"
    assert bring(rest, made).json() == {**told, "is_new": False}


def test_what_is_not_signed_with_its_secret_writes_nothing(rest: Rest) -> None:
    made, other = hook(rest), hook(rest)
    before = rest.installation.counts()["posts"]
    stale = datetime.now(UTC) - timedelta(minutes=6)
    for reply in (
        bring(rest, {**made, "secret": other["secret"]}),
        bring(rest, made, at=stale),
        bring(rest, made, **{"webhook-signature": ""}),
        bring(rest, made, **{"webhook-signature": "v1,AAAA"}),
        bring(rest, made, **{"webhook-signature": "nonsense"}),
        bring(rest, made, **{"webhook-id": ""}),
        bring(rest, made, **{"webhook-id": "msg_other"}),
        bring(rest, made, **{"webhook-timestamp": "soon"}),
    ):
        assert is_problem(reply, 403, "forbidden")
    assert rest.installation.counts()["posts"] == before
    assert bring(rest, made).status_code == 202  # the control


def test_a_message_without_what_the_template_names_is_refused_and_can_come_again(rest: Rest) -> None:
    made = hook(rest)
    for wrong, said in (
        ({"release": {}}, "no release.name"),
        ({"release": {"name": ["v1"]}}, "is no text"),
        ([], "no release.name"),
        ("{", "no JSON"),
        ({"release": {"name": "x" * 500}}, "Shorten"),
    ):
        refused = bring(rest, made, wrong)
        assert is_problem(refused, 422) and said in refused.text
    assert bring(rest, made).json()["is_new"] is True


def test_hooks_are_their_owners(rest: Rest) -> None:
    made = hook(rest)
    assert [one["name"] for one in rest.ask("GET", "/api/hooks").json()["items"]] == ["releases"]
    assert "secret" not in rest.ask("GET", "/api/hooks").text and "hk_" not in rest.ask("GET", "/api/hooks").text
    rest.sign_in("stranger")
    assert rest.ask("GET", "/api/hooks", "stranger").json()["items"] == []
    assert is_problem(rest.ask("DELETE", f"/api/hooks/{made['id']}", "stranger"), 404)
    assert rest.ask("DELETE", f"/api/hooks/{made['id']}").status_code == 204
    assert is_problem(bring(rest, made, name="late"), 404)


@pytest.mark.parametrize("template", ["", "{{", "{{a b}}", "{{a..b}}", "{{}}", "x" * 20_000])
def test_a_template_that_cannot_work_is_refused_when_it_is_made(rest: Rest, template: str) -> None:
    account = rest.installation.link("bluesky")
    reply = rest.ask("POST", "/api/hooks", json={"name": "n", "account_ids": [account.id], "template": template})
    assert is_problem(reply, 422)


def test_whoever_loses_their_role_brings_nothing_any_more(rest: Rest) -> None:
    made = hook(rest)
    rest.set_role("owner", "viewer")
    assert is_problem(bring(rest, made), 403)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_whatever_a_message_is_a_template_makes_a_text_or_says_why_not(message: Any) -> None:
    with suppress(BadInput):
        assert isinstance(hooks.rendered("{{a.b}} {{0}}", message), str)
