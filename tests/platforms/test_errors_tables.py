"""Every row of the shared error bodies becomes the error that names its cure; a row nobody expected fails the suite.

`publish`: the refusal answers the visible act. `read`: it answers a reading. Rows of the token endpoint have `token`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from postprober.clock import ManualClock
from postprober.domain.account import Credentials
from postprober.domain.platform import Platform
from postprober.domain.post import MediaFile
from postprober.domain.remote import PartJob, Staged
from postprober.errors import (
    DuplicateRefused,
    OutcomeUnknown,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.platforms.instagram.adapter import TOKEN_LIFE
from tests.platforms.adapter_kit import Answer, Scripted
from tests.specifications import SPECS

Expected = dict[str, type[PlatformError] | None]
CRED = Credentials("token-of-the-account", "refresh-of-the-account", remote_id="7", name="me")
JOB = PartJob("key", 0, "text", datetime(2026, 3, 2, 9, 0, tzinfo=UTC))


def both(publish: type[PlatformError], read: type[PlatformError]) -> Expected:
    return {"publish": publish, "read": read}


RECONNECT = both(ReconnectNeeded, ReconnectNeeded)
THROTTLED = both(Throttled, Throttled)
REJECTED = both(PostRejected, UnexpectedReply)
FAULT = both(OutcomeUnknown, Unavailable)

X: dict[str, Expected] = {
    "x.duplicate": both(DuplicateRefused, UnexpectedReply),
    "x.not_permitted": REJECTED,
    "x.missing_scope": RECONNECT,
    "x.app_only_token": RECONNECT,
    "x.invalid_token": RECONNECT,
    "x.rate_limit_problem": THROTTLED,
    "x.rate_limit_code88": THROTTLED,
    "x.usage_cap": THROTTLED,
    "x.credits_old": THROTTLED,
    "x.credits_new": THROTTLED,
    "x.too_long": REJECTED,
    "x.invalid_request": REJECTED,
    "x.not_found_200": {"publish": OutcomeUnknown, "read": None},  # None: clearly not there
    "x.delete_not_owner": {**REJECTED, "delete": PostRejected},
    "x.server_error": FAULT,
    "x.service_unavailable": FAULT,
    "x.non_json_gateway": FAULT,
    "x.oauth_bad_refresh": {"token": ReconnectNeeded},
    "x.oauth_bad_code": {"token": UnexpectedReply},  # of a code, not of a refresh; platforms.oauth has its own test
}

LINKEDIN: dict[str, Expected] = {
    "li.empty_token": RECONNECT,
    "li.invalid_token": RECONNECT,
    "li.revoked_token": RECONNECT,
    "li.expired_token": RECONNECT,
    "li.access_denied": both(ReconnectNeeded, Unavailable),  # reading is not given to everybody
    "li.forbidden_bare": both(ReconnectNeeded, Unavailable),
    "li.duplicate": both(DuplicateRefused, UnexpectedReply),
    "li.schema": REJECTED,
    "li.too_long": REJECTED,
    "li.illegal_argument": both(UnexpectedReply, UnexpectedReply),
    "li.version_missing": both(UnexpectedReply, UnexpectedReply),
    "li.version_sunset": both(UnexpectedReply, UnexpectedReply),
    "li.rate_limit": THROTTLED,
    "li.not_found": {"publish": PostRejected, "read": None},
    "li.conflict": both(OutcomeUnknown, Unavailable),
    "li.server": FAULT,
    "li.gateway": FAULT,
    "li.oauth_code": {"token": UnexpectedReply},
    "li.oauth_redirect": {"token": UnexpectedReply},
}

INSTAGRAM: dict[str, Expected] = {
    "-2/2207003": both(Unavailable, Unavailable),
    "-2/2207020": both(Unavailable, Unavailable),
    "-1/2207001": FAULT,
    "-1/2207032": FAULT,
    "-1/2207053": FAULT,
    "1/2207057": REJECTED,
    "4/2207051": REJECTED,
    "9/2207042": THROTTLED,
    "24/2207006": RECONNECT,
    "24/2207008": FAULT,  # also what a container answers that is published already
    "25/2207050": RECONNECT,
    "100/2207023": REJECTED,
    "100/2207028": REJECTED,
    "100/2207035": REJECTED,
    "100/2207036": REJECTED,
    "100/2207037": REJECTED,
    "100/2207040": REJECTED,
    "352/2207026": REJECTED,
    "9004/2207052": both(Unavailable, Unavailable),
    "9007/2207027": both(Unavailable, Unavailable),
    "36000/2207004": REJECTED,
    "36001/2207005": REJECTED,
    "36003/2207009": REJECTED,
    "36004/2207010": REJECTED,
    "190/463": RECONNECT,
    "190/460": RECONNECT,
    "190/467": RECONNECT,
    "190/458": RECONNECT,
    "190/459": RECONNECT,
    "190/464": RECONNECT,
    "190/492": RECONNECT,
    "10": RECONNECT,
    "200": RECONNECT,
    "4": THROTTLED,
    "17": THROTTLED,
    "32": THROTTLED,
    "613": THROTTLED,
    "80002": THROTTLED,
    "506": both(DuplicateRefused, UnexpectedReply),
    "368": REJECTED,
    "1": FAULT,
    "2": FAULT,
    "100/33": FAULT,
}
TABLES = {Platform("x"): X, Platform("linkedin"): LINKEDIN, Platform("instagram"): INSTAGRAM}
FILES = {p: f"{p.value}_errors.json" for p in TABLES}
SENTENCE_END = (".", "…")


def _rows(platform: Platform) -> dict[str, dict[str, Any]]:
    rows = json.loads((SPECS / "errors" / FILES[platform]).read_text())
    return {row.get("id") or _graph_id(row): row for row in rows}


def _graph_id(row: dict[str, Any]) -> str:
    return f"{row['code']}/{row['error_subcode']}" if row["error_subcode"] else str(row["code"])


def _answer(row: dict[str, Any]) -> Answer:
    """The row as a reply. Instagram's rows are codes; their envelope is postprober/platforms/instagram/facts.md, 6."""
    body = row.get("body")
    if body is None:
        error = {"message": "text", "type": "OAuthException", "code": row["code"], "fbtrace_id": "A1"}
        if row["error_subcode"]:
            error["error_subcode"] = row["error_subcode"]
        body = {"error": error}
    headers = {k: v.replace("<unix>", "1772443200") for k, v in row.get("headers", {}).items()}
    return Answer(row["status"], body, headers)


@pytest.mark.parametrize("platform", TABLES)
def test_every_row_has_an_expectation_and_every_expectation_a_row(platform: Platform) -> None:
    assert set(_rows(platform)) == set(TABLES[platform])


CASES = [
    pytest.param(platform, name, act, kind, id=f"{name}-{act}")
    for platform, table in TABLES.items()
    for name, expected in table.items()
    for act, kind in expected.items()
]


@pytest.mark.parametrize(("platform", "name", "act", "kind"), CASES)
def test_a_refusal_becomes_the_error_that_names_its_cure(
    scripted: Scripted, platform: Platform, name: str, act: str, kind: type[PlatformError] | None
) -> None:
    adapter, _ = scripted(platform, _answer(_rows(platform)[name]))
    acts: dict[str, Callable[[], object]] = {
        "publish": lambda: adapter.finalize(CRED, JOB, Staged("17")),
        "read": lambda: adapter.fetch(CRED, "17"),
        "delete": lambda: adapter.delete(CRED, "17"),
        "token": lambda: adapter.refresh(CRED),
    }
    if kind is None:
        assert acts[act]() is None
        return
    with pytest.raises(PlatformError) as caught:
        acts[act]()
    assert type(caught.value) is kind
    assert caught.value.message.endswith(SENTENCE_END)
    assert "token-of-the-account" not in caught.value.message + caught.value.detail


@pytest.mark.parametrize("platform", TABLES)
@pytest.mark.parametrize("status", [400, 403, 404, 405, 410, 418, 422])
def test_a_refusal_in_an_unknown_form_proves_nothing_about_a_publication(
    scripted: Scripted, platform: Platform, status: int
) -> None:
    adapter, _ = scripted(platform, Answer(status, b"<html>gateway</html>"))
    if platform is Platform("linkedin") and status == 403:  # LinkedIn's bare 403 is known (li.forbidden_bare)
        with pytest.raises(ReconnectNeeded):
            adapter.finalize(CRED, JOB, Staged("17"))
        return
    with pytest.raises(OutcomeUnknown):
        adapter.finalize(CRED, JOB, Staged("17"))


@pytest.mark.parametrize("platform", TABLES)
@pytest.mark.parametrize("status", [408, 409, 425, 500, 502, 503, 504, 520, 301, 307])
def test_a_status_that_proves_nothing_is_an_unknown_outcome_whatever_the_body(
    scripted: Scripted, platform: Platform, status: int
) -> None:
    body = {"title": "Forbidden", "detail": "Forbidden", "code": "DUPLICATE_POST", "error": {"code": 190}}
    adapter, _ = scripted(platform, Answer(status, body))
    with pytest.raises(OutcomeUnknown):
        adapter.finalize(CRED, JOB, Staged("17"))


@pytest.mark.parametrize("platform", TABLES)
@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_fault_while_nothing_is_visible_is_unavailable(
    scripted: Scripted,
    platform: Platform,
    status: int,
    photo: Callable[..., MediaFile],
    public: Callable[..., MediaFile],
) -> None:
    adapter, answer = scripted(platform, Answer(status, b"<html>gateway</html>"))
    job = PartJob("key", 0, "text", JOB.composed_at, (public(photo()),))
    with pytest.raises(Unavailable):
        adapter.submit(CRED, job)
    assert answer.requests


def test_an_expired_token_may_be_cured_by_a_refresh_and_a_revoked_one_not(scripted: Scripted) -> None:
    expired = [
        (Platform("x"), "x.invalid_token"),
        (Platform("linkedin"), "li.expired_token"),
        (Platform("instagram"), "190/463"),
    ]
    revoked = [
        (Platform("linkedin"), "li.revoked_token"),
        (Platform("instagram"), "190/458"),
        (Platform("x"), "x.missing_scope"),
    ]
    for rows, curable in ((expired, True), (revoked, False)):
        for platform, name in rows:
            adapter, _ = scripted(platform, _answer(_rows(platform)[name]))
            with pytest.raises(ReconnectNeeded) as caught:
                adapter.finalize(CRED, JOB, Staged("17"))
            assert caught.value.expired is curable, name


def test_the_refusal_of_a_duplicate_on_linkedin_names_the_earlier_post(scripted: Scripted) -> None:
    adapter, _ = scripted(Platform("linkedin"), _answer(_rows(Platform("linkedin"))["li.duplicate"]))
    with pytest.raises(DuplicateRefused) as caught:
        adapter.finalize(CRED, JOB, Staged())
    assert caught.value.earlier_id == "urn:li:share:7141138937766391808"


def test_waits_come_from_headers_or_from_the_table(scripted: Scripted) -> None:
    now = ManualClock().now()
    usage = json.dumps({"1": [{"type": "x", "estimated_time_to_regain_access": 12}]})
    expected: list[tuple[Platform, Answer, datetime | None]] = [
        (Platform("x"), _answer(_rows(Platform("x"))["x.credits_new"]), now + timedelta(hours=1)),
        (Platform("x"), _answer(_rows(Platform("x"))["x.usage_cap"]), now + timedelta(hours=24)),
        (
            Platform("x"),
            Answer(429, b"", {"x-rate-limit-reset": str(int(now.timestamp()) + 90)}),
            now + timedelta(seconds=90),
        ),
        (Platform("x"), _answer(_rows(Platform("x"))["x.rate_limit_code88"]), None),
        (
            Platform("linkedin"),
            _answer(_rows(Platform("linkedin"))["li.rate_limit"]),
            datetime(2026, 3, 3, tzinfo=UTC),
        ),
        (Platform("instagram"), _answer(_rows(Platform("instagram"))["9/2207042"]), now + timedelta(hours=1)),
        (Platform("instagram"), _answer(_rows(Platform("instagram"))["17"]), None),
        (
            Platform("instagram"),
            Answer(403, {"error": {"code": 80002}}, {"x-business-use-case-usage": usage}),
            now + timedelta(minutes=12),
        ),
    ]
    for platform, answer, moment in expected:
        adapter, _ = scripted(platform, answer)
        with pytest.raises(Throttled) as caught:
            adapter.finalize(CRED, JOB, Staged("17"))
        assert caught.value.retry_at == moment


def test_a_problem_is_known_by_its_last_segment_and_not_by_its_host(scripted: Scripted) -> None:
    for host in ("api.x.com", "api.twitter.com", "another.example"):
        body = {"title": "X", "detail": "y", "type": f"https://{host}/2/problems/usage-capped"}
        adapter, _ = scripted(Platform("x"), Answer(429, body))
        with pytest.raises(Throttled, match="monthly"):
            adapter.finalize(CRED, JOB, Staged())


@pytest.mark.parametrize(
    ("platform", "status", "body", "whole"),
    [
        (Platform("x"), 402, {"title": "CreditsDepleted"}, True),
        (Platform("x"), 429, {"type": "https://api.x.com/2/problems/usage-capped"}, True),
        (Platform("x"), 429, {"title": "Too Many Requests"}, False),
        (Platform("instagram"), 400, {"error": {"code": 4}}, True),
        (Platform("instagram"), 400, {"error": {"code": 17}}, False),
        (
            Platform("linkedin"),
            429,
            {"message": "Resource level throttle limit for calls to this resource is reached."},
            False,
        ),
    ],
)
def test_a_limit_of_the_whole_app_is_told_apart_from_an_accounts(
    scripted: Scripted, platform: Platform, status: int, body: dict[str, Any], whole: bool
) -> None:
    adapter, _ = scripted(platform, Answer(status, body))
    with pytest.raises(Throttled) as caught:
        adapter.finalize(CRED, JOB, Staged("17"))
    assert caught.value.whole_app is whole


@pytest.mark.parametrize(
    "usage", ["[]", "{}", "nonsense", '{"1": [{"estimated_time_to_regain_access": "soon"}]}', '{"1": 3}']
)
def test_a_strange_usage_header_is_no_wait(scripted: Scripted, usage: str) -> None:
    adapter, _ = scripted(
        Platform("instagram"), Answer(400, {"error": {"code": 4}}, {"x-business-use-case-usage": usage})
    )
    with pytest.raises(Throttled) as caught:
        adapter.finalize(CRED, JOB, Staged("17"))
    assert caught.value.retry_at is None


@pytest.mark.parametrize("minutes", ["Infinity", "1e400", "1" + "0" * 400, "9e18"])
def test_an_absurd_usage_header_is_a_wait_of_a_day(scripted: Scripted, minutes: str) -> None:
    usage = f'{{"1": [{{"estimated_time_to_regain_access": NaN}}, {{"estimated_time_to_regain_access": {minutes}}}]}}'
    adapter, _ = scripted(
        Platform("instagram"), Answer(400, {"error": {"code": 4}}, {"x-business-use-case-usage": usage})
    )
    with pytest.raises(Throttled) as caught:
        adapter.finalize(CRED, JOB, Staged("17"))
    assert caught.value.retry_at == ManualClock().now() + timedelta(hours=24)


ABSURD = [10**400, 10**30, 9 * 10**18, -(10**30)]


@pytest.mark.parametrize("number", ABSURD)
def test_an_absurd_number_for_a_moment_is_none_in_every_adapter(scripted: Scripted, number: int) -> None:
    now = ManualClock().now()
    post = {"id": "urn:li:share:1", "commentary": "Hello", "lifecycleState": "PUBLISHED"}
    sane = int(now.timestamp() * 1000)
    for told, moment in ((number, None), (sane, now)):
        row = {**post, "publishedAt": told, "lastModifiedAt": told}
        linkedin, _ = scripted(Platform("linkedin"), Answer(body={"elements": [row]}))
        (read,) = linkedin.recent(replace(CRED, remote_id="7"), now).posts
        assert read.created_at == moment
    for life, ends in ((number, TOKEN_LIFE), (86_400, timedelta(days=1))):
        instagram, _ = scripted(Platform("instagram"), Answer(body={"access_token": "new", "expires_in": life}))
        assert instagram.refresh(CRED).expires_at == now + ends
    info = {"state": "in_progress", "check_after_secs": number}
    x, _ = scripted(Platform("x"), Answer(body={"data": {"processing_info": info}}))
    assert 0 < x.check(CRED, Staged(data={"processing": ["1"]})).wait_seconds <= 86_400


def test_a_server_whose_clock_is_at_the_end_of_the_calendar_is_read_all_the_same(scripted: Scripted) -> None:
    for date in ("Fri, 31 Dec 9999 23:59:59 -2300", "Mon, 02 Mar 2026 09:00:00 GMT"):
        adapter, _ = scripted(Platform("x"), Answer(200, {"data": {"id": "1", "text": "Hello"}}, {"date": date}))
        post = adapter.fetch(CRED, "1")
        assert post is not None and post.text == "Hello"


def test_the_platforms_words_reach_the_person_unless_they_hold_a_secret(scripted: Scripted) -> None:
    for words, shown in (("Your media IDs are invalid.", True), ("Bad token token-of-the-account given.", False)):
        adapter, _ = scripted(Platform("x"), Answer(400, {"title": "Invalid Request", "detail": words}))
        adapter.http = adapter.http.bound(secrets=[CRED.access_token])  # type: ignore[attr-defined]
        with pytest.raises(PostRejected) as caught:
            adapter.finalize(CRED, JOB, Staged())
        assert (words in str(caught.value)) is shown
        assert CRED.access_token not in caught.value.message + caught.value.detail
