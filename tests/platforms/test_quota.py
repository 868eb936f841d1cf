"""What is left of a platform's limits, as its replies tell it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from postprober.domain.health import Quota, Unit
from postprober.domain.platform import Platform
from postprober.http import Exchange
from postprober.platforms.instagram.browser_adapter import _code_in
from postprober.platforms.registry import quota_of

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SOON = NOW + timedelta(minutes=15)
EPOCH = str(int(SOON.timestamp()))
USAGE = json.dumps({"call_count": 7, "total_cputime": 2, "total_time": 31})
POSTS = {"data": [{"quota_usage": 88, "config": {"quota_total": 100, "quota_duration": 86400}}]}
LIMIT = "https://graph.instagram.com/v25.0/17841/content_publishing_limit?fields=config,quota_usage"


def told(
    headers: dict[str, str],
    *,
    platform: str = "instagram",
    url: str = "https://api.example/2/tweets",
    reply: str = "",
    visible: bool = False,
) -> Quota | None:
    exchange = Exchange("POST" if visible else "GET", url, "r", 200, 5, reply, visible, headers)
    return quota_of(Platform(platform), exchange, NOW)


@pytest.mark.parametrize(
    ("platform", "family", "reset"),
    [
        ("x", "x-rate-limit-", EPOCH),
        ("mastodon", "x-ratelimit-", "2026-03-02T09:15:00.000Z"),
        ("bluesky", "ratelimit-", EPOCH),
        ("board", "ratelimit-", EPOCH),
    ],
)
def test_the_usual_headers_count_on_every_platform(platform: str, family: str, reset: str) -> None:
    headers = {f"{family}limit": "300", f"{family}remaining": "12", f"{family}reset": reset}
    assert told(headers, platform=platform) == Quota(300, 12, SOON, Unit.CALLS)
    assert told(headers, platform=platform, visible=True) == Quota(300, 12, SOON, Unit.SENDS)


def test_instagram_tells_percent_of_its_calls_and_posts_of_a_day() -> None:
    assert told({"x-app-usage": USAGE}, platform="x") is None  # its own header, and nobody else's
    assert told({"x-app-usage": USAGE}) == Quota(100, 69, NOW + timedelta(hours=1), Unit.SHARE)
    posts = Quota(100, 12, NOW + timedelta(hours=24), Unit.POSTS)
    assert told({"x-app-usage": USAGE}, url=LIMIT, reply=json.dumps(POSTS)) == posts


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-rate-limit-limit": "300"},
        {"x-app-usage": "[1]"},
        {"x-app-usage": "…"},
        {"x-app-usage": '{"call_count": "a"}'},
        {"x-rate-limit-limit": "-1", "x-rate-limit-remaining": "x", "x-rate-limit-reset": "soon"},
    ],
)
def test_what_tells_nothing_usable_is_nothing(headers: dict[str, str]) -> None:
    assert told(headers) is None


@pytest.mark.parametrize("reply", ["", "<html>", "[]", '{"data": []}', '{"data": [{"quota_usage": 3}]}'])
def test_a_list_of_posts_that_cannot_be_read_is_nothing(reply: str) -> None:
    assert told({}, url=LIMIT, reply=reply) is None


def test_json_that_is_nested_too_deep_is_nothing() -> None:
    """What counts calls looks on at every request, a visible one too; it must not break it."""
    deep = "[" * 100_000
    with pytest.raises(RecursionError):
        json.loads(deep)
    assert told({"x-app-usage": deep}) is None
    assert _code_in(deep) == "" and _code_in('{"media": {"code": "C1"}}') == "C1"
