"""The adapter and the probe against a real Bluesky PDS."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from postprober.domain.account import Credentials
from postprober.domain.card import CardPicture, LinkCard
from postprober.domain.options import AskedFor
from postprober.domain.options import compare as compare_options
from postprober.domain.platform import PlatformConfig
from postprober.domain.post import Draft, MediaFile, MediaKind, Part
from postprober.domain.public_look import Look, Verdict
from postprober.domain.remote import Counts, PartJob, Ref, Search, SightingState
from postprober.errors import DuplicateRefused, OutcomeUnknown, PostRejected, ReconnectNeeded
from postprober.http import HttpClient
from postprober.platforms.bluesky.adapter import BlueskyAdapter
from postprober.platforms.bluesky.options import BlueskyOptions
from postprober.platforms.common.media import inspect
from postprober.probe.compare import compare
from postprober.probe.public import look
from tests.platforms.adapter_kit import counts_of, wait_until
from tests.platforms.video_kit import make


class Desk:
    """Publishes with one account and remembers what has to be deleted."""

    def __init__(self, http: HttpClient, config: PlatformConfig, cred: Credentials) -> None:
        self.http, self.config, self.cred = http, config, cred
        self.adapter = BlueskyAdapter(http, config)
        self.made: list[str] = []

    def job(self, text: str, *, key: str = "", index: int = 0, **more: object) -> PartJob:
        key, now = key or str(uuid.uuid4()), datetime.now(UTC)
        handle = self.adapter.new_handle(key, index, now)
        self.made.append(f"at://{self.cred.remote_id}/app.bsky.feed.post/{handle}")
        return PartJob(key, index, text, now, handle=handle, **more)  # type: ignore[arg-type]

    def publish(self, job: PartJob) -> Ref:
        return self.adapter.finalize(self.cred, job, self.adapter.submit(self.cred, job)).ref

    def stranger(self, ref: Ref) -> Look:
        return look(
            self.http, self.config.platform, self.config, url="", remote_id=ref.remote_id, instance=self.cred.instance
        )


@pytest.fixture
def desk(real_http: HttpClient, bluesky_config: PlatformConfig, bluesky_cred: Credentials) -> Iterator[Desk]:
    desk = Desk(real_http, bluesky_config, bluesky_cred)
    yield desk
    for uri in desk.made:
        desk.adapter.delete(bluesky_cred, uri)
        assert desk.adapter.fetch(bluesky_cred, uri) is None


def test_text_with_link_mention_cjk_and_emoji_is_proved_live(desk: Desk, bluesky_friend: Credentials) -> None:
    text = f"Hello @{bluesky_friend.name}, 日本語 🎉 https://example.com/a?b=1&c=ü #launch\n\nsecond paragraph"
    assert desk.adapter.preflight(Draft((Part(text),)), desk.adapter.limits(desk.cred)).ok
    job = desk.job(text)
    ref = desk.publish(job)
    record = desk.http.read(
        "GET",
        f"{desk.cred.instance}/xrpc/com.atproto.repo.getRecord",
        params={
            "repo": desk.cred.remote_id,
            "collection": "app.bsky.feed.post",
            "rkey": job.handle,
        },
    ).json()["value"]
    features = [facet["features"][0] for facet in record["facets"]]
    assert {"$type": "app.bsky.richtext.facet#mention", "did": bluesky_friend.remote_id} in features
    owner = desk.adapter.fetch(desk.cred, ref.remote_id)
    assert owner is not None and compare(text, (), owner).matches
    seen = desk.stranger(ref)
    assert seen.verdict is Verdict.FOUND and compare(text, (), seen).matches
    assert compare(text + "!", (), seen).matches is False, "the comparison can see a difference"
    assert desk.adapter.identify(desk.cred).newest_known_post == ref.remote_id


def test_an_image_is_proved_with_its_alternative_text(desk: Desk, real_image: MediaFile) -> None:
    ref = desk.publish(desk.job("with a picture", media=(real_image,)))
    seen = desk.stranger(ref)
    assert compare("with a picture", (real_image,), seen).matches
    assert not compare("with a picture", (), seen).matches


def test_a_thread_of_three_hangs_together(desk: Desk) -> None:
    key = str(uuid.uuid4())
    root = desk.publish(desk.job("one", key=key))
    second = desk.publish(desk.job("two", key=key, index=1, parent=root, root=root))
    third = desk.publish(desk.job("three", key=key, index=2, parent=second, root=root))
    post = desk.adapter.fetch(desk.cred, third.remote_id)
    assert post is not None and post.reply_to == second.remote_id
    timeline = desk.adapter.recent(desk.cred, datetime.now(UTC) - timedelta(minutes=1))
    assert [one.text for one in timeline.posts[:3]] == ["three", "two", "one"]


def test_a_repeat_at_the_same_key_makes_one_record_and_never_overwrites(desk: Desk) -> None:
    job = desk.job("once and only once")
    first = desk.publish(job)
    assert desk.publish(job) == first
    racers = [threading.Thread(target=desk.publish, args=(job,)) for _ in range(2)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    posts = desk.adapter.recent(desk.cred, datetime.now(UTC) - timedelta(minutes=1)).posts
    assert [one.text for one in posts].count("once and only once") == 1
    with pytest.raises(DuplicateRefused):
        desk.publish(PartJob(job.key, 0, "another text", job.composed_at, handle=job.handle))
    assert compare("once and only once", (), desk.stranger(first)).matches


def test_who_may_answer_and_quote_goes_out_with_the_post_and_is_proved(desk: Desk) -> None:
    options = {
        "who_can_reply": "mentioned",
        "no_quotes": True,
        "content_label": "graphic-media",
        "languages": ["de", "en"],
    }
    job = desk.job("gated", options=options)
    ref = desk.publish(job)
    names = frozenset(options)
    seen = look(
        desk.http,
        desk.config.platform,
        desk.config,
        url="",
        remote_id=ref.remote_id,
        instance=desk.cred.instance,
        options=names,
    )
    asked = AskedFor(BlueskyOptions, options)
    assert compare_options(asked, seen.options) == ([], [])
    assert len(compare_options(AskedFor(BlueskyOptions, {}), seen.options)[0]) == 3, (
        "the comparison can see a difference"
    )
    assert desk.publish(job) == ref, "a repeat finds that the whole commit is there"
    posts = desk.adapter.recent(desk.cred, datetime.now(UTC) - timedelta(minutes=1)).posts
    assert [one.text for one in posts].count("gated") == 1


def test_a_quote_names_the_quoted_post(desk: Desk) -> None:
    first = desk.publish(desk.job("quoted"))
    ref = desk.publish(desk.job("quoting", options={"quote": first.url}))
    post = desk.adapter.fetch(desk.cred, ref.remote_id)
    assert post is not None and post.options["quote"] == first.remote_id


def test_what_was_sent_is_found_after_a_lost_reply_and_absence_is_proved(desk: Desk) -> None:
    job = desk.job("the reply to this was lost")
    search = Search(job, datetime.now(UTC))
    assert desk.adapter.locate(desk.cred, search).state is SightingState.ABSENT

    class Lost(Exception):
        pass

    def lose(phase: str) -> None:
        if phase == "request_sent":
            raise Lost

    lossy = BlueskyAdapter(desk.http.bound(checkpoint=lose), desk.config)
    with pytest.raises((Lost, OutcomeUnknown)):
        lossy.finalize(desk.cred, job, desk.adapter.submit(desk.cred, job))
    # The bytes have left; the server needs a moment for them. Asking is bounded, and every asking is a real one.
    wait_until(lambda: desk.adapter.locate(desk.cred, search).state is SightingState.FOUND)
    sighting = desk.adapter.locate(desk.cred, search)
    assert sighting.post is not None
    assert sighting.post.ref == desk.publish(job)


def test_the_server_refuses_what_preflight_refuses(desk: Desk) -> None:
    text = "x" * 301
    assert not desk.adapter.preflight(Draft((Part(text),)), desk.adapter.limits(desk.cred)).ok
    with pytest.raises(PostRejected):
        desk.publish(desk.job(text))


def test_engagement_is_unknown_without_an_appview(desk: Desk) -> None:
    assert counts_of(desk.adapter, desk.cred, desk.publish(desk.job("count me")).remote_id) == Counts()


def test_a_session_is_renewed_and_a_wrong_password_needs_a_person(desk: Desk) -> None:
    fresh = desk.adapter.refresh(desk.cred)
    # Two access tokens of the same second are the same letters, so only the refresh token shows the rotation.
    assert fresh.refresh_token != desk.cred.refresh_token and fresh.expires_at is not None
    assert desk.adapter.identify(fresh).remote_id == desk.cred.remote_id
    signed_in = desk.adapter.refresh(Credentials("", "broken", instance=desk.cred.instance, secret=desk.cred.secret))
    assert signed_in.remote_id == desk.cred.remote_id
    wrong = {"identifier": desk.cred.name, "password": "wrong"}
    with pytest.raises(ReconnectNeeded):
        desk.adapter.refresh(Credentials("", instance=desk.cred.instance, secret=wrong))


def test_a_deleted_post_is_gone_for_everybody(desk: Desk) -> None:
    ref = desk.publish(desk.job("soon gone"))
    assert desk.stranger(ref).verdict is Verdict.FOUND
    desk.adapter.delete(desk.cred, ref.remote_id)
    assert desk.stranger(ref).verdict is Verdict.GONE


def test_a_gallery_of_ten_keeps_its_order(desk: Desk, real_image: MediaFile) -> None:
    files = tuple(replace(real_image, alt=f"Picture {number}") for number in range(10))
    ref = desk.publish(desk.job("ten pictures", media=files))
    seen = desk.stranger(ref)
    assert compare("ten pictures", files, seen).matches
    assert not compare("ten pictures", files[::-1], seen).matches


def test_a_link_card_is_proved_with_its_picture(desk: Desk, real_image: MediaFile) -> None:
    kept = CardPicture(real_image.sha256, real_image.mime, real_image.width, real_image.height, real_image.size)
    card = LinkCard("https://example.org/", "A title", "A description", kept)
    text = "look at https://example.org/"
    ref = desk.publish(desk.job(text, card=card, card_picture=real_image))
    seen = desk.stranger(ref)
    assert compare(text, (), seen, card=card).matches
    assert not compare(text, (), seen, card=replace(card, title="Another title")).matches


def test_a_video_with_subtitles_is_proved_with_their_language(desk: Desk, tmp_path: Path) -> None:
    path = make(tmp_path / "clip.mp4")
    facts = inspect(path)
    video = MediaFile(
        1, facts.kind, facts.mime, path.stat().st_size, facts.width, facts.height, "a" * 64, str(path), "A clip", 1.0
    )
    spoken = tmp_path / "clip.de.vtt"
    spoken.write_text("WEBVTT\n\n00:00:00.000 --> 00:00:00.500\nGuten Tag\n")
    size = spoken.stat().st_size
    track = MediaFile(2, MediaKind.SUBTITLES, "text/vtt", size, 0, 0, "b" * 64, str(spoken), name="clip.de.vtt")
    ref = desk.publish(desk.job("a clip", media=(video, track)))
    post = desk.adapter.fetch(desk.cred, ref.remote_id)
    assert post is not None and compare("a clip", (video, track), post).matches
    other = replace(track, name="clip.fr.vtt")
    assert not compare("a clip", (video, other), post).matches
