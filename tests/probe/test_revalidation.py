"""Reading again what a server may call unchanged: only its own word counts, and nothing that is gone stays visible."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
import pytest

from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.public_look import Verdict
from postprober.http import HttpClient, KnownAnswers, Pools
from postprober.probe.public import look

URL = "https://one.example/@ann/5"
STATUS = {
    "id": "5",
    "content": "<p>Hello</p>",
    "account": {"acct": "ann"},
    "media_attachments": [],
    "favourites_count": 3,
}


def client(script: Callable[[httpx2.Request], httpx2.Response]) -> tuple[HttpClient, list[httpx2.Request]]:
    seen: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return script(request)

    return HttpClient(Pools(allow_private=True, transport=httpx2.MockTransport(handle))), seen


@pytest.mark.parametrize(("header", "question"), [("etag", "if-none-match"), ("last-modified", "if-modified-since")])
def test_a_server_that_says_unchanged_sends_its_answer_once(header: str, question: str) -> None:
    def script(request: httpx2.Request) -> httpx2.Response:
        if request.headers.get(question) == "v1":
            return httpx2.Response(304)
        return httpx2.Response(200, json=STATUS, headers={header: "v1"})

    http, seen = client(script)
    first, second = http.read_again(URL), http.read_again(URL)
    assert first.json() == second.json() and second.status == 200
    assert [request.headers["cache-control"] for request in seen] == ["no-cache", "no-cache"]
    assert question not in seen[0].headers and seen[1].headers[question] == "v1"
    http.read_again(URL, params={"other": "1"})  # another question
    assert question not in seen[2].headers


def test_what_is_gone_is_gone_and_a_word_without_a_question_is_none() -> None:
    answers = iter([200, 404, 304, 200, 503, 304])

    def script(_: httpx2.Request) -> httpx2.Response:
        status = next(answers)
        return httpx2.Response(
            status, json=STATUS if status == 200 else {}, headers={"etag": "v1"} if status == 200 else {}
        )

    http, seen = client(script)
    assert [http.read_again(URL).status for _ in range(6)] == [200, 404, 304, 200, 503, 304]
    assert ["if-none-match" in request.headers for request in seen] == [False, True, False, False, True, False]


def test_only_so_much_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KnownAnswers, "MOST", 2)
    large = b"x" * (KnownAnswers.LARGEST + 1)
    http, seen = client(
        lambda request: httpx2.Response(
            200, content=large if "large" in request.url.path else b"x", headers={"etag": "v"}
        )
    )
    for name in ("large", "large", "a", "b", "c", "a", "c"):
        http.read_again(f"https://one.example/{name}")
    assert ["if-none-match" in request.headers for request in seen] == [False] * 6 + [True]


def test_a_glance_leaves_out_the_page_where_programs_are_told_everything() -> None:
    http, seen = client(lambda _: httpx2.Response(200, json=STATUS))
    config = PlatformConfig(Platform("mastodon"), "https://one.example", "https://one.example")
    ask = {"url": URL, "remote_id": "5", "instance": "https://one.example", "author": "ann"}
    found = look(http, Platform("mastodon"), config, brief=True, **ask)
    assert found.verdict is Verdict.FOUND and found.counts is not None and found.counts.likes == 3
    assert len(seen) == 1
    look(http, Platform("mastodon"), config, **ask)
    assert len(seen) == 3  # the whole look opens the page, too
