"""Instagram: containers, what an unreadable object proves (nothing), and the quota."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from postprober.clock import ManualClock
from postprober.domain.account import Credentials
from postprober.domain.platform import Platform
from postprober.domain.post import MediaFile
from postprober.domain.remote import Counts, PartJob, ProgressState, RemoteMedia, Search, SightingState, Staged
from postprober.errors import (
    OutcomeUnknown,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.platforms.instagram.adapter import TOKEN_LIFE
from tests.platforms.adapter_kit import Answer, Link, Linked, Scripted, counts_of

Photo = Callable[..., MediaFile]
Public = Callable[[MediaFile], MediaFile]
TEXT = "Grüße 東京 🎉 & <b> https://example.com #news @someone"
NOW = ManualClock().now()
CRED = Credentials("token-of-the-account", remote_id="17", name="me")


@pytest.fixture
def account(link: Link) -> Linked:
    return link(Platform("instagram"))


@pytest.fixture
def picture(photo: Photo, public: Public) -> MediaFile:
    return public(photo("a red field"))


def test_it_publishes_a_picture_and_reads_it_back(account: Linked, picture: MediaFile) -> None:
    receipt = account.publish(account.job(TEXT, picture))
    found = account.adapter.fetch(account.cred, receipt.ref.remote_id)
    assert found is not None
    assert found.text == TEXT
    assert found.media == (RemoteMedia("image", "a red field"),)
    assert found.author_name == account.name
    assert found.ref.url == account.truth()[0]["url"]
    assert found.created_at is not None
    assert abs(found.created_at - datetime.now(UTC)) < timedelta(seconds=30)
    assert account.visible == ["sent"]


def test_several_pictures_become_a_carousel(account: Linked, photo: Photo, public: Public) -> None:
    files = [public(photo(f"field {n}", shade=20 * n)) for n in range(3)]
    receipt = account.publish(account.job(TEXT, *files))
    found = account.adapter.fetch(account.cred, receipt.ref.remote_id)
    assert found is not None
    assert found.media == tuple(RemoteMedia("image", f"field {n}") for n in range(3))
    assert len(account.truth()) == 1


def test_a_video_becomes_a_reel(account: Linked, video: MediaFile, public: Public) -> None:
    receipt = account.publish(account.job(TEXT, public(video)))
    found = account.adapter.fetch(account.cred, receipt.ref.remote_id)
    assert found is not None
    assert found.media == (RemoteMedia("video", None),)


def test_it_waits_for_the_container_and_gives_up_with_it(account: Linked, picture: MediaFile) -> None:
    account.fault("slow_media", operation="container", params={"seconds": 3600})
    staged = account.adapter.submit(account.cred, account.job("slow", picture))
    progress = account.adapter.check(account.cred, staged)
    assert progress.state is ProgressState.PROCESSING
    assert progress.wait_seconds == 5.0
    fast = account.with_settings(poll_seconds="0.2")
    assert fast.adapter.check(fast.cred, staged).wait_seconds == 0.2
    with pytest.raises(Unavailable):  # asked too early: refused, nothing published
        account.adapter.finalize(account.cred, account.job("slow", picture), staged)
    account.fault("media_failed", operation="container")
    failed = account.adapter.submit(account.cred, account.job("broken", picture))
    assert account.adapter.check(account.cred, failed).state is ProgressState.FAILED
    assert account.truth() == []


def test_a_published_container_says_so_and_is_not_published_again(account: Linked, picture: MediaFile) -> None:
    job = account.job("once", picture)
    staged = account.stage(job)
    account.adapter.finalize(account.cred, job, staged)
    assert account.adapter.check(account.cred, staged).state is ProgressState.PUBLISHED
    with pytest.raises(OutcomeUnknown):  # "missing or expired" is also what a published container answers
        account.adapter.finalize(account.cred, job, staged)
    assert len(account.truth()) == 1


def test_a_picture_without_a_public_address_or_no_picture_is_refused_before_anything_is_sent(
    account: Linked, photo: Photo
) -> None:
    for job, code in ((account.job("x", photo()), "media_url_missing"), (account.job("x"), "media_required")):
        with pytest.raises(PostRejected) as caught:
            account.adapter.submit(account.cred, job)
        assert caught.value.code == code
    assert all(row["method"] == "GET" for row in account.control.log(account=account.name))


def test_a_picture_that_cannot_be_fetched_is_tried_again_later(account: Linked, picture: MediaFile) -> None:
    gone = replace(picture, public_url=picture.public_url + "x")
    with pytest.raises(Unavailable, match="POSTPROBER_PUBLIC_URL"):
        account.adapter.submit(account.cred, account.job("x", gone))


def test_a_used_up_quota_stops_before_anything_is_staged(scripted: Scripted, picture: MediaFile) -> None:
    for used, stopped in ((50, True), (49, False)):
        config = {"quota_total": 50, "quota_duration": 86400}
        adapter, answer = scripted(
            Platform("instagram"), Answer(body={"id": "9", "data": [{"quota_usage": used, "config": config}]})
        )
        job = PartJob("k", 0, "x", NOW, (picture,))
        if stopped:
            with pytest.raises(Throttled) as caught:
                adapter.submit(CRED, job)
            assert caught.value.retry_at == NOW + timedelta(hours=1)
            assert len(answer.requests) == 1
        else:
            assert adapter.submit(CRED, job).handle == "9"


BROKEN = [
    ("cut_after_accept", {"stage": "headers"}),
    ("cut_after_accept", {"stage": "nothing"}),
    ("timeout_after_accept", {"seconds": 30}),
    ("error_after_accept", {}),
    ("malformed_2xx", {"form": "html"}),
    ("malformed_2xx", {"form": "no_id"}),
]


@pytest.mark.parametrize(("kind", "params"), BROKEN)
def test_a_broken_answer_to_a_publication_that_happened_is_unknown_and_then_found(
    account: Linked, picture: MediaFile, kind: str, params: dict[str, Any]
) -> None:
    account.pools = type(account.pools)(allow_private=True, timeout=1.0)
    job = account.job(TEXT, picture)
    staged = account.stage(job)
    account.fault(kind, params=params)
    with pytest.raises(OutcomeUnknown):
        account.adapter.finalize(account.cred, job, staged)
    sighting = account.adapter.locate(account.cred, account.search(job, staged))
    assert sighting.state is SightingState.FOUND
    assert sighting.post is not None
    assert [post["id"] for post in account.truth()] == [sighting.post.ref.remote_id]
    account.pools.close()


def test_a_fault_before_the_publication_leaves_the_same_container_open(account: Linked, picture: MediaFile) -> None:
    job = account.job(TEXT, picture)
    staged = account.stage(job)
    account.fault("error_before_accept")
    with pytest.raises(OutcomeUnknown):
        account.adapter.finalize(account.cred, job, staged)
    assert account.adapter.locate(account.cred, account.search(job, staged)).state is SightingState.OPEN
    account.adapter.finalize(account.cred, job, staged)
    assert len(account.truth()) == 1


def _graph(
    status: str, posts: list[dict[str, str]], readable: bool = True
) -> Callable[[httpx2.Request], httpx2.Response]:
    """A platform whose container 99 has `status` and whose list is `posts`."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith(("/media", "/stories")):
            return httpx2.Response(200, json={"data": posts, "paging": {"cursors": {"after": "a"}}})
        if not readable:
            return httpx2.Response(400, json={"error": {"code": 100, "error_subcode": 33, "message": "missing"}})
        return httpx2.Response(200, json={"id": "99", "status_code": status, "status": "text"})

    return answer


def _media(remote_id: str, caption: str, minutes: int) -> dict[str, str]:
    stamp = (NOW + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S+0000")
    return {"id": remote_id, "caption": caption, "timestamp": stamp, "media_type": "IMAGE", "username": "me"}


OURS, OLDER, OTHER = _media("1", "mine", 1), _media("2", "mine", -60), _media("3", "another", 2)
FOUND, OPEN, ABSENT, UNSURE = SightingState.FOUND, SightingState.OPEN, SightingState.ABSENT, SightingState.UNSURE


@pytest.mark.parametrize(
    ("status", "posts", "readable", "expected"),
    [
        ("FINISHED", [OTHER], True, OPEN),
        ("FINISHED", [OURS], True, OPEN),
        ("IN_PROGRESS", [], True, UNSURE),
        ("EXPIRED", [OTHER], True, ABSENT),
        ("ERROR", [OTHER], True, ABSENT),
        ("PUBLISHED", [OTHER, OURS, OLDER], True, FOUND),
        ("PUBLISHED", [OTHER, OLDER], True, UNSURE),
        ("PUBLISHED", [OURS, _media("4", "mine", 2)], True, UNSURE),
        ("", [OURS, OLDER], False, FOUND),
        ("", [OTHER, OLDER], False, UNSURE),
        ("SOMETHING_NEW", [OTHER], True, UNSURE),
    ],
)
def test_the_container_decides_and_the_list_only_finds(
    scripted: Scripted, status: str, posts: list[dict[str, str]], readable: bool, expected: SightingState
) -> None:
    adapter, _ = scripted(Platform("instagram"), Answer(script=_graph(status, posts, readable)))
    search = Search(PartJob("k", 0, "mine", NOW), NOW, Staged("99"))
    sighting = adapter.locate(CRED, search)
    assert sighting.state is expected
    if expected is FOUND:
        assert sighting.post is not None
        assert sighting.post.ref.remote_id == "1"


@pytest.mark.parametrize("options", [{"story": True}, {}])
@pytest.mark.parametrize(("status", "readable", "expected"), [("PUBLISHED", True, FOUND), ("", False, UNSURE)])
def test_a_post_without_words_is_ours_only_when_the_container_says_that_it_is_out(
    scripted: Scripted, options: dict[str, bool], status: str, readable: bool, expected: SightingState
) -> None:
    """A Story that its owner made by hand looks the same."""
    by_hand = {name: value for name, value in _media("7", "", 1).items() if name != "caption"}
    adapter, _ = scripted(Platform("instagram"), Answer(script=_graph(status, [by_hand], readable)))
    job = PartJob("k", 0, "Nobody reads this there" if options else "", NOW, options=options)
    assert adapter.locate(CRED, Search(job, NOW, Staged("99"))).state is expected


def test_an_excluded_post_is_not_ours(scripted: Scripted) -> None:
    adapter, _ = scripted(Platform("instagram"), Answer(script=_graph("PUBLISHED", [OURS])))
    search = Search(PartJob("k", 0, "mine", NOW), NOW, Staged("99"), exclude=frozenset({"1"}))
    assert adapter.locate(CRED, search).state is UNSURE


def test_an_unreadable_post_is_looked_up_in_the_list_and_never_called_missing(scripted: Scripted) -> None:
    adapter, _ = scripted(Platform("instagram"), Answer(script=_graph("", [OTHER, OURS], readable=False)))
    found = adapter.fetch(CRED, "1")
    assert found is not None
    assert found.text == "mine"
    with pytest.raises(Unavailable) as caught:
        adapter.fetch(CRED, "555")
    assert caught.value.code == "100/33"


def test_a_deleted_post_is_not_called_missing_either(account: Linked, picture: MediaFile) -> None:
    ref = account.publish(account.job("gone soon", picture)).ref
    assert account.adapter.fetch(account.cred, ref.remote_id) is not None
    account.control.delete_post("instagram", ref.remote_id)
    with pytest.raises(Unavailable):
        account.adapter.fetch(account.cred, ref.remote_id)


def test_the_list_is_paged_back_to_the_intent(scripted: Scripted) -> None:
    rows = [_media(str(n), f"post {n}", 150 - n) for n in range(300)]

    def answer(request: httpx2.Request) -> httpx2.Response:
        start = int(request.url.params.get("after", "0"))
        page = rows[start : start + 100]
        paging = {"cursors": {"after": str(start + 100)}, "next": "https://graph.example/next"}
        return httpx2.Response(200, json={"data": page, "paging": paging})

    adapter, asked = scripted(Platform("instagram"), Answer(script=answer))
    timeline = adapter.recent(CRED, NOW)
    assert timeline.complete
    assert [post.ref.remote_id for post in timeline.posts] == [str(n) for n in range(200)]
    assert len(asked.requests) == 2


def test_the_list_is_read_in_pages_from_the_sandbox_too(account: Linked, picture: MediaFile) -> None:
    ids = [account.publish(account.job(f"post {n}", picture)).ref.remote_id for n in range(3)]
    timeline = account.adapter.recent(account.cred, datetime.now(UTC) - timedelta(hours=1))
    assert timeline.complete
    assert [post.ref.remote_id for post in timeline.posts] == ids[::-1]


@pytest.mark.parametrize("body", [b"<html>", b"[]", {"data": {}}, {"data": [{"id": "1"}]}])
def test_an_unknown_form_of_the_list_is_not_an_empty_list(scripted: Scripted, body: object) -> None:
    adapter, _ = scripted(Platform("instagram"), Answer(body=body))
    with pytest.raises(UnexpectedReply):
        adapter.recent(CRED, NOW)


def test_identify_names_the_account_and_its_newest_post(account: Linked, picture: MediaFile) -> None:
    assert account.adapter.identify(account.cred).newest_known_post is None
    newest = account.publish(account.job("hello", picture)).ref.remote_id
    identity = account.adapter.identify(replace(account.cred, remote_id=""))
    assert (identity.remote_id, identity.name, identity.newest_known_post) == (
        account.cred.remote_id,
        account.name,
        newest,
    )


BARE = {"id": "1", "media_type": "IMAGE", "permalink": "https://example.org/p/1"}


def test_engagement_is_read_and_empty_data_is_unknown(account: Linked, picture: MediaFile, scripted: Scripted) -> None:
    ref = account.publish(account.job("count me", picture)).ref
    counts = counts_of(account.adapter, account.cred, ref.remote_id)
    assert None not in (counts.likes, counts.reposts, counts.replies, counts.bookmarks, counts.views)
    assert counts.quotes is None
    adapter, _ = scripted(Platform("instagram"), Answer(body=BARE | {"insights": {"data": []}}))
    assert counts_of(adapter, CRED, "1") == Counts()


def test_a_token_is_renewed_when_it_is_a_day_old(scripted: Scripted) -> None:
    adapter, answer = scripted(Platform("instagram"), Answer(body={"access_token": "fresh", "expires_in": 5_183_944}))
    cred = replace(CRED, expires_at=NOW + timedelta(days=20))
    fresh = adapter.refresh(cred)
    assert fresh.access_token == "fresh"
    assert fresh.expires_at == NOW + TOKEN_LIFE
    assert answer.requests[0].url.params["grant_type"] == "ig_refresh_token"


def test_a_young_token_is_kept_if_it_works_and_refused_if_not(account: Linked) -> None:
    young = replace(account.cred, expires_at=datetime.now(UTC) + TOKEN_LIFE)
    assert account.adapter.refresh(young) == young
    account.control.revoke("instagram", account.name)
    with pytest.raises(ReconnectNeeded):
        account.adapter.refresh(young)


@pytest.mark.parametrize(("status", "body"), [(500, b"<html>"), (200, b"<html>"), (200, {"expires_in": 5})])
def test_a_broken_answer_to_a_refresh_is_an_unknown_outcome(scripted: Scripted, status: int, body: object) -> None:
    adapter, _ = scripted(Platform("instagram"), Answer(status, body))
    with pytest.raises(OutcomeUnknown):
        adapter.refresh(replace(CRED, expires_at=NOW + timedelta(days=20)))


def test_nothing_can_be_deleted_or_revoked(account: Linked, picture: MediaFile) -> None:
    ref = account.publish(account.job("here to stay", picture)).ref
    with pytest.raises(PostRejected, match="Instagram app"):
        account.adapter.delete(account.cred, ref.remote_id)
    assert account.adapter.revoke(account.cred) is False
    assert account.truth()[0]["deleted_at"] is None


def test_the_version_is_in_the_path_and_can_be_set(scripted: Scripted) -> None:
    adapter, answer = scripted(Platform("instagram"), Answer(body=BARE), version="v27.0")
    counts_of(adapter, CRED, "1")
    assert answer.requests[0].url.path == "/v27.0/1"
    assert "token" not in str(answer.requests[0].url)


@pytest.mark.parametrize("form", ["platform", "seconds", "date", "epoch", "iso", "past", "ten_years", "missing"])
def test_a_rate_limit_says_when_in_every_form(account: Linked, picture: MediaFile, form: str) -> None:
    job = account.job("too fast", picture)
    staged = account.stage(job)
    account.fault("rate_limited", params={"form": form, "seconds": 600})
    before = datetime.now(UTC)
    with pytest.raises(Throttled) as caught:
        account.adapter.finalize(account.cred, job, staged)
    moment = caught.value.retry_at
    if form == "missing":
        assert moment is None
        return
    assert moment is not None
    least, most = {"past": (0, 30), "ten_years": (86_000, 86_500)}.get(form, (500, 700))
    assert least <= (moment - before).total_seconds() <= most
    assert account.truth() == []
