"""Documents, crops, mentions and subtitles over REST: what a file is told to be, what the checks say, what is planned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from postprober.storage import deliveries
from tests.api.rest_kit import Rest, rest_on
from tests.domain.test_subtitles import SRT
from tests.installed import Installation
from tests.pipeline.test_crops import halves
from tests.platforms.document_kit import pdf


@pytest.fixture
def rest(installation: Installation) -> Iterator[Rest]:
    made = rest_on(installation)
    with made.client:
        yield made


def uploaded(rest: Rest, name: str, content: bytes, status: int = 201) -> dict[str, Any]:
    answer = rest.ask("POST", "/api/media", files={"file": (name, content, "application/octet-stream")})
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def checked(rest: Rest, post: dict[str, Any]) -> dict[str, Any]:
    (found,) = rest.ask("POST", "/api/posts/preflight", json=post).json()["accounts"]
    return dict(found)


def test_a_document_is_described_checked_and_planned_with_its_title(rest: Rest, installation: Installation) -> None:
    told = uploaded(rest, "plan.pdf", pdf(12))
    assert (told["kind"], told["mime"], told["pages"], told["name"]) == ("document", "application/pdf", 12, "plan.pdf")
    account = installation.link("linkedin").id
    limits = rest.ask("GET", f"/api/accounts/{account}/limits").json()
    assert (limits["document_pages"], limits["document_bytes"], limits["subtitles"]) == (300, 100_000_000, 0)
    assert {"crop", "document_title"} <= {one["name"] for one in limits["options"]}
    text = "The plan by @[Acme](urn:li:organization:7)"
    post = {"content": text, "account_ids": [account], "media_ids": [told["id"]]}
    post["options"] = {"linkedin": {"document_title": "The plan"}}
    assert checked(rest, post)["ok"]
    made = rest.ask("POST", "/api/posts", json={**post, "submit": True})
    assert made.status_code == 201, made.text
    with installation.core.db.read() as conn:
        (delivery,) = deliveries.of_post(conn, made.json()["id"])
    assert delivery.parts[0].options == {"document_title": "The plan"} and delivery.parts[0].text == text


def test_a_broken_document_is_a_problem_with_one_sentence(rest: Rest) -> None:
    told = uploaded(rest, "plan.pdf", pdf(1)[:100], 422)
    assert told["detail"] == "The document is damaged or cut off; save or print it as a PDF again."


def test_a_crop_is_checked_with_the_size_that_it_leaves(rest: Rest, installation: Installation) -> None:
    told = uploaded(rest, "a.jpg", halves(900, 900))
    account = installation.link("bluesky").id
    post = {"content": "A part", "account_ids": [account], "media_ids": [told["id"]]}
    assert checked(rest, {**post, "options": {"bluesky": {"crop": ["1: square"]}}})["ok"]
    wrong = checked(rest, {**post, "options": {"bluesky": {"crop": ["2: square"]}}})
    assert [one["code"] for one in wrong["violations"]] == ["crop_of_nothing"]


def test_subtitles_are_kept_as_webvtt(rest: Rest) -> None:
    told = uploaded(rest, "talk.de.srt", SRT)
    assert (told["kind"], told["mime"], told["duration"]) == ("subtitles", "text/vtt", 3604.0)
