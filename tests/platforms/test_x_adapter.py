"""X: what we send, what we read, and what we believe after a broken answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from postprober.domain.account import Credentials
from postprober.domain.platform import Platform
from postprober.domain.post import Draft, MediaFile, Part
from postprober.domain.public_look import Look, Verdict
from postprober.domain.remote import Counts, PartJob, ProgressState, RemoteMedia, Search, SightingState, Staged
from postprober.domain.text import same_text
from postprober.errors import (
    DuplicateRefused,
    OutcomeUnknown,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
)
from postprober.probe.compare import compare
from tests.platforms.adapter_kit import Answer, Link, Linked, Scripted, counts_of

Photo = Callable[..., MediaFile]
TEXT = "Grüße & <b> 東京 🎉👨‍👩‍👧 https://example.com/a?b=1&copy=2 @someone #news"


@pytest.fixture
def account(link: Link) -> Linked:
    return link(Platform("x"))


@pytest.fixture(params=["new", "legacy"])
def either(request: pytest.FixtureRequest, link: Link) -> Linked:
    return link(Platform("x")).with_settings(dialect=request.param)


def test_it_publishes_text_with_a_link_and_reads_the_same_text_back(either: Linked) -> None:
    job = either.job(TEXT)
    receipt = either.publish(job)
    found = either.adapter.fetch(either.cred, receipt.ref.remote_id)
    assert found is not None
    assert found.text == TEXT
    assert found.author_name == either.name
    assert found.author_id == either.cred.remote_id
    assert found.media == ()
    assert found.created_at is not None
    assert abs(found.created_at - job.composed_at) < timedelta(seconds=30)
    assert receipt.ref.url == f"{either.config.auth_url}/{either.name}/status/{receipt.ref.remote_id}" == found.ref.url
    assert [post["id"] for post in either.truth()] == [receipt.ref.remote_id]
    assert either.visible == ["sent"]


def test_it_publishes_pictures_with_their_descriptions(either: Linked, photo: Photo) -> None:
    job = either.job("two pictures", photo("a red field"), photo("", shade=10))
    receipt = either.publish(job)
    found = either.adapter.fetch(either.cred, receipt.ref.remote_id)
    assert found is not None
    assert found.text == "two pictures"
    assert found.media == (RemoteMedia("image", "a red field"), RemoteMedia("image", ""))


def test_it_uploads_a_video_in_pieces(account: Linked, video: MediaFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postprober.platforms.x.media.CHUNK", 40_000)
    receipt = account.publish(account.job("a clip", video))
    found = account.adapter.fetch(account.cred, receipt.ref.remote_id)
    assert found is not None
    assert found.media == (RemoteMedia("video", ""),)
    pieces = [row for row in account.control.log(account=account.name) if row["path"].endswith("/append")]
    assert len(pieces) == 3


def test_it_waits_while_x_processes_and_gives_up_when_x_does(account: Linked, video: MediaFile) -> None:
    account.fault("slow_media", operation="media", params={"seconds": 3600})
    staged = account.adapter.submit(account.cred, account.job("slow", video))
    progress = account.adapter.check(account.cred, staged)
    assert progress.state is ProgressState.PROCESSING
    assert progress.wait_seconds > 0
    account.fault("media_failed", operation="media")
    failed = account.adapter.submit(account.cred, account.job("broken", video))
    assert account.adapter.check(account.cred, failed).state is ProgressState.FAILED


def test_an_upload_that_x_no_longer_has_is_gone(account: Linked) -> None:
    staged = Staged(data={"media_ids": ["123"], "processing": ["123"]})
    assert account.adapter.check(account.cred, staged).state is ProgressState.GONE


def test_a_thread_is_a_chain_of_replies(either: Linked) -> None:
    first = either.publish(either.job("one of two")).ref
    second = either.publish(either.job("two of two", parent=first)).ref
    found = either.adapter.fetch(either.cred, second.remote_id)
    assert found is not None
    assert found.reply_to == first.remote_id
    first_found = either.adapter.fetch(either.cred, first.remote_id)
    assert first_found is not None
    assert first_found.reply_to == ""


def test_identify_names_the_account_and_its_newest_post(account: Linked) -> None:
    assert account.adapter.identify(account.cred).newest_known_post is None
    account.publish(account.job("first"))
    newest = account.publish(account.job("second")).ref.remote_id
    identity = account.adapter.identify(replace(account.cred, remote_id=""))
    assert (identity.remote_id, identity.name, identity.newest_known_post) == (
        account.cred.remote_id,
        account.name,
        newest,
    )


def test_a_deleted_post_is_none_and_deleting_it_again_is_no_error(either: Linked) -> None:
    ref = either.publish(either.job("short lived")).ref
    assert either.adapter.fetch(either.cred, ref.remote_id) is not None
    either.adapter.delete(either.cred, ref.remote_id)
    assert either.adapter.fetch(either.cred, ref.remote_id) is None
    either.adapter.delete(either.cred, ref.remote_id)
    assert either.truth()[0]["deleted_at"] is not None


def test_a_stranger_cannot_delete(link: Link) -> None:
    owner, stranger = link(Platform("x")), link(Platform("x"))
    ref = owner.publish(owner.job("mine")).ref
    with pytest.raises(PostRejected):
        stranger.adapter.delete(stranger.cred, ref.remote_id)
    assert owner.truth()[0]["deleted_at"] is None


def test_engagement_is_read_in_either_dialect(either: Linked) -> None:
    ref = either.publish(either.job("count me")).ref
    counts = counts_of(either.adapter, either.cred, ref.remote_id)
    assert None not in (counts.likes, counts.reposts, counts.replies, counts.quotes, counts.bookmarks, counts.views)


def test_counts_that_x_does_not_give_are_none_and_not_zero(scripted: Scripted) -> None:
    metrics = {"like_count": 0, "retweet_count": 4}
    adapter, _ = scripted(Platform("x"), Answer(body={"data": [{"id": "1", "text": "", "public_metrics": metrics}]}))
    assert counts_of(adapter, Credentials("t"), "1") == Counts(likes=0, reposts=4)


def test_a_refreshed_token_works_and_the_old_refresh_token_is_spent(account: Linked) -> None:
    account.control.expire("x", account.name)
    with pytest.raises(ReconnectNeeded) as caught:
        account.adapter.identify(account.cred)
    assert caught.value.expired
    fresh = account.adapter.refresh(account.cred)
    assert account.adapter.identify(fresh).name == account.name
    assert fresh.refresh_token != account.cred.refresh_token
    with pytest.raises(ReconnectNeeded):
        account.adapter.refresh(account.cred)


def test_a_cut_refresh_is_an_unknown_outcome(account: Linked) -> None:
    account.fault("refresh_cut", operation="token")
    with pytest.raises(OutcomeUnknown):
        account.adapter.refresh(account.cred)


def test_a_revoked_token_needs_a_new_link(account: Linked) -> None:
    assert account.adapter.revoke(account.cred)
    with pytest.raises(ReconnectNeeded):
        account.adapter.identify(account.cred)


BROKEN = [
    ("cut_after_accept", {"stage": "headers"}),
    ("cut_after_accept", {"stage": "nothing"}),
    ("timeout_after_accept", {"seconds": 30}),
    ("error_after_accept", {}),
    ("malformed_2xx", {"form": "html"}),
    ("malformed_2xx", {"form": "empty"}),
    ("malformed_2xx", {"form": "no_id"}),
]


@pytest.mark.parametrize(("kind", "params"), BROKEN)
def test_a_broken_answer_to_a_publication_that_happened_is_unknown_and_then_found(
    account: Linked, kind: str, params: dict[str, Any]
) -> None:
    newest_known_post = account.publish(account.job("earlier post")).ref.remote_id
    account.pools = type(account.pools)(allow_private=True, timeout=1.0)
    job = account.job(TEXT)
    account.fault(kind, params=params)
    with pytest.raises(OutcomeUnknown):
        account.publish(job)
    sighting = account.adapter.locate(account.cred, account.search(job, newest_known_post=newest_known_post))
    assert sighting.state is SightingState.FOUND
    assert sighting.post is not None
    assert same_text(sighting.post.text, TEXT)
    assert [post["id"] for post in account.truth()].count(sighting.post.ref.remote_id) == 1
    account.pools.close()


@pytest.mark.parametrize("kind", ["error_before_accept", "html_error"])
def test_a_server_fault_before_the_publication_is_unknown_and_then_absent(account: Linked, kind: str) -> None:
    newest_known_post = account.publish(account.job("earlier post")).ref.remote_id
    job = account.job("never landed")
    account.fault(kind)
    with pytest.raises(OutcomeUnknown):
        account.publish(job)
    sighting = account.adapter.locate(account.cred, account.search(job, newest_known_post=newest_known_post))
    assert sighting.state is SightingState.ABSENT
    assert len(account.truth()) == 1


def test_a_server_that_cannot_be_reached_has_published_nothing(account: Linked) -> None:
    account.config = replace(account.config, api_url="http://127.0.0.1:1/x")
    with pytest.raises(Unavailable):
        account.adapter.finalize(account.cred, account.job("hello"), Staged())
    assert account.visible == []


@pytest.mark.parametrize("form", ["platform", "seconds", "date", "epoch", "iso", "past", "ten_years"])
def test_a_rate_limit_says_when_in_every_form(account: Linked, form: str) -> None:
    account.fault("rate_limited", params={"form": form, "seconds": 600})
    before = datetime.now(UTC)
    with pytest.raises(Throttled) as caught:
        account.publish(account.job("too fast"))
    moment = caught.value.retry_at
    assert moment is not None
    wait = (moment - before).total_seconds()
    expected = {"past": (0, 30), "ten_years": (86_000, 86_500)}.get(form, (500, 700))
    assert expected[0] <= wait <= expected[1]
    assert account.truth() == []


def test_a_rate_limit_without_a_moment_says_none(account: Linked) -> None:
    account.fault("rate_limited", params={"form": "missing"})
    with pytest.raises(Throttled) as caught:
        account.publish(account.job("too fast"))
    assert caught.value.retry_at is None


def test_the_refusal_of_a_duplicate_is_no_unknown_outcome(account: Linked) -> None:
    account.publish(account.job("once is enough"))
    with pytest.raises(DuplicateRefused):
        account.publish(account.job("once is enough"))
    assert len(account.truth()) == 1


@pytest.mark.parametrize(
    ("kind", "params"),
    [("stale_timeline", {"seconds": 3600}), ("truncated_timeline", {"keep": 0}), ("timeline_down", {})],
)
def test_a_list_that_cannot_be_trusted_proves_no_absence(account: Linked, kind: str, params: dict[str, Any]) -> None:
    newest_known_post = account.publish(account.job("earlier post")).ref.remote_id
    job = account.job("never sent")
    search = account.search(job, newest_known_post=newest_known_post)
    assert account.adapter.locate(account.cred, search).state is SightingState.ABSENT
    account.fault(kind, operation="timeline", times=2, params=params)
    sighting = account.adapter.locate(account.cred, search)
    assert sighting.state is SightingState.UNSURE
    assert sighting.reason


def test_two_posts_with_the_same_text_are_unsure_and_an_excluded_one_does_not_count(account: Linked) -> None:
    first = account.publish(account.job("twin")).ref.remote_id
    account.control.settings()  # the sandbox refuses duplicates, so the second becomes one by an edit
    second = account.publish(account.job("other")).ref.remote_id
    account.control.edit_post("x", second, "twin")
    search = account.search(account.job("twin"), newest_known_post=first)
    assert account.adapter.locate(account.cred, search).state is SightingState.UNSURE
    sighting = account.adapter.locate(account.cred, replace(search, exclude=frozenset({first})))
    assert sighting.post is not None
    assert sighting.post.ref.remote_id == second


def test_a_post_with_the_same_text_from_before_the_intent_is_not_taken_for_ours(account: Linked) -> None:
    earlier = account.publish(account.job("weekly reminder")).ref.remote_id
    job = replace(account.job("weekly reminder"), composed_at=datetime.now(UTC) + timedelta(minutes=10))
    assert (
        account.adapter.locate(account.cred, account.search(job, newest_known_post=earlier)).state
        is SightingState.ABSENT
    )


def test_a_reply_elsewhere_with_the_same_text_is_not_taken_for_ours(account: Linked) -> None:
    root = account.publish(account.job("root")).ref
    other = account.publish(account.job("another root")).ref
    account.publish(account.job("same words", parent=other))
    search = account.search(account.job("same words", parent=root), newest_known_post=root.remote_id)
    assert account.adapter.locate(account.cred, search).state is SightingState.ABSENT


def test_a_post_that_lands_late_is_found_when_it_has_landed(account: Linked) -> None:
    newest_known_post = account.publish(account.job("earlier post")).ref.remote_id
    job = account.job("late")
    account.fault("late_create", params={"seconds": 0.5})
    with pytest.raises(OutcomeUnknown):
        account.publish(job)
    search = account.search(job, newest_known_post=newest_known_post)
    states = [account.adapter.locate(account.cred, search).state]
    deadline = datetime.now(UTC) + timedelta(seconds=10)
    while states[-1] is SightingState.ABSENT and datetime.now(UTC) < deadline:
        states.append(account.adapter.locate(account.cred, search).state)
    assert states[0] is SightingState.ABSENT  # which is why the pipeline waits the settle time before it believes this
    assert states[-1] is SightingState.FOUND


def test_a_ghost_has_an_id_and_is_not_there(account: Linked) -> None:
    account.fault("ghost")
    receipt = account.publish(account.job("boo"))
    assert account.adapter.fetch(account.cred, receipt.ref.remote_id) is None


def test_the_settle_time_can_be_set(account: Linked) -> None:
    assert account.adapter.traits.settle == timedelta(seconds=60)
    assert account.with_settings(settle_seconds="1.5").adapter.traits.settle == timedelta(seconds=1.5)


def test_an_account_with_premium_writes_a_long_post_and_reads_the_whole_of_it_back(either: Linked) -> None:
    either.control.account("x", either.name, premium=True)
    identity = either.adapter.identify(either.cred)
    assert identity.long_posts is True
    limits = either.adapter.limits(replace(either.cred, long_posts=True))
    assert limits.max_length == 25_000 and either.adapter.limits(either.cred).max_length == 280
    text = "A long post for a Premium account, see https://example.com/a_(b)?c=d. " * 30
    assert either.adapter.preflight(Draft((Part(text),)), limits).ok
    receipt = either.publish(either.job(text.strip()))
    found = either.adapter.fetch(either.cred, receipt.ref.remote_id)
    assert found is not None
    assert compare(text.strip(), (), found).matches is True and same_text(found.text, text)


def test_an_account_without_premium_is_told_who_may_write_more(account: Linked) -> None:
    assert account.adapter.identify(account.cred).long_posts is False
    (violation,) = account.adapter.preflight(Draft((Part("x" * 281),)), account.adapter.limits(account.cred)).violations
    assert "counts 281. Accounts with X Premium may write 25,000" in violation.message, "what it may is not known yet"
    known = account.adapter.limits(replace(account.cred, long_posts=False))
    (violation,) = account.adapter.preflight(Draft((Part("x" * 281),)), known).violations
    assert "This account has no subscription for long posts; the limit is 280." in violation.message
    with pytest.raises(PostRejected):
        account.publish(account.job("x" * 281))


def test_where_a_long_post_is_shown_shortened_its_beginning_is_recognised() -> None:
    text = "word " * 200
    look = Look(Verdict.FOUND, f"{text[:270].strip()}… https://t.co/abcdefghij")
    assert compare(text, (), look).matches is True


LONG = "A long post that X lists only in part, see https://example.com/about and go on reading. " * 8


def _listed(text: str, **more: object) -> dict[str, Any]:
    row = {"id": "900", "text": text, "author_id": "7", "created_at": "2026-03-02T09:00:02.000Z", **more}
    earlier = {**row, "id": "100", "text": "earlier", "created_at": "2026-02-01T09:00:00.000Z"}
    return {"data": [row, earlier], "meta": {"result_count": 2}}


CUT = {
    "without its note": (LONG[:276], {}),
    "with a mark": (LONG[:100] + "…", {}),
    "with a short link": (LONG[:100].rsplit(" ", 1)[0] + " https://t.co/abc123", {}),
    "with a link to the whole": (
        LONG[:30] + " https://t.co/abc123",
        {"entities": {"urls": [{"url": "https://t.co/abc123", "expanded_url": "https://x.com/i/web/status/900"}]}},
    ),
    "with links that are not explained": (LONG.replace("https://example.com/about", "https://t.co/q1w2e3")[:270], {}),
}


@pytest.mark.parametrize("how", CUT)
def test_a_list_entry_that_is_cut_never_proves_absence(scripted: Scripted, how: str) -> None:
    text, more = CUT[how]
    since = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    search = Search(PartJob("key", 0, LONG.strip(), since), since, newest_known_post="100", author="7")
    cred = Credentials("t", remote_id="7", name="ann")

    def seen(body: dict[str, Any], about: Search = search) -> SightingState:
        return scripted(Platform("x"), Answer(body=body))[0].locate(cred, about).state

    assert seen(_listed(text, **more)) is SightingState.UNSURE
    assert seen(_listed(text, note_post={"text": LONG.strip()})) is SightingState.FOUND, "the whole text can be read"
    assert seen(_listed("Something else…")) is SightingState.ABSENT
    assert seen(_listed(text, **more), replace(search, exclude=frozenset({"900"}))) is SightingState.ABSENT
    assert seen(_listed(text, **{**more, "created_at": "2026-03-01T09:00:00Z"})) is SightingState.ABSENT


@pytest.mark.parametrize(
    ("errors", "raised"),
    [
        ([], Unavailable),
        ([{"title": "Service Unavailable", "detail": "Try later"}], Unavailable),
        ([{"title": "Not Found Error", "value": "Bo", "resource_id": "Bo"}], PostRejected),
        ([{"title": "Forbidden", "value": "bo", "detail": "User has been suspended: [bo]."}], PostRejected),
    ],
)
def test_only_who_is_said_not_to_be_there_is_nobody(
    scripted: Scripted, photo: Photo, errors: list[dict[str, str]], raised: type[PlatformError]
) -> None:
    """A delivery ends for a name that X does not know, and is tried again where X did not say."""
    body = {"data": [{"id": "1", "username": "ann"}], "errors": errors}
    adapter, answer = scripted(Platform("x"), Answer(body=body))
    job = PartJob("k", 0, "hi", datetime(2026, 3, 2, tzinfo=UTC), media=(photo(),), options={"tagged": ["@ann", "@bo"]})
    with pytest.raises(raised):
        adapter.submit(Credentials("token", remote_id="1"), job)
    assert [request.url.path for request in answer.requests] == ["/2/users/by"], "nothing is uploaded"
