"""What a person decides about one delivery, over REST, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from postprober.domain.delivery import DeliveryState
from postprober.pipeline.core import transitions
from postprober.storage import accounts, deliveries
from postprober.storage.database import Database
from tests.api.rest_kit import Rest, is_problem, rest_at
from tests.installed import Installation
from tests.pipeline.test_adopt_by_link import post_by_hand

S = DeliveryState
LOST = (S.CLAIMED, S.SUBMITTING, S.UNCONFIRMED, S.HELD)


@pytest.fixture
def rest(installation: Installation, database: Database, password_hash: str) -> Iterator[Rest]:
    made = rest_at(installation, database, password_hash)
    with made.client:
        yield made


def delivery(rest: Rest, *states: DeliveryState, text: str = "Hello") -> int:
    """A fresh delivery that went through `states`; its outcome is unknown if it was sent."""
    account = rest.installation.link("bluesky")
    post_id = rest.draft(content=text, account_ids=[account.id], submit=True)["id"]
    with rest.core.db.write() as conn:
        (found,) = deliveries.of_post(conn, post_id)
        for state in states:
            unknown = rest.clock.now() if S.SUBMITTING in states else None
            found = transitions.move(
                conn, found, state, reason="test", now=rest.clock.now(), next_at=None, unknown_at=unknown
            )
    return found.id


def test_a_failed_one_is_tried_again_alone_and_once_for_a_key(rest: Rest) -> None:
    failed, other = delivery(rest, S.FAILED), delivery(rest, S.FAILED)
    path, key = f"/api/deliveries/{failed}/retry", {"Idempotency-Key": "k"}
    first, again = (rest.ask("POST", path, headers=key) for _ in range(2))
    assert first.json()["state"] == "scheduled" and first.content == again.content
    assert is_problem(rest.ask("POST", path), 409, "conflict")
    assert rest.ask("GET", f"/api/deliveries/{other}").json()["state"] == "failed"


def test_a_held_one_is_sent_looked_for_or_cancelled(rest: Rest) -> None:
    for act, body, state in (
        ("send", None, "scheduled"),
        ("look", None, "unconfirmed"),
        ("cancel", {"not_there": True}, "cancelled"),
    ):
        path = f"/api/deliveries/{delivery(rest, *LOST)}/{act}"
        first, again = (rest.ask("POST", path, json=body, headers={"Idempotency-Key": act}) for _ in range(2))
        assert first.json()["state"] == state and first.content == again.content, act
        assert is_problem(rest.ask("POST", path, json=body), 409, "conflict")


def test_one_that_may_be_out_is_not_cancelled_without_having_looked(rest: Rest) -> None:
    """Nor one at which a worker is looking at this moment."""
    lost = delivery(rest, *LOST)
    reply = rest.ask("POST", f"/api/deliveries/{lost}/cancel", json={})
    assert is_problem(reply, 409) and "Check on the platform" in reply.json()["detail"]
    checking = delivery(rest, S.CLAIMED, S.SUBMITTING, S.UNCONFIRMED)
    assert is_problem(rest.ask("POST", f"/api/deliveries/{checking}/cancel", json={"not_there": True}), 409)
    planned = delivery(rest)
    assert rest.ask("POST", f"/api/deliveries/{planned}/cancel", json={}).json()["state"] == "cancelled"


def test_a_pasted_link_settles_a_held_one_and_the_try_carries_the_request_id(rest: Rest) -> None:
    lost = delivery(rest, *LOST, text="Is it there?")
    with rest.core.db.read() as conn:
        account = accounts.get(conn, deliveries.get(conn, lost).account_id)
    url = post_by_hand(rest.installation, account, "Is it there?").url
    path = f"/api/deliveries/{lost}/adopt"
    for wrong in ("nonsense nonsense", url[:-3] + "zzz", "http://169.254.169.254/latest/meta-data/"):
        assert is_problem(rest.ask("POST", path, json={"link": wrong}), 422, "bad-input")
    before = rest.ask("GET", f"/api/deliveries/{lost}").json()
    assert before["state"] == "held" and {t["outcome"] for t in before["tries"]} == {"absent"}
    done = rest.ask("POST", path, json={"link": url}, headers={"X-Request-Id": "request-4711"}).json()
    assert (done["state"], done["tries"][-1]["request_id"]) == ("published", "request-4711")
    assert done["tries"][-1]["outcome"] == "found"
    assert is_problem(rest.ask("POST", path, json={"link": url}), 409, "conflict")
