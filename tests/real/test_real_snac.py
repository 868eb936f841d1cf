"""The adapter and the probe against a real snac (a Fediverse server with Mastodon's client API)."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from postprober.domain.account import Credentials
from postprober.domain.options import AskedFor
from postprober.domain.options import compare as compare_options
from postprober.domain.platform import PlatformConfig
from postprober.domain.post import Draft, MediaFile, Part
from postprober.domain.public_look import Look, Verdict
from postprober.domain.remote import PartJob, Ref, Search, SightingState
from postprober.errors import OutcomeUnknown, PostRejected, ReconnectNeeded
from postprober.http import HttpClient
from postprober.platforms.common.adapter import READY
from postprober.platforms.mastodon.adapter import MastodonAdapter
from postprober.platforms.mastodon.options import MastodonOptions
from postprober.probe.compare import compare
from postprober.probe.public import look
from tests.platforms.adapter_kit import counts_of


class Desk:
    """Publishes as alice, remembers what has to be deleted, and deletes it on snac's own page (its API cannot)."""

    def __init__(self, http: HttpClient, config: PlatformConfig, cred: Credentials, password: str) -> None:
        self.http, self.config, self.password = http, config, password
        self.adapter = MastodonAdapter(http, config)
        identity = self.adapter.identify(cred)
        self.cred = Credentials(
            cred.access_token, remote_id=identity.remote_id, name=identity.name, instance=cred.instance
        )

    def job(self, text: str, *, key: str = "", index: int = 0, **more: object) -> PartJob:
        key, now = key or str(uuid.uuid4()), datetime.now(UTC)
        return PartJob(key, index, text, now, handle=self.adapter.new_handle(key, index, now), **more)  # type: ignore[arg-type]

    def publish(self, job: PartJob) -> Ref:
        staged = self.adapter.submit(self.cred, job)
        assert self.adapter.check(self.cred, staged) == READY
        return self.adapter.finalize(self.cred, job, staged).ref

    def stranger(self, ref: Ref) -> Look:
        return look(
            self.http,
            self.config.platform,
            self.config,
            url=ref.url,
            remote_id=ref.remote_id,
            instance=self.cred.instance,
            author=self.cred.name,
        )

    def clear(self) -> None:
        for post in self.adapter.recent(self.cred, datetime.now(UTC) - timedelta(days=1)).posts:
            delete_on_page(self.cred.instance, "alice", self.password, post.ref.url)
        assert self.adapter.recent(self.cred, datetime.now(UTC) - timedelta(days=1)).posts == ()


def delete_on_page(snac: str, user: str, password: str, post_url: str) -> None:
    """Press "Delete" below a post, as its author does in the browser (HTTP Basic sign-in)."""
    form = {"id": post_url, "action": "Delete", "actor": f"{snac}/{user}", "redir": ""}
    answer = httpx2.post(f"{snac}/{user}/admin/action", data=form, auth=(user, password), trust_env=False)
    assert answer.status_code in (200, 303), answer.text


@pytest.fixture
def desk(
    real_http: HttpClient, mastodon_config: PlatformConfig, alice: Credentials, snac_passwords: dict[str, str]
) -> Iterator[Desk]:
    desk = Desk(real_http, mastodon_config, alice, snac_passwords["alice"])
    yield desk
    desk.clear()


def test_text_with_link_mention_cjk_and_emoji_is_proved_live(desk: Desk) -> None:
    text = "Hello @bob, 日本語 🎉 https://example.com/a?b=1&c=2 #launch\n\nsecond *paragraph* & more"
    assert desk.adapter.preflight(Draft((Part(text),)), desk.adapter.limits(desk.cred)).ok
    ref = desk.publish(desk.job(text))
    owner = desk.adapter.fetch(desk.cred, ref.remote_id)
    assert owner is not None and compare(text, (), owner, author="alice").matches
    seen = desk.stranger(ref)
    assert seen.verdict is Verdict.FOUND and compare(text, (), seen).matches
    assert compare(text.replace("Hello", "Goodbye"), (), seen).matches is False, "the comparison can see a difference"
    assert desk.adapter.identify(desk.cred).newest_known_post == ref.remote_id


def test_what_its_page_swallows_is_seen(desk: Desk) -> None:
    """snac 2.75 does not escape `<b>` on its pages: readers do not see it, though its API has it."""
    text = "Write <b>bold</b> like this"
    ref = desk.publish(desk.job(text))
    owner = desk.adapter.fetch(desk.cred, ref.remote_id)
    assert owner is not None and compare(text, (), owner).matches
    seen = desk.stranger(ref)
    assert seen.verdict is Verdict.FOUND and compare(text, (), seen).matches is False


def test_an_image_is_proved_with_its_alternative_text(desk: Desk, real_image: MediaFile) -> None:
    ref = desk.publish(desk.job("with a picture", media=(real_image,)))
    owner = desk.adapter.fetch(desk.cred, ref.remote_id)
    assert owner is not None and compare("with a picture", (real_image,), owner).matches
    seen = desk.stranger(ref)
    assert seen.media is not None and compare("with a picture", (real_image,), seen).matches
    assert compare("with a picture", (), seen).matches is False


def test_what_it_knows_of_options_is_proved_and_what_it_ignores_is_told(desk: Desk) -> None:
    options = {"content_warning": "Spoilers", "poll_choices": ["Yes", "No"], "poll_minutes": 60}
    ref = desk.publish(desk.job("Is it good?", options=options))
    post = desk.adapter.fetch(desk.cred, ref.remote_id)
    assert post is not None
    differences, _ = compare_options(AskedFor(MastodonOptions, options), post.options)
    assert differences == ["Poll choices is shown as “none” and was sent as “Yes, No”."], (
        "it drops polls without a word"
    )
    assert desk.adapter.limits(desk.cred).poll is not None, "and it says that it takes them, so only the proof can tell"


def test_a_thread_of_three_hangs_together(desk: Desk) -> None:
    key = str(uuid.uuid4())
    root = desk.publish(desk.job("part one", key=key))
    second = desk.publish(desk.job("part two", key=key, index=1, parent=root, root=root))
    third = desk.publish(desk.job("part three", key=key, index=2, parent=second, root=root))
    post = desk.adapter.fetch(desk.cred, third.remote_id)
    assert post is not None and post.reply_to == second.remote_id
    for part, ref in (("part one", root), ("part two", second), ("part three", third)):
        assert compare(part, (), desk.stranger(ref)).matches


def test_a_favourite_of_another_person_is_counted(desk: Desk, bob: Credentials) -> None:
    ref = desk.publish(desk.job("please like this, @bob"))
    before = counts_of(desk.adapter, desk.cred, ref.remote_id)
    assert before.likes == 0
    waiting, tick = datetime.now(UTC) + timedelta(seconds=30), threading.Event()
    # bob can favourite once the post has reached him, which takes snac's queue up to 9 s.
    while not _favourite(desk, bob, ref) or counts_of(desk.adapter, desk.cred, ref.remote_id).likes != 1:
        assert datetime.now(UTC) < waiting, "the favourite did not arrive within 30 s"
        tick.wait(0.3)
    assert counts_of(desk.adapter, desk.cred, ref.remote_id).likes == 1


def _favourite(desk: Desk, bob: Credentials, ref: Ref) -> bool:
    url = f"{desk.cred.instance}/api/v1/statuses/{ref.remote_id}/favourite"
    try:
        return desk.http.send("POST", url, headers={"Authorization": f"Bearer {bob.access_token}"}).ok
    except OutcomeUnknown:
        return False


def test_what_was_sent_is_found_after_a_lost_reply_and_absence_is_proved(desk: Desk) -> None:
    before = desk.publish(desk.job("an earlier post"))
    job = desk.job("the reply to this was lost, @bob https://example.org/x?y=1&z=2")
    search = Search(job, datetime.now(UTC), newest_known_post=before.remote_id)
    assert desk.adapter.locate(desk.cred, search).state is SightingState.ABSENT

    class Lost(Exception):
        pass

    def lose(phase: str) -> None:
        if phase == "reply_headers":
            raise Lost

    lossy = MastodonAdapter(desk.http.bound(checkpoint=lose), desk.config)
    with pytest.raises((Lost, OutcomeUnknown)):
        lossy.finalize(desk.cred, job, desk.adapter.submit(desk.cred, job))
    sighting = desk.adapter.locate(desk.cred, search)
    assert sighting.state is SightingState.FOUND and sighting.post is not None
    exclude = Search(
        job, search.since, newest_known_post=before.remote_id, exclude=frozenset({sighting.post.ref.remote_id})
    )
    assert desk.adapter.locate(desk.cred, exclude).state is SightingState.ABSENT
    stale = Search(desk.job("never sent"), search.since, newest_known_post="no-such-post")
    assert desk.adapter.locate(desk.cred, stale).state is SightingState.UNSURE


def test_its_limits_come_from_version_1_of_the_instance_page(desk: Desk) -> None:
    limits = desk.adapter.limits(desk.cred)
    assert limits.max_length == 100_000 and limits.url_length == 32


def test_a_bad_token_needs_a_person(desk: Desk) -> None:
    bad = Credentials("bad-token", remote_id=desk.cred.remote_id, instance=desk.cred.instance)
    with pytest.raises(ReconnectNeeded):
        desk.adapter.identify(bad)
    job = desk.job("must not appear")
    with pytest.raises(ReconnectNeeded):
        desk.adapter.finalize(bad, job, desk.adapter.submit(bad, job))


def test_deleting_by_program_is_refused_with_a_sentence_and_on_the_page_it_works(desk: Desk) -> None:
    ref = desk.publish(desk.job("soon gone"))
    with pytest.raises(PostRejected, match="does not let programs delete"):
        desk.adapter.delete(desk.cred, ref.remote_id)
    assert desk.stranger(ref).verdict is Verdict.FOUND
    delete_on_page(desk.cred.instance, "alice", desk.password, ref.url)
    assert desk.stranger(ref).verdict is Verdict.GONE
    desk.adapter.delete(desk.cred, ref.remote_id)
    assert desk.adapter.fetch(desk.cred, ref.remote_id) is None
