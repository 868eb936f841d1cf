"""Every kind of fault on every platform: what the client sees against what really happened."""

import time
from typing import Any

import httpx2
import pytest

from postprober.sandbox.control.client import Control, ControlError
from tests.sandbox.conftest import MovableClock
from tests.sandbox.posters import BlueskyPoster, LinkedInPoster, MastodonPoster, Poster


def texts(poster: Poster) -> list[str]:
    return [post["text"] for post in poster.truth()]


def test_without_a_fault_the_post_is_listed_readable_and_public(poster: Poster) -> None:
    response = poster.create("all is well")
    post_id = poster.id_of(response)
    assert response.status_code in (200, 201)
    assert texts(poster) == ["all is well"]
    assert poster.listed() == [post_id]
    assert poster.found(poster.read(post_id))
    assert poster.public(post_id)
    row = poster.creations()[-1]
    assert (row["status"], row["fault"], row["effect"]) == (response.status_code, None, {"created": post_id})


@pytest.mark.parametrize("stage", ["headers", "nothing"])
def test_a_cut_reply_hides_a_post_that_exists(poster: Poster, stage: str) -> None:
    poster.fault("cut_after_accept", params={"stage": stage})
    with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadError)):
        poster.create("cut off")
    assert texts(poster) == ["cut off"]
    row = poster.creations()[-1]
    assert (row["status"], row["fault"]) == (None, "cut_after_accept")
    assert row["effect"] == {"created": poster.truth()[0]["id"]}


@pytest.mark.parametrize("poster", ["x", "linkedin", "mastodon", "bluesky"], indirect=True)
def test_the_status_line_of_a_reply_cut_in_its_body_arrives(poster: Poster) -> None:
    poster.fault("cut_after_accept")
    seen: list[int] = []
    poster.http.event_hooks["response"] = [lambda response: seen.append(response.status_code)]
    with pytest.raises(httpx2.RemoteProtocolError):
        poster.create("cut off")
    assert seen in ([200], [201])


def test_a_held_reply_times_out_although_the_post_exists(poster: Poster) -> None:
    poster.create("before")
    poster.fault("timeout_after_accept")
    poster.http.timeout = httpx2.Timeout(0.4)
    with pytest.raises(httpx2.ReadTimeout):
        poster.create("held")
    assert texts(poster) == ["before", "held"]
    assert poster.creations()[-1]["status"] is None


def test_a_reply_held_for_a_moment_arrives(poster: Poster) -> None:
    poster.fault("timeout_after_accept", params={"seconds": 0.05})
    response = poster.create("held")
    assert poster.listed() == [poster.id_of(response)]


def test_a_late_creation_takes_effect_after_the_connection_was_cut(poster: Poster, clock: MovableClock) -> None:
    poster.fault("late_create", params={"seconds": 30})
    with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadError)):
        poster.create("late")
    assert (poster.truth(), poster.listed()) == ([], [])
    clock.advance(31)
    assert texts(poster) == ["late"]
    assert poster.listed() == [poster.truth()[0]["id"]]
    assert poster.creations()[-1]["effect"]["lands_at"] == poster.truth()[0]["created_at"]


def test_a_late_creation_may_also_answer_503(poster: Poster, clock: MovableClock) -> None:
    poster.fault("late_create", params={"seconds": 30, "reply": "503"})
    assert poster.create("late").status_code == 503
    assert poster.truth() == []
    clock.advance(31)
    assert texts(poster) == ["late"]


@pytest.mark.parametrize("poster", ["mastodon", "bluesky", "instagram"], indirect=True)
def test_asking_again_with_the_platforms_own_handle_gives_one_post_even_when_the_first_lands_late(
    poster: Poster, clock: MovableClock
) -> None:
    poster.fault("late_create", params={"seconds": 30, "reply": "503"})
    key = "3lbkw2jayek2a"
    poster.create("once", key)
    second = poster.create("once", key)
    clock.advance(31)
    assert [post["id"] for post in poster.truth()] == [poster.id_of(second)]


def test_an_error_after_acceptance_hides_a_post_that_exists(poster: Poster) -> None:
    poster.fault("error_after_accept")
    assert poster.create("there").status_code == 500
    assert texts(poster) == ["there"]


@pytest.mark.parametrize("status", [500, 503])
def test_an_error_before_acceptance_creates_nothing(poster: Poster, status: int) -> None:
    poster.fault("error_before_accept", params={"status": status})
    assert poster.create("nothing").status_code == status
    assert poster.truth() == []
    assert poster.creations()[-1]["effect"] is None


def test_a_gateway_error_is_html_and_creates_nothing(poster: Poster) -> None:
    poster.fault("html_error")
    response = poster.create("nothing")
    assert (response.status_code, response.headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert poster.truth() == []


def test_a_token_that_dies_in_flight_is_refused_once(poster: Poster) -> None:
    poster.fault("unauthorized")
    refused = poster.create("first")
    assert refused.status_code in (400, 401)
    assert poster.truth() == []
    assert poster.create("second").status_code in (200, 201)


def test_a_revoked_account_is_refused_everywhere_until_the_fault_is_removed(poster: Poster) -> None:
    post_id = poster.id_of(poster.create("before"))
    fault = poster.fault("revoked")
    assert {poster.listing().status_code, poster.read(post_id).status_code} in ({401}, {400})
    assert poster.listing().json() == poster.read(post_id).json() or poster.platform == "instagram"
    assert poster.public(post_id)
    poster.control.clear_faults(fault["id"])
    assert poster.found(poster.read(post_id))


def test_a_ghost_is_answered_like_a_post_and_seen_by_nobody(poster: Poster) -> None:
    poster.fault("ghost")
    post_id = poster.id_of(poster.create("boo"))
    assert poster.listed() == []
    assert not poster.found(poster.read(post_id))
    assert not poster.public(post_id)
    assert [(p["ghost"], p["visible"], p["visible_at"]) for p in poster.truth()] == [(True, False, None)]


def test_a_slow_ghost_appears_in_the_end(poster: Poster, clock: MovableClock) -> None:
    poster.fault("ghost", params={"appears_after": 60})
    post_id = poster.id_of(poster.create("boo"))
    assert poster.listed() == []
    clock.advance(61)
    assert poster.listed() == [post_id]
    assert poster.public(post_id)


def test_a_shadowed_post_is_seen_by_its_author_only(poster: Poster) -> None:
    poster.fault("shadow")
    post_id = poster.id_of(poster.create("psst"))
    assert poster.listed() == [post_id]
    assert poster.found(poster.read(post_id))
    assert not poster.public(post_id)


def test_a_stale_read_side_answers_as_of_before_the_post(poster: Poster) -> None:
    post_id = poster.id_of(poster.create("fresh"))
    poster.fault("stale_timeline", times=2)
    assert poster.listed() == []
    assert not poster.found(poster.read(post_id))
    assert poster.listed() == [post_id]


def test_a_stale_read_side_still_shows_what_is_old_enough(poster: Poster, clock: MovableClock) -> None:
    old = poster.id_of(poster.create("old"))
    clock.advance(400)
    poster.create("fresh")
    poster.fault("stale_timeline", params={"seconds": 300})
    assert poster.listed() == [old]


def test_a_truncated_timeline_shows_the_newest_and_no_next_page(poster: Poster, clock: MovableClock) -> None:
    ids = []
    for number in range(4):
        ids.append(poster.id_of(poster.create(f"number {number}")))
        clock.advance(1)
    poster.fault("truncated_timeline", params={"keep": 2})
    cut = poster.listing()
    assert poster.ids_in(cut) == ids[:1:-1]
    assert "next" not in cut.text.replace("next_cursor", "")
    assert "link" not in cut.headers
    assert poster.listed() == ids[::-1]


def test_a_dead_timeline_answers_503_to_listings_and_reads(poster: Poster) -> None:
    post_id = poster.id_of(poster.create("there"))
    poster.fault("timeline_down", times=2)
    assert (poster.listing().status_code, poster.read(post_id).status_code) == (503, 503)
    assert poster.listed() == [post_id]


@pytest.mark.parametrize("form", ["html", "empty", "no_id"])
def test_a_malformed_success_tells_no_id(poster: Poster, form: str) -> None:
    poster.fault("malformed_2xx", params={"form": form})
    response = poster.create("there")
    assert response.is_success
    post_id = poster.truth()[0]["id"]
    assert post_id not in response.text
    assert "x-restli-id" not in response.headers


def test_a_post_deleted_later_goes_by_itself(poster: Poster, clock: MovableClock) -> None:
    poster.fault("deleted_later", params={"seconds": 60})
    post_id = poster.id_of(poster.create("short life"))
    assert (poster.listed(), poster.public(post_id)) == ([post_id], True)
    clock.advance(61)
    assert (poster.listed(), poster.public(post_id)) == ([], False)
    assert poster.truth()[0]["deleted_at"] is not None


def test_a_post_hidden_later_stays_for_its_author(poster: Poster, clock: MovableClock) -> None:
    poster.fault("hidden_later", params={"seconds": 60})
    post_id = poster.id_of(poster.create("hidden"))
    assert poster.public(post_id)
    clock.advance(61)
    assert (poster.listed(), poster.public(post_id)) == ([post_id], False)


def test_a_slow_reply_arrives_late(poster: Poster) -> None:
    poster.fault("slow", params={"seconds": 0.15})
    before = time.monotonic()
    assert poster.create("slow").is_success
    assert time.monotonic() - before >= 0.15


def test_a_refused_duplicate_creates_nothing(poster: Poster) -> None:
    poster.fault("duplicate")
    response = poster.create("again")
    assert poster.truth() == []
    body: Any = response.json()
    said = {
        "x": (403, body.get("detail")),
        "linkedin": (422, body.get("errorDetails", {}).get("inputErrors", [{}])[0].get("code")),
        "instagram": (400, body.get("error", {}).get("code") if isinstance(body.get("error"), dict) else None),
        "mastodon": (422, body.get("error")),
        "bluesky": (400, body.get("error")),
    }[poster.platform]
    assert (response.status_code, said[1]) == said
    expected = {
        "x": "You are not allowed to create a Tweet with duplicate content.",
        "linkedin": "DUPLICATE_POST",
        "instagram": 506,
        "mastodon": "Validation failed: Text has already been taken",
        "bluesky": "InvalidSwap",
    }
    assert said[1] == expected[poster.platform]


def test_a_refused_duplicate_on_linkedin_names_the_earlier_post(
    sandbox: Any, http: httpx2.Client, picture: bytes, clock: MovableClock
) -> None:
    poster = LinkedInPoster(sandbox, http, picture)
    first = poster.id_of(poster.create("again"))
    assert first in poster.create("again").json()["message"]
    poster.fault("duplicate", params={"real": False})
    assert first not in poster.create("again").json()["message"]


def test_an_idempotency_key_answers_with_the_same_status_under_a_cut_too(
    sandbox: Any, http: httpx2.Client, picture: bytes
) -> None:
    poster = MastodonPoster(sandbox, http, picture)
    first = poster.create("once", "key-1").json()
    poster.fault("cut_after_accept")
    with pytest.raises(httpx2.RemoteProtocolError):
        poster.create("once", "key-1")
    assert poster.create("once", "key-1").json()["id"] == first["id"]
    assert len(poster.truth()) == 1


def test_a_put_of_the_same_record_is_safe_after_a_cut(sandbox: Any, http: httpx2.Client, picture: bytes) -> None:
    poster = BlueskyPoster(sandbox, http, picture)
    poster.fault("cut_after_accept")
    with pytest.raises(httpx2.RemoteProtocolError):
        poster.create("once", "3lbkw2jayek2a")
    again = poster.create("once", "3lbkw2jayek2a")
    assert again.status_code == 200
    assert [p["id"] for p in poster.truth()] == [again.json()["uri"]]


def test_a_fault_waits_for_its_turn_and_ends_after_its_times(poster: Poster) -> None:
    poster.fault("error_before_accept", after=1, times=2)
    statuses = [poster.create(f"number {n}").status_code for n in range(4)]
    assert [status >= 500 for status in statuses] == [False, True, True, False]


def test_a_fault_for_one_account_leaves_the_others_alone(control: Control, http: httpx2.Client) -> None:
    control.fault("x", "error_before_accept", account="bob", times=0)
    statuses = []
    for name in ("alice", "bob"):
        token = control.account("x", name)["access_token"]
        headers = {"authorization": f"Bearer {token}"}
        statuses.append(http.post("/x/2/tweets", headers=headers, json={"text": "hi"}).status_code)
    assert statuses == [201, 500]


def test_a_refused_post_does_not_use_up_a_fault_of_the_reply(control: Control, http: httpx2.Client) -> None:
    token = control.account("x", "alice")["access_token"]
    control.fault("x", "cut_after_accept")
    refused = http.post("/x/2/tweets", headers={"authorization": f"Bearer {token}"}, json={"text": ""})
    assert refused.status_code == 400
    assert [fault["used"] for fault in control.faults()] == [0]


def test_the_public_page_can_fail_for_one_author(poster: Poster) -> None:
    post_id = poster.id_of(poster.create("there"))
    poster.fault("error_before_accept", operation="public")
    assert not poster.public(post_id)
    assert poster.public(post_id)


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ({"kind": "explode"}, "kind must be one of"),
        ({"kind": "ghost", "operation": "dance"}, "operation must be one of"),
        ({"kind": "slow", "seconds": "9"}, "seconds is none of .* goes into params"),
    ],
)
def test_a_fault_described_wrongly_is_refused_with_what_is_possible(
    control: Control, body: dict[str, str], hint: str
) -> None:
    with pytest.raises(ControlError, match=hint):
        control.fault("x", **body)


def test_a_fault_of_signing_in_finds_its_account(sandbox: Any, http: httpx2.Client, picture: bytes) -> None:
    poster = BlueskyPoster(sandbox, http, picture)
    poster.fault("error_before_accept", operation="token")
    body = {"identifier": "alice.bsky.test", "password": poster.account["password"]}
    path = "/bluesky/xrpc/com.atproto.server.createSession"
    assert [http.post(path, json=body).status_code for _ in range(2)] == [500, 200]
