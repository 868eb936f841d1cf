"""Mastodon's adapter against written replies, and the table of errors."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from postprober.clock import ManualClock
from postprober.domain.account import Credentials
from postprober.domain.limits import MIB
from postprober.domain.platform import Platform, PlatformConfig
from postprober.domain.remote import PartJob, ProgressState, Ref, Search, Sighting, SightingState, Staged
from postprober.errors import (
    OutcomeUnknown,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.http import HttpClient, Pools
from postprober.platforms.mastodon.adapter import MastodonAdapter
from postprober.platforms.mastodon.limits import LIMITS
from postprober.platforms.mastodon.replies import failure, limits_from
from tests.specifications import SPECS

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def answering(answer: httpx2.Response | dict[str, httpx2.Response]) -> tuple[HttpClient, list[httpx2.Request]]:
    seen: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        if isinstance(answer, httpx2.Response):
            return answer
        return answer.get(
            f"{request.method} {request.url.path}", httpx2.Response(404, json={"error": "Record not found"})
        )

    return HttpClient(Pools(allow_private=True, transport=httpx2.MockTransport(handle))), seen


CONFIG = PlatformConfig(
    Platform("mastodon"), "https://m.example", "https://m.example", settings={"settle_seconds": "3"}
)
CRED = Credentials("token", remote_id="1", name="alice")
JOB = PartJob("k", 0, "hi", NOW, handle="k-0")


def test_the_key_is_sent_as_a_header_and_the_post_is_public() -> None:
    http, seen = answering(httpx2.Response(200, json={"id": "5", "url": "https://m.example/@alice/5"}))
    job = PartJob("k", 2, "hi", NOW, handle="k-2", language="de-CH", parent=Ref("4"))
    adapter = MastodonAdapter(http, CONFIG)
    assert adapter.finalize(CRED, job, Staged()).ref == Ref("5", "https://m.example/@alice/5")
    assert seen[0].headers["idempotency-key"] == "k-2"
    assert json.loads(seen[0].content) == {
        "status": "hi",
        "visibility": "public",
        "in_reply_to_id": "4",
        "language": "de-CH",
    }
    assert adapter.traits.settle == timedelta(seconds=3)
    assert adapter.new_handle("k", 2, NOW) == "k-2"


def test_a_server_without_delete_is_told_from_a_post_that_is_gone() -> None:
    there = httpx2.Response(200, json={"id": "5", "content": "x"})
    http, _ = answering(
        {"DELETE /api/v1/statuses/5": httpx2.Response(404, text="<h1>"), "GET /api/v1/statuses/5": there}
    )
    with pytest.raises(PostRejected, match="does not let programs delete"):
        MastodonAdapter(http, CONFIG).delete(CRED, "5")
    http, _ = answering({})
    MastodonAdapter(http, CONFIG).delete(CRED, "5")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (200, ProgressState.READY),
        (206, ProgressState.PROCESSING),
        (404, ProgressState.GONE),
        (422, ProgressState.FAILED),
    ],
)
def test_an_upload_is_followed_until_it_is_ready_or_lost(status: int, state: ProgressState) -> None:
    http, seen = answering({"GET /api/v1/media/7": httpx2.Response(status, json={"id": "7"})})
    staged = Staged(data={"media": [{"id": "6", "ready": True}, {"id": "7", "ready": False}]})
    assert MastodonAdapter(http, CONFIG).check(CRED, staged).state is state
    assert [request.url.path for request in seen] == ["/api/v1/media/7"], "what is ready is not asked for again"


def test_limits_fall_back_to_version_1_and_then_to_the_defaults() -> None:
    old = httpx2.Response(
        200,
        json={
            "configuration": {
                "statuses": {"max_characters": 100000, "characters_reserved_per_url": 32, "max_media_attachments": 2},
                "media_attachments": {"supported_mime_types": ["image/jpeg"], "image_size_limit": 5000},
            }
        },
    )
    http, seen = answering({"GET /api/v1/instance": old})
    limits = MastodonAdapter(http, CONFIG).limits(CRED)
    assert (limits.max_length, limits.url_length, limits.images.max_count) == (100000, 32, 2)
    assert limits.images.mimes == ("image/jpeg",) and limits.images.max_bytes == 5000
    assert limits.video is None and limits.gif is None
    http, _ = answering({})
    assert MastodonAdapter(http, CONFIG).limits(CRED).max_length == 500
    http, seen = answering({})
    assert MastodonAdapter(http, CONFIG).limits(None).max_length == 500 and seen == []


@pytest.mark.parametrize(
    ("instance", "found"),
    [
        (
            {
                "max_toot_chars": 5000,
                "upload_limit": 16_000_000,
                "description_limit": 5000,
                "max_media_attachments": 8,
                "poll_limits": {
                    "max_options": 20,
                    "max_option_chars": 200,
                    "min_expiration": 0,
                    "max_expiration": 86400,
                },
            },
            (5000, 16_000_000, 5000, 8, (20, 200, 5, 1440)),
        ),
        ({"max_toot_chars": 1000}, (1000, 16 * MIB, 1500, 4, (4, 50, 5, 43_200))),
        (
            {
                "max_toot_chars": 9,
                "configuration": {
                    "statuses": {"max_characters": 700},
                    "media_attachments": {"video_frame_limit": 30, "description_limit": 420},
                    "polls": {"max_options": 6, "min_expiration": 301, "max_expiration": 3600},
                },
            },
            (700, 16 * MIB, 420, 4, (6, 50, 6, 60)),
        ),
    ],
)
def test_the_numbers_of_other_servers_are_read_under_their_own_names(
    instance: dict[str, object], found: tuple[object, ...]
) -> None:
    limits = limits_from(instance, LIMITS)
    poll, film = limits.poll, limits.video
    assert poll is not None and film is not None
    told = (poll.most_choices, poll.most_characters, poll.least_minutes, poll.most_minutes)
    assert (limits.max_length, limits.images.max_bytes, limits.max_alt, limits.images.max_count, told) == found
    rate = 30 if "configuration" in instance else 120
    assert film.max_rate == rate


def test_every_number_that_a_server_publishes_is_kept() -> None:
    media = {
        "supported_mime_types": ["image/jpeg", "image/gif", "video/mp4"],
        "image_size_limit": 1,
        "image_matrix_limit": 2,
        "video_size_limit": 3,
        "video_matrix_limit": 4,
        "video_frame_rate_limit": 5,
        "description_limit": 6,
    }
    statuses = {"max_characters": 7, "max_media_attachments": 8, "characters_reserved_per_url": 9}
    limits = limits_from({"configuration": {"statuses": statuses, "media_attachments": media}}, LIMITS)
    film, gif, images = limits.video, limits.gif, limits.images
    assert film is not None and gif is not None
    assert (images.mimes, images.max_bytes, images.max_pixels, images.max_count) == (("image/jpeg",), 1, 2, 8)
    assert (film.mimes, film.max_bytes, film.max_pixels, film.max_rate) == (("video/mp4",), 3, 4, 5)
    assert (gif.max_bytes, limits.max_alt, limits.max_length, limits.url_length) == (1, 6, 7, 9)
    assert limits.poll is None, "it tells its limits and none of polls"


@pytest.mark.parametrize("number", [0, -5, "many", None, [3], 1.5, True])
def test_a_number_that_is_none_changes_nothing(number: object) -> None:
    told = {"max_toot_chars": number, "configuration": {"statuses": {"max_characters": number}, "polls": {}}}
    assert limits_from(told, LIMITS).max_length == 500


APPROVED = {"quote_approval": {"automatic": ["public"], "manual": [], "current_user": "automatic"}}
ELSEWHERE = "https://misskey.example/notes/9abc"


@pytest.mark.parametrize(
    ("link", "answers", "says"),
    [
        (ELSEWHERE, {"url": ELSEWHERE, "uri": ELSEWHERE, **APPROVED}, ""),
        ("https://o.example/users/ann/statuses/9", {"url": "https://o.example/@ann/9", "uri": "", **APPROVED}, ""),
        (ELSEWHERE, {"url": "https://o.example/@ann/9", "uri": "https://o.example/9", **APPROVED}, "is not there"),
        ("https://o.example/@ann/9", {"url": "https://evil.example/@eve/9", "uri": "", **APPROVED}, "is not there"),
        ("https://o.example/@ann/77", {"url": "https://evil.example/@eve/9", "uri": "", **APPROVED}, "is not there"),
        (ELSEWHERE, {"url": ELSEWHERE}, "has no quotes"),
        (ELSEWHERE, {"url": ELSEWHERE, "quote_approval": {"current_user": "unknown"}}, "does not let this account"),
        (ELSEWHERE, {"url": ELSEWHERE, "quote_approval": {"current_user": "denied"}}, "does not let this account"),
        (ELSEWHERE, {"url": ELSEWHERE, "quote_approval": {"current_user": "manual"}}, ""),
        (ELSEWHERE, None, "is not there"),
        (ELSEWHERE, 403, "linked without the right to search"),
    ],
)
def test_what_is_quoted_is_found_and_allowed_or_nothing_is_sent(
    link: str, answers: dict[str, object] | int | None, says: str
) -> None:
    if isinstance(answers, int):
        found = httpx2.Response(answers, json={"error": "This action is outside the authorized scopes"})
    else:
        found = httpx2.Response(200, json={"statuses": [{"id": "77", **answers}] if answers is not None else []})
    http, seen = answering({"GET /api/v2/search": found})
    job = PartJob("k", 0, "hi", NOW, handle="k-0", options={"quote": link})
    adapter = MastodonAdapter(http, CONFIG)
    if says:
        with pytest.raises(PostRejected, match=says):
            adapter.submit(CRED, job)
    else:
        assert adapter.submit(CRED, job).data == {"quote": "77"}
    assert [request.method for request in seen] == ["GET"]


@pytest.mark.parametrize("body", ["<html>Please wait</html>", "[]", "{}", '{"statuses": null}'])
def test_an_answer_that_says_nothing_of_what_is_quoted_is_asked_for_again(body: str) -> None:
    """It is no proof that the post is gone, for which a delivery ends."""
    http, _ = answering({"GET /api/v2/search": httpx2.Response(200, text=body)})
    job = PartJob("k", 0, "hi", NOW, handle="k-0", options={"quote": ELSEWHERE})
    with pytest.raises(Unavailable, match="it is asked again"):
        MastodonAdapter(http, CONFIG).submit(CRED, job)


def test_a_post_of_ones_own_server_of_another_kind_is_found_by_its_address() -> None:
    """It has no id that could be read from it; `/api/v1/statuses/` is another question."""
    link = f"{CONFIG.api_url}/notes/9abc"
    found = {"id": "77", "url": link, "uri": link, **APPROVED}
    http, seen = answering({"GET /api/v2/search": httpx2.Response(200, json={"statuses": [found]})})
    job = PartJob("k", 0, "hi", NOW, handle="k-0", options={"quote": link})
    assert MastodonAdapter(http, CONFIG).submit(CRED, job).data == {"quote": "77"}
    assert [request.url.path for request in seen] == ["/api/v2/search"]


def test_a_bad_token_that_is_answered_with_422_needs_a_person() -> None:
    http, _ = answering(httpx2.Response(422, text=""))
    with pytest.raises(ReconnectNeeded):
        MastodonAdapter(http, CONFIG).identify(CRED)


def a_status(number: int, at: datetime) -> dict[str, object]:
    return {"id": str(number), "content": f"<p>post {number}</p>", "created_at": at.isoformat(), "account": {"id": "1"}}


def paging(statuses: list[dict[str, object]], *, honours_max_id: bool = True) -> HttpClient:
    def handle(request: httpx2.Request) -> httpx2.Response:
        if not request.url.path.endswith("/statuses"):
            return httpx2.Response(404, json={"error": "Not found"})
        limit, max_id = int(request.url.params["limit"]), request.url.params.get("max_id")
        found = [s for s in statuses if not (max_id and honours_max_id) or int(str(s["id"])) < int(max_id)]
        return httpx2.Response(200, json=found[: limit if honours_max_id else None])

    return HttpClient(Pools(allow_private=True, transport=httpx2.MockTransport(handle)))


def test_the_own_posts_are_read_back_to_the_moment_and_one_further() -> None:
    statuses = [a_status(n, NOW - timedelta(minutes=200 - n)) for n in range(200, 0, -1)]
    timeline = MastodonAdapter(paging(statuses), CONFIG).recent(CRED, NOW - timedelta(minutes=90))
    assert timeline.complete and len(timeline.posts) == 120, "three pages of 40: the third is beyond the moment"
    everything = MastodonAdapter(paging(statuses), CONFIG).recent(CRED, NOW - timedelta(days=9))
    assert everything.complete and len(everything.posts) == 200


def test_a_server_that_ignores_paging_is_complete_only_when_its_list_is_short() -> None:
    short = [a_status(n, NOW) for n in range(10, 0, -1)]
    assert MastodonAdapter(paging(short, honours_max_id=False), CONFIG).recent(CRED, NOW - timedelta(1)).complete
    long = [a_status(n, NOW) for n in range(90, 0, -1)]
    assert not MastodonAdapter(paging(long, honours_max_id=False), CONFIG).recent(CRED, NOW - timedelta(1)).complete


def test_looking_back_goes_on_until_the_canary_is_seen() -> None:
    statuses = [a_status(n, NOW - timedelta(hours=200 - n)) for n in range(200, 0, -1)]
    adapter = MastodonAdapter(paging(statuses), CONFIG)
    job = PartJob("k", 0, "something else", NOW, handle="k-0")
    assert adapter.locate(CRED, Search(job, NOW, newest_known_post="60")).state is SightingState.ABSENT
    assert adapter.locate(CRED, Search(job, NOW, newest_known_post="9999")).state is SightingState.UNSURE
    later = Search(job, NOW, newest_known_post="9999", later=frozenset({"190"}))
    assert adapter.locate(CRED, later).state is SightingState.ABSENT, "one of ours that was sent later is in the list"
    stale = Search(job, NOW, newest_known_post="60", later=frozenset({"9999"}))
    assert adapter.locate(CRED, stale).state is SightingState.UNSURE, "the canary is in it, and is old"


# Every row of the error bodies (docs/facts.md, 7): for the visible act, and for a read.
EXPECTED: dict[tuple[int, str], tuple[type[PlatformError], type[PlatformError]]] = {
    (401, "reauth_required"): (ReconnectNeeded, ReconnectNeeded),
    (403, "insufficient_scope"): (ReconnectNeeded, ReconnectNeeded),
    (404, "missing"): (PostRejected, UnexpectedReply),
    (422, "validation_too_long"): (PostRejected, ReconnectNeeded),
    (422, "validation"): (PostRejected, ReconnectNeeded),
    (429, "rate_limited"): (Throttled, Throttled),
    (503, "ambiguous_on_write"): (OutcomeUnknown, Unavailable),
}


def test_every_row_of_the_error_table_has_its_cure() -> None:
    rows = json.loads((SPECS / "errors" / "other_errors.json").read_text())["mastodon"]
    assert {(row["status"], row["classify"]) for row in rows} == set(EXPECTED)
    for row in rows:
        http, _ = answering(httpx2.Response(row["status"], json=row["body"], headers=row.get("headers", {})))
        visible, reading = EXPECTED[row["status"], row["classify"]]
        now = datetime(2026, 11, 22, 11, 58, tzinfo=UTC)
        with pytest.raises(visible) as caught:
            MastodonAdapter(http, CONFIG, ManualClock(now)).finalize(CRED, JOB, Staged())
        if isinstance(caught.value, Throttled):
            assert caught.value.retry_at == now + timedelta(minutes=2)
        assert type(failure(http.read("GET", "https://m.example/x"), now, reading=True)) is reading
        if row["classify"] == "missing":
            assert MastodonAdapter(http, CONFIG).fetch(CRED, "5") is None


@pytest.mark.parametrize(("status", "body"), [(403, "<html>"), (408, "{}"), (409, "{}"), (302, ""), (418, "teapot")])
def test_a_refusal_that_proves_nothing_leaves_the_outcome_unknown(status: int, body: str) -> None:
    http, _ = answering(httpx2.Response(status, text=body))
    with pytest.raises(OutcomeUnknown):
        MastodonAdapter(http, CONFIG).finalize(CRED, JOB, Staged())


@pytest.mark.parametrize(
    ("own_app", "made_with", "state"),
    [
        ((200, {"name": "PostProber"}), "PostProber", "found"),
        ((200, {"name": "PostProber"}), "Web", "unsure"),
        ((200, {"name": "PostProber"}), "", "found"),
        ((404, {}), "Web", "found"),
        ((503, {}), "Web", "unsure"),
    ],
    ids=["ours", "another", "not said", "server cannot say whose app", "server is away"],
)
def test_a_post_made_with_another_app_is_not_taken_for_ours(
    own_app: tuple[int, dict[str, str]], made_with: str, state: str
) -> None:
    """The same words, made by hand after the intent."""
    assert _located(own_app, [_made("5", "Hello", made_with)]).state == state


MADE_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def _made(post_id: str, text: str, app: str = "") -> dict[str, object]:
    made: dict[str, object] = {
        "id": post_id,
        "url": f"https://s.example/{post_id}",
        "content": f"<p>{text}</p>",
        "created_at": "2026-03-02T09:00:10.000Z",
        "account": {"id": "1", "acct": "a"},
    }
    return made | {"application": {"name": app}} if app else made


def _located(own_app: tuple[int, dict[str, str]], posts: list[dict[str, object]], exclude: str = "") -> Sighting:
    """What is concluded about "Hello", sent at MADE_AT, from `posts`, when the question for the own app has that answer."""
    older = _made("4", "Before") | {"created_at": "2026-03-01T09:00:00.000Z"}

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/apps/verify_credentials"):
            return httpx2.Response(own_app[0], json=own_app[1])
        return httpx2.Response(200, json=[*posts, older])

    pools = Pools(allow_private=True, transport=httpx2.MockTransport(answer))
    adapter = MastodonAdapter(
        HttpClient(pools), PlatformConfig(Platform("mastodon"), "https://s.example", "https://s.example")
    )
    search = Search(
        job=PartJob("key", 0, "Hello", MADE_AT),
        since=MADE_AT,
        author="1",
        exclude=frozenset({exclude} - {""}),
        ours=frozenset({exclude} - {""}),
    )
    try:
        return adapter.locate(Credentials("token", remote_id="1", instance="https://s.example"), search)
    finally:
        pools.close()


@pytest.mark.parametrize(("made_with", "state"), [("New name", "found"), ("Old name", "found"), ("Web", "unsure")])
def test_it_is_asked_whose_app_it_is_before_anything_is_concluded(made_with: str, state: str) -> None:
    """An earlier post of ours tells the name that our app had then; the server knows the one that it has now."""
    earlier = _made("3", "Earlier", "Old name")
    assert _located((200, {"name": "New name"}), [_made("5", "Hello", made_with), earlier], "3").state == state


def test_what_is_not_there_is_absent_without_asking_whose_app_it_is() -> None:
    assert _located((503, {}), [_made("5", "Something else", "Web")]).state == "absent"


@pytest.mark.parametrize("status", [400, 403, 404, 405, 410, 422])
def test_a_server_that_does_not_know_the_question_leaves_it_open_whose_app_it_is(status: int) -> None:
    assert _located((status, {"error": "What?"}), [_made("5", "Hello", "Web")]).state == "found"


@pytest.mark.parametrize(("status", "error"), [(401, ReconnectNeeded), (429, Throttled)])
def test_a_withdrawn_token_and_a_limit_are_no_doubt_about_the_post(status: int, error: type[PlatformError]) -> None:
    with pytest.raises(error):
        _located((status, {"error": "The access token was revoked"}), [_made("5", "Hello", "Web")])
