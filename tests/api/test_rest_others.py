"""Accounts, monitoring, alerts, files, metrics and problems over REST."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from postprober.domain.delivery import DeliveryState, Step, StepStatus
from postprober.domain.health import Quota, Unit
from postprober.domain.meters import ATTEMPTS, LATENESS, Tally
from postprober.domain.platform import Platform
from postprober.errors import HERE, Throttled, Unavailable
from postprober.pipeline.core import transitions
from postprober.services.accounts import accounts, linking
from postprober.services.operations import backup_set
from postprober.services.posts import posts as post_service
from postprober.storage import alert_log, deliveries, meters, processes, quotas, step_log
from postprober.storage.database import Database
from postprober.storage.tables import accounts as account_table
from postprober.storage.tables import alerts
from tests.api.rest_kit import Rest, is_problem, png, rest_at, rest_on
from tests.installed import Installation
from tests.people import acting

S = DeliveryState


@pytest.fixture
def rest(installation: Installation) -> Iterator[Rest]:
    made = rest_on(installation)
    with made.client:
        yield made


@pytest.fixture
def both(installation: Installation, database: Database, password_hash: str) -> Iterator[Rest]:
    """For what has statements of its own: once on each database."""
    made = rest_at(installation, database, password_hash)
    with made.client:
        yield made


# Accounts


def test_accounts_are_listed_without_their_tokens(rest: Rest) -> None:
    linked = rest.installation.link("x")
    reply = rest.ask("GET", "/api/accounts")
    (found,) = reply.json()["items"]
    assert (found["id"], found["platform"], found["name"], found["status"]) == (
        linked.id,
        "x",
        linked.account_name,
        "ok",
    )
    assert not {"access_token", "refresh_token", "secret"} & set(found)
    assert "v1." not in reply.text, "nothing sealed either"


def test_connecting_gives_the_consent_page_of_the_platform(rest: Rest) -> None:
    reply = rest.ask("POST", "/api/accounts/connect", json={"platform": "x"})
    url = reply.json()["authorize_url"]
    assert url.startswith(rest.installation.sandbox.url) and "code_challenge=" in url and "state=" in url
    assert reply.json()["account"] is None


def test_bluesky_is_linked_at_once_and_its_password_is_nowhere(rest: Rest) -> None:
    made = rest.installation.made("bluesky")
    body = {"platform": "bluesky", "identifier": made["id"], "password": made["password"]}
    reply = rest.ask("POST", "/api/accounts/connect", json=body, headers={"Idempotency-Key": "k"})
    assert reply.status_code == 200 and reply.json()["authorize_url"] is None
    assert reply.json()["account"]["platform"] == "bluesky"
    assert made["password"] not in reply.text
    account_id = reply.json()["account"]["id"]
    rest.ask("PUT", f"/api/accounts/{account_id}", json={"label": "Ours"})
    again = rest.ask("POST", "/api/accounts/connect", json=body)
    told = again.json()["account"]
    assert (told["id"], told["label"]) == (account_id, "Ours"), "linking again keeps the account and its settings"


def test_a_token_of_ones_own_is_linked_at_once_with_what_belongs_to_it(rest: Rest) -> None:
    made = rest.installation.made("telegram")
    fields = {"access_token": made["access_token"], "channel": f"@{made['name']}"}
    reply = rest.ask("POST", "/api/accounts/connect", json={"platform": "telegram", "fields": fields})
    assert reply.status_code == 200 and reply.json()["authorize_url"] is None
    assert reply.json()["account"]["platform"] == "telegram"
    assert made["access_token"] not in reply.text
    wrong = {"platform": "telegram", "fields": {**fields, "access_token": made["access_token"][:-3] + "xyz"}}
    refused = rest.ask("POST", "/api/accounts/connect", json=wrong)
    assert is_problem(refused, 422, "bad-input") and made["access_token"][:-3] not in refused.text


@pytest.mark.parametrize("scopes", [None, ["webhook.incoming"]])
def test_one_of_two_ways_to_link_is_enough(rest: Rest, scopes: list[str] | None) -> None:
    """A bot's token and channel, or a webhook's address, which is a secret as a whole."""
    made = rest.installation.made("discord", **({"scopes": scopes} if scopes else {}))
    reply = rest.ask("POST", "/api/accounts/connect", json={"platform": "discord", "fields": made["typed"]})
    assert reply.status_code == 200 and reply.json()["account"]["platform"] == "discord"
    assert made["access_token"].rpartition("/")[2] not in reply.text
    wrong = {name: value[:-3] + "xyz" for name, value in made["typed"].items() if name != "channel"}
    fields = {**made["typed"], **wrong}
    refused = rest.ask("POST", "/api/accounts/connect", json={"platform": "discord", "fields": fields})
    assert is_problem(refused, 422, "bad-input")
    assert made["access_token"].rpartition("/")[2][:-3] not in refused.text


@pytest.mark.parametrize(
    "body",
    [
        {"platform": "telegram"},
        {"platform": "discord", "fields": {"access_token": "t"}},
        {"platform": "discord", "fields": {"webhook": "https://discord.com/api/webhooks/1"}},
        {"platform": "telegram", "fields": {"access_token": "1:a"}},
        {"platform": "x", "fields": {"access_token": "t"}},
        {"platform": "telegram", "identifier": "a", "password": "b"},
        {"platform": "telegram", "fields": {"Access": "t"}},
        {"platform": "telegram", "fields": {str(n): "t" for n in range(11)}},
        {"platform": "friendster"},
        {},
        {"platform": "bluesky", "instance": "two words"},
        {"platform": "x", "password": "p"},
        {"platform": "bluesky", "identifier": "someone.example", "password": "wrong"},
        {"platform": "x", "instance": "https://x.example"},
        {"platform": "mastodon", "instance": "ftp://m.example"},
        {"platform": "mastodon", "instance": "not an address"},
        {"platform": "x", "token": "t"},
    ],
)
def test_an_account_that_cannot_be_linked_is_refused_in_one_sentence(rest: Rest, body: dict[str, str]) -> None:
    reply = rest.ask("POST", "/api/accounts/connect", json=body)
    assert is_problem(reply, 422, "bad-input")
    assert accounts.listing(rest.core, acting(rest.core, rest.installation.owner)) == []


def test_settings_are_kept_and_the_language_is_used_by_posts_that_name_none(both: Rest) -> None:
    linked = both.installation.link("mastodon")
    path = f"/api/accounts/{linked.id}"
    reply = both.ask("PUT", path, json={"label": " Our news ", "language": "de"})
    assert (reply.json()["label"], reply.json()["language"]) == ("Our news", "de")
    for own, used in (("", "de"), ("fr", "fr")):
        made = both.draft(account_ids=[linked.id], submit=True, language=own)
        assert both.deliveries(made["id"])[0].parts[0].language == used
    assert both.ask("PUT", path, json={}).json()["label"] == ""
    assert is_problem(both.ask("PUT", path, json={"label": "x" * 101}), 422, "bad-input")


def test_an_unlinked_account_is_gone_and_what_waited_for_it_is_cancelled(both: Rest) -> None:
    linked = both.installation.link("bluesky")
    made = both.draft(account_ids=[linked.id], submit=True)
    path = f"/api/accounts/{linked.id}"
    assert both.ask("DELETE", path).status_code == 204
    assert is_problem(both.ask("DELETE", path), 404, "not-found")
    assert both.ask("GET", "/api/accounts").json()["items"] == []
    assert both.deliveries(made["id"])[0].state is S.CANCELLED


# Monitoring


def planned(rest: Rest, *platforms: str) -> int:
    ids = [rest.installation.link(platform).id for platform in platforms]
    return int(rest.draft(account_ids=ids, submit=True)["id"])


def move(rest: Rest, post_id: int, index: int, *states: DeliveryState, **columns: Any) -> None:
    for state in states:
        with rest.core.db.write() as conn:
            found = deliveries.of_post(conn, post_id)[index]
            transitions.move(conn, found, state, reason="test", now=rest.clock.now(), **columns)


def test_the_status_tells_each_delivery_with_its_steps(rest: Rest) -> None:
    post_id = planned(rest, "mastodon", "bluesky")
    move(rest, post_id, 0, S.FAILED, next_at=None)
    body = rest.ask("GET", f"/api/monitoring/{post_id}").json()
    assert body["post_id"] == post_id and body["status"] == rest.ask("GET", f"/api/posts/{post_id}").json()["status"]
    assert [(d["platform"], d["state"], d["proof"]) for d in body["deliveries"]] == [
        ("mastodon", "failed", "none"),
        ("bluesky", "scheduled", "none"),
    ]
    assert [s["step"] for s in body["deliveries"][0]["steps"]] == [step.value for step in Step]
    assert body["deliveries"][0]["explanation"].startswith("Nothing was published.")


def test_logs_are_read_page_by_page(both: Rest) -> None:
    post_id = planned(both, "bluesky")
    delivery = both.deliveries(post_id)[0]
    with both.core.db.write() as conn:
        for number in range(5):
            step_log.add(conn, delivery, Step.POSTING, StepStatus.PENDING, both.clock.now(), number=number)
    path, seen, cursor = f"/api/monitoring/{post_id}/logs", [], None
    for _ in range(3):
        page = both.ask("GET", path, params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [row["details"]["number"] for row in page["items"]]
        cursor = page["next_cursor"]
    assert seen == [0, 1, 2, 3, 4] and cursor is None
    first = both.ask("GET", path, params={"limit": 2}).json()["next_cursor"]
    other = planned(both, "bluesky")
    reply = both.ask("GET", f"/api/monitoring/{other}/logs", params={"cursor": first})
    assert is_problem(reply, 422), "a cursor of another post"


def test_a_retry_sends_only_what_failed_and_answers_the_same_to_the_same_key(both: Rest) -> None:
    post_id = planned(both, "mastodon", "bluesky", "x")
    move(both, post_id, 0, S.FAILED, next_at=None)
    move(both, post_id, 1, S.HELD, next_at=None)
    path = f"/api/monitoring/{post_id}/retry"
    first, again = (both.ask("POST", path, headers={"Idempotency-Key": "r"}) for _ in range(2))
    assert first.status_code == 200 and first.content == again.content
    assert [d["state"] for d in first.json()["deliveries"]] == ["scheduled", "held", "scheduled"]
    assert is_problem(both.ask("POST", path), 409, "conflict")


# Alerts


def test_alerts_are_listed_newest_first_and_marked_as_read(both: Rest) -> None:
    with both.core.db.write() as conn:
        for number in range(3):
            alert_log.add(
                conn,
                user_id=both.installation.owner,
                post_id=None,
                delivery_id=None,
                type="error",
                message=f"Number {number}",
                dedupe_key=f"k{number}",
                now=both.clock.now(),
            )
        ids = [row.id for row in conn.execute(alerts.select().order_by(alerts.c.id))]
    page = both.ask("GET", "/api/alerts", params={"limit": 2}).json()
    assert [a["message"] for a in page["items"]] == ["Number 2", "Number 1"] and page["next_cursor"]
    rest_of = both.ask("GET", "/api/alerts", params={"limit": 2, "cursor": page["next_cursor"]}).json()
    assert [a["message"] for a in rest_of["items"]] == ["Number 0"] and rest_of["next_cursor"] is None
    for _ in range(2):
        assert both.ask("POST", f"/api/alerts/{ids[1]}/read").json()["is_read"] is True
    unread = both.ask("GET", "/api/alerts", params={"unread": "true"}).json()["items"]
    assert [a["id"] for a in unread] == [ids[2], ids[0]]
    assert is_problem(both.ask("POST", "/api/alerts/999/read"), 404, "not-found")


# Files


def test_an_upload_is_known_by_its_content_and_not_by_its_name(rest: Rest) -> None:
    reply = rest.ask(
        "POST", "/api/media", files={"file": ("../../cat\0.exe", png(), "text/html")}, data={"alt": "A cat"}
    )
    assert reply.status_code == 201
    body = reply.json()
    assert (body["kind"], body["mime"], body["width"], body["alt"]) == ("image", "image/png", 400, "A cat")
    assert not set("/\\\0") & set(body["name"])
    assert rest.ask("GET", reply.headers["location"]).json() == body


def test_a_signed_url_is_given_for_a_platform_and_serves_its_type(rest: Rest) -> None:
    made = rest.ask("POST", "/api/media", files={"file": ("a.png", png())}).json()
    for platform, mime in (("instagram", "image/jpeg"), ("x", "image/png")):
        told = rest.ask("GET", f"/api/media/{made['id']}/url", params={"platform": platform}).json()
        assert told["expires_at"] > rest.clock.now().isoformat()
        reply = rest.client.get(told["url"])  # without signing in
        assert (reply.status_code, reply.headers["content-type"]) == (200, mime)
    assert is_problem(rest.ask("GET", f"/api/media/{made['id']}/url", params={"platform": "friendster"}), 422)
    rest.clock.jump(24 * 3600 + 1)
    assert is_problem(rest.client.get(told["url"]), 403, "forbidden")


@pytest.mark.parametrize(
    "content", [b"", b"<svg onload='alert(1)'>", b"%PDF-1.7", b"GIF89a" + b"\0" * 20, b"\x89PNG\r\n\x1a\n"]
)
def test_what_is_no_picture_or_video_is_refused_and_not_kept(rest: Rest, content: bytes) -> None:
    reply = rest.ask("POST", "/api/media", files={"file": ("a.png", content, "image/png")})
    assert is_problem(reply, 422, "bad-input")
    assert list((rest.core.settings.data_dir).rglob("media/*/*")) == []


def test_an_upload_without_a_file_or_with_an_unusable_description_is_refused(rest: Rest) -> None:
    assert is_problem(rest.ask("POST", "/api/media", data={"alt": "x"}), 422, "bad-input")
    assert is_problem(rest.ask("POST", "/api/media", json={}), 422, "bad-input")
    reply = rest.ask("POST", "/api/media", files={"file": ("a.png", png())}, data={"alt": "x" * 10_001})
    assert is_problem(reply, 422, "bad-input")


# Metrics


def numbers(rest: Rest) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    reply = rest.client.get("/metrics")
    assert reply.status_code == 200 and reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def test_metrics_count_deliveries_waiting_messages_processes_and_the_heartbeat(both: Rest) -> None:
    post_id = planned(both, "bluesky", "mastodon")
    due = both.deliveries(post_id)[0].due_at
    move(both, post_id, 0, S.CLAIMED)
    move(both, post_id, 0, S.SUBMITTING, first_byte_at=due + timedelta(seconds=3))
    move(both, post_id, 1, S.FAILED, next_at=None)
    with both.core.db.write() as conn:
        at = both.clock.now() - timedelta(seconds=2)
        processes.beat(conn, "w", "scheduler", at, at, {})
    found = numbers(both)
    assert found["postprober_deliveries", (("platform", "bluesky"), ("state", "submitting"))] == 1
    assert found["postprober_deliveries", (("platform", "mastodon"), ("state", "failed"))] == 1
    assert found["postprober_database_up", ()] == 1
    assert found["postprober_processes", (("kind", "scheduler"),)] == 1
    assert found["postprober_processes", (("kind", "worker"),)] == 0
    assert found["postprober_disk_free_bytes", ()] > 0
    assert (("postprober_redis_up", ()) in found) == bool(both.core.settings.redis_url)
    assert ("postprober_backup_age_seconds", ()) not in found
    assert found["postprober_outbox_depth", ()] == 1
    assert found["postprober_scheduler_heartbeat_age_seconds", ()] == pytest.approx(2.0)
    assert found["postprober_overdue_seconds", ()] == 0


def test_metrics_tell_how_late_the_oldest_waiting_delivery_is(both: Rest) -> None:
    planned(both, "bluesky")
    both.clock.jump(90)
    assert numbers(both)["postprober_overdue_seconds", ()] == pytest.approx(90, abs=1)


def test_what_processes_counted_is_told_as_counters_and_cumulated_histograms(both: Rest) -> None:
    tally = Tally()
    for _ in range(3):
        tally.count(ATTEMPTS, "x", "publish", "success")
    for seconds in (0.5, 1.5, 100000.0):
        tally.observe(LATENESS, seconds, "x")
    with both.core.db.write() as conn:
        meters.add(conn, tally.pending())
    found = numbers(both)
    labels = (("act", "publish"), ("outcome", "success"), ("platform", "x"))
    assert found["postprober_attempts_total", labels] == 3
    buckets = {
        dict(labels)["le"]: value
        for (name, labels), value in found.items()
        if name == "postprober_lateness_seconds_bucket"
    }
    assert (buckets["1.0"], buckets["2.0"], buckets["21600.0"], buckets["+Inf"]) == (1, 2, 2, 3)
    assert found["postprober_lateness_seconds_count", (("platform", "x"),)] == 3
    assert found["postprober_lateness_seconds_sum", (("platform", "x"),)] == 100002.0


def test_metrics_tell_limits_the_lease_what_is_due_and_backups(both: Rest, tmp_path: Path) -> None:
    planned(both, "bluesky", "mastodon")
    now = both.clock.now()
    with both.core.db.write() as conn:
        mine = conn.execute(select(account_table.c.id, account_table.c.platform)).all()
        by = {platform: account_id for account_id, platform in mine}
        ends = now + timedelta(hours=1)
        told = {
            by["bluesky"]: {Unit.CALLS: Quota(100, 25, ends, Unit.CALLS), Unit.POSTS: Quota(10, 9, ends, Unit.POSTS)},
            by["mastodon"]: {Unit.CALLS: Quota(100, 1, now - timedelta(minutes=1), Unit.CALLS)},
        }
        quotas.put(conn, told, now)
        processes.hold_lease(conn, "scheduler", "w", now=now, until=now + timedelta(seconds=10))
    both.core.settings.backup_dir = str(tmp_path)
    made = tmp_path / f"{now - timedelta(hours=3):{backup_set._NAME}}"
    made.mkdir()
    (made / backup_set.MANIFEST).touch()
    both.clock.jump(4)
    found = numbers(both)
    assert found["postprober_rate_limit_left_ratio", (("platform", "bluesky"),)] == 0.25
    assert ("postprober_rate_limit_left_ratio", (("platform", "mastodon"),)) not in found, "that hour is over"
    assert found["postprober_scheduler_lease_left_seconds", ()] == pytest.approx(6, abs=1)
    assert found["postprober_deliveries_due", (("platform", "bluesky"),)] == 1
    assert found["postprober_backup_interval_seconds", ()] == 86400
    assert found["postprober_backup_age_seconds", ()] == pytest.approx(3 * 3600 + 4, abs=2)


def test_metrics_are_told_while_the_database_is_away(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise OperationalError("SELECT", {}, OSError("away"))

    assert numbers(rest)["postprober_database_up", ()] == 1
    monkeypatch.setattr(rest.core.db, "read", away)
    found = numbers(rest)
    assert found["postprober_database_up", ()] == 0
    assert not any(name == "postprober_overdue_seconds" for name, _ in found)
    assert any(name == "postprober_build_info" for name, _ in found)


def test_metrics_tell_whether_redis_answers(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest.core.settings, "redis_url", SecretStr("redis://127.0.0.1:22999/0"))
    assert numbers(rest)["postprober_redis_up", ()] == 0


def test_requests_are_counted_by_route_and_no_user_is_in_it(rest: Rest) -> None:
    made = rest.draft(content="A very private thought")
    rest.ask("GET", f"/api/posts/{made['id']}")
    rest.client.get("/api/no/such/4711")
    rest.client.request("BREW", "/api/coffee")
    found = numbers(rest)
    labels = (("method", "GET"), ("route", "/api/posts/{post_id}"), ("status", "200"))
    assert found["postprober_http_requests_total", labels] == 1
    assert found["postprober_http_request_seconds_count", labels[:2]] == 1
    assert found["postprober_http_requests_total", (("method", "GET"), ("route", "(none)"), ("status", "404"))] == 1
    text = rest.client.get("/metrics").text
    for secret in ("private", "4711", "BREW", "owner", "example.org", "bluesky1"):
        assert secret not in text


# Problems


def test_unknown_paths_and_wrong_methods_are_problems_too(rest: Rest) -> None:
    assert is_problem(rest.ask("GET", "/api/nothing"), 404)
    wrong = rest.ask("PATCH", "/api/posts")
    assert is_problem(wrong, 405)
    assert set(wrong.headers["allow"].replace(" ", "").split(",")) & {"GET", "POST"}
    assert is_problem(rest.ask("GET", "/api/posts/0"), 422, "bad-input")
    assert is_problem(rest.ask("GET", f"/api/posts/{2**70}"), 422, "bad-input")
    assert is_problem(rest.ask("GET", "/api/posts/one"), 404)  # no address of a post


def test_nobody_is_told_to_sign_in(rest: Rest) -> None:
    reply = rest.ask("GET", "/api/posts", "")
    assert is_problem(reply, 401, "not-signed-in") and reply.headers["www-authenticate"] == "Bearer"


def test_a_fault_of_ours_is_a_problem_that_betrays_nothing(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(post_service, "listing", fails)
    reply = rest.ask("GET", "/api/posts")
    assert is_problem(reply, 500, "internal") and "secret" not in reply.text


def test_a_database_that_is_away_asks_for_patience(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    rest.token("owner")

    def fails(*_: Any, **__: Any) -> None:
        raise OperationalError("SELECT secret", {}, Exception("gone"))

    monkeypatch.setattr(post_service, "listing", fails)
    reply = rest.ask("GET", "/api/posts")
    assert is_problem(reply, 503, "unavailable") and reply.headers["retry-after"] == "5" and "SELECT" not in reply.text


def test_what_a_platform_says_is_told_without_its_detail(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    later = rest.clock.now() + timedelta(seconds=30)
    for error, status, kind in (
        (Throttled("X asks for patience.", "secret", retry_at=later), 429, "platform-throttled"),
        (Unavailable("X cannot be reached.", "secret"), 502, "platform-error"),
        (Unavailable("The picture could not be prepared.", "secret", code=HERE), 503, "unavailable"),
    ):

        def fails(*_: Any, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(linking, "start", fails)
        reply = rest.ask("POST", "/api/accounts/connect", json={"platform": Platform("x").value})
        assert is_problem(reply, status, kind) and "secret" not in reply.text
        assert reply.headers.get("retry-after") == {429: "30", 503: "5"}.get(status)


# The OpenAPI file


FOR_PEOPLE = ("get /proof/{token}", 404)  # who follows a link that is no longer good gets a page


def test_every_route_says_what_it_is_for_and_what_may_go_wrong(rest: Rest) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schema = rest.client.app.openapi()  # type: ignore[attr-defined]
    for path, methods in schema["paths"].items():
        for method, route in methods.items():
            name = f"{method} {path}"
            assert route["summary"] and route["description"] and route["tags"], name
            wrong = {int(status) for status in route["responses"] if int(status) >= 400}
            wanted = {400, 500, 503} | ({413} if "requestBody" in route else set())
            wanted |= {401} if route.get("security") else set()
            wanted |= {422} if route.get("parameters") or "requestBody" in route else set()
            assert wanted <= wrong, (name, wanted - wrong)
            for status in wrong - {503}:
                content = route["responses"][str(status)]["content"]
                page = ["text/html"] if (name, status) == FOR_PEOPLE else []
                assert list(content) == [*page, "application/problem+json"], (name, status)
                assert content["application/problem+json"]["example"]["status"] == status
            if "requestBody" in route:
                assert _has_example(schema, route["requestBody"]), name


def _has_example(schema: dict[str, Any], body: dict[str, Any]) -> bool:
    (content,) = body["content"].values()
    form = content["schema"]
    if "properties" not in form and form.get("type") in (
        "object",
        "string",
    ):  # whatever a service sends, or a file's bytes
        return "example" in content or form.get("format") == "binary"
    form = next((one for one in form.get("anyOf", ()) if "$ref" in one), form)  # a body that may be left out
    form = schema["components"]["schemas"][form["$ref"].rpartition("/")[2]] if "$ref" in form else form
    return any("examples" in field or "example" in field for field in form["properties"].values())
